"""Synthetic degradation: repeating patterns and ordinary noise over clean photos.

The one definition that `restore degrade` and training share. Everything is batched torch on the
device of the photos, and each sample depends on its own seed alone: the same seed gives the same
picture in any batch. Patterns are in `patterns` (independent of the photo) and `screens` (made from
the photo), what else befalls a photo in `corruption`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from restorecli.degrade.corruption import add_noise, gaussian_blur, jpeg, resample
from restorecli.degrade.patterns import FIELDS, coordinates
from restorecli.degrade.rng import Draws, combine
from restorecli.degrade.screens import SCREENS

FAMILIES: tuple[str, ...] = (*FIELDS, *SCREENS)
MODES = ("add", "multiply", "overlay")
Image = Float[Tensor, "n 3 h w"]


@dataclass(frozen=True, kw_only=True)
class DegradeConfig:
    """How photos are degraded; every number is a probability or a bound, units in the name.

    Attributes:
        families: Pattern families to draw from, equally likely.
        clean: Share of photos left exactly as they are.
        plain: Share with noise but no pattern.
        second: Share of the patterned photos with a second pattern.
        mild: Share of the patterned photos whose pattern is faint.
        strength: Factor on the contrast of every pattern.
        sigma: Largest Gaussian noise in patterned photos, in [0, 1] units.
        plain_sigma: Largest noise in photos without a pattern, likewise.
        jpeg: Share compressed after the pattern, qualities 40 to 95.
        soften: Share blurred, resampled or compressed before the pattern.
        dimmed: Share darkened by 1.5 to 8 times before the pattern.
    """

    families: tuple[str, ...] = FAMILIES
    clean: float = 0.04
    plain: float = 0.08
    second: float = 0.3
    mild: float = 0.3
    strength: float = 1.0
    sigma: float = 0.06
    plain_sigma: float = 0.2
    jpeg: float = 0.4
    soften: float = 0.08
    dimmed: float = 0.05


@dataclass(frozen=True, eq=False)
class Degraded:
    """A batch of degraded photos and what was done to them.

    Attributes:
        image: (n, 3, h, w) in [0, 1], rounded to 8 bits as a file would hold it.
        target: What a restoration should give back: the clean photos, dimmed where they were.
        family: Name of the first pattern for each photo, or "none".
        mode: How it was laid over the photo: "add", "multiply" or "overlay", or "none".
        sigma: (n,) standard deviation of the noise.
        contrast: (n,) strength of the first pattern.
    """

    image: Image
    target: Image
    family: tuple[str, ...]
    mode: tuple[str, ...]
    sigma: Float[Tensor, " n"]
    contrast: Float[Tensor, " n"]


def degrade(
    clean: Image, seeds: Int[Tensor, " n"], config: DegradeConfig | None = None
) -> Degraded:
    """Degrade each photo by its own seed.

    Args:
        clean: Photos in [0, 1]; not modified.
        seeds: int64, one a photo, on the photos' device.
        config: Shares and bounds; the defaults are those of training.

    Returns:
        The degraded photos with what was drawn for each.
    """
    config = config or DegradeConfig()
    draws = Draws(seeds)
    kind = draws.uniform()
    untouched = kind < config.clean
    plain = (kind >= config.clean) & (kind < config.clean + config.plain)
    patterned = ~(untouched | plain)

    dim = torch.where(draws.chance(config.dimmed) & ~untouched, draws.uniform(1.5, 8), 1.0)
    target = clean / dim.view(-1, 1, 1, 1)
    image = _soften(target, draws, draws.chance(config.soften) & ~untouched)
    second = patterned & draws.chance(config.second)
    image, family, mode, contrast = _lay(image, draws, patterned, config, stream=1)
    image, *_ = _lay(image, draws, second, config, stream=2)

    sigma = torch.where(plain, draws.uniform(0.005, config.plain_sigma),
                        draws.uniform(-0.25 * config.sigma, config.sigma).clamp(min=0))  # fmt: skip
    sigma = torch.where(untouched, 0.0, sigma)
    noisy = add_noise(image, sigma, draws).clamp(0, 1)
    quality, subsampled = draws.uniform(40, 95), draws.chance(0.5)
    pressed = torch.nonzero(draws.chance(config.jpeg) & ~untouched)[:, 0]
    if len(pressed):
        compressed = jpeg(noisy[pressed], quality[pressed], subsampled[pressed])
        noisy = noisy.index_copy(0, pressed, compressed)
    result = torch.where(untouched.view(-1, 1, 1, 1), target, torch.round(noisy * 255) / 255)
    named = patterned.tolist()
    return Degraded(
        image=result,
        target=target,
        family=tuple(FAMILY if on else "none" for FAMILY, on in zip(family, named, strict=True)),
        mode=tuple(name if on else "none" for name, on in zip(mode, named, strict=True)),
        sigma=sigma,
        contrast=torch.where(patterned, contrast, 0.0),
    )


def _soften(image: Image, draws: Draws, where: Tensor) -> Image:
    """Blur, resampling and JPEG that came before the pattern."""
    sigma, quality = draws.uniform(0.3, 1.4), draws.uniform(50, 95)
    choice = draws.integers(0, 3)
    chosen = torch.nonzero(where)[:, 0]
    if not len(chosen):
        return image
    part = image[chosen]
    blurred = gaussian_blur(part, sigma[chosen])
    small = resample(part, 0.6, mode="bilinear")
    pressed = jpeg(part, quality[chosen], torch.ones_like(where[chosen]))
    pick = choice[chosen].view(-1, 1, 1, 1)
    softened = torch.where(pick == 0, blurred, torch.where(pick == 1, small, pressed))
    return image.index_copy(0, chosen, softened)


def _lay(
    image: Image, draws: Draws, where: Tensor, config: DegradeConfig, *, stream: int
) -> tuple[Image, list[str], list[str], Float[Tensor, " n"]]:
    """Lay one pattern over the photos in `where`; says the family, mode and contrast of each."""
    own = Draws(combine(draws.seeds, stream), stream)
    index = own.integers(0, len(config.families))
    names = [config.families[number] for number in index.tolist()]
    mode = own.integers(0, len(MODES))
    faint = own.chance(config.mild)
    contrast = torch.where(faint, own.uniform(0.05, 0.2), own.uniform(0.2, 0.75))
    contrast = (contrast * config.strength).clamp(max=1)
    result = image
    for number, name in enumerate(config.families):
        rows = torch.nonzero(where & (index == number))[:, 0]
        if not len(rows):
            continue
        part = own.subset(rows)
        level = torch.full((len(rows),), name == "scan", device=image.device)
        u, v = coordinates(part, image.shape[-2], image.shape[-1], level)
        photo = image[rows]
        if name in SCREENS:
            share = (contrast[rows] * 1.6).clamp(max=1).view(-1, 1, 1, 1)
            laid = photo * (1 - share) + SCREENS[name](photo, u, v, part) * share
        else:
            laid = _blend(photo, FIELDS[name](u, v, part), mode[rows], contrast[rows], part)
        result = result.index_copy(0, rows, laid.clamp(0, 1))
    modes = [
        "overlay" if n in SCREENS else MODES[m] for n, m in zip(names, mode.tolist(), strict=True)
    ]
    return result, names, modes, contrast


def _blend(
    photo: Image, field: Float[Tensor, "n h w"], mode: Tensor, contrast: Tensor, draws: Draws
) -> Image:
    """Add a field to the photos, multiply them by it, or cover them with a colour through it."""
    coloured = draws.chance(0.4).view(-1, 1, 1, 1)
    weights = torch.stack([draws.uniform(-0.5, 1) for _ in range(3)], 1).view(-1, 3, 1, 1)
    weights = weights / weights.abs().amax(1, keepdim=True).clamp(min=0.1)
    weights = torch.where(coloured, weights, torch.ones_like(weights))
    tone = draws.uniform().view(-1, 1, 1, 1)
    tone = torch.where(draws.chance(0.6).view(-1, 1, 1, 1), tone.round(), tone)
    colour = torch.stack([draws.uniform() for _ in range(3)], 1).view(-1, 3, 1, 1)
    colour = torch.where(coloured, colour, tone.expand_as(colour))
    field = field.unsqueeze(1)
    field = torch.where(draws.chance(0.5).view(-1, 1, 1, 1), field, 1 - field)
    size, mode = contrast.view(-1, 1, 1, 1), mode.view(-1, 1, 1, 1)
    added = photo + size * weights * (field - 0.5) * 1.6
    multiplied = photo * (1 - (size * 1.3).clamp(max=0.95) * weights.abs() * field)
    alpha = (size * 1.2).clamp(max=0.95) * field
    covered = photo * (1 - alpha) + colour * alpha
    return torch.where(mode == 0, added, torch.where(mode == 1, multiplied, covered))
