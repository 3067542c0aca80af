"""Pages: running text, tables, forms and calendars."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from training.drawn.canvas import Canvas, Colour, ink_and_paper, mixed, vivid
from training.drawn.fonts import Face, Fonts, phrase, word, words


@dataclass(frozen=True)
class Style:
    """How running text is set: face, script, size and line height in px, colours, alignment."""

    face: Face
    script: str
    size: float
    leading: float
    ink: Colour
    justified: bool


def text(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """One to three columns of paragraphs, headings, lists, notes and pictures' captions."""
    ink, paper = ink_and_paper(rng)
    canvas = Canvas(width, height, paper)
    face, script = fonts.choose(rng)
    size = float(np.exp(rng.uniform(np.log(9), np.log(32))))
    style = Style(face, script, size, size * rng.uniform(1.1, 1.7), ink, bool(rng.random() < 0.5))
    columns = 1 if size > 20 else int(rng.integers(1, 4))
    margin = rng.uniform(0.02, 0.1) * width
    gap = size * rng.uniform(1.2, 2.5)
    column = (width - 2 * margin - gap * (columns - 1)) / columns
    top = margin * rng.uniform(0.2, 1.2)
    if rng.random() < 0.5:
        title, _ = fonts.choose(rng)
        title = title if title.writes(script) else face
        big = size * rng.uniform(1.5, 3)
        canvas.text(margin, top, phrase(rng, 4, script), title, big, ink)
        top += big * 1.6
    if rng.random() < 0.3:
        canvas.line([(margin, top), (width - margin, top)], ink, rng.uniform(0.7, 2))
        top += size
    for number in range(columns):
        left = margin + number * (column + gap)
        _column(rng, canvas, fonts, style, (left, top, column, height - margin * 0.5))
        if number and rng.random() < 0.3:
            x = left - gap / 2
            canvas.line([(x, top), (x, height - margin)], mixed(ink, paper, 0.5), 1)
    return canvas


def _column(
    rng: np.random.Generator, canvas: Canvas, fonts: Fonts, style: Style,
    place: tuple[float, float, float, float],
) -> None:  # fmt: skip
    left, y, width, bottom = place
    while y < bottom:
        choice = rng.random()
        if choice < 0.1:
            big = style.size * 1.25
            y += style.leading * 0.6
            canvas.text(left, y, _fitted(canvas, phrase(rng, 5, style.script), style, width, big),
                        style.face, big, style.ink)  # fmt: skip
            y += style.leading * 1.6
        elif choice < 0.2:
            for item in range(int(rng.integers(2, 6))):
                mark = f"{item + 1}." if choice < 0.15 else "–"
                canvas.text(left, y, mark, style.face, style.size, style.ink)
                inner = (left + style.size * 1.6, y, width - style.size * 1.6, bottom)
                y = paragraph(rng, canvas, style, inner, int(rng.integers(4, 14)))
        elif choice < 0.26 and bottom - y > style.size * 8:
            high = style.size * rng.uniform(4, 8)
            canvas.rectangle(left, y, left + width, y + high, vivid(rng))
            canvas.ellipse(left + width / 2, y + high / 2, width / 4, high / 3, vivid(rng))
            y += high + style.leading * 0.5
        else:
            y = paragraph(rng, canvas, style, (left, y, width, bottom), int(rng.integers(15, 90)))
            y += style.leading * float(rng.choice([0, 0.5, 1]))


def paragraph(
    rng: np.random.Generator, canvas: Canvas, style: Style,
    place: tuple[float, float, float, float], count: int,
) -> float:  # fmt: skip
    """Set `count` words into (left, top, width, bottom); says where the next line would begin."""
    left, y, width, bottom = place
    space = style.size * 0.28
    line: list[tuple[str, float]] = []
    used = -space
    indent = style.size * 1.2 if style.justified else 0.0
    queue = [(one, canvas.length(one, style.face, style.size))
             for one in words(rng, count, style.script)]  # fmt: skip
    for number, (one, length) in enumerate(queue):
        if line and used + space + length > width - indent:
            loose = (width - indent - used) / max(1, len(line) - 1) if style.justified else 0.0
            y = _set(canvas, style, line, (left + indent, y), space + loose)
            if y > bottom:
                return y
            line, used, indent = [], -space, 0.0
        line.append((one, length))
        used += space + length
        if number == len(queue) - 1:
            y = _set(canvas, style, line, (left + indent, y), space)
    return y


def _set(
    canvas: Canvas, style: Style, line: list[tuple[str, float]], at: tuple[float, float],
    space: float,
) -> float:  # fmt: skip
    x, y = at
    for one, length in line:
        canvas.text(x, y, one, style.face, style.size, style.ink)
        x += length + space
    return y + style.leading


