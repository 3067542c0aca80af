"""What a printing press makes of a photo: ragged newspaper dots, four plates, stochastic grains.

Each function takes the photo (n, 3, h, w), coordinates in px and draws, and returns the print as a
scanner sees it, (n, 3, h, w) in [0, 1]. The tone is kept: the ink covers as much as the photo asks.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from restorecli.colour import luma
from restorecli.degrade.corruption import gaussian_blur
from restorecli.degrade.inks import overprinted, plates, scanned
from restorecli.degrade.patterns import turned
from restorecli.degrade.rng import Draws
from restorecli.degrade.textures import Planes, clouds, column, grain, normal

Image = Float[Tensor, "n 3 h w"]
Field = Float[Tensor, "n h w"]
ROUND, LINE, SQUARE = 0, 1, 2
_PHASES, _LEVELS, _TONES = 24, 41, 65  # of the tables in which a screen's tone is looked up


def spot(u: Field, v: Field, period: Float[Tensor, " n"], shape: Int[Tensor, " n"]) -> Field:
    """Spot function of a screen in [0, 1]: where it is low, ink comes first."""
    scale = (2 * math.pi / period).view(-1, 1, 1)
    return _spot(torch.cos(u * scale), torch.cos(v * scale), shape)


def _spot(a: Tensor, b: Tensor, shape: Int[Tensor, " n"]) -> Tensor:
    shape = shape.view(-1, 1, 1)
    dot, line, square = 0.5 + 0.25 * (a + b), 0.5 + 0.5 * a, 0.5 + 0.5 * a * b
    return torch.where(shape == ROUND, dot, torch.where(shape == LINE, line, square))


def level_table(shape: Int[Tensor, " n"], slope: Float[Tensor, " n"]) -> Float[Tensor, "n t"]:
    """Levels at which a screen's ink covers 0 to 1 of a period, from the screen's own histogram.

    Args:
        shape: Of the dots.
        slope: Of the dots' edges: ink is `(level - spot) * slope + 0.5`, clamped to [0, 1].
    """
    phase = (torch.arange(_PHASES, device=slope.device) + 0.5) * (math.pi / _PHASES)
    wave = torch.cos(phase)
    spots = _spot(wave.view(1, -1, 1), wave.view(1, 1, -1), shape).flatten(1)
    margin = (0.5 / slope).view(-1, 1)
    steps = torch.linspace(0, 1, _LEVELS, device=slope.device)
    levels = steps * (1 + 2 * margin) - margin
    ink = (levels.unsqueeze(2) - spots.unsqueeze(1)) * slope.view(-1, 1, 1) + 0.5
    covers = ink.clamp(0, 1).mean(2) + steps * 1e-6  # strictly rising
    tones = torch.linspace(0, 1, _TONES, device=slope.device).expand(len(slope), -1).contiguous()
    above = torch.searchsorted(covers.contiguous(), tones).clamp(1, _LEVELS - 1)
    low, high = covers.gather(1, above - 1), covers.gather(1, above)
    part = ((tones - low) / (high - low)).clamp(0, 1)
    return levels.gather(1, above - 1) * (1 - part) + levels.gather(1, above) * part


def look_up(table: Float[Tensor, "n t"], tone: Field) -> Field:
    """Linear interpolation in each sample's table over [0, 1]."""
    at = tone.flatten(1).clamp(0, 1) * (table.shape[1] - 1)
    first = at.long().clamp(max=table.shape[1] - 2)
    part = at - first
    values = table.gather(1, first) * (1 - part) + table.gather(1, first + 1) * part
    return values.view_as(tone)


