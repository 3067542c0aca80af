"""Other colours for clean photos, so that a network learns colours from the photo before it."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from restorecli.degrade.rng import Draws

Image = Float[Tensor, "n 3 h w"]

# RGB to YIQ (NTSC, 1953): turning the plane of I and Q turns the hue
_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def recolour(image: Image, seeds: Int[Tensor, " n"], share: float) -> Image:
    """Change hue, saturation and white balance of some photos, each by its own seed.

    One in six of them becomes grey or toned, as sepia is; some others are turned to their negative,
    which no photo is but many a drawing.

    Args:
        image: In [0, 1]; not modified.
        seeds: int64, one a photo.
        share: Of the photos that are changed.
    """
    draws = Draws(seeds, stream=43)
    changed = draws.chance(share).view(-1, 1, 1, 1)
    angle = draws.uniform(-math.pi, math.pi) * draws.chance(0.7)
    saturation = draws.uniform(0.3, 1.7)
    toned = draws.chance(1 / 6)
    saturation = torch.where(toned, 0.0, saturation)
    gains = torch.stack([draws.uniform(0.8, 1.2) for _ in range(3)], 1)
    gains = torch.where(draws.chance(0.6).view(-1, 1), gains, 1.0)
    gamma = torch.where(draws.chance(0.4), draws.log_uniform(0.7, 1.5), 1.0)
    negative = draws.chance(0.05).view(-1, 1, 1, 1)

    to_yiq = image.new_tensor(_TO_YIQ)
    cos, sin = torch.cos(angle) * saturation, torch.sin(angle) * saturation
    turn = torch.zeros(len(seeds), 3, 3, device=image.device)
    turn[:, 0, 0] = 1
    turn[:, 1, 1], turn[:, 1, 2] = cos, -sin
    turn[:, 2, 1], turn[:, 2, 2] = sin, cos
    matrix = gains.unsqueeze(2) * (torch.linalg.inv(to_yiq) @ turn @ to_yiq)
    other = torch.einsum("nij,njhw->nihw", matrix, image).clamp(0, 1)
    other = other ** gamma.view(-1, 1, 1, 1)
    other = torch.where(negative, 1 - other, other)
    return torch.where(changed, other, image)
