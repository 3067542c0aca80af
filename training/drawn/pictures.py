"""Which kinds there are, and how one picture of a kind is made."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from PIL import Image

from training.data.photo_pool import PLENTIFUL, photo_names
from training.drawn import pages, scenes, screens, sheets, textures
from training.drawn.camera import (
    Pixels,
    on_paper,
    photographed,
    rounded,
    scanned,
    shrunk,
    smooth_noise,
)
from training.drawn.canvas import Canvas
from training.drawn.fonts import Fonts

Sheet = Callable[[np.random.Generator, Fonts, int, int], Canvas]
Scene = Callable[[np.random.Generator, Pixels], Pixels]

SHEETS: Mapping[str, Sheet] = MappingProxyType(
    {
        "text": pages.text,
        "table": pages.table,
        "form": pages.form,
        "calendar": pages.calendar,
        "screenshot": screens.screenshot,
        "code": screens.code,
        "spreadsheet": screens.spreadsheet,
        "slide": screens.slide,
        "keyboard": screens.keyboard,
        "music": sheets.music,
        "crossword": sheets.crossword,
        "codes": sheets.codes,
        "plan": sheets.plan,
        "map": sheets.city_map,
        "graph": sheets.graph,
    }
)
SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        "clothing": scenes.clothing,
        "striped": partial(scenes.striped, weavers=(textures.stripes,)),
        "checked": partial(scenes.striped, weavers=(textures.checks, textures.houndstooth)),
        "curtain": scenes.curtain,
        "bricks": partial(scenes.wall, weaver=textures.bricks),
        "tiles": partial(scenes.wall, weaver=textures.tiles, low=12, whole=0.1),
        "hexagons": partial(scenes.wall, weaver=textures.hexagons, low=12, whole=0.1),
        "roof": partial(scenes.wall, weaver=textures.roof),
        "planks": partial(scenes.wall, weaver=textures.planks, low=10),
        "corrugated": partial(scenes.wall, weaver=textures.corrugated, whole=0.1),
        "facade": partial(scenes.wall, weaver=textures.facade, low=16),
        "books": partial(scenes.wall, weaver=textures.books, low=16),
        "floor": scenes.floor,
        "blinds": scenes.blinds,
        "fence": scenes.fence,
        "grille": scenes.grille,
        "stairs": scenes.stairs,
    }
)
KINDS = (*SHEETS, *SCENES)
SHARES = {"text": 12, "clothing": 6, "music": 4, "bricks": 3, "screenshot": 3, "table": 3,
          "code": 3, "striped": 3, "checked": 3, "slide": 2, "facade": 2, "fence": 2}  # fmt: skip
PORTRAITS = 6
FLAT = {"screenshot": 0.8, "code": 0.7, "spreadsheet": 0.8, "keyboard": 0.1}  # all others 0.4


@dataclass(frozen=True)
class Material:
    """What pictures are made from: fonts, and photos to stand behind."""

    fonts: Fonts
    photos: tuple[Path, ...] = ()

    @classmethod
    def find(
        cls, fonts: Iterable[Path], photos: Path | None, *, held_out: bool = False
    ) -> "Material":
        """Fonts and photos below some folders: those for training, or those for measuring.

        Every so many portraits stand behind; drawn pictures never do.
        """
        paths: list[Path] = []
        if photos:
            names = photo_names(photos, held_out=held_out)
            scenes = [name for name in names if name.split("/")[0] not in PLENTIFUL]
            people = [name for name in names if name.split("/")[0] in PLENTIFUL - {"drawn"}]
            paths = [photos / name for name in (*scenes, *people[::PORTRAITS])]
        return cls(Fonts.find(fonts, held_out=held_out), tuple(paths))

    def backdrop(self, rng: np.random.Generator, height: int, width: int) -> Pixels:
        """A part of a photo, sometimes out of focus; without photos, soft blotches of colour."""
        if not self.photos:
            blotches = [smooth_noise(rng, height, width, width / 3) for _ in range(3)]
            return rounded(rng.uniform(60, 190, 3) + 35 * np.stack(blotches, -1))
        with Image.open(self.photos[int(rng.integers(len(self.photos)))]) as opened:
            photo = np.asarray(opened.convert("RGB"))
        factor = max(height / photo.shape[0], width / photo.shape[1])
        if factor > 1 or rng.random() < 0.5:
            size = (max(width, round(photo.shape[1] * factor)),
                    max(height, round(photo.shape[0] * factor)))  # fmt: skip
            method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
            photo = cv2.resize(photo, size, interpolation=method)
        top = int(rng.integers(photo.shape[0] - height + 1))
        left = int(rng.integers(photo.shape[1] - width + 1))
        part = np.ascontiguousarray(photo[top : top + height, left : left + width])
        if rng.random() < 0.25:
            part = cv2.GaussianBlur(part, (0, 0), rng.uniform(1.5, 6))
        return part


def picture(
    seed: int, index: int, material: Material, *, kind: str | None = None,
    size: tuple[int, int] | None = None,
) -> tuple[str, Pixels]:  # fmt: skip
    """Make the picture of a seed and an index.

    Args:
        seed: Of the whole set.
        index: Of the picture in it.
        material: The same stock gives the same picture.
        kind: One of `KINDS`; None leaves it to the seed.
        size: (height, width) in px; None leaves it to the seed.

    Returns:
        Its kind and its pixels.
    """
    rng = np.random.default_rng([seed, index])
    shares = np.array([SHARES.get(name, 1) for name in KINDS], float)
    drawn = str(rng.choice(KINDS, p=shares / shares.sum()))
    kind = kind or drawn
    height, width = size or _size(rng)
    if kind in SHEETS:
        return kind, _sheet(rng, material, kind, height, width)
    image = SCENES[kind](rng, material.backdrop(rng, height, width))
    if rng.random() < 0.3:
        image = rounded(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.7)))
    return kind, image


def _sheet(
    rng: np.random.Generator, material: Material, kind: str, height: int, width: int
) -> Pixels:
    canvas = SHEETS[kind](rng, material.fonts, width, height)
    way = rng.random()
    flat = FLAT.get(kind, 0.4)
    if way < flat:
        return canvas.reduced()
    if way < flat + (1 - flat) * 0.25:
        return on_paper(rng, canvas.reduced())
    if way < flat + (1 - flat) * 0.6:
        return scanned(rng, canvas.pixels(), height, width)
    return shrunk(
        photographed(rng, canvas.pixels(), height, width, material.backdrop(rng, height, width)),
        height,
        width,
    )


def _size(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width; the longer one 480 to 1000 px."""
    long = int(rng.integers(480, 1001))
    short = max(400, int(long * rng.uniform(0.62, 1)))
    return (long, short) if rng.random() < 0.5 else (short, long)
