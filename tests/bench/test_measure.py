"""The bench, with made-up restorers: what is measured, what is left out, and how it is shown."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli import metrics
from restorecli.bench import measure, table
from restorecli.bench.baselines import BASELINES
from restorecli.bench.dataset import Pair
from restorecli.bench.measure import Bench, Setting
from restorecli.errors import DatasetError, DeviceError, PlanError
from restorecli.options import STAGES, Options
from restorecli.photo import Photo

SETTING = Setting(weights="0123456789ab", device="cuda:0", precision="bf16")
FEW = ("untouched", "median 5x5")


def pixels(seed: int, height: int = 24, width: int = 20) -> np.ndarray:
    shape = (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three pairs; photo `n` has `n` in the corner, so that the oracle knows it."""
    for part in ("clean", "degraded"):
        (tmp_path / part).mkdir()
    for seed in range(3):
        clean, degraded = pixels(seed), pixels(seed + 10)
        degraded[0, 0] = seed, 0, 255
        Photo(pixels=clean).write(tmp_path / "clean" / f"{seed}.png")
        Photo(pixels=degraded).write(tmp_path / "degraded" / f"{seed}.png")
    (tmp_path / "pairs.csv").write_text("name,family\n0,sine\n1,grid\n2,grid\n")
    return tmp_path


def oracle(photo: Photo, options: Options) -> Photo:
    """Knows the originals."""
    return Photo(pixels=pixels(int(photo.pixels[0, 0, 0])))


def idle(photo: Photo, options: Options) -> Photo:
    return photo


def test_rows_of_all_methods_in_order(dataset: Path) -> None:
    result = measure.run_bench(dataset, oracle, setting=SETTING)
    assert result.methods == ("restore", *BASELINES)
    assert result.metrics == ("ssim", "psnr")
    assert (result.count, len(result.rows), result.exit_code) == (3, 18, 0)
    assert [row.name for row in result.of("notch")] == ["0", "1", "2"]
    assert all(row.seconds >= 0 and row.megapixels == 480e-6 for row in result.rows)


def test_scores_are_those_of_metrics(dataset: Path) -> None:
    result = measure.run_bench(dataset, oracle, setting=SETTING, metrics=["psnr-y", "ssim", "ssim"])
    assert result.metrics == ("psnr-y", "ssim")
    assert [row.scores["ssim"] for row in result.of("restore")] == pytest.approx([1, 1, 1])
    degraded = Photo.read(dataset / "degraded" / "1.png").image()
    clean = Photo.read(dataset / "clean" / "1.png").image()
    for name, filtered in (
        ("untouched", degraded),
        ("median 5x5", BASELINES["median 5x5"](degraded)),
    ):
        assert result.of(name)[1].scores["ssim"] == pytest.approx(
            metrics.ssim(filtered, clean), abs=1e-9
        )


def test_every_row_gets_its_stages_and_the_scale_of_the_pair(tmp_path: Path) -> None:
    for scale in (1, 2, 4):
        for part, factor in (("HR", scale), ("LR", 1)):
            (tmp_path / part).mkdir(exist_ok=True)
            Photo(pixels=pixels(scale, 12 * factor, 14 * factor)).write(
                tmp_path / part / f"{scale}.png"
            )
    calls = []

    def restore(photo: Photo, options: Options) -> Photo:
        calls.append((options.stages, options.scale, options.fidelity))
        times = options.network_scale
        return photo.replaced(photo.pixels.repeat(times, 0).repeat(times, 1))

    result = measure.run_bench(
        tmp_path,
        restore,
        setting=SETTING,
        stages=[("denoise",), ("denoise", "faces"), STAGES, ()],
        options=Options(fidelity=0.25),
    )
    ours = ("denoise", "denoise+faces", "restore", "no steps")
    assert result.methods == (*ours, *BASELINES)
    assert result.of("notch")[2].scale == 4
    assert set(calls) == {
        (stages, scale, 0.25)
        for stages in [("denoise",), ("denoise", "faces"), STAGES, ()]
        for scale in (1, 2, 4)
    }


def test_a_failing_pair_is_left_out_of_every_mean(dataset: Path) -> None:
    (dataset / "degraded" / "0.png").write_bytes(b"nonsense")

    def restore(photo: Photo, options: Options) -> Photo:
        if photo.name == "2.png":
            raise DeviceError("cuda:0: out of memory. Use --tile 256.")
        return photo

    result = measure.run_bench(dataset, restore, setting=SETTING, baselines=FEW)
    assert [failure.name for failure in result.failures] == ["0", "2"]
    assert "out of memory" in result.failures[1].reason
    assert {row.name for row in result.rows} == {"1"}
    assert (result.count, result.exit_code) == (1, 1)
    text = table.to_text(result)
    assert "1 pairs scored, 2 failed:\n  0: " in text
    failures = json.loads(table.to_json(result))["failures"]
    assert [failure["name"] for failure in failures] == ["0", "2"]


@pytest.mark.parametrize("error", [OSError(), MemoryError()])
def test_if_all_pairs_fail_the_first_reason_is_told(dataset: Path, error: Exception) -> None:
    def broken(photo: Photo, options: Options) -> Photo:
        raise error

    with pytest.raises(DatasetError, match=f"none of 3 pairs .* first one: {type(error).__name__}"):
        measure.run_bench(dataset, broken, setting=SETTING, baselines=())


