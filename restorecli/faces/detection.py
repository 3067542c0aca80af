"""Faces of a photo of any size: bounded working sizes, mapped back, tried again if none is found.

Coordinates are edges, not centres: pixel i covers [i, i + 1). So a picture of another size has the
same coordinates times one factor, which is the half-pixel rule without the halves.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.faces import anchors
from restorecli.faces.detections import Detections
from restorecli.faces.refinement import refined
from restorecli.networks.face_refiner import FaceRefiner
from restorecli.networks.retinaface import RetinaFace
from restorecli.options import Options
from restorecli.tiling.sources import ImageSource, whole
from restorecli.tiling.strips import downsampled

FINE_SIDE = 1024  # px of the longer side at most, where small faces are looked for
COARSE_SIDE = 320  # px of the longer side, where faces that fill a large photo are looked for
TWO_LEVELS_FROM = 480
SECOND_SIDES = (640, 160)  # longer sides of the second scale, for small photos and for large ones
AGREEING = 0.6  # overlap from which on a find has a say in the box and landmarks of a better one
PART = 0.8  # share of a find that lies in another one, from which on it is a part of it
SAME_FACE = 0.4  # overlap from which on two finds are one face
CANDIDATES = 400
LOOKS = 2  # at each find; the second one at a square around what the first one saw
POSSIBLE = 0.2  # score of the detector from which on a find is worth a second look
RETRY_CAUTION = 0.5  # share of the way from the threshold to 1 that a second try must go


def detect(
    detector: RetinaFace,
    photo: ImageSource,
    *,
    threshold: float,
    refiner: FaceRefiner | None = None,
) -> Detections:
    """Find the faces of a photo.

    Large photos are looked at twice, reduced to `FINE_SIDE` and to `COARSE_SIDE`, because the
    anchors reach from 16 to 512 px. When nothing is found, the quarter turns and a second scale
    are tried; what they find must be surer, since an empty photo gets four more chances to err.

    Args:
        detector: In eval mode, on any device.
        photo: RGB in [0, 1].
        threshold: Score from which on a find counts.
        refiner: Looks again at all that the detector thinks possible; its boxes and landmarks are
            the result's, and it has a say in the scores. None: the detector's own are.

    Returns:
        The faces in pixels of the photo, largest first.
    """
    height, width = photo.height, photo.width
    small = _size(height, width, FINE_SIDE)
    image = downsampled(photo, small) if max(height, width) > FINE_SIDE else whole(photo)
    detections = _Search(detector, refiner).faces(image, threshold)
    return detections.scaled(width / image.shape[-1], height / image.shape[-2])


def shows_face(detector: RetinaFace, refiner: FaceRefiner | None, photo: ImageSource) -> bool:
    """Whether a photo shows a face that would be restored by default; arguments as of `detect`."""
    found = detect(detector, photo, threshold=Options.face_threshold, refiner=refiner)
    return len(found) > 0


@dataclass(frozen=True, eq=False)
class _Search:
    """Looks for the faces of photos that are no larger than they are looked at."""

    detector: RetinaFace
    refiner: FaceRefiner | None

    def faces(self, image: Float[Tensor, "1 3 h w"], threshold: float) -> Detections:
        """Find faces, with second tries if there seem to be none."""
        longest = max(image.shape[-2:])
        sides = [longest, COARSE_SIDE] if longest >= TWO_LEVELS_FROM else [longest]
        detections = self._at(image, sides, threshold)
        if len(detections):
            return detections
        caution = threshold + (1 - threshold) * RETRY_CAUTION
        second = SECOND_SIDES[0] if longest < TWO_LEVELS_FROM else SECOND_SIDES[1]
        detections = self._at(image, [second], caution)
        if len(detections):
            return detections
        tries = [self._turned(image, turns, caution) for turns in (1, 2, 3)]
        return max(tries, key=lambda faces: float(faces.scores.sum()))

    def _at(
        self, image: Float[Tensor, "1 3 h w"], sides: list[int], threshold: float
    ) -> Detections:
        least = threshold if self.refiner is None else min(threshold, POSSIBLE)
        detections = merged(
            [find(self.detector, image, side=side, threshold=least) for side in sides]
        )
        if self.refiner is None:
            return detections
        for _ in range(LOOKS):  # what the first look brings onto one face is one find for the next
            detections = merged([refined(self.refiner, image, detections)])
        return outermost(detections.select(torch.nonzero(detections.scores >= threshold)[:, 0]))

    def _turned(self, image: Float[Tensor, "1 3 h w"], turns: int, threshold: float) -> Detections:
        height, width = image.shape[-2:]
        turned = torch.rot90(image, turns, (2, 3))
        detections = self._at(turned, [max(height, width)], threshold)
        return merged([detections.turned_back(turns, height, width)])


def find(
    detector: RetinaFace, image: Float[Tensor, "1 3 h w"], *, side: int, threshold: float
) -> Detections:
    """Find faces with the photo's longer side brought to `side` pixels, in pixels of the photo."""
    height, width = image.shape[-2:]
    image = _resized(image, side)
    size = (image.shape[-2], image.shape[-1])
    device = next((p.device for p in detector.parameters()), image.device)
    predictions = detector(image.to(device, memory_format=torch.channels_last))
    scores = predictions.logits[0].float().softmax(-1)[:, 1]
    rows = torch.nonzero(scores >= threshold)[:, 0]
    rows = rows[scores[rows].argsort(descending=True, stable=True)[:CANDIDATES]]
    grid = anchors.grid(*size, device=device)[rows]
    boxes = anchors.decode_boxes(predictions.boxes[0, rows].float(), grid)
    landmarks = anchors.decode_landmarks(predictions.landmarks[0, rows].float(), grid)
    detections = Detections(boxes.cpu(), landmarks.cpu(), scores[rows].cpu())
    return merged([detections.scaled(width / size[1], height / size[0])])


def merged(finds: list[Detections]) -> Detections:
    """One list out of several, each face once, largest first."""
    every = Detections.joined(finds)
    area = anchors.area(every.boxes)
    sound = torch.nonzero((area > 0) & area.isfinite())[:, 0]
    every = every.select(sound)
    best = anchors.nms(every.boxes, every.scores, SAME_FACE)
    rows = torch.cat([every.boxes, every.landmarks.flatten(1)], dim=1)
    mean = anchors.box_voting(rows, every.boxes, every.scores, best, AGREEING)
    detections = Detections(mean[:, :4], mean[:, 4:].reshape(-1, 5, 2), every.scores[best])
    return detections.select(anchors.area(detections.boxes).argsort(descending=True, stable=True))


def outermost(detections: Detections) -> Detections:
    """The faces that are no part of a surer, larger one, as an eye in its glasses would be."""
    area = anchors.area(detections.boxes)
    shared = anchors.iou(detections.boxes, detections.boxes)
    inside = shared * (area[:, None] + area) / (1 + shared) / area[:, None].clamp(min=1e-3)
    surer = (detections.scores > detections.scores[:, None]) & (area > area[:, None])
    return detections.select(torch.nonzero(~((inside >= PART) & surer).any(1))[:, 0])


def _size(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width when the longer one of them is brought to `side`."""
    scale = side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _resized(image: Float[Tensor, "1 3 h w"], side: int) -> Float[Tensor, "1 3 i j"]:
    """The picture with its longer side brought to `side` pixels."""
    height, width = image.shape[-2:]
    size = _size(height, width, side)
    if size == (height, width):
        return image
    return F.interpolate(image, size, mode="bilinear", antialias=side < max(height, width))
