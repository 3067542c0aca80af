"""Families that depend on the photo: halftone screens of one or several inks, ordered dither.

Each function takes the photo (n, 3, h, w), coordinates and draws, and returns what a printer or a
display of few colours would have made of it, (n, 3, h, w) in [0, 1].
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from restorecli.colour import luma
from restorecli.degrade.rng import Draws

Image = Float[Tensor, "n 3 h w"]
Field = Float[Tensor, "n h w"]


def _cell(u: Field, v: Field, period: Tensor, angle: Tensor, shape: Tensor) -> Field:
    """Threshold screen in [0, 1] with the histogram of a round, square or line dot."""
    cos, sin = torch.cos(angle).view(-1, 1, 1), torch.sin(angle).view(-1, 1, 1)
    scale = (2 * math.pi / period).view(-1, 1, 1)
    a, b = torch.cos((u * cos + v * sin) * scale), torch.cos((v * cos - u * sin) * scale)
    shape = shape.view(-1, 1, 1)
    round_dot = 0.5 + 0.25 * (a + b)
    diamond = 0.5 + 0.5 * a * b
    line = 0.5 + 0.5 * a
    return torch.where(shape == 0, round_dot, torch.where(shape == 1, line, diamond))


def halftone(image: Image, u: Field, v: Field, draws: Draws) -> Image:
    """Amplitude-modulated screen: one black ink, or three or four inks at angles of their own."""
    period = draws.log_uniform(3, 14)
    shape = draws.integers(0, 3)
    sharp = (period * draws.uniform(0.5, 2)).view(-1, 1, 1)
    black = 1 - luma(image)[:, 0]
    grey = ((black - _cell(u, v, period, torch.zeros_like(period), shape)) * sharp + 0.5).clamp(
        0, 1
    )
    paper_black = torch.stack([1 - grey] * 3, 1)
    spread = draws.uniform(0.15, 0.6)
    under = draws.chance(0.5).view(-1, 1, 1)  # a fourth, black ink takes the grey part
    key = torch.where(under, 0.6 * (1 - image.amax(1)), 0.0)
    inks = []
    for channel in range(3):
        screen = _cell(u, v, period, spread * channel, shape)
        amount = ((1 - image[:, channel]) - key) / (1 - key).clamp(min=0.05)
        inks.append(1 - ((amount - screen) * sharp + 0.5).clamp(0, 1))
    ink_key = 1 - ((key - _cell(u, v, period, spread * 3, shape)) * sharp + 0.5).clamp(0, 1)
    several = torch.stack(inks, 1) * torch.where(under, ink_key, 1.0).unsqueeze(1)
    return torch.where(draws.chance(0.5).view(-1, 1, 1, 1), paper_black, several)


def dither(image: Image, u: Field, v: Field, draws: Draws) -> Image:
    """Ordered dither with Bayer's 4×4 or 8×8 matrix to a few levels, pixels up to 3 px wide."""
    height, width = image.shape[-2:]
    size = draws.integers(1, 4).view(-1, 1, 1)
    row = torch.arange(height, device=image.device).view(1, -1, 1) // size
    column = torch.arange(width, device=image.device).view(1, 1, -1) // size
    threshold = torch.zeros(1, device=image.device)
    for bit in range(3):
        r, c = (row >> bit) & 1, (column >> bit) & 1
        threshold = threshold + (2 * (r ^ c) + r).float() / 4 ** (bit + 1)
    steps = draws.integers(1, 4).float().view(-1, 1, 1, 1)
    grey = draws.chance(0.5).view(-1, 1, 1, 1)
    source = torch.where(grey, luma(image).expand_as(image), image)
    return (torch.floor(source * steps + threshold.unsqueeze(1).clamp(0.01, 0.99)) / steps).clamp(
        0, 1
    )


SCREENS: dict[str, Callable[[Image, Field, Field, Draws], Image]] = {
    "halftone": halftone,
    "dither": dither,
}
