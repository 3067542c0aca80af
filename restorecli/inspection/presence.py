"""Is there anything to restore? The decision that comes before every step.

A clean photo must come back as it is, whatever it shows: text, brick, cloth. So the photo is looked
at first, in a few windows at a few sizes, by the network `restorecli.networks.inspector`; where it
finds neither a pattern nor noise, nothing is done.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.networks.inspector import Inspector

MOST_WINDOWS = 3  # along an axis
STEP = 1.0  # of a window's side, between neighbours in a small photo
FAINTEST, SUREST = 0.25, 0.6  # presence below and above which nothing or all is done


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a photo was found to need.

    Attributes:
        pattern: Probability of a repeating pattern over the photo.
        noise: Probability of noise that can be seen.
        printed: Probability that the pattern is a screen that carries the photo.
    """

    pattern: float
    noise: float
    printed: float

    @property
    def presence(self) -> float:
        """How much of the restoration is taken, in [0, 1]: 0 leaves the photo as it came."""
        found = max(self.pattern, self.noise)
        return min(max((found - FAINTEST) / (SUREST - FAINTEST), 0.0), 1.0)


def inspect(image: Float[Tensor, "1 3 h w"], inspector: Inspector) -> Inspection:
    """Look at a whole photo, sRGB in [0, 1]."""
    device = next(inspector.parameters()).device
    with torch.inference_mode():
        levels = windows(image, inspector.config.side, inspector.config.levels)
        found = inspector([level.to(device) for level in levels])
    return Inspection(
        pattern=float(found.pattern.sigmoid()),
        noise=float(found.noise.sigmoid()),
        printed=float(found.printed.sigmoid()),
    )


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