def test_bugs_of_a_restorer_are_not_swallowed(dataset: Path) -> None:
    def shrinks(photo: Photo, options: Options) -> Photo:
        return Photo(pixels=photo.pixels[:12])

    with pytest.raises(ValueError, match="restore gave 20×12"):
        measure.run_bench(dataset, shrinks, setting=SETTING, baselines=())


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        ({"metrics": ["lpips"]}, "metric lpips: unknown. Use some of: ssim, psnr, psnr-y."),
        ({"baselines": ["bm3d"]}, "baseline bm3d: unknown"),
    ],
)
def test_unknown_words_are_refused(dataset: Path, asked: dict[str, object], fact: str) -> None:
    with pytest.raises(PlanError, match=fact):
        measure.run_bench(dataset, idle, setting=SETTING, **asked)  # type: ignore[arg-type]


def test_the_first_pair_warms_up_and_the_limit_spreads(dataset: Path) -> None:
    names = []

    def restore(photo: Photo, options: Options) -> Photo:
        names.append(photo.name)
        return photo

    passed: list[Pair] = []

    def progress(pairs: Sequence[Pair]) -> Sequence[Pair]:
        passed.extend(pairs)
        return pairs

    measure.run_bench(dataset, restore, setting=SETTING, baselines=(), limit=2, progress=progress)
    assert names == ["0.png", "0.png", "1.png"]
    assert [pair.name for pair in passed] == ["0", "1"]


def test_the_table(dataset: Path) -> None:
    result = measure.run_bench(dataset, idle, setting=SETTING, baselines=FEW, metrics=["ssim"])
    lines = table.to_text(result).splitlines()
    assert lines[0] == f"{dataset}: 3 pairs, x1"
    assert lines[2].split() == ["method", "SSIM", "[95", "%]", "s/photo", "Mpx/s"]
    assert [line.split("  ")[0] for line in lines[3:6]] == ["restore", *FEW]
    assert len({len(line) for line in lines[2:6]}) == 1
    assert lines[7].startswith("SSIM by family  pairs  restore  untouched  median 5x5")
    assert lines[8].split()[:2] == ["grid", "2"]
    assert lines[9].split()[:2] == ["sine", "1"]
    assert lines[11] == metrics.SSIM_CONVENTION
    assert lines[12] == table.INTERVAL
    assert lines[13] == "weights 0123456789ab, device cuda:0, precision bf16"
    mean = np.mean([row.scores["ssim"] for row in result.of("restore")])
    assert f"{mean:.4f} [" in lines[3]


def test_without_families_there_is_one_table(dataset: Path) -> None:
    (dataset / "pairs.csv").unlink()
    result = measure.run_bench(dataset, idle, setting=SETTING, baselines=())
    assert result.families == ()
    assert "family" not in table.to_text(result)


def test_json_holds_everything_and_infinity_is_null(dataset: Path) -> None:
    result = measure.run_bench(dataset, oracle, setting=SETTING, baselines=FEW)
    parsed = json.loads(table.to_json(result))
    assert (parsed["pairs"], parsed["weights"], parsed["precision"]) == (3, "0123456789ab", "bf16")
    assert parsed["conventions"]["ssim"] == metrics.SSIM_CONVENTION
    ours = parsed["methods"]["restore"]
    assert ours["psnr"] == {
        "mean": None,
        "interval": None,
        "families": {"grid": None, "sine": None},
    }
    assert ours["ssim"]["mean"] == pytest.approx(1)
    low, high = parsed["methods"]["untouched"]["ssim"]["interval"]
    assert low <= parsed["methods"]["untouched"]["ssim"]["mean"] <= high
    assert len(parsed["photos"]) == 9
    assert parsed["photos"][0]["family"] == "sine"
    assert "inf" in table.to_text(result)


def test_csv_has_a_line_for_each_photo_and_method(dataset: Path) -> None:
    result = measure.run_bench(dataset, idle, setting=SETTING, baselines=FEW)
    rows = list(csv.DictReader(io.StringIO(table.to_csv(result))))
    assert [row["method"] for row in rows[:3]] == ["restore", *FEW]
    for row, known in zip(rows, result.rows, strict=True):
        assert (row["name"], row["family"]) == (known.name, known.family)
        assert float(row["ssim"]) == known.scores["ssim"]


def test_a_clock_that_stands_still_gives_infinite_speed() -> None:
    row = measure.Row(
        name="a", family=None, method="restore", scale=1, scores={}, seconds=0.0, megapixels=1.0
    )
    still = Bench(
        dataset="set",
        setting=SETTING,
        metrics=(),
        methods=("restore",),
        rows=(row,),
        failures=(),
    )
    assert still.megapixels_per_second("restore") == math.inf


scores = st.lists(st.floats(0, 1), min_size=2, max_size=30)


@settings(max_examples=10, deadline=None)
@given(values=scores, shift=st.floats(-1, 1))
def test_intervals_lie_within_the_scores_and_move_with_them(
    values: list[float], shift: float
) -> None:
    estimate = measure.estimate(values)
    assert estimate.interval is not None
    low, high = estimate.interval
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    moved = measure.estimate([value + shift for value in values])
    assert moved.interval == pytest.approx((low + shift, high + shift), abs=1e-9)
    assert measure.estimate(values) == estimate


def test_the_interval_is_near_the_one_of_theory() -> None:
    values = np.random.default_rng(1).normal(0.8, 0.1, 400)
    estimate = measure.estimate(values.tolist())
    half = 1.96 * values.std() / 20
    assert estimate.interval == pytest.approx(
        (estimate.mean - half, estimate.mean + half), abs=0.1 * half
    )


@pytest.mark.parametrize("values", [[0.5], [1.0, math.inf]])
def test_no_interval_for_one_photo_or_infinite_scores(values: list[float]) -> None:
    assert measure.estimate(values).interval is None


def test_free_memory_goes_back_after_each_pair(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    monkeypatch.setattr(measure, "give_back", lambda: given.append(1))
    measure.run_bench(dataset, idle, setting=SETTING, baselines=())
    assert len(given) == 3
