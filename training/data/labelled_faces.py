"""Faces of photos, as a list of labels has them, and windows around them."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from training.data.photo_pool import PhotoPool, mirrored

MIN_SCORE = 0.9
MIN_EYE_DISTANCE = 36  # px; smaller faces would be mostly invented


@dataclass(frozen=True)
class Face:
    """A labelled face: which photo of the pool, and its five landmarks (x, y) in px."""

    photo: int
    landmarks: tuple[tuple[float, float], ...]

    @property
    def eye_distance(self) -> float:
        """In pixels."""
        (left_x, left_y), (right_x, right_y) = self.landmarks[:2]
        return float(np.hypot(right_x - left_x, right_y - left_y))


def labelled_faces(pool: PhotoPool, listing: Path, *, held_out: bool) -> list[Face]:
    """Faces of one part of the pool that are sure and large enough.

    Args:
        pool: Photos, named as in the list.
        listing: JSON list of `{"name", "faces": [{"landmarks", "score"}]}`.
        held_out: Which part.
    """
    numbers = {pool.names[number]: number for number in pool.split(held_out=held_out)}
    faces = [
        Face(numbers[entry["name"]], tuple((x, y) for x, y in face["landmarks"]))
        for entry in json.loads(listing.read_text("utf-8"))
        if entry["name"] in numbers
        for face in entry["faces"]
        if face["score"] >= MIN_SCORE
    ]
    return [face for face in faces if face.eye_distance >= MIN_EYE_DISTANCE]


def window(
    pool: PhotoPool, face: Face, size: int, shift: tuple[float, float], eyes: float
) -> tuple[Float[Tensor, "1 3 s s"], Float[Tensor, "5 2"]]:
    """Cut a square around a face, reduced so that it is `eyes` eye distances wide.

    A photo that would have to be enlarged is left at its size and mirrored at its borders.

    Args:
        pool: Photos.
        face: Whose surroundings.
        size: Side in px.
        shift: Of the window against the face, as a share of the side.
        eyes: Eye distances that the window is wide.
    """
    photo = pool.photo(face.photo)
    scale = min(1.0, size / eyes / face.eye_distance)
    if scale < 1:
        sides = [max(1, round(side * scale)) for side in photo.shape[-2:]]
        photo = F.interpolate(photo, sides, mode="bilinear", antialias=True, align_corners=False)
    landmarks = torch.tensor(face.landmarks) * scale
    centre = landmarks.mean(0) + torch.tensor(shift) * size
    left, top = (round(float(value) - size / 2) for value in centre)
    rows = mirrored(torch.arange(top, top + size), photo.shape[-2])
    columns = mirrored(torch.arange(left, left + size), photo.shape[-1])
    return photo[:, :, rows][..., columns], landmarks - torch.tensor([left, top])