def _ragged(
    draws: Draws, u: Field, v: Field, period: Float[Tensor, " n"]
) -> tuple[Field, Field, Field]:
    """Coordinates with the dots' centres jittered, and noise of the dots' size and edges."""
    size = (u.shape[-2], u.shape[-1])
    wander = clouds(draws, 3, size, period * draws.uniform(0.6, 1.1), 2)
    reach = (period * draws.uniform(0.005, 0.06)).view(-1, 1, 1)
    edges = grain(draws, 1, size, draws.uniform(0.4, 1.3))[:, 0]
    rough = draws.log_uniform(0.02, 0.15).view(-1, 1, 1)
    uneven = draws.uniform(0.0, 0.07).view(-1, 1, 1)
    noise = edges * rough + wander[:, 2] * uneven
    return u + wander[:, 0] * reach, v + wander[:, 1] * reach, noise


def newsprint(photo: Image, u: Field, v: Field, draws: Draws) -> Image:
    """One black plate on newsprint: dots that ran, moved and broke, on rough yellowing paper.

    An amplitude-modulated screen, mostly at 45°, with threshold noise, jitter and dot gain as in
    Lau & Arce, "Modern Digital Halftoning" (2008), ch. 2 and 3; the gain 4·g·a·(1 - a) is the
    quadratic form of the Murray–Davies/Yule–Nielsen curve.
    """
    height, width = photo.shape[-2:]
    period = draws.log_uniform(2.3, 6)
    period = torch.where(draws.chance(0.5), period, draws.log_uniform(3, 16))
    usual = math.pi / 4 + draws.uniform(-0.09, 0.09)
    angle = torch.where(draws.chance(0.75), usual, draws.uniform(0, math.pi / 2))
    u, v = turned(draws, height, width, angle, 0.25)
    u, v, noise = _ragged(draws, u, v, period)
    shape = torch.where(draws.chance(0.85), ROUND, draws.integers(LINE, SQUARE + 1))
    slope = (period * draws.log_uniform(0.25, 1.5)).clamp(min=0.8)
    tone = 1 - luma(photo)[:, 0]
    gain = draws.uniform(-0.2, 0.35).view(-1, 1, 1)
    tone = tone + gain * tone * (1 - tone)
    level = look_up(level_table(shape, slope), tone)
    cover = (level - spot(u, v, period, shape) + noise) * slope.view(-1, 1, 1) + 0.5
    blur = draws.uniform(0.2, 0.9) + (period - 5).clamp(min=0) * draws.uniform(0, 0.15)
    scan = scanned(cover.clamp(0, 1), draws, blur)
    return scan + _rescanned(draws, u, v) * (4 * tone * (1 - tone)).clamp(min=0).unsqueeze(1)


def _rescanned(draws: Draws, u: Field, v: Field) -> Image:
    """Blotches of colour where a scan was made smaller than its dots: their beat with the pixels.

    Seldom more than zero. Red, green and blue were scanned by rows of their own, so phases differ.
    """
    beat = draws.log_uniform(5, 28)
    size = column(draws.log_uniform(0.03, 0.15) * draws.chance(0.15))
    apart = draws.uniform(0, 0.5)
    waves = []
    for channel in range(3):
        shift = (channel * apart + draws.uniform(-0.05, 0.05)).view(-1, 1, 1)
        scale = beat.view(-1, 1, 1)
        turns = torch.cos(2 * math.pi * (u / scale + shift))
        waves.append(turns + torch.cos(2 * math.pi * (v / scale + shift)))
    return torch.stack(waves, 1) * size


_ANGLES = (15.0, 75.0, 0.0, 45.0)  # degrees; cyan, magenta, yellow, black: DIN 16547, ISO 12647


def _misregister(plates: Planes, draws: Draws) -> Planes:
    """Move each plate by up to a pixel."""
    n, count, height, width = plates.shape
    reach = draws.uniform(0, 1) * draws.chance(0.7)
    moves = [draws.uniform(-1, 1) * reach for _ in range(2 * count)]
    shift = torch.stack(moves, 1).view(n * count, 1, 1, 2)
    shift = shift * torch.tensor([2 / width, 2 / height], device=plates.device)
    unit = torch.eye(2, 3, device=plates.device).expand(n * count, 2, 3)
    grid = F.affine_grid(unit, [n * count, 1, height, width], align_corners=False) + shift
    moved = F.grid_sample(plates.reshape(-1, 1, height, width), grid, padding_mode="border",
                          align_corners=False)  # fmt: skip
    return moved.view_as(plates)


