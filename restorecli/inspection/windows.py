"""Windows of a photo at a few sizes, which is what the inspectors see of it."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

MOST_WINDOWS = 3  # along an axis
STEP = 1.0  # of a window's side, between neighbours in a small photo


def windows(
    image: Float[Tensor, "n 3 h w"], side: int, levels: int
) -> list[Float[Tensor, "n _ 3 s s"]]:
    """Cut windows of `side`² evenly from photos and from their halves, quarters and so on.

    A photo smaller than a window is continued by its mirror image. Sizes at which no window fits
    are left out, but for the first.
    """
    cut = []
    for level in range(levels):
        if level:
            image = F.avg_pool2d(image, 2)
        height, width = image.shape[-2:]
        if min(height, width) < side:
            if level:
                break
            image = _at_least(image, side)
            height, width = image.shape[-2:]
        cut.append(
            torch.stack(
                [
                    image[..., top : top + side, left : left + side]
                    for top in _starts(height, side)
                    for left in _starts(width, side)
                ],
                1,
            )
        )
    return cut


def _starts(length: int, side: int) -> list[int]:
    count = min(MOST_WINDOWS, -(-(length - side) // round(side * STEP)) + 1)
    return [round((length - side) * place / max(1, count - 1)) for place in range(count)]


def _at_least(image: Float[Tensor, "n 3 h w"], side: int) -> Float[Tensor, "n 3 hh ww"]:
    """Continue photos to the right and below by their mirror images."""
    while min(image.shape[-2:]) < side:
        down = min(max(0, side - image.shape[-2]), image.shape[-2])
        right = min(max(0, side - image.shape[-1]), image.shape[-1])
        if down:
            image = torch.cat((image, image.flip(2)[..., :down, :]), 2)
        if right:
            image = torch.cat((image, image.flip(3)[..., :right]), 3)
    return image
