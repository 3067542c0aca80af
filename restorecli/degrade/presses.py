"""What a printing press makes of a photo: ragged newspaper dots, four plates, stochastic grains.

Each function takes the photo (n, 3, h, w), coordinates in px and draws, and returns the print as a
scanner sees it, (n, 3, h, w) in [0, 1]. The tone is kept: the ink covers as much as the photo asks.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from restorecli.degrade.corruption import gaussian_blur
from restorecli.degrade.patterns import turned
from restorecli.degrade.rng import Draws
from restorecli.degrade.screens import luma
from restorecli.degrade.textures import Planes, clouds, column, grain, normal

Image = Float[Tensor, "n 3 h w"]
Field = Float[Tensor, "n h w"]
ROUND, LINE, SQUARE = 0, 1, 2
_INK_STREAM = 31
_PHASES, _LEVELS, _TONES = 24, 41, 65  # of the tables in which a screen's tone is looked up


@dataclass(frozen=True, eq=False)
class Stock:
    """Paper and the one ink on it.

    Attributes:
        paper: (n, 3, 1, 1) colour of the bare paper.
        absorbs: (n, 3, 1, 1) share of light a solid takes, relative: all ones for black.
        density: (n, 1, 1, 1) share that a solid takes in fact.
    """

    paper: Float[Tensor, "n 3 1 1"]
    absorbs: Float[Tensor, "n 3 1 1"]
    density: Float[Tensor, "n 1 1 1"]


def stock(draws: Draws) -> Stock:
    """Paper and ink of a sample; hang on its seed alone, not on what was drawn before."""
    own = Draws(draws.seeds, _INK_STREAM)
    yellow = own.uniform(0, 0.11) * own.chance(0.5)
    white = own.uniform(0.88, 1.0)
    paper = torch.stack([white, white - 0.35 * yellow, white - yellow], 1)
    tinted = own.chance(0.14).view(-1, 1)
    weakest = torch.stack([own.uniform(0.55, 1) for _ in range(3)], 1)
    ink = weakest / weakest.amax(1, keepdim=True)
    absorbs = torch.where(tinted, ink, torch.ones_like(ink))
    shape = (-1, 3, 1, 1)
    return Stock(paper.view(shape), absorbs.view(shape), column(own.uniform(0.87, 0.99)))


def one_plate(photo: Image, draws: Draws) -> Image:
    """The photo as one plate can hold it: its luma, in the ink's hue. Black ink makes it grey."""
    return 1 - (1 - luma(photo)) * stock(draws).absorbs


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
    found = table.gather(1, first) * (1 - part) + table.gather(1, first + 1) * part
    return found.view_as(tone)


def _ragged(
    draws: Draws, u: Field, v: Field, period: Float[Tensor, " n"]
) -> tuple[Field, Field, Field]:
    """Coordinates with the dots' centres jittered, and noise of the dots' size and edges."""
    size = (u.shape[-2], u.shape[-1])
    wander = clouds(draws, 3, size, period * draws.uniform(0.6, 1.1), 2)
    reach = (period * draws.uniform(0.005, 0.06)).view(-1, 1, 1)
    edges = grain(draws, 1, size, draws.uniform(0.4, 1.3))[:, 0]
    rough = draws.log_uniform(0.02, 0.2).view(-1, 1, 1)
    uneven = draws.uniform(0.0, 0.07).view(-1, 1, 1)
    noise = edges * rough + wander[:, 2] * uneven
    return u + wander[:, 0] * reach, v + wander[:, 1] * reach, noise


def _fibres(draws: Draws, size: tuple[int, int]) -> Float[Tensor, "n 1 h w"]:
    """Lightness of rough paper about 1: fine grain and soft mottling."""
    fine = grain(draws, 1, size, draws.uniform(0.5, 1.2))
    soft = clouds(draws, 1, size, draws.log_uniform(4, 12), 4)
    return 1 + fine * column(draws.uniform(0, 0.025)) + soft * column(draws.uniform(0, 0.02))


def _scanned(cover: Field, draws: Draws, sigma: Float[Tensor, " n"]) -> Image:
    """Paper under an ink that covers it in places, of uneven density, seen by a scanner."""
    size = (cover.shape[-2], cover.shape[-1])
    sheet = stock(draws)
    weather = clouds(draws, 1, size, draws.log_uniform(20, 90), 20)
    density = sheet.density * (1 - column(draws.uniform(0, 0.06)) * (1 + weather)).clamp(0.6, 1)
    paper = _fibres(draws, size)
    seen = gaussian_blur(torch.cat([cover.unsqueeze(1) * density, paper], 1), sigma)
    return (sheet.paper * seen[:, 1:] * (1 - seen[:, :1] * sheet.absorbs)).clamp(0, 1)


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
    shape = torch.where(draws.chance(0.8), ROUND, draws.integers(LINE, SQUARE + 1))
    slope = (period * draws.log_uniform(0.25, 1.5)).clamp(min=0.8)
    tone = 1 - luma(photo)[:, 0]
    gain = draws.uniform(-0.2, 0.35).view(-1, 1, 1)
    tone = tone + gain * tone * (1 - tone)
    level = look_up(level_table(shape, slope), tone)
    cover = (level - spot(u, v, period, shape) + noise) * slope.view(-1, 1, 1) + 0.5
    blur = draws.uniform(0.2, 0.9) + (period - 5).clamp(min=0) * draws.uniform(0, 0.15)
    return _scanned(cover.clamp(0, 1), draws, blur)


