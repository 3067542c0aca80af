"""Prints on embossed paper, photographed or scanned under raking light.

Each function takes the photo (n, 3, h, w), coordinates in px and draws, and returns (n, 3, h, w).
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from restorecli.degrade.patterns import turned
from restorecli.degrade.rng import Draws
from restorecli.degrade.textures import clouds, column

Image = Float[Tensor, "n 3 h w"]
Field = Float[Tensor, "n h w"]
Height = Callable[[Field, Field], Field]


def _raked(photo: Image, u: Field, v: Field, draws: Draws, height: Height) -> Image:
    """Shade the photo by the slope of its paper along the light.

    Lambert's law on a height field for a low sun: the shading is the directional derivative
    (Horn 1970). The paper is not flat, so contrast drifts over the photo; wet or glossy
    paper glints where it faces the lamp.

    Args:
        photo: In [0, 1].
        u: Coordinate in periods.
        v: Likewise, across.
        draws: One row a sample.
        height: Of the paper, from (u, v).
    """
    size = (photo.shape[-2], photo.shape[-1])
    angle = draws.uniform(0, 2 * math.pi)
    du, dv = (0.08 * torch.cos(angle)).view(-1, 1, 1), (0.08 * torch.sin(angle)).view(-1, 1, 1)
    slope = height(u + du, v + dv) - height(u - du, v - dv)
    slope = slope - slope.mean((1, 2), keepdim=True)
    slope = (slope / slope.square().mean((1, 2), keepdim=True).sqrt().clamp(min=1e-4)).unsqueeze(1)
    drift = torch.sigmoid(clouds(draws, 1, size, draws.log_uniform(40, 160), 40) * 0.9) * 2
    shade = slope.clamp(-2.5, 2.5) * drift * column(draws.log_uniform(0.05, 0.22))
    added = column(draws.uniform(-0.3, 0.7).clamp(min=0))  # the rest multiplies
    lit = photo + shade * (added * 0.6 + (1 - added) * photo * 1.4)
    glint = (slope - column(draws.uniform(1.0, 1.8))).clamp(0, 1) * drift
    return lit + glint * column(draws.uniform(0, 0.35) * draws.chance(0.4))


def _sheet(photo: Image, draws: Draws) -> tuple[Field, Field]:
    """Coordinates of a sheet at any angle: it bends a little, unlike cloth."""
    height, width = photo.shape[-2:]
    return turned(draws, height, width, draws.uniform(-math.pi, math.pi), 0.3)


def honeycomb(photo: Image, u: Field, v: Field, draws: Draws) -> Image:
    """Hexagonal cells pressed into photographic paper ("honeycomb", 1920s to 1970s portraits)."""
    u, v = _sheet(photo, draws)
    period = draws.log_uniform(4, 16).view(-1, 1, 1)
    raised = draws.sign().view(-1, 1, 1)
    sharp = draws.uniform(0.6, 3).view(-1, 1, 1)

    def height(x: Field, y: Field) -> Field:
        turn = 2 * math.pi / 3
        total = torch.cos(2 * math.pi * x)
        for k in (1, 2):
            total = total + torch.cos(
                2 * math.pi * (x * math.cos(turn * k) + y * math.sin(turn * k))
            )
        return raised * torch.exp(sharp * (total / 3 - 1))

    return _raked(photo, u / period, v / period, draws, height)


def silk(photo: Image, u: Field, v: Field, draws: Draws) -> Image:
    """Silk or lustre paper: rows of dimples or ribs, crossed and staggered like threads."""
    u, v = _sheet(photo, draws)
    period = draws.log_uniform(4, 16).view(-1, 1, 1)
    ratio = draws.uniform(0.6, 1.7).view(-1, 1, 1)
    stagger = torch.where(draws.chance(0.6), 0.5, 0.0).view(-1, 1, 1)
    crossed = draws.uniform(0.2, 1).view(-1, 1, 1)
    bend = draws.uniform(0, 0.25).view(-1, 1, 1)

    def height(x: Field, y: Field) -> Field:
        threads = torch.cos(2 * math.pi * (y + bend * torch.sin(2 * math.pi * x)))
        along = torch.cos(2 * math.pi * (x + stagger * y))
        across = torch.cos(2 * math.pi * (x - stagger * y))
        return threads * (1 - crossed * 0.5) + crossed * (along + across) * 0.5

    return _raked(photo, u / period, v / (period * ratio), draws, height)
