"""The pattern families: fields in [0, 1] over warped coordinates, one row a sample.

Each function takes `u, v` (coordinates in pixels along and across the pattern, already turned and
warped) and the sample's `Draws`, and returns a field (n, h, w). Families that depend on the photo
(halftone, dither) are in `screens.py`.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from restorecli.degrade.rng import Draws, mix

Field = Float[Tensor, "n h w"]
TAU = 2 * math.pi
LONG_PERIODS, LONG_SHARE = (24.0, 72.0), 0.12


def _column(values: Shaped[Tensor, " n"]) -> Shaped[Tensor, "n 1 1"]:
    return values.view(-1, 1, 1)


def _wave(u: Field, period: Float[Tensor, " n"], phase: Float[Tensor, " n"]) -> Field:
    """Cosine wave in [-1, 1]."""
    return torch.cos(TAU * (u / _column(period) + _column(phase)))


def _period(draws: Draws, low: float, high: float) -> Float[Tensor, " n"]:
    """A period in px, log-uniform; in a share of the samples it is long, whatever the family."""
    usual, long = draws.log_uniform(low, high), draws.log_uniform(*LONG_PERIODS)
    return torch.where(draws.chance(LONG_SHARE), long, usual)


def _threshold(wave: Field, duty: Float[Tensor, " n"], period: Float[Tensor, " n"]) -> Field:
    """Bars of a share `duty` of the period, edges about a pixel wide so that nothing aliases."""
    level = torch.cos(math.pi * duty)
    slope = period / 6.0
    return ((wave - _column(level)) * _column(slope) + 0.5).clamp(0, 1)


def _turn(u: Field, v: Field, angle: Float[Tensor, " n"]) -> tuple[Field, Field]:
    cos, sin = _column(torch.cos(angle)), _column(torch.sin(angle))
    return u * cos + v * sin, v * cos - u * sin


def sine(u: Field, v: Field, draws: Draws) -> Field:
    """One sine grating."""
    return 0.5 + 0.5 * _wave(u, _period(draws, 2.5, 32), draws.uniform())


def sines(u: Field, v: Field, draws: Draws) -> Field:
    """Two to four gratings in any directions."""
    total, weight = torch.zeros_like(u), torch.zeros_like(u)
    for number in range(4):
        across, _ = _turn(u, v, draws.uniform(0, math.pi))
        share = draws.uniform(0.4, 1) * (draws.chance(0.5) if number > 1 else 1.0)
        total = total + _column(share) * _wave(across, _period(draws, 2.5, 32), draws.uniform())
        weight = weight + _column(share)
    return 0.5 + 0.5 * total / weight


def lines(u: Field, v: Field, draws: Draws) -> Field:
    """Bars of any width."""
    period = _period(draws, 3, 32)
    return _threshold(_wave(u, period, draws.uniform()), draws.uniform(0.1, 0.6), period)


def scan(u: Field, v: Field, draws: Draws) -> Field:
    """Scan lines: nearly level, whole periods of a few rows, hard or soft."""
    period = draws.integers(2, 9).float()
    wave = _wave(u, period, draws.uniform())
    hard = _threshold(wave, draws.uniform(0.25, 0.6), period * 2)
    return torch.where(_column(draws.chance(0.5)), hard, 0.5 + 0.5 * wave)


def grid(u: Field, v: Field, draws: Draws) -> Field:
    """Two crossing sets of lines."""
    first = _period(draws, 5, 36)
    second = torch.where(draws.chance(0.6), first, _period(draws, 5, 36))
    duty = draws.uniform(0.08, 0.4)
    bars_u = _threshold(_wave(u, first, draws.uniform()), duty, first)
    bars_v = _threshold(_wave(v, second, draws.uniform()), duty, second)
    return torch.maximum(bars_u, bars_v)


def dots(u: Field, v: Field, draws: Draws) -> Field:
    """Discs on a square or a staggered lattice."""
    period = _period(draws, 4, 28)
    stagger = torch.where(draws.chance(0.4), 0.5, 0.0)
    row = torch.floor(v / _column(period))
    x = torch.remainder(u / _column(period) + row * _column(stagger), 1) - 0.5
    y = torch.remainder(v / _column(period), 1) - 0.5
    distance = torch.sqrt(x * x + y * y)
    return ((_column(draws.uniform(0.15, 0.48)) - distance) * _column(period) + 0.5).clamp(0, 1)


def checker(u: Field, v: Field, draws: Draws) -> Field:
    """Checkerboard, or a soft product of waves."""
    period = _period(draws, 4, 40)
    wave = _wave(u, period, draws.uniform()) * _wave(v, period, draws.uniform())
    return (wave * _column(torch.where(draws.chance(0.7), period / 3, 0.5)) + 0.5).clamp(0, 1)


def hatch(u: Field, v: Field, draws: Draws) -> Field:
    """Strokes in one or two directions, whole or broken."""
    period = _period(draws, 4, 24)
    duty = draws.uniform(0.15, 0.45)
    strokes = _threshold(_wave(u, period, draws.uniform()), duty, period)
    along = draws.log_uniform(8, 40)
    shift = torch.floor(u / _column(period)) * 0.37
    gaps = _threshold(_wave(v + shift * _column(along), along, draws.uniform()), 1 - duty, along)
    broken = torch.where(_column(draws.chance(0.4)), strokes * gaps, strokes)
    across, _ = _turn(u, v, draws.uniform(0.5, 2.6))
    other = _threshold(_wave(across, period, draws.uniform()), duty, period)
    return torch.where(_column(draws.chance(0.6)), torch.maximum(broken, other), broken)


def _tiled_noise(u: Field, v: Field, cell: Tensor, count: Tensor, seeds: Tensor) -> Field:
    """Value noise on a lattice that repeats every `count` cells of `cell` pixels."""
    x, y = u / _column(cell), v / _column(cell)
    x0, y0 = torch.floor(x), torch.floor(y)
    fx, fy = x - x0, y - y0
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    seed, repeat = seeds.view(-1, 1, 1), count.view(-1, 1, 1)

    def corner(dx: int, dy: int) -> Field:
        column = torch.remainder(x0.long() + dx, repeat)
        row = torch.remainder(y0.long() + dy, repeat)
        return mix(seed + mix(column * 0x1F123BB5 + row * 0x27D4EB2F + seed)).float() / 2**32

    top = corner(0, 0) * (1 - fx) + corner(1, 0) * fx
    bottom = corner(0, 1) * (1 - fx) + corner(1, 1) * fx
    return top * (1 - fy) + bottom * fy


def tile(u: Field, v: Field, draws: Draws) -> Field:
    """A random texture repeated, smooth or cut hard."""
    cell, count = draws.log_uniform(1.5, 10), draws.integers(2, 9)
    noise = _tiled_noise(u, v, cell, count, draws.seeds)
    fine = _tiled_noise(u, v, cell / 2, count * 2, mix(draws.seeds + 1))
    noise = torch.where(_column(draws.chance(0.5)), 0.65 * noise + 0.35 * fine, noise)
    contrast = torch.where(draws.chance(0.5), draws.uniform(1, 2), draws.uniform(4, 10))
    return ((noise - 0.5) * _column(contrast) + 0.5).clamp(0, 1)


def watermark(u: Field, v: Field, draws: Draws) -> Field:
    """Sparse blocky strokes repeated at a distance, as stamped text is."""
    width, height = draws.log_uniform(28, 90), draws.log_uniform(18, 60)
    row = torch.floor(v / _column(height))
    x = torch.remainder(u / _column(width) + row * _column(draws.uniform()), 1)
    y = torch.remainder(v / _column(height), 1)
    letters = draws.integers(3, 9).view(-1, 1, 1)
    glyph = torch.floor(x * letters * 3).long() * 0x1F123BB5
    stroke = torch.floor(y * 9).long()
    ink = mix(draws.seeds.view(-1, 1, 1) + mix(glyph + stroke * 0x27D4EB2F)) > 0.5 * 2**32
    band = (y > 0.25) & (y < 0.25 + _column(draws.uniform(0.25, 0.6)))
    return (ink & band & (x < 0.9)).float()


def moire(u: Field, v: Field, draws: Draws) -> Field:
    """Beats of two close gratings, straight or curved."""
    period = draws.log_uniform(2.2, 7)
    across, _ = _turn(u, v, draws.uniform(-0.25, 0.25))
    bend = (u * u + v * v) * _column(draws.uniform(0, 4e-4) * draws.chance(0.5))
    first = _wave(u, period, draws.uniform())
    second = _wave(across + bend, period * draws.uniform(0.88, 1.14), draws.uniform())
    hard = _column(torch.where(draws.chance(0.4), 3.0, 1.0))
    product = (first * hard).clamp(-1, 1) * (second * hard).clamp(-1, 1)
    beats = torch.where(_column(draws.chance(0.5)), product, 0.5 * (first + second))
    return 0.5 + 0.5 * beats


def weave(u: Field, v: Field, draws: Draws) -> Field:
    """Threads over and under each other, rounded by shading."""
    period = _period(draws, 4, 20)
    column, row = torch.floor(u / _column(period)), torch.floor(v / _column(period))
    over = torch.remainder(column + row, 2) == 0
    across = torch.where(over, torch.remainder(u / _column(period), 1), 0.0)
    across = torch.where(over, across, torch.remainder(v / _column(period), 1))
    shade = torch.sin(math.pi * across).clamp(min=0)  # a remainder may round up to 1
    return shade ** _column(draws.uniform(0.5, 2))


def bricks(u: Field, v: Field, draws: Draws) -> Field:
    """Joints of a wall: rows shifted by half."""
    height = _period(draws, 6, 24)
    length = height * draws.uniform(1.2, 3)
    joint = draws.uniform(0.08, 0.3)
    row = torch.floor(v / _column(height))
    x = torch.remainder(u / _column(length) + 0.5 * torch.remainder(row, 2), 1)
    y = torch.remainder(v / _column(height), 1)
    ratio = height / length
    return ((x < _column(joint * ratio)) | (y < _column(joint))).float()


def rings(u: Field, v: Field, draws: Draws) -> Field:
    """Concentric rings, from one centre or repeated on a lattice."""
    period, cell = _period(draws, 3, 16), draws.log_uniform(20, 80)
    lattice = _column(draws.chance(0.6))
    x = torch.where(lattice, torch.remainder(u, _column(cell)) - _column(cell / 2), u)
    y = torch.where(lattice, torch.remainder(v, _column(cell)) - _column(cell / 2), v)
    wave = _wave(torch.sqrt(x * x + y * y + 1e-6), period, draws.uniform())
    hard = _threshold(wave, draws.uniform(0.2, 0.6), period)
    return torch.where(_column(draws.chance(0.5)), hard, 0.5 + 0.5 * wave)


def zigzag(u: Field, v: Field, draws: Draws) -> Field:
    """Chevrons or wavy lines."""
    period, length = _period(draws, 4, 24), draws.log_uniform(8, 48)
    phase = torch.remainder(v / _column(length), 1)
    triangle = (phase - 0.5).abs() * 2
    smooth = 0.5 + 0.5 * torch.cos(TAU * phase)
    bend = torch.where(_column(draws.chance(0.5)), triangle, smooth)
    wave = _wave(u + bend * _column(period * draws.uniform(0.5, 2)), period, draws.uniform())
    return _threshold(wave, draws.uniform(0.2, 0.6), period)


def hexagons(u: Field, v: Field, draws: Draws) -> Field:
    """Three gratings at 60°: honeycombs, triangles or staggered discs."""
    period = _period(draws, 4, 28)
    total = _wave(u, period, draws.uniform())
    for angle in (math.pi / 3, 2 * math.pi / 3):
        across, _ = _turn(u, v, torch.full_like(period, angle))
        total = total + _wave(across, period, torch.zeros_like(period))
    contrast = torch.where(draws.chance(0.6), period / 4, 0.35)
    return (total * _column(contrast) + 0.5).clamp(0, 1)


FIELDS: dict[str, Callable[[Field, Field, Draws], Field]] = {
    "sine": sine, "sines": sines, "lines": lines, "scan": scan, "grid": grid, "dots": dots,
    "checker": checker, "hatch": hatch, "tile": tile, "moire": moire, "weave": weave,
    "watermark": watermark, "bricks": bricks, "rings": rings, "zigzag": zigzag,
    "hexagons": hexagons,
}  # fmt: skip


def coordinates(draws: Draws, height: int, width: int, level: Tensor) -> tuple[Field, Field]:
    """Coordinates in pixels about the centre, turned by any angle and, in half the samples, warped.

    Args:
        draws: One row a sample.
        height: Rows.
        width: Columns.
        level: (n,) bool; samples whose angle stays within 2° of level (scan lines).

    Returns:
        `u, v`, each (n, h, w).
    """
    angle = draws.uniform(-math.pi, math.pi)
    upright = torch.where(
        draws.chance(0.35), torch.round(angle / (math.pi / 2)) * (math.pi / 2), angle
    )
    tilted = math.pi / 2 + draws.uniform(-0.035, 0.035) * draws.chance(0.5)
    return turned(draws, height, width, torch.where(level, tilted, upright))


def turned(
    draws: Draws, height: int, width: int, angle: Float[Tensor, " n"], warp: float = 1.0
) -> tuple[Field, Field]:
    """Coordinates as of `coordinates`, at a given angle in radians; `warp` weakens the warping."""
    device = draws.seeds.device
    y = torch.arange(height, device=device).view(1, -1, 1) - height / 2 + 0.0
    x = torch.arange(width, device=device).view(1, 1, -1) - width / 2 + 0.0
    cos, sin = torch.cos(angle), torch.sin(angle)
    u = x * _column(cos) + y * _column(sin)
    v = y * _column(cos) - x * _column(sin)
    warped = draws.chance(0.5)
    for _ in range(2):
        size = draws.uniform(0.3, 4) * warped * warp
        wave = draws.log_uniform(40, 200)
        shift_u = _column(size) * torch.sin(TAU * (v / _column(wave) + _column(draws.uniform())))
        shift_v = _column(size) * torch.sin(TAU * (u / _column(wave) + _column(draws.uniform())))
        u, v = u + shift_u, v + shift_v
    return u + _column(draws.uniform(0, 64)), v + _column(draws.uniform(0, 64))
