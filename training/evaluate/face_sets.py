"""Labelled faces, and what the product makes of them with and without the face step.

Degraded photos of the test set at x1; held-out photos of training, degraded, at x1 and x2. What the
product gives is kept as files, so that a stopped run goes on and nothing is restored twice.
`training.evaluate.face_groups` measures them.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from restorecli import Options, Photo, Restorer
from restorecli.degrade import FAMILIES, TRUTHS, DegradeConfig, degrade
from restorecli.networks.orsnet import bicubic
from training.data.labelled_faces import labelled_faces, window
from training.data.photo_pool import PhotoPool
from training.data.scenes import TRUSTED_SCORE

SIDES = {1: 256, 2: 384}  # px of the clean window around a held-out face, at each scale
LEAST_SIDE = 256  # of a window at any scale, where the photo is small
EYES = 5.0  # eye distances that a window is wide
HELD_OUT_SEED = 22 * 10**6
STRONG = DegradeConfig(
    families=tuple(name for name in FAMILIES if name not in TRUTHS),  # colours can come back
    clean=0, plain=0, mild=0, dimmed=0,
)  # fmt: skip
CAME = "as it came"
WITHOUT, ALL = "steps 1 and 3", "steps 1 to 3"
SETTINGS: dict[str, frozenset[str]] = {WITHOUT: frozenset({"faces"}), ALL: frozenset()}  # left out
Image3 = Float[Tensor, "1 3 h w"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Item:
    """A photo with one face to look at.

    Attributes:
        name: Of its file among what is kept.
        source: File that the photo comes from.
        scale: Of the clean picture over the degraded one.
        clean: The truth.
        degraded: What is restored.
        landmarks: Five of the face, in pixels of the clean picture.
    """

    name: str
    source: str
    scale: int
    clean: Image3
    degraded: Image3
    landmarks: Float[Tensor, "5 2"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Kept:
    """An item's clean picture, and one of each setting, at the clean one's size."""

    source: str
    clean: Image3
    pictures: dict[str, Image3]
    landmarks: Float[Tensor, "5 2"]


def labelled_set(folder: Path, count: int) -> Iterator[Item]:
    """The largest trusted face of each of the first photos of a labelled set with `pairs.csv`.

    Args:
        folder: Holds `clean/`, `degraded/`, `faces.json` and `pairs.csv`.
        count: Photos that are looked at; 0 for all.
    """
    lines = (folder / "pairs.csv").read_text("utf-8").splitlines()
    sources = {line.split(",")[0]: line.rsplit(",", 1)[1] for line in lines[1:]}
    entries = json.loads((folder / "faces.json").read_text("utf-8"))
    for entry in sorted(entries, key=lambda entry: entry["name"])[: count or None]:
        faces = [face for face in entry["faces"] if face["score"] >= TRUSTED_SCORE]
        if not faces:
            continue
        largest = max(faces, key=lambda face: face["box"][2] - face["box"][0])
        name = entry["name"]
        clean, degraded = (_read(folder / part, name) for part in ("clean", "degraded"))
        yield Item(name=name, source=sources[name], scale=1, clean=clean, degraded=degraded,
                   landmarks=torch.tensor(largest["landmarks"]))  # fmt: skip


def held_out_set(pool: PhotoPool, labels: Path, scale: int, count: int) -> Iterator[Item]:
    """Windows around held-out faces, made small and degraded by their number.

    A photo is never enlarged: a face that has too few pixels gets a window of `LEAST_SIDE`.
    """
    faces = labelled_faces(pool, labels, held_out=True)
    for number, face in enumerate(faces[: count or None]):
        side = SIDES[scale] if face.eye_distance * EYES >= SIDES[scale] else LEAST_SIDE
        clean, landmarks = window(pool, face, side, (0, 0), EYES)
        small = clean
        if scale > 1:
            sides = (side // scale, side // scale)
            small = F.interpolate(clean, sides, mode="bicubic", antialias=True).clamp(0, 1)
        seeds = torch.tensor([HELD_OUT_SEED + number])
        degraded = degrade((small * 255).round() / 255, seeds, STRONG).image
        yield Item(name=f"{number:03}", source=pool.names[face.photo], scale=scale, clean=clean,
                   degraded=degraded, landmarks=landmarks)  # fmt: skip


def restore(restorer: Restorer, items: Iterable[Item], folder: Path) -> None:
    """Write the pictures of all settings of the items that the folder lacks, a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in items:
        path = folder / f"{item.name}.npz"
        if path.exists():
            continue
        came = bicubic(item.degraded, item.scale) if item.scale > 1 else item.degraded
        pictures = {"clean": item.clean, CAME: came}
        photo = Photo.from_image(item.degraded)
        options = Options(scale=item.scale)
        decision = restorer.decide(photo, options)  # once for all settings
        for setting, left_out in SETTINGS.items():
            some = replace(decision, stages=decision.stages - left_out)
            result = restorer.restore(photo, options, decision=some)
            pictures[setting] = result.photo.image()
        arrays: dict[str, Any] = {key: _bytes(picture) for key, picture in pictures.items()}
        arrays |= {"landmarks": item.landmarks.numpy(), "source": item.source}
        unfinished = folder / f".{item.name}.npz"
        np.savez(unfinished, **arrays)
        unfinished.replace(path)


def kept(folder: Path) -> Iterator[Kept]:
    """Read what `restore` wrote, in order of names."""
    for path in sorted(folder.glob("[!.]*.npz")):
        with np.load(path) as file:
            pictures = {key: _image(file[key]) for key in ("clean", CAME, *SETTINGS)}
            marks = torch.from_numpy(file["landmarks"]).float()
            source = str(file["source"])
        clean = pictures.pop("clean")
        yield Kept(source=source, clean=clean, pictures=pictures, landmarks=marks)


def _bytes(picture: Image3) -> np.ndarray:
    return picture[0].clamp(0, 1).mul(255).round().byte().numpy()


def _image(pixels: np.ndarray) -> Image3:
    return torch.from_numpy(pixels)[None].float() / 255


def _read(folder: Path, stem: str) -> Image3:
    (path,) = folder.glob(f"{stem}.*")
    with Image.open(path) as photo:
        pixels = np.array(photo.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
