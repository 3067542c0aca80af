"""A second look at each find of the detector: a surer score, a tighter box, better landmarks.

Coordinates are edges: pixel i covers [i, i + 1).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from restorecli.faces.detections import Detections
from restorecli.networks.face_refiner import FaceRefiner

CONTEXT = 1.3  # side of a square over the longer side of the box in its middle
CROPS_AT_ONCE = 64
LEAST_SIDE = 4.0  # px
SUREST = 1e-6  # no score is nearer to 0 or to 1


def refined(
    refiner: FaceRefiner, image: Float[Tensor, "1 3 h w"], detections: Detections
) -> Detections:
    """Look again at each find.

    Args:
        refiner: In eval mode, on any device.
        image: RGB in [0, 1], that the faces were found in.
        detections: Faces to look at, in pixels of `image`.

    Returns:
        The same number of faces in the same order. Boxes and landmarks are the refiner's; the
        log odds of a score are the mean of what it says and of what was thought before.
    """
    if not len(detections):
        return detections
    device = next((p.device for p in refiner.parameters()), image.device)
    image = image.to(device)
    rows = torch.split(torch.arange(len(detections)), CROPS_AT_ONCE)
    return Detections.joined([_look(refiner, image, detections.select(part)) for part in rows])


def _look(refiner: FaceRefiner, image: Float[Tensor, "1 3 h w"], faces: Detections) -> Detections:
    around = squares(faces.boxes.to(image.device))
    crops = crop_squares(
        image, torch.zeros(len(faces), dtype=torch.long), around, refiner.config.size
    )
    logits, boxes, landmarks = refiner(crops.contiguous(memory_format=torch.channels_last))
    corner, side = around[:, None, :2], (around[:, 2:3] - around[:, :1])[:, None]
    return Detections(
        (corner + boxes.reshape(-1, 2, 2) * side).flatten(1).cpu(),
        (corner + landmarks * side).cpu(),
        ((logits.cpu() + faces.scores.logit(eps=SUREST)) / 2).sigmoid(),
    )


def squares(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """The square to look at around each box."""
    low, high = boxes[..., :2], boxes[..., 2:]
    half = (high - low).amax(-1, keepdim=True).clamp(min=LEAST_SIDE) * (CONTEXT / 2)
    centre = (low + high) / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def crop_squares(
    images: Float[Tensor, "n 3 h w"],
    rows: Int[Tensor, " m"],
    around: Float[Tensor, "m 4"],
    size: int,
) -> Float[Tensor, "m 3 s s"]:
    """Cut squares out of pictures, all at one size.

    A square that is larger than its crop is sampled from the picture halved so often that the two
    are nearest in size, so that nothing finer than a pixel of the crop is left to alias.

    Args:
        images: Pictures.
        rows: Which picture each square is cut from.
        around: Squares in pixels of the pictures; what lies outside repeats the border.
        size: Side of the crops in pixels.
    """
    rows = rows.to(images.device)
    crops = images.new_empty(len(around), 3, size, size)
    halvings = ((around[:, 2] - around[:, 0]) / size).log2().round().clamp(min=0).long()
    for level in range(int(halvings.max()) + 1 if len(around) else 0):
        if level:
            images = _halved(images)
        for row in torch.unique(rows[halvings == level]).tolist():
            squares_here = torch.nonzero((halvings == level) & (rows == row))[:, 0]
            grid = _grid(around[squares_here] / 2**level, images, size)
            crops[squares_here] = _sampled(images[row : row + 1], grid)
    return crops


def _grid(
    around: Float[Tensor, "m 4"], images: Float[Tensor, "n 3 h w"], size: int
) -> Float[Tensor, "m s s 2"]:
    """Middles of the crops' pixels, in the coordinates of `grid_sample`."""
    centres = (torch.arange(size, device=around.device) + 0.5) / size
    low, high = around[:, None, :2], around[:, None, 2:]
    points = low + (high - low) * centres[None, :, None]  # (m, s, 2): columns x, rows y
    x = points[..., 0][:, None, :].expand(-1, size, -1)
    y = points[..., 1][:, :, None].expand(-1, -1, size)
    sides = points.new_tensor([images.shape[-1], images.shape[-2]])
    return torch.stack([x, y], dim=-1) / sides * 2 - 1


def _sampled(
    image: Float[Tensor, "1 3 h w"], grid: Float[Tensor, "m s s 2"]
) -> Float[Tensor, "m 3 s s"]:
    """All crops of one picture at once, below each other: no copy of the picture for each.

    What lies outside is the border's pixel: `padding_mode="border"`, which Metal lacks.
    """
    last = 1 - 1 / grid.new_tensor([image.shape[-1], image.shape[-2]])
    within = grid.flatten(0, 1).clamp(-last, last)[None]
    column: Tensor = F.grid_sample(image, within, align_corners=False)
    crops: Tensor = column[0].reshape(3, *grid.shape[:3]).transpose(0, 1)
    return crops


def _halved(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 i j"]:
    """Means of two by two pixels; the last row or column of an odd picture is repeated."""
    odd = (0, images.shape[-1] % 2, 0, images.shape[-2] % 2)
    padded = F.pad(images, odd, mode="replicate") if any(odd) else images
    return F.avg_pool2d(padded, 2)
