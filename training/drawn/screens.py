"""What a computer shows: windows, code, spreadsheets; and the keys below it."""

import numpy as np

from training.drawn.canvas import Canvas, Colour, ink_and_paper, mixed, vivid
from training.drawn.fonts import Fonts, phrase, word
from training.drawn.pages import Style, paragraph, text


def screenshot(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """Windows over a desktop, each with a bar, a menu, buttons, lists and text."""
    canvas = Canvas(width, height, vivid(rng), scale=1)
    first, second = vivid(rng), vivid(rng)
    for column in range(width):  # a slope of colour behind
        canvas.rectangle(column, 0, column, height, mixed(first, second, column / width))
    for _ in range(int(rng.integers(1, 4))):
        wide, high = int(rng.uniform(0.45, 1) * width), int(rng.uniform(0.45, 1) * height)
        x, y = rng.uniform(0, width - wide + 1), rng.uniform(0, height - high + 1)
        canvas.paste(_window(rng, fonts, wide, high), x, y)
    return canvas


def _window(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    ink, paper = ink_and_paper(rng, dark=0.35)
    face, script = fonts.choose(rng)
    size = float(rng.integers(10, 17))
    canvas = Canvas(width, height, paper, scale=1)
    bar = mixed(ink, paper, rng.uniform(0.2, 0.9))
    canvas.rectangle(0, 0, width, size * 2, bar)
    canvas.text(size * 2, size * 0.4, phrase(rng, 3, script), face, size, mixed(paper, ink, 0.1))
    for button in range(3):
        canvas.ellipse(width - 12 - button * 18, size, 5, 5, vivid(rng))
    x = 8.0
    while x < width - 60:
        entry = phrase(rng, 1, script)
        canvas.text(x, size * 2.4, entry, face, size, ink)
        x += canvas.length(entry, face, size) + size
    rule = mixed(ink, paper, 0.75)
    side = width * rng.uniform(0.2, 0.4)
    canvas.line([(side, size * 4), (side, height)], rule)
    y = size * 4.4
    while y < height:
        canvas.rectangle(8, y, 8 + size, y + size, vivid(rng))
        canvas.text(
            14 + size, y, phrase(rng, int(rng.integers(1, 3)), script)[:20], face, size, ink
        )
        y += size * 1.6
    canvas.rectangle(side, size * 4, width, height, paper)
    style = Style(face, script, size, size * 1.4, ink, justified=False)
    y = size * 4.6
    while y < height - size * 5:
        y = paragraph(rng, canvas, style, (side + size, y, width - side - 2 * size, height), 30)
        x = side + size
        for _ in range(int(rng.integers(0, 4))):
            label = phrase(rng, 1, script)
            wide = canvas.length(label, face, size) + size * 1.6
            canvas.rectangle(x, y + 6, x + wide, y + 6 + size * 2, mixed(vivid(rng), paper, 0.4),
                             rule, radius=float(rng.choice([0, 3, 8])))  # fmt: skip
            canvas.text(x + size * 0.8, y + 6 + size * 0.4, label, face, size, ink)
            x += wide + size * 0.6
        y += size * 3.5
    canvas.rectangle(0, 0, width - 1, height - 1, outline=bar)
    return canvas


def code(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """An editor: indented lines in a few colours, numbered."""
    ink, paper = ink_and_paper(rng, dark=0.6)
    canvas = Canvas(width, height, paper, scale=int(rng.choice([1, 1, 2])))
    face, _ = fonts.choose(rng, monospaced=True)
    size = float(rng.integers(10, 22))
    accents = [mixed(vivid(rng), ink, 0.4) for _ in range(4)] + [ink] * 3
    depth, y, number = 0, size * 0.5, 1
    letter = canvas.length("m", face, size)
    while y < height:
        depth = max(0, min(6, depth + int(rng.integers(-1, 2))))
        canvas.text(letter, y, f"{number:>3}", face, size, mixed(ink, paper, 0.55))
        x = letter * (6 + 4 * depth)
        for _ in range(int(rng.integers(0, 9))):
            token = word(rng) + str(
                rng.choice([" = ", "(", ") ", ".", " ", ": ", "_", ", ", "[i]"])
            )
            canvas.text(x, y, token, face, size, accents[int(rng.integers(len(accents)))])
            x += letter * len(token)
        y += size * 1.35
        number += 1
    return canvas


def spreadsheet(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """Ruled cells under lettered heads, a bar with a formula, some cells filled."""
    face, script = fonts.choose(rng)
    ink, paper = ((30, 30, 30), (255, 255, 255)) if rng.random() < 0.8 else ink_and_paper(rng)
    canvas = Canvas(width, height, paper, scale=1)
    size = float(rng.integers(10, 15))
    row, column = round(size * rng.uniform(1.5, 2)), int(rng.integers(45, 120))
    rule, head = mixed(ink, paper, rng.uniform(0.7, 0.85)), mixed(ink, paper, 0.9)
    top = row * 2
    canvas.text(6, row * 0.4, "fx =SUM(B2:B17)", face, size, ink)
    fills = [mixed(vivid(rng), paper, 0.75) for _ in range(3)]
    for line, y in enumerate(range(top, height, row)):
        for number, x in enumerate(range(0, width, column)):
            first = line == 0 or number == 0
            if first or rng.random() < 0.06:
                canvas.rectangle(x, y, x + column, y + row,
                                 head if first else fills[int(rng.integers(3))])  # fmt: skip
            canvas.rectangle(x, y, x + column, y + row, outline=rule)
            entry = (chr(64 + number % 26) if line == 0 else str(line) if number == 0
                     else f"{rng.uniform(-99, 9999):.1f}" if rng.random() < 0.6
                     else word(rng, script) if rng.random() < 0.7 else "")  # fmt: skip
            canvas.text(x + 4, y + (row - size) / 3, entry[: column // 8], face, size, ink)
    return canvas


def keyboard(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """Rows of keys with rounded tops and letters."""
    key, legend = ink_and_paper(rng, dark=0.5)
    face, _ = fonts.choose(rng)
    canvas = Canvas(width, height, mixed(key, (0, 0, 0), 0.5))
    rows = int(rng.integers(5, 8))
    side = height / rows
    gap = side * rng.uniform(0.06, 0.14)
    for row in range(rows):
        x = -side * rng.uniform(0, 0.8)
        while x < width:
            wide = side * float(
                rng.choice([1, 1, 1, 1, 1, 1.5, 2, 4], p=[0.16] * 5 + [0.1, 0.07, 0.03])
            )
            y = row * side
            top: Colour = mixed(key, (255, 255, 255), rng.uniform(0.05, 0.12))
            canvas.rectangle(x + gap, y + gap, x + wide, y + side, key, radius=side * 0.12)
            canvas.rectangle(x + gap * 2, y + gap * 1.4, x + wide - gap, y + side - gap * 1.6, top,
                             radius=side * 0.1)  # fmt: skip
            letters = word(rng)[: 5 if wide > side else 1].upper()
            canvas.text(x + gap * 3.5, y + gap * 2.6, letters, face, side * 0.3, legend)
            x += wide
    return canvas


def slide(rng: np.random.Generator, fonts: Fonts, width: int, height: int) -> Canvas:
    """Large text on a coloured ground, as in a lecture or on a poster."""
    canvas = text(rng, fonts, width, height)
    face, script = fonts.choose(rng)
    band = height * rng.uniform(0.2, 0.45)
    ground = vivid(rng)
    canvas.rectangle(0, 0, width, band, ground)
    size = band * rng.uniform(0.25, 0.5)
    light = (255, 255, 255) if sum(ground) < 380 else (10, 10, 20)
    canvas.text(size * 0.5, band * 0.2, phrase(rng, 3, script), face, size, light)
    return canvas
