"""Synthetic degradation: repeating patterns and ordinary noise over clean photos.

The one definition that `restore degrade` and training share. Everything is batched torch on the
device of the photos, and each sample depends on its own seed alone: the same seed gives the same
picture in any batch. Patterns are in `patterns` (independent of the photo) and `screens` (made from
the photo); what presses, papers and displays do to photos in `presses` (with `inks`),
`papers` and `displays`; what else befalls a photo in `corruption`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from restorecli.degrade.corruption import add_noise, gaussian_blur, jpeg, resample
from restorecli.degrade.displays import banding, interlace, monitor, tape
from restorecli.degrade.inks import one_plate
from restorecli.degrade.papers import honeycomb, silk
from restorecli.degrade.patterns import FIELDS, Field, coordinates
from restorecli.degrade.presses import mezzotint, newsprint, process, stochastic
from restorecli.degrade.rng import Draws, combine
from restorecli.degrade.screens import SCREENS

MODES = ("add", "multiply", "overlay")
Image = Float[Tensor, "n 3 h w"]

# What happens to photos in print, on paper, on displays and tapes
PRESSES: dict[str, Callable[[Image, Field, Field, Draws], Image]] = {
    "newsprint": newsprint, "process": process, "mezzotint": mezzotint, "stochastic": stochastic,
    "silk": silk, "honeycomb": honeycomb, "monitor": monitor, "interlace": interlace,
    "tape": tape, "banding": banding,
}  # fmt: skip
# What is left to bring back where a family takes colours away for good
TRUTHS: dict[str, Callable[[Image, Draws], Image]] = {
    "newsprint": one_plate,
    "mezzotint": one_plate,
}
FAMILIES: tuple[str, ...] = (*FIELDS, *SCREENS, *PRESSES)


@dataclass(frozen=True, kw_only=True)
class DegradeConfig:
    """How photos are degraded; every number is a probability or a bound, units in the name.

    Attributes:
        families: Pattern families to draw from, equally likely within their group.
        presses: Share of the patterned photos whose pattern is of the group `PRESSES`; no matter
            where `families` has one group only.
        clean: Share of photos left exactly as they are.
        plain: Share with noise but no pattern.
        second: Share of the patterned photos with a second pattern, a third of it over `PRESSES`.
        mild: Share of the patterned photos whose pattern is faint.
        coarse: Share of the patterns drawn regardless of the photo that are 1.5 to 4 times as large
            as their family has them.
        strength: Factor on the contrast of every pattern.
        sigma: Largest Gaussian noise in patterned photos, in [0, 1] units.
        plain_sigma: Largest noise in photos without a pattern, likewise.
        jpeg: Share compressed after the pattern, qualities 40 to 95.
        soften: Share blurred, resampled or compressed before the pattern.
        dimmed: Share darkened by 1.5 to 8 times before the pattern.
    """

    families: tuple[str, ...] = FAMILIES
    presses: float = 0.35
    clean: float = 0.04
    plain: float = 0.08
    second: float = 0.3
    mild: float = 0.3
    coarse: float = 0.0
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
        target: What a restoration should give back: the clean photos, dimmed where they were, and
            in one ink's hue (grey, if it is black) where a single plate printed them.
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
    again = draws.uniform()
    image, target, laid = _lay(image, target, draws, patterned, config, stream=1)
    pressed = torch.tensor([name in PRESSES for name in laid.family], device=clean.device)
    second = patterned & (again < config.second * torch.where(pressed, 1 / 3, 1.0))
    image, target, _ = _lay(image, target, draws, second, replace(config, presses=0), stream=2)

    noisy, sigma = _record(image, draws, plain, untouched, config)
    result = torch.where(untouched.view(-1, 1, 1, 1), target, torch.round(noisy * 255) / 255)
    named = patterned.tolist()
    return Degraded(
        image=result,
        target=target,
        family=tuple(name if on else "none" for name, on in zip(laid.family, named, strict=True)),
        mode=tuple(name if on else "none" for name, on in zip(laid.mode, named, strict=True)),
        sigma=sigma,
        contrast=torch.where(patterned, laid.contrast, 0.0),
    )


def _record(
    image: Image, draws: Draws, plain: Tensor, untouched: Tensor, config: DegradeConfig
) -> tuple[Image, Float[Tensor, " n"]]:
    """The photos as a camera's file holds them, with noise and JPEG; and the noise's deviation."""
    sigma = torch.where(plain, draws.uniform(0.005, config.plain_sigma),
                        draws.uniform(-0.25 * config.sigma, config.sigma).clamp(min=0))  # fmt: skip
    sigma = torch.where(untouched, 0.0, sigma)
    noisy = add_noise(image, sigma, draws).clamp(0, 1)
    quality, subsampled = draws.uniform(40, 95), draws.chance(0.5)
    saved = torch.nonzero(draws.chance(config.jpeg) & ~untouched)[:, 0]
    if len(saved):
        compressed = jpeg(noisy[saved], quality[saved], subsampled[saved])
        noisy = noisy.index_copy(0, saved, compressed)
    return noisy, sigma


def _soften(image: Image, draws: Draws, where: Tensor) -> Image:
    """Blur, resampling and JPEG that came before the pattern."""
    sigma, quality = draws.uniform(0.3, 1.4), draws.uniform(50, 95)
    choice = draws.integers(0, 3)
    rows = torch.nonzero(where)[:, 0]
    if not len(rows):
        return image
    part = image[rows]
    blurred = gaussian_blur(part, sigma[rows])
    small = resample(part, 0.6)
    pressed = jpeg(part, quality[rows], torch.ones_like(where[rows]))
    pick = choice[rows].view(-1, 1, 1, 1)
    softened = torch.where(pick == 0, blurred, torch.where(pick == 1, small, pressed))
    return image.index_copy(0, rows, softened)


@dataclass(frozen=True, eq=False)
class _Laid:
    """Family, mode and contrast of the pattern that was drawn for each photo."""

    family: list[str]
    mode: list[str]
    contrast: Float[Tensor, " n"]


def _choose(own: Draws, config: DegradeConfig) -> list[str]:
    """A family for each photo: first its group, then one of the group."""
    fields = [name for name in config.families if name not in PRESSES]
    presses = [name for name in config.families if name in PRESSES]
    printed, place = own.chance(config.presses).tolist(), own.uniform().tolist()
    groups = [presses if (on and presses) or not fields else fields for on in printed]
    return [
        group[min(int(part * len(group)), len(group) - 1)]
        for group, part in zip(groups, place, strict=True)
    ]


def _lay(
    image: Image, target: Image, draws: Draws, where: Tensor, config: DegradeConfig, *, stream: int
) -> tuple[Image, Image, _Laid]:
    """Lay one pattern over the photos in `where`; says what was drawn, and what is to come back."""
    own = Draws(combine(draws.seeds, stream), stream)
    names = _choose(own, config)
    mode = own.integers(0, len(MODES))
    faint = own.chance(config.mild)
    contrast = torch.where(faint, own.uniform(0.05, 0.2), own.uniform(0.2, 0.75))
    contrast = (contrast * config.strength).clamp(max=1)
    size = _sizes(own, config.coarse)
    marked = where.tolist()
    for name in dict.fromkeys(names):
        numbers = [n for n, own_name in enumerate(names) if own_name == name and marked[n]]
        if not numbers:
            continue
        rows = torch.tensor(numbers, device=image.device)
        part = own.subset(rows)
        if name in TRUTHS:
            target = target.index_copy(0, rows, TRUTHS[name](target[rows], part))
            image = image.index_copy(0, rows, TRUTHS[name](image[rows], part))
        laid = _pattern(name, image[rows], mode[rows], contrast[rows], size[rows], part)
        image = image.index_copy(0, rows, laid.clamp(0, 1))
    modes = [
        MODES[m] if n in FIELDS else "overlay" for n, m in zip(names, mode.tolist(), strict=True)
    ]
    return image, target, _Laid(names, modes, contrast)


def _sizes(own: Draws, coarse: float) -> Float[Tensor, " n"]:
    """How many times as large as its family has it each pattern is; takes no draw of the rest."""
    draws = Draws(combine(own.seeds, 3), 3)
    return torch.where(draws.chance(coarse), draws.log_uniform(1.5, 4), 1.0)


def _pattern(
    name: str,
    photo: Image,
    mode: Tensor,
    contrast: Float[Tensor, " n"],
    size: Float[Tensor, " n"],
    draws: Draws,
) -> Image:
    """Photos under one family's pattern; a faint screen or print shows a share of itself."""
    level = torch.full((len(photo),), name == "scan", device=photo.device)
    u, v = coordinates(draws, photo.shape[-2], photo.shape[-1], level)
    if name in FIELDS:
        u, v = (along / size.view(-1, 1, 1) for along in (u, v))
        return _blend(photo, FIELDS[name](u, v, draws), mode, contrast, draws)
    if name in SCREENS:
        share = (contrast * 1.6).clamp(max=1).view(-1, 1, 1, 1)
        return photo * (1 - share) + SCREENS[name](photo, u, v, draws) * share
    share = (contrast * 5).clamp(max=1).view(-1, 1, 1, 1)  # whole, but where faint
    return photo * (1 - share) + PRESSES[name](photo, u, v, draws) * share


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
