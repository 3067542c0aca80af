"""What ordinary photos live through: JPEG, a slight blur, a resampling; and which have not."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from restorecli.degrade import Degraded
from restorecli.degrade.corruption import add_noise, gaussian_blur, jpeg, resample
from restorecli.degrade.rng import Draws

Image = Float[Tensor, "n 3 h w"]


def untouched(pair: Degraded) -> Bool[Tensor, " n"]:
    """Which samples have neither a pattern nor noise."""
    plain = torch.tensor([name == "none" for name in pair.family], device=pair.sigma.device)
    return plain & (pair.sigma == 0)


def wear(
    image: Image, seeds: Int[Tensor, " n"], where: Bool[Tensor, " n"], *, dimmed: float = 0.0
) -> Image:
    """Do to some photos what photos live through and need no restoring for.

    JPEG of qualities 55 to 95, a slight blur, a resampling; a third stays as it is.

    Args:
        image: In [0, 1].
        seeds: One a photo.
        where: Photos that it is done to.
        dimmed: Share of these that are made darker besides.
    """
    draws = Draws(seeds, stream=51)
    kind, dim = draws.uniform(), draws.chance(dimmed)
    quality, sigma = draws.uniform(55, 95), draws.uniform(0.3, 1.2)
    darker = image * torch.where(dim, draws.uniform(0.15, 0.7), 1.0).view(-1, 1, 1, 1)
    half = torch.ones_like(where)
    options = (
        darker,
        jpeg(darker, quality, half),
        gaussian_blur(darker, sigma),
        resample(darker, 0.7),
        jpeg(gaussian_blur(darker, sigma), quality, half),
    )
    bounds = (0.3, 0.6, 0.75, 0.85)
    number = sum((kind >= bound).long() for bound in bounds)
    worn = torch.stack(options)[number, torch.arange(len(image), device=image.device)]
    worn = (worn * 255).round() / 255
    return torch.where(where.view(-1, 1, 1, 1), worn, image)


def published(image: Image, seeds: Int[Tensor, " n"]) -> Image:
    """What a small photo has been through: slight blur, a sensor's noise, JPEG; each at times.

    Args:
        image: In [0, 1].
        seeds: One a photo.

    Returns:
        In [0, 1], in steps of 8 bits.
    """
    draws = Draws(seeds, stream=58)
    blurred = draws.chance(0.3).view(-1, 1, 1, 1)
    image = torch.where(blurred, gaussian_blur(image, draws.uniform(0.3, 0.8)), image)
    sigma = draws.uniform(0, 5 / 255) * draws.chance(0.35)
    image = add_noise(image, sigma, draws).clamp(0, 1)
    compressed = draws.chance(0.6).view(-1, 1, 1, 1)
    decoded = jpeg(image, draws.uniform(60, 95), draws.chance(0.5))
    return (torch.where(compressed, decoded, image) * 255).round() / 255