def process(photo: Image, u: Field, v: Field, draws: Draws) -> Image:
    """Four plates at their angles, in inks that are not quite pure; tone and hue are kept.

    Demichel's independent plates (1924) with Neugebauer's colours as products (1937), registered
    within a pixel. Angles as in offset printing: C 15°, M 75°, Y 0°, K 45°.
    """
    period = draws.log_uniform(2.5, 5.5)
    period = torch.where(draws.chance(0.5), period, draws.log_uniform(3, 12))
    shape = torch.where(draws.chance(0.7), ROUND, SQUARE)
    height, width = photo.shape[-2:]
    u, v = turned(draws, height, width, draws.uniform(0, math.pi), 0.15)
    slope = (period * draws.log_uniform(0.3, 1.5)).clamp(min=0.8)
    tones, inks = plates(photo, draws)
    tones = _misregister(tones, draws)
    table = level_table(shape, slope)
    rough = grain(draws, 4, (height, width), draws.uniform(0.4, 1))
    rough = rough * column(draws.uniform(0, 0.12)) * (tones * (1 - tones)).clamp(min=0).sqrt()
    cover = []
    for plate, degrees in enumerate(_ANGLES):
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        across = u * cos + v * sin + draws.uniform(0, 16).view(-1, 1, 1)
        along = v * cos - u * sin
        level = look_up(table, tones[:, plate]) + rough[:, plate]
        ink = (level - spot(across, along, period, shape)) * slope.view(-1, 1, 1) + 0.5
        cover.append(ink.clamp(0, 1))
    blur = draws.uniform(0.2, 1.0) + period * draws.uniform(0, 0.06)
    printed = gaussian_blur(overprinted(torch.stack(cover, 1), inks), blur)
    return printed * column(draws.uniform(0.93, 1))


def _threshold_noise(draws: Draws, channels: int, size: tuple[int, int], coarsest: float) -> Planes:
    """Band-pass noise of deviation 1: grains when the band is wide, worms when it is narrow."""
    white = draws.normal_field(channels, *size)
    fine = draws.log_uniform(0.3, coarsest)
    wide = (fine * draws.uniform(1.3, 2.5)).clamp(max=3)
    return normal(gaussian_blur(white, fine) - gaussian_blur(white, wide))


def _stochastic(tone: Planes, draws: Draws, coarsest: float) -> Planes:
    """Coverage in [0, 1] where noise lies below the tone's quantile: FM screening, tone kept."""
    noise = _threshold_noise(draws, tone.shape[1], (tone.shape[-2], tone.shape[-1]), coarsest)
    soft = column(draws.log_uniform(0.1, 0.7))  # of the edges, in deviations of the noise
    quantile = math.sqrt(2) * torch.erfinv((2 * tone - 1).clamp(-0.998, 0.998))
    level = quantile * torch.sqrt(1 + soft * soft / 3)
    return ((level - noise) / (2 * soft) + 0.5).clamp(0, 1)


def mezzotint(photo: Image, u: Field, v: Field, draws: Draws) -> Image:
    """One plate of irregular grains or worms, as a mezzotint's or a collotype's.

    Thresholded band-pass ("blue") noise: Ulichney, "Dithering with blue noise" (1988); worms are
    the green noise of Lau, Arce & Gallagher (1998).
    """
    cover = _stochastic(1 - luma(photo), draws, 1.3)[:, 0]
    return scanned(cover, draws, draws.uniform(0.2, 0.8))


def stochastic(photo: Image, u: Field, v: Field, draws: Draws) -> Image:
    """Frequency-modulated screening in four inks, each with grains of its own; colour is kept."""
    tones, inks = plates(photo, draws)
    printed = overprinted(_stochastic(tones, draws, 0.8), inks)
    return gaussian_blur(printed, draws.uniform(0.3, 0.9))
