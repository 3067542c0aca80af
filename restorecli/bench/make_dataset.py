"""Making a labelled set from clean photos: what `restore degrade` does.

The rule is the paper's: a repeating pattern so strong that the SSIM to the clean photo is at most
0.5, while the outline can still be made out. Equal photos, seed and versions give equal bytes.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from restorecli.bench.dataset import (
    CLEAN,
    DEGRADED,
    TABLE,
    name_of,
    photos_below,
    shortened,
    spread,
)
from restorecli.degrade import DegradeConfig, degrade
from restorecli.errors import DatasetError, NothingToDoError, PlanError, RestoreError
from restorecli.metrics import WINDOW, ssim
from restorecli.options import LEAST_SSIM
from restorecli.photo import Photo, files

ATTEMPTS = 24
_FIRM = 6  # attempts at the plain strength, before it grows
_GROWTH = 1.15
COLUMNS = ("name", "ssim_in", "family", "mode", "contrast", "sigma", "strength", "seed", "source")


@dataclass(frozen=True, kw_only=True)
class Label:
    """One line of `pairs.csv`.

    Attributes:
        name: Of the pair, as in `dataset.Pair`.
        ssim_in: SSIM of the degraded photo to the clean one.
        family: Of the first pattern.
        mode: How it lies over the photo: `"add"`, `"multiply"` or `"overlay"`.
        contrast: Of the first pattern, in [0, 1].
        sigma: Standard deviation of the noise, in [0, 1] units.
        strength: Factor on the contrast that this photo needed.
        seed: That the photo was degraded with.
        source: Path of the clean photo below the folder it came from.
    """

    name: str
    ssim_in: float
    family: str
    mode: str
    contrast: float
    sigma: float
    strength: float
    seed: int
    source: str


@dataclass(frozen=True, kw_only=True)
class MadeSet:
    """What was made, and which photos were not, with a reason each."""

    labels: tuple[Label, ...]
    failures: tuple[tuple[str, str], ...]

    @property
    def exit_code(self) -> int:
        """0 if every photo was made into a pair."""
        return 1 if self.failures else 0


def make(
    clean_folder: Path,
    target: Path,
    *,
    seed: int,
    max_ssim: float = 0.5,
    count: int | None = None,
    overwrite: bool = False,
    progress: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> MadeSet:
    """Make a labelled set: `clean/`, `degraded/` and `pairs.csv`.

    What happens to a photo depends on `seed` and on its name alone, not on the others. A photo that
    cannot be used does not stop the rest. Nothing is deleted.

    Args:
        clean_folder: Clean photos to any depth; the tree is kept.
        target: Folder of the set; made if it is missing, with its parents.
        seed: Any integer; another one, another set.
        max_ssim: Each degraded photo is at most this similar to its clean one.
        count: At most so many photos, evenly spread over the folder; None takes all.
        overwrite: An earlier set of the same photos may be replaced.
        progress: Passes the paths on, so that a bar can be drawn.

    Returns:
        What was made, in the order of the names.

    Raises:
        DatasetError: No such folder, two photos of one name, or a target that holds something else.
        NothingToDoError: No photos.
        PhotoWriteError: Nothing can be written there.
        PlanError: The target lies in the folder of clean photos, or `max_ssim` is out of bounds.
    """
    if not LEAST_SSIM < max_ssim <= 1:
        raise PlanError(f"max ssim {max_ssim:g}: must lie above {LEAST_SSIM:g} and be at most 1.")
    sources = _sources(clean_folder, count)
    _check_target(clean_folder, target, set(sources), overwrite)
    files.try_folder(target)
    for folder in {(target / part / name).parent for part in (CLEAN, DEGRADED) for name in sources}:
        files.remove_stale(folder)
    labels: list[Label] = []
    failures: list[tuple[str, str]] = []
    names = {path: name for name, path in sources.items()}
    for path in progress(list(names)):
        source = path.relative_to(clean_folder).as_posix()
        try:
            labels.append(_make_pair(path, names[path], source, target, seed, max_ssim, overwrite))
        except RestoreError as error:
            failures.append((source, str(error)))
            if files.is_of_the_disk(error):
                break
        except (OSError, MemoryError) as error:
            failures.append((source, f"{source}: {str(error) or type(error).__name__}"))
    if labels:
        _write_table(target / TABLE, labels)
    return MadeSet(labels=tuple(labels), failures=tuple(failures))


def _sources(folder: Path, count: int | None) -> dict[str, Path]:
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder. Give one with clean photos in it.")
    sources: dict[str, Path] = {}
    for path in photos_below(folder):
        name = name_of(path.relative_to(folder))
        if name in sources:
            raise DatasetError(
                f"{sources[name]} and {path.name} would make one pair. Rename one of them."
            )
        sources[name] = path
    if not sources:
        raise NothingToDoError(f"{folder}: no photos in it. Give a folder of clean photos.")
    return dict(spread(sorted(sources.items()), count))


def _check_target(clean_folder: Path, target: Path, names: set[str], overwrite: bool) -> None:
    source, place = clean_folder.resolve(), target.resolve()
    if place == source or source in place.parents:
        raise PlanError(f"{target}: lies in {clean_folder}. Give a folder outside of it.")
    if target.exists() and not target.is_dir():
        raise DatasetError(f"{target}: not a folder. Give another one.")
    if not target.is_dir() or not any(target.iterdir()):
        return
    if not overwrite:
        raise DatasetError(f"{target}: not empty. Give an empty folder, or use --overwrite.")
    there = {
        f"{part}/{name_of(path.relative_to(target / part))}{path.suffix}"
        for part in (CLEAN, DEGRADED)
        for path in photos_below(target / part)
    }
    others = sorted(there - {f"{part}/{name}.png" for part in (CLEAN, DEGRADED) for name in names})
    if others:
        raise DatasetError(
            f"{target}: holds photos that the new set does not have ({shortened(others)}). "
            f"Give an empty folder."
        )


def _make_pair(
    path: Path, name: str, source: str, target: Path, seed: int, max_ssim: float, overwrite: bool
) -> Label:
    original = Photo.read(path)
    profile = original.metadata.of_colours()
    photo = Photo.from_image(original.image(), str(path))
    clean, degraded, label = _degrade(photo, name, source, seed, max_ssim)
    for part, picture in ((CLEAN, clean), (DEGRADED, degraded)):
        file = target / part / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Photo(pixels=picture.pixels, metadata=profile, name=picture.name).write(
            file, overwrite=overwrite
        )
    return label


def _degrade(
    photo: Photo, name: str, source: str, seed: int, max_ssim: float
) -> tuple[Photo, Photo, Label]:
    """Draw until the rule is met; the outline may only be lost if no draw kept it.

    Returns:
        What a restoration should give back (the photo; one plate's part of it where one plate
        printed it), the degraded photo, and what was drawn.
    """
    if min(photo.height, photo.width) < WINDOW:
        raise DatasetError(
            f"{photo.name}: {photo.width}×{photo.height} is too small to be scored. "
            f"Use photos of at least {WINDOW}×{WINDOW}."
        )
    clean, best = photo.image(), None
    for attempt in range(ATTEMPTS):
        own_seed = _seed(seed, name, attempt)
        strength = _GROWTH ** max(0, attempt - _FIRM + 1)
        sample = degrade(clean, torch.tensor([own_seed]), _config(strength))
        similarity = ssim(sample.image, sample.target)
        if similarity > max_ssim or (best is not None and similarity <= best[2].ssim_in):
            continue
        label = Label(
            name=name,
            ssim_in=similarity,
            family=sample.family[0],
            mode=sample.mode[0],
            contrast=float(sample.contrast[0]),
            sigma=float(sample.sigma[0]),
            strength=strength,
            seed=own_seed,
            source=source,
        )
        best = (
            Photo.from_image(sample.target, photo.name),
            Photo.from_image(sample.image, photo.name),
            label,
        )
        if similarity >= LEAST_SSIM:
            break
    if best is None:
        raise DatasetError(
            f"{photo.name}: none of {ATTEMPTS} patterns brought its SSIM down to {max_ssim:g}. "
            f"Use a higher --max-ssim."
        )
    return best


def _config(strength: float) -> DegradeConfig:
    """Patterns and noise as on the paper's photos: all of them, none faint, none dimmed."""
    return DegradeConfig(
        clean=0, plain=0, mild=0, soften=0, dimmed=0, sigma=0.05, strength=strength
    )


def _seed(seed: int, name: str, attempt: int) -> int:
    digest = hashlib.sha256(f"{seed}\n{attempt}\n{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1  # 63 bits: an int64 that is not negative


def _write_table(path: Path, labels: Sequence[Label]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for label in labels:
        values = (getattr(label, column) for column in COLUMNS)
        writer.writerow(f"{value:.4f}" if isinstance(value, float) else value for value in values)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text.getvalue(), encoding="utf-8", newline="")
    partial.replace(path)
