"""Random fields that presses, papers and screens share: clouds, grain, and rows pushed sideways."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.degrade.corruption import gaussian_blur
from restorecli.degrade.rng import Draws

Planes = Float[Tensor, "n c h w"]


def column(values: Float[Tensor, " n"]) -> Float[Tensor, "n 1 1 1"]:
    """One number a sample, to meet planes."""
    return values.view(-1, 1, 1, 1)


def clouds(
    draws: Draws, channels: int, size: tuple[int, int], length: Float[Tensor, " n"], least: float
) -> Planes:
    """Smooth noise of mean 0 and deviation about 1 (value noise on a lattice, smoothly joined).

    Args:
        draws: One row a sample.
        channels: Independent fields a sample.
        size: Height and width.
        length: Cell of each sample's lattice in px.
        least: No cell is smaller; the lattice is made for it.
    """
    height, width = size
    rows, columns = int(height / least) + 3, int(width / least) + 3
    lattice = draws.normal_field(channels, rows, columns)
    cell = length.clamp(min=least).view(-1, 1)
    y = torch.arange(height, device=length.device).view(1, -1) / cell
    x = torch.arange(width, device=length.device).view(1, -1) / cell
    y, x = (at.floor() + at.frac() ** 2 * (3 - 2 * at.frac()) for at in (y, x))
    y, x = y * (2 / (rows - 1)) - 1, x * (2 / (columns - 1)) - 1
    shape = (len(cell), height, width)
    grid = torch.stack([x.unsqueeze(1).expand(shape), y.unsqueeze(2).expand(shape)], -1)
    return F.grid_sample(lattice, grid, mode="bilinear", align_corners=True) * 1.4


def grain(draws: Draws, channels: int, size: tuple[int, int], sigma: Float[Tensor, " n"]) -> Planes:
    """White noise blurred by σ px (at most 3), of deviation 1 in each sample and channel."""
    blurred = gaussian_blur(draws.normal_field(channels, *size), sigma)
    return normal(blurred)


def normal(field: Planes) -> Planes:
    """The field at mean 0 and deviation 1, in each sample and channel."""
    centred = field - field.mean((2, 3), keepdim=True)
    return centred / centred.square().mean((2, 3), keepdim=True).sqrt().clamp(min=1e-6)


def push(image: Planes, shift: Float[Tensor, "#n #c #h #w"]) -> Planes:
    """Move every pixel's content by `shift` px to the right (linear, borders repeated)."""
    width = image.shape[-1]
    at = torch.arange(width, device=image.device) - shift
    at = at.clamp(0, width - 1).expand_as(image)
    left = at.floor()
    part, first = at - left, left.long()
    second = (first + 1).clamp(max=width - 1)
    return image.gather(3, first) * (1 - part) + image.gather(3, second) * part
