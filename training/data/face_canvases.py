"""Clean faces at the size that is written: what the prior learns from, and the pair is held to."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from restorecli.degrade.rng import Draws
from restorecli.faces.alignment import TEMPLATE
from training.data.labelled_faces import Face, labelled_faces
from training.data.photo_pool import PhotoPool

EYES = (3.2, 4.2)  # eye distances that a crop is wide
SHIFT = 0.04  # of the crop's side: so far from the template, at most
SHARP = ((34.0, 1.0), (38.0, 1.4))  # below so many dB of softness, made smaller by so much
SOFT = 2.0  # likewise, of all others
GREY = 0.08
GAMMA, TINT = (0.75, 1.35), (0.93, 1.07)
HEIGHT = sum(y for _, y in TEMPLATE) / len(TEMPLATE)  # of the landmarks' mean, in sides


class FaceCanvases:
    """Sharp squares around faces, placed as the face step places its crops.

    Args:
        pool: Photos.
        labels: `faces.json` of the photos.
        side: Of the largest canvas that will be asked for, in pixels: which photos have enough.
        held_out: Of which part of the photos.
        around: How much wider a canvas is than the face step's crop in its middle.

    Raises:
        ValueError: No face is large and sharp enough.
    """

    def __init__(
        self, pool: PhotoPool, labels: Path, side: int, *, held_out: bool, around: float = 1.0
    ) -> None:
        self.pool, self._around = pool, around
        self._least = {number: _least_reduction(pool.softness[number])
                       for number in pool.split(held_out=held_out)}  # fmt: skip
        self.faces = [
            face
            for face in labelled_faces(pool, labels, held_out=held_out)
            if side * self._least[face.photo] <= EYES[1] * around * face.eye_distance
        ]
        if not self.faces:
            raise ValueError(f"no face is sharp on a canvas of {side} px")

    def batch(self, seeds: Int[Tensor, " n"], side: int) -> Float[Tensor, "n 3 s s"]:
        """Canvases of `side`², each by its own seed: face, size, place, mirror, light."""
        draws = Draws(seeds, stream=71)
        which = draws.integers(0, len(self.faces)).tolist()
        sizes = draws.uniform().tolist()
        shifts = torch.stack([draws.uniform(-SHIFT, SHIFT), draws.uniform(-SHIFT, SHIFT)], 1)
        mirrored = draws.chance(0.5).tolist()
        rows = [
            self.canvas(self.faces[face], side, sizes[row], shifts[row].tolist())
            for row, face in enumerate(which)
        ]
        rows = [row.flip(3) if flip else row for row, flip in zip(rows, mirrored, strict=True)]
        return _lit(torch.cat(rows), draws)

    def canvas(
        self, face: Face, side: int, size: float, shift: Sequence[float]
    ) -> Float[Tensor, "1 3 s s"]:
        """The square around one face.

        Args:
            face: One of `faces`.
            side: Of the canvas in pixels; at most the one that the faces were chosen for.
            size: In [0, 1]: how wide the crop is between the least and the most `EYES`, as far as
                the photo is sharp there.
            shift: Of the landmarks against the template, as a share of the crop's side.
        """
        least = side * self._least[face.photo] / self._around / face.eye_distance
        narrowest = max(EYES[0], least)
        crop_side = (narrowest + size * (EYES[1] - narrowest)) * face.eye_distance
        source_side = max(side, round(crop_side * self._around))
        x, y = torch.tensor(face.landmarks).mean(0).tolist()
        left = round(x - shift[0] * crop_side - source_side / 2)
        top = round(y - (HEIGHT - 0.5 + shift[1]) * crop_side - source_side / 2)
        part = self.pool.region(face.photo, top, left, source_side, source_side)
        return F.interpolate(part, (side, side), mode="bicubic", antialias=True).clamp(0, 1)


def _least_reduction(softness: float) -> float:
    return next((factor for bound, factor in SHARP if softness < bound), SOFT)


def _lit(canvases: Float[Tensor, "n 3 s s"], draws: Draws) -> Float[Tensor, "n 3 s s"]:
    """Half of them lighter or darker and tinted, as far as skin is; a few in grey."""

    def each(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1, 1)

    tint = torch.stack([draws.log_uniform(*TINT) for _ in range(3)], 1)[:, :, None, None]
    other = canvases ** each(draws.log_uniform(*GAMMA)) * tint
    canvases = torch.where(each(draws.chance(0.5)), other.clamp(0, 1), canvases)
    return torch.where(each(draws.chance(GREY)), canvases.mean(1, keepdim=True), canvases)
