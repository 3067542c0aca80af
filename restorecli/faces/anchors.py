"""Geometry of anchors and boxes: where they lie, how offsets are written and read, which survive.

Everything is in pixels of the picture given to the network, boxes as (x0, y0, x1, y1). No network
and no photo here.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

STRIDES = (8, 16, 32)
SIDES = ((16, 32), (64, 128), (256, 512))
CENTRE_VARIANCE = 0.1
SIZE_VARIANCE = 0.2
SMALLEST_SIDE = 1e-3
LARGEST_LOG_SIDE = 8.0


def grid(height: int, width: int, device: torch.device | None = None) -> Float[Tensor, "p 4"]:
    """Anchors of a picture as (centre x, centre y, width, height), in the network's order.

    Level by level from the finest, row by row, two squares a cell, the smaller one first.
    """
    levels = []
    for stride, sides in zip(STRIDES, SIDES, strict=True):
        rows = (torch.arange(-(-height // stride), device=device) + 0.5) * stride
        columns = (torch.arange(-(-width // stride), device=device) + 0.5) * stride
        side = torch.tensor(sides, dtype=torch.float32, device=device)
        y, x, s = torch.meshgrid(rows, columns, side, indexing="ij")
        levels.append(torch.stack([x, y, s, s], dim=-1).reshape(-1, 4))
    return torch.cat(levels)


def encode_boxes(
    boxes: Float[Tensor, "... 4"], anchors: Float[Tensor, "... 4"]
) -> Float[Tensor, "... 4"]:
    """Offsets from which `decode_boxes` gives `boxes` back."""
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=SMALLEST_SIDE)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    shift = (centre - anchors[..., :2]) / anchors[..., 2:] / CENTRE_VARIANCE
    return torch.cat([shift, (size / anchors[..., 2:]).log() / SIZE_VARIANCE], dim=-1)


def decode_boxes(
    offsets: Float[Tensor, "... 4"], anchors: Float[Tensor, "... 4"]
) -> Float[Tensor, "... 4"]:
    """Boxes in pixels from the network's offsets."""
    centre = anchors[..., :2] + offsets[..., :2] * CENTRE_VARIANCE * anchors[..., 2:]
    growth = (offsets[..., 2:] * SIZE_VARIANCE).clamp(max=LARGEST_LOG_SIDE)
    half = anchors[..., 2:] * growth.exp() / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def encode_landmarks(
    landmarks: Float[Tensor, "... 5 2"], anchors: Float[Tensor, "... 4"]
) -> Float[Tensor, "... 10"]:
    """Offsets from which `decode_landmarks` gives `landmarks` back."""
    anchors = anchors.unsqueeze(-2)
    shift = (landmarks - anchors[..., :2]) / anchors[..., 2:] / CENTRE_VARIANCE
    return shift.flatten(-2)


def decode_landmarks(
    offsets: Float[Tensor, "... 10"], anchors: Float[Tensor, "... 4"]
) -> Float[Tensor, "... 5 2"]:
    """Five points (x, y) in pixels from the network's offsets."""
    anchors = anchors.unsqueeze(-2)
    shift = offsets.reshape(*offsets.shape[:-1], 5, 2) * CENTRE_VARIANCE
    return anchors[..., :2] + shift * anchors[..., 2:]


def area(boxes: Float[Tensor, "... 4"]) -> Float[Tensor, "..."]:
    """Pixels in each box, 0 where it is turned inside out."""
    width, height = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).unbind(-1)
    return width * height


def iou(
    boxes: Float[Tensor, "*batch n 4"], others: Float[Tensor, "*batch m 4"]
) -> Float[Tensor, "*batch n m"]:
    """Intersection over union of each box with each of the others, in [0, 1]."""
    boxes, others = boxes.unsqueeze(-2), others.unsqueeze(-3)
    low = torch.maximum(boxes[..., :2], others[..., :2])
    high = torch.minimum(boxes[..., 2:], others[..., 2:])
    shared = area(torch.cat([low, high], dim=-1))
    return shared / (area(boxes) + area(others) - shared).clamp(min=SMALLEST_SIDE)


def box_voting(
    values: Float[Tensor, "n k"],
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    survivors: Int[Tensor, " m"],
    threshold: float,
) -> Float[Tensor, "m k"]:
    """What the candidates around each survivor say on average, weighted by their scores.

    Neighbouring anchors err independently, so their mean is nearer the truth than the best one
    (box voting, Gidaris & Komodakis 2015).

    Args:
        values: Numbers of each candidate, boxes or landmarks.
        boxes: Of each candidate.
        scores: Of each candidate.
        survivors: Survivors of `nms`.
        threshold: Overlap with a survivor from which on a candidate has a say.
    """
    weight = (iou(boxes[survivors], boxes) >= threshold) * scores
    return weight @ values / weight.sum(1, keepdim=True)


def nms(
    boxes: Float[Tensor, "n 4"], scores: Float[Tensor, " n"], threshold: float
) -> Int[Tensor, " kept"]:
    """Greedy non-maximum suppression.

    Args:
        boxes: Candidates.
        scores: One number a box; the higher one wins.
        threshold: Overlap from which on the lower score is dropped.

    Returns:
        Indices of the survivors, best first. No two of them overlap by more than `threshold`.
    """
    order = scores.argsort(descending=True, stable=True)
    close = iou(boxes[order], boxes[order]) > threshold
    alive = torch.ones(len(order), dtype=torch.bool, device=boxes.device)
    for index in range(len(order)):
        if alive[index]:
            alive[index + 1 :] &= ~close[index, index + 1 :]
    return order[alive]
