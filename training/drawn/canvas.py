"""What is drawn upon: a sheet measured in px of the final picture, drawn larger and made small."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from training.drawn.fonts import Face

Colour = tuple[int, int, int]
Point = tuple[float, float]


class Canvas:
    """A flat sheet.

    Args:
        width: In px of the final picture, as all lengths here.
        height: Likewise.
        paper: Its colour.
        scale: How many times larger it is drawn, so that edges come out smooth.
    """

    def __init__(self, width: int, height: int, paper: Colour, scale: int = 2) -> None:
        self.width, self.height, self.scale = width, height, scale
        self.image = Image.new("RGB", (width * scale, height * scale), paper)
        self._draw = ImageDraw.Draw(self.image)

    def rectangle(
        self, x0: float, y0: float, x1: float, y1: float, fill: Colour | None = None,
        outline: Colour | None = None, width: float = 1, radius: float = 0,
    ) -> None:  # fmt: skip
        """A box, filled or outlined."""
        corners = (*self._at(x0, y0), *self._at(max(x0, x1), max(y0, y1)))
        pen = max(1, round(width * self.scale))
        self._draw.rounded_rectangle(corners, radius * self.scale, fill, outline, pen)

    def line(self, points: Sequence[Point], fill: Colour, width: float = 1) -> None:
        """A line through some points."""
        pen = max(1, round(width * self.scale))
        self._draw.line([self._at(*point) for point in points], fill, pen, joint="curve")

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([self._at(*point) for point in points], fill)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, fill: Colour | None = None,
        outline: Colour | None = None, width: float = 1,
    ) -> None:  # fmt: skip
        """An ellipse around a point."""
        corners = (*self._at(x - rx, y - ry), *self._at(x + rx, y + ry))
        self._draw.ellipse(corners, fill, outline, max(1, round(width * self.scale)))

    def text(self, x: float, y: float, line: str, face: Face, size: float, fill: Colour) -> None:
        """A line of text, its upper left corner at (x, y)."""
        self._draw.text(self._at(x, y), line, fill, face.at(size * self.scale))

    def length(self, line: str, face: Face, size: float) -> float:
        """How wide a line of text is."""
        return float(face.at(size * self.scale).getlength(line)) / self.scale

    def paste(self, other: "Canvas", x: float, y: float) -> None:
        """Put another sheet upon this one; both of one scale."""
        self.image.paste(other.image, self._at(x, y))

    def pixels(self) -> np.ndarray:
        """The sheet as drawn, `scale` times its size: (h, w, 3) uint8."""
        return np.asarray(self.image)

    def reduced(self) -> np.ndarray:
        """The sheet at its size: (h, w, 3) uint8."""
        if self.scale == 1:
            return np.asarray(self.image)
        return np.asarray(self.image.resize((self.width, self.height), Image.Resampling.BOX))

    def _at(self, x: float, y: float) -> tuple[int, int]:
        return round(x * self.scale), round(y * self.scale)


def ink_and_paper(rng: np.random.Generator, *, dark: float = 0.2) -> tuple[Colour, Colour]:
    """Colours to write with and on: mostly dark on light, with a share of light on dark."""
    style = rng.random()
    light, deep = rng.integers(225, 256, 3), rng.integers(0, 60, 3)
    if style < 0.45:
        light, deep = np.full(3, rng.integers(235, 256)), np.full(3, rng.integers(0, 50))
    elif style < 0.6:
        light = np.array([rng.integers(225, 256), rng.integers(210, 240), rng.integers(170, 220)])
    elif style < 0.75:
        deep = np.roll([rng.integers(120, 200), rng.integers(0, 60), rng.integers(0, 60)],
                       rng.integers(3))  # fmt: skip
    elif style < 0.85:
        light, deep = rng.integers(140, 256, 3), rng.integers(0, 90, 3)
    first, second = (light, deep) if rng.random() < dark else (deep, light)
    return colour(first), colour(second)


def colour(values: np.ndarray | Sequence[float]) -> Colour:
    """Three numbers, brought into 0 to 255."""
    red, green, blue = (int(min(255, max(0, value))) for value in values)
    return red, green, blue


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two; `share` is that of the second."""
    return colour([a * (1 - share) + b * share for a, b in zip(first, second, strict=True)])


def vivid(rng: np.random.Generator, low: int = 20, high: int = 235) -> Colour:
    """Any colour, mostly a muted one."""
    values = rng.integers(low, high, 3)
    return colour(values.mean() + (values - values.mean()) * rng.beta(1.2, 1.6))
