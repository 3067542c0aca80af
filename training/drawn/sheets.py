"""Sheets that are ruled or hatched: music, crosswords, codes, maps, plans and graphs."""

import numpy as np

from training.drawn.canvas import Canvas, Colour, Point, ink_and_paper, mixed, vivid
from training.drawn.fonts import Fonts, phrase, word


def music(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """Systems of staves with notes, beams, stems, bars and slurs, words below."""
    ink, paper = ink_and_paper(rng, dark=0.08)
    canvas = Canvas(width, height, paper)
    face, script = fonts.choose(rng)
    space = rng.uniform(4.5, 11)
    margin = rng.uniform(0.02, 0.08) * width
    y = margin + space * 4
    canvas.text(width * 0.3, margin * 0.5, phrase(rng, 3, script), face, space * 2.4, ink)
    while y < height - space * 6:
        for line in range(5):
            canvas.line([(margin, y + line * space), (width - margin, y + line * space)], ink,
                        max(0.6, space * 0.11))  # fmt: skip
        canvas.line([(margin, y), (margin, y + 4 * space)], ink, space * 0.25)
        canvas.ellipse(margin + space * 1.4, y + space * 2.6, space * 0.9, space * 1.3,
                       outline=ink, width=space * 0.25)  # fmt: skip
        clef = margin + space * 1.4
        canvas.line([(clef, y - space * 1.4), (clef, y + space * 5)], ink, space * 0.22)
        _notes(rng, canvas, ink, (margin + space * 5, y, width - margin, space))
        if rng.random() < 0.4:
            for x in np.arange(margin + space * 5, width - margin - space * 4, space * 6):
                canvas.text(x, y + space * 6.5, word(rng, script), face, space * 1.5, ink)
        y += space * rng.uniform(9, 14)
    return canvas


def _notes(
    rng: np.random.Generator, canvas: Canvas, ink: Colour, place: tuple[float, float, float, float]
) -> None:
    x, y, right, space = place
    step = 0.0
    while x < right - space * 3:
        if rng.random() < 0.15:
            canvas.line([(x, y), (x, y + 4 * space)], ink, space * 0.15)
            x += space * 1.8
            continue
        group: list[Point] = []
        for _ in range(int(rng.choice([1, 1, 2, 3, 4]))):
            step = float(np.clip(step + rng.integers(-3, 4), -4, 12))
            group.append((x, y + (8 - step) * space / 2))
            x += space * rng.uniform(1.8, 2.6)
        hollow = len(group) == 1 and rng.random() < 0.4
        up = sum(point[1] for point in group) / len(group) > y + 2 * space
        reach = (
            (min(p[1] for p in group) - 3.2 * space)
            if up
            else (max(p[1] for p in group) + 3.2 * space)
        )
        stem = space * (0.55 if up else -0.55)
        for px, py in group:
            canvas.ellipse(px, py, space * 0.62, space * 0.46, None if hollow else ink, ink,
                           space * 0.16)  # fmt: skip
            canvas.line([(px + stem, py), (px + stem, reach)], ink, space * 0.13)
            for extra in np.arange(y + 5 * space, py + 1, space):
                canvas.line([(px - space, extra), (px + space, extra)], ink, space * 0.1)
        for beam in range(int(rng.integers(1, 3)) if len(group) > 1 else 0):
            level = reach + beam * space * (0.7 if up else -0.7)
            canvas.line(
                [(group[0][0] + stem, level), (group[-1][0] + stem, level)], ink, space * 0.45
            )


def crossword(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """Cells, some black, numbered and partly filled; also chess boards and number puzzles."""
    ink, paper = ink_and_paper(rng, dark=0.05)
    canvas = Canvas(width, height, paper)
    face, script = fonts.choose(rng)
    cell = rng.uniform(14, 44)
    left, top = rng.uniform(0, 30, 2)
    board = rng.random() < 0.25
    tint = vivid(rng)
    for row in range(int((height - top) / cell)):
        for column in range(int((width - left) / cell)):
            x, y = left + column * cell, top + row * cell
            black = (row + column) % 2 == 1 if board else rng.random() < 0.2
            canvas.rectangle(x, y, x + cell, y + cell, (tint if board else ink) if black else None,
                             ink, rng.choice([0.8, 1.2]))  # fmt: skip
            if not black and not board and rng.random() < 0.3 and cell > 20:
                canvas.text(x + 2, y + 1, str(rng.integers(1, 90)), face, cell * 0.25, ink)
            if not black and rng.random() < 0.5:
                canvas.text(x + cell * 0.3, y + cell * 0.25, word(rng, script)[:1].upper(), face,
                            cell * 0.6, ink)  # fmt: skip
    return canvas


def codes(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """Labels with bar codes and square codes."""
    ink, paper = ink_and_paper(rng, dark=0.02)
    canvas = Canvas(width, height, paper)
    face, script = fonts.choose(rng)
    across, down = rng.integers(1, 4, 2)
    for number in range(int(across * down)):
        left = (number % across + 0.1) * width / across
        top = (number // across + 0.1) * height / down
        wide, high = 0.8 * width / across, 0.6 * height / down
        if rng.random() < 0.5:
            x, bar = left, max(1.2, wide / rng.uniform(90, 160))
            while x < left + wide:
                thick = bar * int(rng.integers(1, 4))
                canvas.rectangle(x, top, x + thick, top + high, ink)
                x += thick + bar * int(rng.integers(1, 4))
        else:
            cells = int(rng.integers(19, 42))
            side = min(wide, high) / cells
            dark = rng.random((cells, cells)) < 0.5
            for row, column in ((0, 0), (0, cells - 7), (cells - 7, 0)):
                dark[row : row + 7, column : column + 7] = True
                dark[row + 1 : row + 6, column + 1 : column + 6] = False
                dark[row + 2 : row + 5, column + 2 : column + 5] = True
            for row, column in np.argwhere(dark):
                x, y = left + column * side, top + row * side
                canvas.rectangle(x, y, x + side, y + side, ink)
        canvas.text(left, top + high * 1.06, phrase(rng, 3, script), face, 13, ink)
    return canvas


def plan(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """An engineering drawing: outlines, hatched parts, hidden edges, dimensions, a title box."""
    ink, paper = ((235, 240, 255), (20, 60, 130)) if rng.random() < 0.15 else ink_and_paper(rng)
    canvas = Canvas(width, height, paper)
    face, _ = fonts.choose(rng)
    for _ in range(int(rng.integers(4, 10))):
        x, y = rng.uniform(0, width * 0.85), rng.uniform(0, height * 0.85)
        wide, high = rng.uniform(40, width * 0.5), rng.uniform(30, height * 0.4)
        box = [(x, y), (x + wide, y), (x + wide * 0.9, y + high), (x + wide * 0.1, y + high)]
        if rng.random() < 0.7:
            hatch(
                canvas, box, rng.uniform(3, 14), rng.uniform(0, np.pi), ink, rng.uniform(0.7, 1.3)
            )
        canvas.line([*box, box[0]], ink, rng.uniform(1.2, 2.6))
        radius = min(wide, high) * rng.uniform(0.15, 0.45)
        canvas.ellipse(x + wide / 2, y + high / 2, radius, radius, paper, ink, 1.6)
        for dash in np.arange(x - 10, x + wide + 10, 12):
            canvas.line([(dash, y + high / 2), (dash + 8, y + high / 2)], ink, 0.8)
        below = y + high + 14
        canvas.line([(x, below), (x + wide, below)], ink, 0.8)
        canvas.text(x + wide / 2, below - 13, f"{wide:.1f}", face, 11, ink)
    canvas.rectangle(width - 190, height - 62, width - 6, height - 6, paper, ink, 1.5)
    for row in range(3):
        canvas.text(width - 184, height - 58 + row * 17, phrase(rng, 3), face, 11, ink)
    return canvas


def city_map(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """A map: hatched and dotted areas, contour lines, roads and names."""
    paper = mixed(vivid(rng), (255, 255, 255), 0.8)
    canvas = Canvas(width, height, paper)
    face, script = fonts.choose(rng)
    for _ in range(int(rng.integers(4, 9))):
        centre, reach = rng.uniform(0, 1, 2) * (width, height), rng.uniform(60, 260)
        turns = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        radii = reach * rng.uniform(0.6, 1.2, 14)
        area = [(float(centre[0] + r * np.cos(a)), float(centre[1] + r * np.sin(a)))
                for r, a in zip(radii, turns, strict=True)]  # fmt: skip
        tint = vivid(rng)
        style = rng.integers(3)
        canvas.polygon(area, mixed(tint, paper, 0.75))
        if style:
            hatch(canvas, area, rng.uniform(4, 12), rng.uniform(0, np.pi), tint, 1)
        if style == 2:
            hatch(canvas, area, rng.uniform(4, 12), rng.uniform(0, np.pi), tint, 1)
        for ring in np.arange(0.2, 1, 0.16):
            near = [(centre[0] + (x - centre[0]) * ring, centre[1] + (y - centre[1]) * ring)
                    for x, y in area]  # fmt: skip
            canvas.line([*near, near[0]], mixed(tint, (90, 60, 20), 0.5), 0.9)
    for _ in range(int(rng.integers(4, 12))):
        road = [(float(x), float(y)) for x, y in rng.uniform(-0.1, 1.1, (3, 2)) * (width, height)]
        wide = rng.uniform(3, 10)
        canvas.line(road, (90, 80, 70), wide + 2)
        canvas.line(road, (255, 245, 200), wide)
    for _ in range(int(rng.integers(8, 30))):
        x, y = rng.uniform(0, 0.9, 2) * (width, height)
        canvas.text(x, y, phrase(rng, 1, script), face, rng.uniform(9, 18), (20, 20, 30))
    return canvas


def graph(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """Squared paper with curves or columns, axes and figures."""
    ink, paper = ink_and_paper(rng, dark=0.1)
    canvas = Canvas(width, height, paper)
    face, script = fonts.choose(rng)
    cell, rule = rng.uniform(5, 26), mixed(vivid(rng), paper, rng.uniform(0.3, 0.75))
    for number, x in enumerate(np.arange(0, width, cell)):
        canvas.line([(x, 0), (x, height)], rule, 1.6 if number % 5 == 0 else 0.8)
    for number, y in enumerate(np.arange(0, height, cell)):
        canvas.line([(0, y), (width, y)], rule, 1.6 if number % 5 == 0 else 0.8)
    bottom, left = height - cell * 3, cell * 3
    canvas.line([(left, 0), (left, bottom), (width, bottom)], ink, 1.5)
    if rng.random() < 0.35:
        for x in np.arange(left + cell, width - cell, cell * 3):
            canvas.rectangle(x, rng.uniform(0, bottom), x + cell * 2, bottom, vivid(rng), ink)
    for _ in range(int(rng.integers(1, 5))):
        walk = np.cumsum(rng.normal(0, 18, 60)) + height / 2
        xs = np.linspace(left, width, 60)
        curve = [(float(x), float(y)) for x, y in zip(xs, walk, strict=True)]
        canvas.line(curve, vivid(rng), rng.uniform(1, 3))
    for x in np.arange(left, width, cell * 5):
        canvas.text(x, bottom + 4, f"{x / cell:.0f}", face, 12, ink)
    canvas.text(left + 10, 8, phrase(rng, 4, script), face, 18, ink)
    return canvas


def hatch(
    canvas: Canvas, outline: list[Point], gap: float, angle: float, ink: Colour, width: float
) -> None:
    """Fill a polygon with parallel lines."""
    points = np.array(outline)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    levels, places = points @ across, points @ along
    following = np.roll(levels, -1), np.roll(places, -1)
    for level in np.arange(levels.min() + gap / 2, levels.max(), gap):
        crossed = (levels <= level) != (following[0] <= level)
        share = (level - levels[crossed]) / (following[0][crossed] - levels[crossed])
        ends = np.sort(places[crossed] + share * (following[1][crossed] - places[crossed]))
        for first, last in zip(ends[::2], ends[1::2], strict=False):
            one, other = (along * end + across * level for end in (first, last))
            canvas.line([(one[0], one[1]), (other[0], other[1])], ink, width)
