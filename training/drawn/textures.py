"""Cloth and surfaces as functions of the place: (u, v) in px → colour.

Each function draws its colours and proportions once and returns a `Texture`, which may then be
asked at any places: straight, folded or in perspective. Light comes later.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from training.drawn.canvas import colour, mixed, vivid

Plane = Float[np.ndarray, "h w"]
Colours = Float[np.ndarray, "h w 3"]
Texture = Callable[[Plane, Plane], Colours]


def stripes(rng: np.random.Generator, period: float) -> Texture:
    """A repeat of bands of two to four colours, the same all along."""
    colours, edges = _bands(rng, period)

    def at(u: Plane, v: Plane) -> Colours:
        colour = colours[np.searchsorted(edges, np.mod(u, period)) % len(colours)]
        return np.asarray(colour, dtype=np.float32)

    return at


def checks(rng: np.random.Generator, period: float) -> Texture:
    """Gingham or tartan: one sett of bands across another, woven as twill."""
    colours, edges = _bands(rng, period)
    twill = float(rng.choice([0, 2.5, 4]))

    def at(u: Plane, v: Plane) -> Colours:
        warp = colours[np.searchsorted(edges, np.mod(u, period)) % len(colours)]
        weft = colours[np.searchsorted(edges, np.mod(v, period)) % len(colours)]
        share = np.full_like(u, 0.5)
        if twill:
            share = np.where(np.mod(u + v, twill) < twill / 2, 0.75, 0.25)
        return _mix(warp, weft, share)

    return at


def houndstooth(rng: np.random.Generator, period: float) -> Texture:
    """Four threads dark, four light, both ways, woven two over two."""
    dark, light = _two(rng)

    def at(u: Plane, v: Plane) -> Colours:
        column, row = np.floor(u * 8 / period).astype(int), np.floor(v * 8 / period).astype(int)
        above = np.mod(column - row, 4) < 2
        threads = np.where(above, np.mod(column, 8) < 4, np.mod(row, 8) < 4)
        return _mix(light, dark, threads.astype(np.float32))

    return at


def herringbone(rng: np.random.Generator, period: float) -> Texture:
    """Slanting lines that turn back at every column."""
    dark, light = _two(rng)
    column = period * rng.uniform(1.5, 4)

    def at(u: Plane, v: Plane) -> Colours:
        slope = np.abs(np.mod(u, 2 * column) - column)
        return _mix(light, dark, (np.mod(v + slope, period) < period / 2).astype(np.float32))

    return at


def knit(rng: np.random.Generator, period: float) -> Texture:
    """Rows of V-shaped stitches, in one colour or with a pattern of two."""
    dark, light = _two(rng)
    cell = _random_cells(rng)
    patterned = rng.random() < 0.4

    def at(u: Plane, v: Plane) -> Colours:
        across = np.mod(u, period) / period - 0.5
        along = np.mod(v / period * 1.25 + np.abs(across) * 1.1, 1)
        shade = 0.45 + 0.55 * np.sin(np.pi * along) * np.cos(np.pi * (np.abs(across) - 0.25))
        yarn = cell(np.floor(np.mod(u / period, 6)), np.floor(np.mod(v / period, 8))) < 0.35
        base = _mix(light, dark, (yarn & patterned).astype(np.float32))
        return np.asarray(base * shade[..., None], dtype=np.float32)

    return at


def dots(rng: np.random.Generator, period: float) -> Texture:
    """Polka dots, in rows or staggered."""
    dark, light = _two(rng)
    radius = period * rng.uniform(0.18, 0.36)
    staggered = rng.random() < 0.6

    def at(u: Plane, v: Plane) -> Colours:
        row = np.floor(v / period)
        shift = np.mod(row, 2) * period / 2 * staggered
        du = np.mod(u + shift, period) - period / 2
        dv = np.mod(v, period) - period / 2
        return _mix(light, dark, (np.hypot(du, dv) < radius).astype(np.float32))

    return at


def weave(rng: np.random.Generator, period: float) -> Texture:
    """Canvas, denim or wicker: threads over and under, each of its own shade."""
    dark, light = _two(rng)
    cell = _random_cells(rng)
    step = int(rng.choice([1, 1, 2, 3]))

    def at(u: Plane, v: Plane) -> Colours:
        column, row = np.floor(u / period), np.floor(v / period)
        over = np.mod(column + step * row, step + 1) < 1
        bulge = np.where(over, np.mod(u, period), np.mod(v, period)) / period
        shade = 0.55 + 0.45 * np.sin(np.pi * bulge)
        shade *= 0.85 + 0.3 * np.where(over, cell(column, 0 * row), cell(0 * column + 7, row))
        base = _mix(light, dark, over.astype(np.float32) * 0.8)
        return np.asarray(base * shade[..., None], dtype=np.float32)

    return at


def bricks(rng: np.random.Generator, period: float) -> Texture:
    """Courses of bricks in mortar, each brick of its own colour, its faces uneven."""
    long, mortar = period * rng.uniform(2, 3.6), period * rng.uniform(0.07, 0.2)
    clay = colour(rng.integers((120, 60, 40), (200, 110, 90)))
    base = np.array(mixed(clay, vivid(rng), rng.choice([0.1, 0.5])), np.float32)
    joint = np.array(mixed((200, 195, 185), (90, 85, 80), rng.random()), np.float32)
    cell, spread = _random_cells(rng), rng.uniform(0.08, 0.45)
    bond = float(rng.choice([0.5, 0.5, 0.33, 0.25]))

    def at(u: Plane, v: Plane) -> Colours:
        row = np.floor(v / period)
        shifted = u / long + np.mod(row * bond, 1) + 0.04 * cell(row * 0, row)
        column = np.floor(shifted)
        tone = 1 + spread * (cell(column, row) - 0.5)
        warm = spread * 50 * (cell(column + 31, row) - 0.5)
        du = np.minimum(np.mod(shifted, 1), 1 - np.mod(shifted, 1)) * long
        dv = np.minimum(np.mod(v, period), period - np.mod(v, period))
        inside = np.clip((np.minimum(du, dv) - mortar / 2) / (mortar * 0.5) + 0.5, 0, 1)
        lit = 1 + 0.12 * np.sign(period / 2 - np.mod(v, period)) * (dv < mortar * 1.3)
        face = base * (tone * lit)[..., None]
        face[..., 0] += warm
        return _mix(joint, face, inside)

    return at


def tiles(rng: np.random.Generator, period: float) -> Texture:
    """Square tiles with joints: one colour each, two in turn, or a mosaic."""
    first, second = _two(rng)
    joint, gap = np.array(vivid(rng, 60, 230), np.float32), period * rng.uniform(0.02, 0.12)
    cell, style, spread = _random_cells(rng), rng.integers(3), rng.uniform(0.02, 0.2)

    def at(u: Plane, v: Plane) -> Colours:
        column, row = np.floor(u / period), np.floor(v / period)
        share = (np.mod(column + row, 2) if style == 0 else 0 * column if style == 1
                 else cell(column, row))  # fmt: skip
        tone = 1 + spread * (cell(column + 5, row + 3) - 0.5)
        edge = np.minimum(np.minimum(np.mod(u, period), period - np.mod(u, period)),
                          np.minimum(np.mod(v, period), period - np.mod(v, period)))  # fmt: skip
        face = _mix(first, second, share.astype(np.float32)) * tone[..., None]
        return _mix(joint, face, (edge > gap / 2).astype(np.float32))

    return at


def hexagons(rng: np.random.Generator, period: float) -> Texture:
    """Hexagonal tiles, each of its own shade."""
    first, second = _two(rng)
    joint, cell = np.array(vivid(rng, 40, 220), np.float32), _random_cells(rng)
    gap = rng.uniform(0.04, 0.1)

    def at(u: Plane, v: Plane) -> Colours:
        x, y = u / period, v / period
        tall = np.float32(np.sqrt(3))
        ax, ay = np.mod(x, 1) - 0.5, np.mod(y, tall) - tall / 2
        bx, by = np.mod(x - 0.5, 1) - 0.5, np.mod(y - tall / 2, tall) - tall / 2
        nearer = ax * ax + ay * ay < bx * bx + by * by
        dx, dy = np.where(nearer, ax, bx), np.where(nearer, ay, by)
        reach = np.maximum(np.abs(dx), np.abs(dx) * 0.5 + np.abs(dy) * tall / 2)
        share = cell(np.rint((x - dx) * 2), np.rint((y - dy) * 2))
        return _mix(joint, _mix(first, second, share), (reach < 0.5 - gap / 2).astype(np.float32))

    return at


def roof(rng: np.random.Generator, period: float) -> Texture:
    """Rows of tiles with round or straight ends that throw a shadow on the next row."""
    base = np.array(mixed((170, 80, 50), vivid(rng), rng.choice([0.15, 0.6])), np.float32)
    cell, spread = _random_cells(rng), rng.uniform(0.1, 0.4)
    high, round_by = period * rng.uniform(0.6, 1.2), float(rng.choice([0, 0.3, 0.5]))

    def at(u: Plane, v: Plane) -> Colours:
        row = np.floor(v / high)
        result, above = np.zeros((*u.shape, 3), np.float32), np.zeros_like(u)
        for back in (1, 0):  # the row above lies upon this one
            level = row - back
            shifted = u / period + 0.5 * np.mod(level, 2)
            column = np.floor(shifted)
            across = np.abs(np.mod(shifted, 1) - 0.5) * 2
            end = (level + 1 + 0.35 - round_by * 0.7 * across**2) * high
            into = (v - level * high) / high
            shade = (1 + spread * (cell(column, level) - 0.5)) * (0.7 + 0.25 * into) * (
                1 - 0.45 * across**6)  # fmt: skip
            if back:
                above = np.less(v, end).astype(np.float32)
                result = base * (shade * above)[..., None]
            else:
                shade = shade * np.clip(0.35 + into, 0, 1)
                result = _mix(base * shade[..., None], result, above)
        return np.asarray(result, dtype=np.float32)

    return at


def corrugated(rng: np.random.Generator, period: float) -> Texture:
    """Waves of iron, sheets that overlap, streaks of rust."""
    base = np.array(mixed((150, 155, 160), vivid(rng), rng.choice([0.1, 0.6])), np.float32)
    cell, rust = _random_cells(rng), np.array((130, 70, 40), np.float32)
    sharp = float(rng.choice([1, 0.4]))

    def at(u: Plane, v: Plane) -> Colours:
        wave = np.sin(2 * np.pi * u / period)
        shade = 0.72 + 0.28 * np.sign(wave) * np.abs(wave) ** sharp
        sheet = cell(np.floor(u / period / 8), np.floor(v / period / 14))
        streak = np.clip(cell(np.floor(u / 3), 0 * v) - 0.75, 0, 1) * 2 * (sheet > 0.4)
        return np.asarray(_mix(base, rust, streak) * (shade * (0.85 + 0.3 * sheet))[..., None],
                          dtype=np.float32)  # fmt: skip

    return at


def planks(rng: np.random.Generator, period: float) -> Texture:
    """Boards side by side with grain and dark gaps."""
    base = np.array(mixed((150, 110, 70), vivid(rng), rng.choice([0.1, 0.4])), np.float32)
    cell, gap = _random_cells(rng), rng.uniform(0.03, 0.1)

    def at(u: Plane, v: Plane) -> Colours:
        column = np.floor(u / period)
        along = v / (period * 9) + cell(column, 0 * column)
        tone = 0.75 + 0.5 * cell(column, np.floor(along))
        bend = np.sin(v / period * 0.7 + 6 * cell(column + 9, np.floor(along)))
        grain = 0.06 * np.sin(u * 2.2 + 5 * bend) + 0.05 * np.sin(u * 0.9 - 3 * bend)
        edge = np.mod(u / period, 1)
        dark = np.where((edge < gap) | (np.mod(along, 1) < gap / 12), 0.25, 1)
        return np.asarray(base * (tone * (1 + grain) * dark)[..., None], dtype=np.float32)

    return at


def facade(rng: np.random.Generator, period: float) -> Texture:
    """Rows of windows with frames and sills, each with its own light behind it."""
    wall, frame = np.array(vivid(rng, 70, 225), np.float32), np.array(vivid(rng), np.float32)
    cell, high = _random_cells(rng), period * rng.uniform(0.8, 1.5)
    wide, tall, panes = rng.uniform(0.4, 0.85), rng.uniform(0.45, 0.8), int(rng.integers(1, 4))
    sky = np.array(mixed((60, 90, 130), (190, 210, 230), rng.random()), np.float32)

    def at(u: Plane, v: Plane) -> Colours:
        column, row = np.floor(u / period), np.floor(v / high)
        x, y = (np.mod(u / period, 1) - 0.5) / wide, (np.mod(v / high, 1) - 0.5) / tall
        opening = (np.abs(x) < 0.5) & (np.abs(y) < 0.5)
        bars = np.minimum(np.abs(np.mod((x + 0.5) * panes + 0.5, 1) - 0.5) / panes,
                          np.abs(np.mod((y + 0.5) * panes + 0.5, 1) - 0.5) / panes)  # fmt: skip
        light = 0.25 + 0.9 * cell(column, row) + 0.2 * (x + y)
        glass = sky * light[..., None]
        blind = np.less(y, cell(column + 3, row + 8) - 0.7).astype(np.float32)
        glass = _mix(glass, 0.5 * glass + 110, blind)
        glass = _mix(glass, frame, (bars < 0.03).astype(np.float32))
        sill = (np.abs(x) < 0.58) & (y > 0.5) & (y < 0.6)
        ground = wall * (1 - 0.35 * sill)[..., None]
        return _mix(ground, glass, opening.astype(np.float32))

    return at


def books(rng: np.random.Generator, period: float) -> Texture:
    """Shelves of spines of all widths, heights and colours, with bands and titles."""
    count = 220
    edges = np.cumsum(rng.uniform(0.5, 1.6, count) * period / 3).astype(np.float32)
    palette = rng.integers(15, 235, (count * 8, 3)).astype(np.float32)
    grey = palette.mean(1, keepdims=True)
    palette = grey + (palette - grey) * rng.random((count * 8, 1), dtype=np.float32)
    heights = rng.uniform(0.65, 0.95, count * 8).astype(np.float32)
    bands, wood = rng.random((count * 8, 2), dtype=np.float32), np.array((110, 75, 45), np.float32)
    shelf = period * rng.uniform(2.5, 4)

    def at(u: Plane, v: Plane) -> Colours:
        row = np.floor(v / shelf).astype(int)
        place = np.mod(u + row * 517, edges[-1]).astype(np.float32)
        nearest = np.searchsorted(edges, place)
        book = (nearest + row * 37) % (count * 8)
        left = np.where(nearest > 0, edges[nearest - 1], 0)
        across = (place - left) / (edges[nearest] - left)
        up = 1 - np.mod(v / shelf, 1)
        lit = 0.55 + 0.45 * np.sin(np.pi * np.clip(across, 0.02, 0.98))
        band = (
            np.abs(up / heights[book] - 0.3 - 0.5 * bands[book, 0]) < 0.02 + 0.05 * bands[book, 1]
        )
        title = (np.abs(across - 0.5) < 0.16) & (np.abs(up - 0.5) < 0.2) & (
            np.mod(v * 0.55 + bands[book, 0] * 9, 3) < 1.7)  # fmt: skip
        colour = _mix(
            palette[book],
            palette[(book + 91) % len(palette)],
            (band | title).astype(np.float32) * 0.8,
        )
        colour = colour * lit[..., None]
        empty = (up > heights[book]) | (up < 0.09)
        return _mix(colour, wood * np.where(up < 0.09, 1, 0.3)[..., None], empty.astype(np.float32))

    return at


def _bands(rng: np.random.Generator, period: float) -> tuple[Float[np.ndarray, "n 3"], np.ndarray]:
    """The colours of a repeat and where each ends."""
    number = int(rng.integers(2, 5))
    palette = np.array([_two(rng)[n % 2] for n in range(number)], np.float32)
    order = np.arange(number) if rng.random() < 0.5 else np.r_[0:number, number - 2 : 0 : -1]
    shares = rng.uniform(0.25, 1, len(order)) if rng.random() < 0.7 else np.ones(len(order))
    return palette[order], (np.cumsum(shares / shares.sum()) * period)[:-1].astype(np.float32)


def _two(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A dark and a light colour, from black and white to tone in tone."""
    if rng.random() < 0.3:
        return np.full(3, 25, np.float32), np.full(3, 230, np.float32)
    first, second = (np.array(vivid(rng), np.float32) for _ in range(2))
    gap = abs(float(first.mean() - second.mean()))
    if gap < 25:
        second = second * 0.4 if second.mean() > 127 else 255 - (255 - second) * 0.5
    return (first, second) if first.mean() < second.mean() else (second, first)


def _mix(first: np.ndarray, second: np.ndarray, share: Plane) -> Colours:
    part = np.asarray(share, dtype=np.float32)[..., None]
    return np.asarray(first * (1 - part) + second * part, dtype=np.float32)


def _random_cells(rng: np.random.Generator) -> Callable[[np.ndarray, np.ndarray], Plane]:
    """A number in [0, 1) for each cell (column, row), always the same one."""
    table = rng.random(8192, dtype=np.float32)

    def at(column: np.ndarray, row: np.ndarray) -> Plane:
        number = column.astype(np.int64) * 92821 + row.astype(np.int64) * 68917
        return np.asarray(table[(number ^ (number >> 7)) & 8191], dtype=np.float32)

    return at