def _fitted(canvas: Canvas, line: str, style: Style, width: float, size: float) -> str:
    while len(line) > 3 and canvas.length(line, style.face, size) > width:
        line = line[:-2]
    return line


def table(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """A table with rules, stripes or neither, numbers to the right."""
    ink, paper = ink_and_paper(rng)
    canvas = Canvas(width, height, paper)
    face, script = fonts.choose(rng)
    size = rng.uniform(9, 18)
    row = size * rng.uniform(1.25, 2.2)
    margin = rng.uniform(0, 0.06) * width
    shares = rng.uniform(0.5, 2, int(rng.integers(3, 10)))
    edges = margin + np.concatenate([[0], np.cumsum(shares / shares.sum())]) * (width - 2 * margin)
    striped, ruled, railed = rng.random(3) < (0.4, 0.6, 0.4)
    rule = mixed(ink, paper, rng.uniform(0, 0.7))
    shade = mixed(vivid(rng), paper, 0.8)
    numbers = rng.random(len(shares)) < 0.5
    for line in range(int((height - 2 * margin) / row)):
        y = margin + line * row
        if (striped and line % 2) or line == 0:
            canvas.rectangle(margin, y, width - margin, y + row, shade)
        if ruled:
            canvas.line([(margin, y), (width - margin, y)], rule, 1)
        for column, (left, right) in enumerate(pairwise(edges)):
            entry = f"{rng.uniform(0, 2000):.2f}" if numbers[column] and line else word(rng, script)
            while len(entry) > 1 and canvas.length(entry, face, size) > right - left - 6:
                entry = entry[:-1]
            length = canvas.length(entry, face, size)
            x = right - length - 3 if numbers[column] else left + 3
            canvas.text(x, y + (row - size) / 2.5, entry, face, size, ink)
    for x in edges if railed else ():
        canvas.line([(x, margin), (x, height - margin)], rule, 1)
    return canvas


def form(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """Labels with fields, boxes to tick, dotted lines and one box a letter."""
    ink, paper = ink_and_paper(rng, dark=0.05)
    canvas = Canvas(width, height, paper)
    face, script = fonts.choose(rng)
    hand, _ = fonts.choose(rng)
    size = rng.uniform(9, 16)
    rule, pen = mixed(ink, paper, rng.uniform(0, 0.5)), (30, 40, 140)
    y = size * 2
    canvas.text(size * 2, y, phrase(rng, 4, script), face, size * 1.7, ink)
    y += size * 4
    while y < height - size * 2:
        x = size * 2
        while x < width - size * 12:
            label = phrase(rng, 2, script)
            canvas.text(x, y, label, face, size, ink)
            x += canvas.length(label, face, size) + size
            wide = min(width - x - size, size * rng.uniform(5, 18))
            kind = rng.integers(4)
            if kind == 0:
                canvas.rectangle(x, y - size * 0.3, x + wide, y + size * 1.4, outline=rule)
            elif kind == 1:
                canvas.line([(x, y + size * 1.2), (x + wide, y + size * 1.2)], rule, 1)
            elif kind == 2:
                for dot in np.arange(x, x + wide, 3):
                    canvas.ellipse(dot, y + size * 1.1, 0.6, 0.6, rule)
            else:
                for cell in np.arange(x, x + wide - size, size * 1.2):
                    canvas.rectangle(cell, y - 2, cell + size * 1.2, y + size * 1.3, outline=rule)
            if rng.random() < 0.6:
                canvas.text(x + 4, y, word(rng, script), hand, size * 1.1, pen)
            x += wide + size
        y += size * rng.uniform(2, 3)
    return canvas


def calendar(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """Months side by side, or one large one."""
    ink, paper = ink_and_paper(rng)
    canvas = Canvas(width, height, paper)
    face, script = fonts.choose(rng)
    across, down = (1, 1) if rng.random() < 0.4 else rng.integers(2, 5, 2)
    for month in range(int(across * down)):
        left = (month % across + 0.06) * width / across
        top = (month // across + 0.05) * height / down
        cell, row = width / across * 0.88 / 7, height / down * 0.85 / 8
        size = max(7.0, min(cell, row) * 0.45)
        canvas.text(left, top, phrase(rng, 1, script), face, size * 1.4, ink)
        first = int(rng.integers(7))
        lined = rng.random() < 0.5
        for day in range(31):
            x = left + (day + first) % 7 * cell
            y = top + ((day + first) // 7 + 1.4) * row
            if lined:
                canvas.rectangle(x, y, x + cell, y + row, outline=mixed(ink, paper, 0.4))
            red = (200, 30, 30) if (day + first) % 7 == 6 else ink
            canvas.text(x + 3, y + 2, str(day + 1), face, size, red)
    return canvas