# What cyan, magenta and yellow take of red, green and blue: least and most, about real offset inks
_ABSORBED = (
    ((0.82, 0.97), (0.12, 0.34), (0.02, 0.1)),
    ((0.03, 0.12), (0.8, 0.95), (0.15, 0.42)),
    ((0.0, 0.03), (0.02, 0.1), (0.75, 0.95)),
)
_PLATES = (15.0, 75.0, 0.0, 45.0)  # degrees; cyan, magenta, yellow, black: DIN 16547, ISO 12647


def separate(
    photo: Image, inks: Float[Tensor, "n 3 3"], black: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 3 h w"]:
    """Coverages of cyan, magenta and yellow whose Demichel mean is the photo.

    Under independent plates the mean of channel c is `black · Π(1 - a_i · inks[i, c])`; each ink is
    solved for the channel it takes most of, in turns.

    Args:
        photo: In [0, 1].
        inks: Share of light that ink i takes of channel c.
        black: What the black plate lets through.
    """
    wanted = photo / black.clamp(min=0.02)
    cover = [1 - wanted[:, c] for c in range(3)]
    for _ in range(3):
        for c in range(3):
            others = torch.ones_like(cover[c])
            for i in range(3):
                if i != c:
                    others = others * (1 - cover[i] * inks[:, i, c].view(-1, 1, 1))
            full = inks[:, c, c].view(-1, 1, 1)
            cover[c] = ((1 - wanted[:, c] / others) / full).clamp(0, 1)
    return torch.stack(cover, 1)


def _inks(draws: Draws) -> Float[Tensor, "n 3 3"]:
    rows = [torch.stack([draws.uniform(*pair) for pair in ink], 1) for ink in _ABSORBED]
    return torch.stack(rows, 1)


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

    Demichel's independent plates (1924) with Neugebauer's colours as products (1937); how much grey
    goes to the black plate (GCR) is drawn. Angles as in offset printing: C 15°, M 75°, Y 0°, K 45°.
    """
    period = draws.log_uniform(3, 12)
    shape = torch.where(draws.chance(0.7), ROUND, SQUARE)
    u, v = turned(draws, photo.shape[-2], photo.shape[-1], draws.uniform(0, math.pi), 0.15)
    slope = (period * draws.log_uniform(0.3, 1.5)).clamp(min=0.8)
    inks, most = _inks(draws), column(draws.uniform(0.88, 0.98))
    grey = (1 - photo.amax(1, keepdim=True)) * column(draws.uniform(0, 1) * draws.chance(0.85))
    key = (grey / most) ** column(draws.uniform(1, 1.6))
    cover = separate(photo, inks, 1 - key * most)
    plates = _misregister(torch.cat([cover, key], 1), draws)
    table = level_table(shape, slope)
    rough = grain(draws, 4, (photo.shape[-2], photo.shape[-1]), draws.uniform(0.4, 1))
    rough = rough * column(draws.uniform(0, 0.12)) * (plates * (1 - plates)).clamp(min=0).sqrt()
    printed = torch.ones_like(photo)
    for plate, degrees in enumerate(_PLATES):
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        across = u * cos + v * sin + draws.uniform(0, 16).view(-1, 1, 1)
        along = v * cos - u * sin
        level = look_up(table, plates[:, plate]) + rough[:, plate]
        ink = (level - spot(across, along, period, shape)) * slope.view(-1, 1, 1) + 0.5
        takes = most.expand(-1, 3, 1, 1) if plate == 3 else inks[:, plate].view(-1, 3, 1, 1)
        printed = printed * (1 - ink.clamp(0, 1).unsqueeze(1) * takes)
    printed = gaussian_blur(printed, draws.uniform(0.2, 1.0) + period * draws.uniform(0, 0.06))
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
    return _scanned(cover, draws, draws.uniform(0.2, 0.8))


def stochastic(photo: Image, u: Field, v: Field, draws: Draws) -> Image:
    """Frequency-modulated screening in three inks, each with grains of its own; colour is kept."""
    inks = _inks(draws)
    cover = _stochastic(separate(photo, inks, torch.ones_like(photo[:, :1])), draws, 0.8)
    printed = torch.ones_like(photo)
    for plate in range(3):
        printed = printed * (1 - cover[:, plate : plate + 1] * inks[:, plate].view(-1, 3, 1, 1))
    return gaussian_blur(printed, draws.uniform(0.3, 0.9))
