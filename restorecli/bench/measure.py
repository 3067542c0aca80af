"""How well photos are restored: scores and seconds over a labelled set, beside classical filters.

Measuring is here, tables and files of the result are in `restorecli.bench.table`. What restores is
given by the caller; nothing here knows a network.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch.nn import functional as F

from restorecli.bench.baselines import BASELINES
from restorecli.bench.dataset import Pair, PhotoPair, find, read, spread
from restorecli.errors import DatasetError, PlanError, RestoreError
from restorecli.host import give_back
from restorecli.metrics import METRICS
from restorecli.options import STAGES, Options, Stage
from restorecli.photo import Photo

Restore = Callable[[Photo, Options], Photo]
Watch = Callable[["Row", PhotoPair, Photo], object]
FULL = "restore"  # name of the row with all steps
RESAMPLES = 2_000
_AT_ONCE = 200  # resamples
_FAILURES = (RestoreError, OSError, MemoryError)  # of one pair; what else escapes is a bug


@dataclass(frozen=True, kw_only=True)
class Row:
    """One photo under one method.

    Attributes:
        name: Of the pair.
        family: Of its pattern, or None if the set does not say.
        method: `"restore"`, an ablation such as `"denoise+faces"`, or a baseline.
        scale: Size of the clean photo over the degraded one.
        scores: By metric; PSNR is infinite where the result is exact.
        seconds: From photo to photo, without reading and writing.
        megapixels: Of the degraded photo.
    """

    name: str
    family: str | None
    method: str
    scale: int
    scores: Mapping[str, float]
    seconds: float
    megapixels: float


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A pair that is in no score, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and its 95 % interval, which is None for one photo and where a score is infinite."""

    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What was measured on, to stand beside the scores."""

    weights: str = "none"
    device: str = "cpu"
    precision: str = "fp32"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """All scores of one run.

    Attributes:
        dataset: Folder of the set.
        setting: Weights, device and precision.
        metrics: Names, in the order asked for.
        methods: Names, ours first.
        rows: For every scored pair one row a method; failed pairs have none.
        failures: Pairs that could not be scored.
    """

    dataset: str
    setting: Setting
    metrics: tuple[str, ...]
    methods: tuple[str, ...]
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]

    @property
    def exit_code(self) -> int:
        """0 if every pair was scored."""
        return 1 if self.failures else 0

    @property
    def count(self) -> int:
        """Number of pairs that were scored."""
        return len(self.rows) // len(self.methods)

    @property
    def families(self) -> tuple[str, ...]:
        """Pattern families that the set names, sorted."""
        return tuple(sorted({row.family for row in self.rows if row.family is not None}))

    def of(self, method: str, family: str | None = None) -> tuple[Row, ...]:
        """The rows of a method, all of them or those of one family."""
        return tuple(
            row for row in self.rows if row.method == method and family in (None, row.family)
        )

    def estimate(self, method: str, metric: str, family: str | None = None) -> Estimate:
        """Mean score of a method with its interval; see `estimate`."""
        return estimate([row.scores[metric] for row in self.of(method, family)])

    def seconds_per_photo(self, method: str) -> float:
        """Mean time of a photo."""
        return sum(row.seconds for row in self.of(method)) / self.count

    def megapixels_per_second(self, method: str) -> float:
        """Degraded pixels over the time they took; infinite if the clock saw none."""
        rows = self.of(method)
        seconds = sum(row.seconds for row in rows)
        return sum(row.megapixels for row in rows) / seconds if seconds else float("inf")


def run_bench(
    dataset: Path,
    restore: Restore,
    *,
    setting: Setting,
    metrics: Sequence[str] = ("ssim", "psnr"),
    stages: Sequence[tuple[Stage, ...]] = (STAGES,),
    baselines: Sequence[str] = tuple(BASELINES),
    options: Options | None = None,
    limit: int | None = None,
    progress: Callable[[Sequence[Pair]], Iterable[Pair]] = iter,
    watch: Watch | None = None,
) -> Bench:
    """Score a restoration and the classical filters on a labelled set.

    A pair that cannot be read or restored is counted and left out of all means, so that all methods
    are compared on the same photos. The scale is that of the pair, whatever `options` says.

    Args:
        dataset: Folder as in `dataset.find`.
        restore: From a photo and options to the restored photo, such as a `Restorer`.
        setting: Printed with the result.
        metrics: Keys of `METRICS`.
        stages: One row each; all steps make the row `"restore"`, fewer an ablation.
        baselines: Keys of `BASELINES`; one row each.
        options: For `restore`, apart from its scale and stages.
        limit: At most so many pairs, evenly spread; None takes all.
        progress: Passes the pairs on, so that a bar can be drawn.
        watch: Is shown every scored row of the first method with its pair and the result.

    Raises:
        DatasetError: No labelled set, or none of its pairs could be scored.
        PlanError: An unknown metric or baseline.
        ValueError: `restore` gave a photo of another size than the clean one.
    """
    for kind, names, known in (("metric", metrics, METRICS), ("baseline", baselines, BASELINES)):
        for name in names:
            if name not in known:
                raise PlanError(f"{kind} {name}: unknown. Use some of: {', '.join(known)}.")
    methods = _methods(restore, options or Options(), stages, baselines)
    pairs = spread(find(dataset), limit)
    rows: list[Row] = []
    failures: list[Failure] = []
    for measurement in measure(progress(pairs), methods, tuple(dict.fromkeys(metrics)), watch):
        if isinstance(measurement, Failure):
            failures.append(measurement)
        else:
            rows += measurement
    if not rows:
        raise DatasetError(
            f"{dataset}: none of {len(failures)} pairs could be scored. "
            f"The first one: {failures[0].reason}"
        )
    return Bench(
        dataset=str(dataset),
        setting=setting,
        metrics=tuple(dict.fromkeys(metrics)),
        methods=tuple(methods),
        rows=tuple(rows),
        failures=tuple(failures),
    )


def measure(
    pairs: Iterable[Pair],
    methods: Mapping[str, Restore],
    metrics: Sequence[str],
    watch: Watch | None = None,
) -> Iterator[tuple[Row, ...] | Failure]:
    """Yield for each pair its rows, one a method, or why there are none.

    The first pair is restored once before the clock runs, since libraries prepare themselves then.
    """
    warm, first = False, next(iter(methods))
    for pair in pairs:
        try:
            photos = read(pair)
            if not warm:
                for method in methods.values():
                    method(photos.degraded, Options(scale=photos.scale))
            rows = tuple(
                _row(pair, photos, name, method, metrics, watch if name == first else None)
                for name, method in methods.items()
            )
        except _FAILURES as error:
            yield Failure(name=pair.name, reason=str(error) or type(error).__name__)
        else:
            warm = True
            give_back()
            yield rows


def estimate(scores: Sequence[float]) -> Estimate:
    """Mean with the 95 % interval of the percentile bootstrap, over seeded resamples.

    Equal numbers of photos are resampled alike, so the methods of one table share their luck.
    """
    values = np.asarray(scores, dtype=np.float64)
    mean = float(values.mean())
    if len(values) < 2 or not np.isfinite(values).all():
        return Estimate(mean=mean, interval=None)
    generator = np.random.default_rng(0)
    parts = []
    for _ in range(0, RESAMPLES, _AT_ONCE):
        resampled = generator.integers(0, len(values), (_AT_ONCE, len(values)), dtype=np.int32)
        parts.append(values[resampled].mean(axis=1))
    low, high = np.percentile(np.concatenate(parts), (2.5, 97.5))
    return Estimate(mean=mean, interval=(float(low), float(high)))


def stages_name(stages: Sequence[Stage]) -> str:
    """Name the row of some steps."""
    return FULL if set(stages) == set(STAGES) else "+".join(stages) or "no steps"


def _methods(
    restore: Restore,
    options: Options,
    stages: Sequence[tuple[Stage, ...]],
    baselines: Sequence[str],
) -> dict[str, Restore]:
    """Name every row's method, ours first; each takes its scale from the options it is given."""

    def ours(row: tuple[Stage, ...]) -> Restore:
        fixed = replace(options, stages=row)
        return lambda photo, pair: restore(photo, replace(fixed, scale=pair.scale))

    def classical(name: str) -> Restore:
        return lambda photo, pair: _filtered(photo, name, pair.scale)

    methods = {stages_name(row): ours(row) for row in stages}
    return methods | {name: classical(name) for name in baselines}


def _filtered(photo: Photo, baseline: str, scale: float) -> Photo:
    """A baseline, bicubically enlarged where the set asks for more pixels."""
    image = BASELINES[baseline](photo.image())
    if scale > 1:
        image = F.interpolate(image, scale_factor=scale, mode="bicubic")
    return Photo.from_image(image, photo.name)


def _row(
    pair: Pair,
    photos: PhotoPair,
    name: str,
    method: Restore,
    metrics: Sequence[str],
    watch: Watch | None,
) -> Row:
    start = time.perf_counter()
    result = method(photos.degraded, Options(scale=photos.scale))
    seconds = time.perf_counter() - start
    restored, clean = result.image(), photos.clean.image()
    if restored.shape != clean.shape:
        expected = f"{photos.clean.width}×{photos.clean.height}"
        raise ValueError(f"{name} gave {result.width}×{result.height} pixels, not {expected}")
    row = Row(
        name=pair.name,
        family=pair.family,
        method=name,
        scale=photos.scale,
        scores={metric: METRICS[metric](restored, clean) for metric in metrics},
        seconds=seconds,
        megapixels=photos.degraded.height * photos.degraded.width / 1e6,
    )
    if watch is not None:
        watch(row, photos, result)
    return row
