"""Labelled sets: folders of clean and degraded photos that belong together by name.

Finding and reading them is here, and nothing is written; `restorecli.bench.make_dataset` makes one.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from restorecli.errors import DatasetError
from restorecli.metrics import WINDOW
from restorecli.options import SCALES
from restorecli.photo import READABLE, Photo

CLEAN, DEGRADED, TABLE = "clean", "degraded", "pairs.csv"
CLEAN_NAMES = (CLEAN, "gt", "target", "hr", "hq", "groundtruth", "ground_truth")
DEGRADED_NAMES = (DEGRADED, "lq", "input", "lr", "noisy")
_SCALE = re.compile(r"x[24]$", re.IGNORECASE)  # as in DIV2K's names
_SHOWN = 3  # names in a message about many
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A degraded photo and what it should have been.

    Attributes:
        name: Path below either folder without its suffix, such as `"017"` or `"summer/017"`.
        clean: The original.
        degraded: What a restoration is given.
        family: Kind of pattern by the set's `pairs.csv`, or None.
    """

    name: str
    clean: Path
    degraded: Path
    family: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class PhotoPair:
    """A pair that was read; `clean` is `scale` times the size of `degraded`."""

    clean: Photo
    degraded: Photo
    scale: int


def find(folder: Path) -> tuple[Pair, ...]:
    """Find the pairs of a set by their names, whatever their order and suffixes.

    Args:
        folder: Holds two folders, such as `clean` and `degraded`, `gt` and `lq`, `target` and
            `input`, `HR` and `LR`, in any case; below them photos to any depth. A degraded photo
            may be called as sets for super-resolution do it, `0001x2` for `0001`. An optional
            `pairs.csv` with the columns `name` and `family` names the patterns.

    Returns:
        At least one pair, sorted by name.

    Raises:
        DatasetError: There is no such set, a photo has no partner, or two have one name.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder. Give one with clean/ and degraded/ in it.")
    clean = _photos(_part(folder, CLEAN_NAMES))
    degraded = _without_scale(_photos(_part(folder, DEGRADED_NAMES)), clean)
    alone = sorted(clean.keys() ^ degraded.keys())
    if alone:
        raise DatasetError(
            f"{folder}: {len(alone)} of {len(clean | degraded)} names have no partner "
            f"({shortened(alone)}). Each clean photo needs a degraded one of the same name."
        )
    if not clean:
        raise DatasetError(f"{folder}: no photos in its two folders. Put pairs of photos there.")
    families = _families(folder / TABLE)
    return tuple(
        Pair(name=name, clean=clean[name], degraded=degraded[name], family=families.get(name))
        for name in sorted(clean)
    )


def read(pair: Pair) -> PhotoPair:
    """Read both photos of a pair and check that they fit.

    Raises:
        DatasetError: Sizes that do not fit, or too small to be scored.
        PhotoReadError: One of them cannot be read.
        PhotoTooLargeError: One of them is larger than photos may be.
    """
    clean, degraded = Photo.read(pair.clean), Photo.read(pair.degraded)
    for scale in SCALES:
        if (clean.height, clean.width) == (scale * degraded.height, scale * degraded.width):
            break
    else:
        raise DatasetError(
            f"{pair.clean}: {clean.width}×{clean.height}, and {pair.degraded} "
            f"{degraded.width}×{degraded.height}. Clean must be 1, 2 or 4 times as large."
        )
    if min(clean.height, clean.width) < WINDOW:
        raise DatasetError(
            f"{pair.clean}: {clean.width}×{clean.height} is too small to be scored. "
            f"Use photos of at least {WINDOW}×{WINDOW}."
        )
    return PhotoPair(clean=clean, degraded=degraded, scale=scale)


def spread(items: Sequence[ItemT], limit: int | None) -> tuple[ItemT, ...]:
    """Take at most `limit` items, evenly spread, in their order; None takes all."""
    if limit is None or limit >= len(items):
        return tuple(items)
    return tuple(items[index * len(items) // limit] for index in range(limit))


def photos_below(folder: Path) -> Iterator[Path]:
    """Find the files below a folder that look like photos, hidden ones left out, sorted."""
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inner.parts)
        if path.suffix.lower() in READABLE and not hidden and path.is_file():
            yield path


def name_of(path: PurePath) -> str:
    """Name a photo within its set: no suffix, `/` between folders, composed Unicode.

    Some file systems keep letters and their accents apart; a copy of a set must still pair up.
    """
    return unicodedata.normalize("NFC", path.with_suffix("").as_posix())


def shortened(names: Sequence[str]) -> str:
    """The first few of many names, for a message."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _part(folder: Path, names: Sequence[str]) -> Path:
    folders = [
        path for path in sorted(folder.iterdir()) if path.name.lower() in names and path.is_dir()
    ]
    if not folders:
        raise DatasetError(
            f"{folder}: no folder named {' or '.join(names[:4])} in it. "
            f"A labelled set has clean/ and degraded/."
        )
    if len(folders) > 1:
        both = " and ".join(path.name for path in folders)
        raise DatasetError(f"{folder}: both {both} are there. Keep one of them.")
    return folders[0]


def _photos(folder: Path) -> dict[str, Path]:
    photos: dict[str, Path] = {}
    for path in photos_below(folder):
        name = name_of(path.relative_to(folder))
        if name in photos:
            raise DatasetError(f"{photos[name]} and {path.name} have one name. Remove one of them.")
        photos[name] = path
    return photos


def _without_scale(degraded: dict[str, Path], clean: Mapping[str, Path]) -> dict[str, Path]:
    """Call small photos by the name of their large ones where only `x2` or `x4` is added."""
    renamed: dict[str, Path] = {}
    for name, path in degraded.items():
        plain = _SCALE.sub("", name)
        known = name if name in clean or plain not in clean else plain
        if known in renamed:
            raise DatasetError(
                f"{renamed[known]} and {path.name} have one partner, {clean[known]}. "
                "Keep one scale."
            )
        renamed[known] = path
    return renamed


def _families(table: Path) -> dict[str, str]:
    """Read the families by photo; those of a table without that column are unknown."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table}: not readable ({error}). Repair or remove it.") from error
    if rows and "name" not in rows[0]:
        raise DatasetError(f"{table}: no column called name. Add it or remove the file.")
    families = {}
    for row in rows:
        name = PurePath(row["name"] or "")
        known = name.suffix.lower() in READABLE
        if row.get("family"):
            families[name_of(name if known else PurePath(f"{name}.png"))] = row["family"]
    return families
