"""Restoring faces: which ones, cut out upright, through the pair of VAEs, and back into the photo.

A face that cannot be restored well stays as it is, and its record says why.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from restorecli.faces.alignment import (
    Placement,
    feather_mask,
    fit_pixel_aligned,
    fit_similarity,
    paste,
    paste_change,
    pixel_centres,
    sample_crop,
)
from restorecli.faces.detections import Detections
from restorecli.networks.face_vae import FaceRestoration, FaceVAEPair, LargeFace
from restorecli.options import Options
from restorecli.tiling.sources import Canvas, ImageSource, PixelCanvas

__all__ = [
    "DrawnFace", "FaceRecord", "FaceStatus", "RestoredFaces", "draw_over", "face_indices",
    "missing", "restore_faces",
]  # fmt: skip

LEAST_VISIBLE = 0.75  # share of the mask that must lie in the photo
PROFILE = (-0.05, 1.05)  # where along the line from eye to eye the nose may be
LEAST_EYE_DISTANCE = 2.0  # px
PIXELS_AT_ONCE = 2**18  # of the crops that go through the pair together: four of the largest


class FaceStatus(StrEnum):
    """What was done to a face, or why it was left as it is."""

    RESTORED = "restored"
    NOT_CHOSEN = "kept: not chosen"
    TOO_SMALL = "kept: too small"
    PROFILE = "kept: profile"
    CUT = "kept: cut by the border"
    NOT_RESTORABLE = "kept: not restorable"


@dataclass(frozen=True, kw_only=True)
class FaceRecord:
    """One face that was found and what was done to it, in pixels of the source.

    Attributes:
        box: x0, y0, x1, y1.
        landmarks: Five (x, y): eyes, nose, corners of the mouth.
        score: Certainty in [0, 1] that this is a face.
        status: Whether it was restored, or why not.
        prior: Mean share in [0, 1] that the face prior has in the restored face.
        moved: How far the face was changed: root mean square difference over the mask, in [0, 1].
    """

    box: tuple[float, float, float, float]
    landmarks: tuple[tuple[float, float], ...]
    score: float
    status: FaceStatus
    prior: float = 0.0
    moved: float = 0.0

    def scaled(self, factor: float) -> "FaceRecord":
        """The same face in a picture of `factor` times the size."""
        x0, y0, x1, y1 = (value * factor for value in self.box)
        landmarks = tuple((x * factor, y * factor) for x, y in self.landmarks)
        return replace(self, box=(x0, y0, x1, y1), landmarks=landmarks)


@dataclass(frozen=True, kw_only=True)
class DrawnFace:
    """A face at twice its crop's size, which waits for the enlarged photo.

    Attributes:
        placement: Of the crop in the photo.
        large: What goes over the photo there, in half precision.
    """

    placement: Placement
    large: LargeFace


class RestoredFaces(NamedTuple):
    """What became of the faces of a photo.

    Attributes:
        records: One for each face that was found, in the same order.
        drawn: Those that were restored, for the enlarged photo.
    """

    records: tuple[FaceRecord, ...]
    drawn: tuple[DrawnFace, ...]


def restore_faces(
    image: Canvas,
    detections: Detections,
    pair: FaceVAEPair,
    options: Options,
    *,
    source: ImageSource | None = None,
    enlarged: bool = False,
) -> RestoredFaces:
    """Restore the chosen faces of a photo, in place.

    Args:
        image: Whole photo after the earlier steps, in [0, 1].
        detections: Its faces, largest first.
        pair: Restores crops of faces, of sides that its config bounds; on any device.
        options: `faces`, `min_face` and `fidelity` count here.
        source: The photo as it came, of the same size and brightness; None if there is no such.
        enlarged: Draw the faces at twice their size, too.
    """
    height, width = image.height, image.width
    every = range(len(detections))
    statuses = [_status(detections, index, height, width, options) for index in every]
    bounds = (pair.config.smallest, pair.config.largest)
    todo = [index for index, status in enumerate(statuses) if status == FaceStatus.RESTORED]
    places = {index: fit_pixel_aligned(detections.landmarks[index], *bounds) for index in todo}
    crops = _cut_out(image, places)
    source_crops = crops if source is None else _cut_out(source, places)
    measures = dict.fromkeys(every, (0.0, 0.0))
    drawn: list[DrawnFace] = []
    for rows in _batches(places):
        degraded, sources = (
            torch.cat([crop[index] for index in rows]) for crop in (crops, source_crops)
        )
        restoration = _on_device_of(pair, degraded, sources, options.fidelity, enlarged)
        for row, index in enumerate(rows):
            face, prior, large = _row(restoration, row)
            if not (face.isfinite().all() and prior.isfinite().all()):
                statuses[index] = FaceStatus.NOT_RESTORABLE
                continue
            paste(image, face, places[index])
            measures[index] = _measures(crops[index], face, prior)
            if large is not None and all(part.isfinite().all() for part in large.fusion):
                drawn.append(DrawnFace(placement=places[index], large=large))
    records = [
        _record(detections, index, status, *measures[index])
        for index, status in enumerate(statuses)
    ]
    return RestoredFaces(tuple(records), tuple(drawn))


def draw_over(
    pixels: np.ndarray, faces: Iterable[DrawnFace], *, scale: int, share: float = 1.0
) -> None:
    """Draw faces into the enlarged photo.

    Args:
        pixels: (h, w, 3), uint8 or uint16; modified.
        faces: Of the photo that was enlarged.
        scale: By how much it was.
        share: In [0, 1], of the faces; the rest stays as it is.
    """
    image = PixelCanvas(pixels)
    for face in faces:
        place = face.placement.enlarged(2, scale)
        before = sample_crop(image, place)
        change = share * (face.large.to(torch.float32).over(before) - before)
        paste_change(image, change, place)


def _cut_out(source: ImageSource, places: dict[int, Placement]) -> dict[int, Tensor]:
    return {index: sample_crop(source, place) for index, place in places.items()}


def face_indices(choice: str, count: int) -> frozenset[int]:
    """Indices, from the largest face down, that an option such as "all" or "0,2" names."""
    if choice == "all":
        return frozenset(range(count))
    indices = {0} if choice == "largest" else {int(part) for part in choice.split(",")}
    return frozenset(index for index in indices if index < count)


def missing(choice: str, count: int) -> tuple[str, ...]:
    """Say which faces were asked for by an index and are not among the `count` that were found."""
    if choice in ("all", "largest"):
        return ()
    beyond = sorted(index for index in map(int, choice.split(",")) if index >= count)
    if not beyond:
        return ()
    asked = ", ".join(map(str, beyond))
    there = f"the last one is {count - 1}" if count else "none was found"
    return (f"--faces {asked}: no such face, {there}",)


def _status(
    detections: Detections, index: int, height: int, width: int, options: Options
) -> FaceStatus:
    box, landmarks = detections.boxes[index], detections.landmarks[index]
    if index not in face_indices(options.faces, len(detections.scores)):
        return FaceStatus.NOT_CHOSEN
    eyes = landmarks[1] - landmarks[0]
    if float(box[2] - box[0]) < options.min_face or float(eyes.norm()) < LEAST_EYE_DISTANCE:
        return FaceStatus.TOO_SMALL
    along = float(((landmarks[2] - landmarks[0]) * eyes).sum() / eyes.square().sum())
    if not PROFILE[0] <= along <= PROFILE[1]:
        return FaceStatus.PROFILE
    sides = torch.tensor([width, height])
    outside = ((landmarks < 0) | (landmarks > sides)).any()
    if outside or _visible(fit_similarity(landmarks, 32), height, width) < LEAST_VISIBLE:
        return FaceStatus.CUT
    return FaceStatus.RESTORED


def _batches(places: dict[int, Placement]) -> Iterator[list[int]]:
    """Faces whose crops are of one size, a few at once."""
    for size in sorted({placement.size for placement in places.values()}):
        alike = [index for index, placement in places.items() if placement.size == size]
        count = max(1, PIXELS_AT_ONCE // size**2)
        for start in range(0, len(alike), count):
            yield alike[start : start + count]


def _visible(placement: Placement, height: int, width: int) -> float:
    """Share of the mask that lies in the photo."""
    points = pixel_centres(0, 0, placement.size, placement.size)
    mask = feather_mask(placement.size)[0, 0]
    x, y = placement.to_photo(points).unbind(-1)
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    return float((mask * inside).sum() / mask.sum())


def _on_device_of(
    pair: FaceVAEPair,
    crops: Float[Tensor, "n 3 s s"],
    sources: Float[Tensor, "n 3 s s"],
    fidelity: float,
    enlarged: bool,
) -> FaceRestoration:
    """Run the pair where it is, and bring its pictures back to where the crops are."""
    device = next((p.device for p in pair.parameters()), crops.device)
    restored: FaceRestoration = pair(
        crops.to(device), sources.to(device), fidelity, enlarged=enlarged
    )
    large = restored.large and restored.large.to(crops.device)
    return FaceRestoration(restored.face.to(crops.device), restored.mask.to(crops.device), large)


def _row(restored: FaceRestoration, row: int) -> FaceRestoration:
    """One face of several; the large one in half precision, since it has to be kept."""
    rows = slice(row, row + 1)
    large = restored.large and restored.large.row(row).to(torch.float16)
    return FaceRestoration(restored.face[rows].float(), restored.mask[rows].float(), large)


def _measures(
    crop: Float[Tensor, "1 3 s s"], face: Float[Tensor, "1 3 s s"], share: Float[Tensor, "1 1 s s"]
) -> tuple[float, float]:
    """Mean share of the prior, and root mean square change, both over the mask."""
    mask = feather_mask(crop.shape[-1]).to(crop)
    prior = float((share * mask).sum() / mask.sum())
    square = (face - crop).square().mean(1, keepdim=True)
    return prior, math.sqrt(float((square * mask).sum() / mask.sum()))


def _record(
    detections: Detections, index: int, status: FaceStatus, prior: float, moved: float
) -> FaceRecord:
    left, top, right, bottom = detections.boxes[index].tolist()
    return FaceRecord(
        box=(left, top, right, bottom),
        landmarks=tuple((x, y) for x, y in detections.landmarks[index].tolist()),
        score=float(detections.scores[index]),
        status=status,
        prior=prior,
        moved=moved,
    )
