"""What `restore inspect` says of screens that are known and of clean photos.

    python -m training.evaluate.inspection --photos runs/photos [--save FOLDER]

Sixty screens of six kinds, periods of 3 to 40 px and contrasts of 0.2 to 0.75, lie over photos that
are held out from training as far as there are enough; every other one is kept as JPEG. Sixty clean
scenes stand beside them. Then (`--count 0`: they alone) held-out scenes made small, which must be
left alone too, and all held-out photos made small and strongly degraded, which must not. The
answers are those of the product. To measure only; nothing is chosen by it.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from restorecli.colour import luma
from restorecli.degrade import DegradeConfig, degrade
from restorecli.degrade.corruption import jpeg
from restorecli.photo import Photo
from restorecli.pipeline import Restorer
from training.arguments import thread_options, use_threads
from training.data.photo_pool import PLENTIFUL, photo_names
from training.evaluate.face_sets import STRONG
from training.evaluate.field_sets import read

COUNT = 60  # of screens, and of clean scenes
PERIODS = (3.0, 40.0)  # px, spaced evenly in their logarithms
CONTRASTS = (0.2, 0.75)
SIDES = (384, 1024)  # px: the least of a photo, and the most that is taken of one
SMALL = ((256, 384), (256, 256), (128, 192), (128, 128))  # px, height and width of small photos
FINER = 3  # screens are drawn so much larger and averaged, so that no edge aliases
PERIOD_OFF, ANGLE_OFF = 0.05, 2.0  # share, degrees: what an answer may be off
GOLDEN = (math.sqrt(5) - 1) / 2

Plane = Float[Tensor, "1 1 h w"]
Image3 = Float[Tensor, "1 3 h w"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Screened:
    """A photo under a screen.

    Attributes:
        name: Of the photo.
        kind: One of `SCREENS`.
        period: In pixels.
        angle: In which it repeats, degrees counter-clockwise in [0, 180).
        contrast: How much of the photo the screen replaces; a halftone's is its depth.
        crossed: Whether it repeats across that direction too.
        image: The photo under it, in whole steps of 1/255.
    """

    name: str
    kind: str
    period: float
    angle: float
    contrast: float
    crossed: bool
    image: Image3


def sine(u: Tensor, v: Tensor, grey: Tensor) -> Tensor:
    """One wave."""
    return 0.5 + 0.5 * torch.cos(2 * math.pi * u)


def lines(u: Tensor, v: Tensor, grey: Tensor) -> Tensor:
    """Bars, a third of the period wide."""
    return (u.remainder(1) < 1 / 3).float()


def dots(u: Tensor, v: Tensor, grey: Tensor) -> Tensor:
    """Discs on a square lattice."""
    return (torch.hypot(u.remainder(1) - 0.5, v.remainder(1) - 0.5) < 0.3).float()


def grid(u: Tensor, v: Tensor, grey: Tensor) -> Tensor:
    """Two sets of thin lines across each other."""
    return ((u.remainder(1) < 0.2) | (v.remainder(1) < 0.2)).float()


def halftone(u: Tensor, v: Tensor, grey: Tensor) -> Tensor:
    """Dots whose size carries the photo."""
    cell = 0.5 + 0.25 * (torch.cos(2 * math.pi * u) + torch.cos(2 * math.pi * v))
    return (grey > cell).float()


def line_screen(u: Tensor, v: Tensor, grey: Tensor) -> Tensor:
    """Lines whose width carries the photo."""
    return (grey > 0.5 + 0.5 * torch.cos(2 * math.pi * u)).float()


# What is drawn, of coordinates in periods and the photo's luma, all at the finer size
SCREENS: MappingProxyType[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "sine": sine, "lines": lines, "dots": dots, "grid": grid, "halftone": halftone,
        "line screen": line_screen,
    }
)  # fmt: skip
CROSSED = frozenset({"dots", "grid", "halftone"})


def photos(folder: Path, *, scenes_only: bool, held_out_only: bool = False) -> list[Path]:
    """Photos of a folder tree, the held out ones first; large enough to hold a long period."""
    names = photo_names(folder, held_out=True)
    if not held_out_only:
        names += photo_names(folder, held_out=False)
    if scenes_only:
        names = [name for name in names if name.split("/")[0] not in PLENTIFUL]
    found = []
    for name in names:
        with Image.open(folder / name) as opened:
            if min(opened.size) >= SIDES[0]:
                found.append(folder / name)
    return found


def taken(path: Path) -> Image3:
    """The upper left of a photo."""
    return read(path)[..., : SIDES[1], : SIDES[1]]


def screened(paths: Sequence[Path], count: int = COUNT) -> Iterator[Screened]:
    """Lay every kind of screen over photos; scenes and portraits as they come."""
    kinds = list(SCREENS)
    for number in range(count):
        share = number / max(1, count - 1)
        period = PERIODS[0] * (PERIODS[1] / PERIODS[0]) ** share
        angle = 180 * (number * GOLDEN % 1)
        contrast = CONTRASTS[0] + (CONTRASTS[1] - CONTRASTS[0]) * (number * GOLDEN**2 * 7 % 1)
        kind = kinds[number % len(kinds)]
        path = paths[number % len(paths)]
        image = lay(taken(path), kind, period, angle, contrast)
        if number % 2:
            image = jpeg(image, torch.tensor([90.0]), torch.tensor([True]))
        yield Screened(
            name=f"{path.parent.name}/{path.stem}",
            kind=kind,
            period=period,
            angle=angle,
            contrast=contrast,
            crossed=kind in CROSSED,
            image=image.mul(255).round() / 255,
        )


def lay(clean: Image3, kind: str, period: float, angle: float, contrast: float) -> Image3:
    """A photo under a screen; arguments as the attributes of `Screened`."""
    height, width = clean.shape[-2:]
    y = (torch.arange(height * FINER)[:, None] + 0.5) / FINER
    x = (torch.arange(width * FINER) + 0.5) / FINER
    turned = math.radians(angle)  # rows run downwards, angles upwards
    u = (x * math.cos(turned) - y * math.sin(turned)) / period
    v = (x * math.sin(turned) + y * math.cos(turned)) / period
    grey = F.interpolate(luma(clean), scale_factor=FINER, mode="nearest")[0, 0]
    field: Plane = F.avg_pool2d(SCREENS[kind](u, v, grey)[None, None], FINER)
    return ((1 - contrast) * clean + contrast * field).clamp(0, 1)


def angle_off(angle: float, other: float) -> float:
    """Degrees between two directions."""
    turned = abs(angle - other) % 180
    return min(turned, 180 - turned)


def named(restorer: Restorer, case: Screened) -> tuple[bool, str]:
    """Whether the strongest wave that is named is the screen's, and what was named."""
    found = restorer.inspect(Photo.from_image(case.image, case.name))
    if not found.peaks:
        return False, f"none (pattern {found.pattern:.2f}, noise {found.noise:.2f})"
    peak = found.peaks[0]
    off = angle_off(peak.angle, case.angle)
    if case.crossed:
        off = min(off, angle_off(peak.angle, case.angle + 90))
    right = abs(peak.period / case.period - 1) <= PERIOD_OFF and off <= ANGLE_OFF
    waves = ", ".join(f"{p.period:.2f} px {p.angle:.1f}° {p.strength:.3f}" for p in found.peaks[:4])
    return right, waves


def made_small(clean: Image3, height: int, width: int) -> Image3:
    """A photo reduced, as sharply as photos are published, until it just covers a size.

    Args:
        clean: Not smaller than the size.
        height: In pixels.
        width: Likewise.

    Returns:
        The upper left of that size, in whole steps of 1/255.
    """
    scale = max(height / clean.shape[-2], width / clean.shape[-1])
    covering = [
        max(least, round(length * scale))
        for least, length in zip((height, width), clean.shape[-2:], strict=True)
    ]
    small = F.interpolate(clean, covering, mode="bicubic", antialias=True)
    return small[..., :height, :width].clamp(0, 1).mul(255).round() / 255


def judged_small(
    restorer: Restorer,
    paths: Sequence[Path],
    height: int,
    width: int,
    degradation: DegradeConfig | None = None,
) -> tuple[list[str], list[str]]:
    """What would be done to photos if they were small.

    Args:
        restorer: Looks at them.
        paths: Of clean photos; those smaller than the size are left out.
        height: Of the small photos in pixels.
        width: Likewise.
        degradation: Of each by its number; none if left out.

    Returns:
        A line on each that would be left as it came, and on each that would not.
    """
    left, restored = list[str](), list[str]()
    for number, path in enumerate(paths):
        clean = read(path)
        if clean.shape[-2] < height or clean.shape[-1] < width:
            continue
        image, what = made_small(clean, height, width), ""
        if degradation is not None:
            pair = degrade(image, torch.tensor([number]), degradation)
            image, what = pair.image, f", {pair.family[0]}"
        found = restorer.inspect(Photo.from_image(image, path.name))
        line = f"{path}{what}: pattern {found.pattern:.2f}, noise {found.noise:.2f}"
        (restored if found.presence > 0 else left).append(line)
    return left, restored


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[thread_options()])
    parser.add_argument("--photos", type=Path, required=True, help="folder tree of clean photos")
    parser.add_argument("--weights", type=Path, help="folder of all steps' weights")
    parser.add_argument("--count", type=int, default=COUNT, help="screens, and clean scenes")
    arguments = parser.parse_args()
    use_threads(arguments)
    restorer = Restorer.load(device="cpu", precision="fp32", folder=arguments.weights)
    right = alarms = 0
    for case in screened(photos(arguments.photos, scenes_only=False), arguments.count):
        good, answer = named(restorer, case)
        right += good
        what = f"{case.kind}, {case.period:.2f} px, {case.angle:.1f}°, {case.contrast:.2f}"
        print(f"{'ok ' if good else 'OFF'} {case.name}: {what} → {answer}", flush=True)
    scenes = photos(arguments.photos, scenes_only=True)[: arguments.count]
    for path in scenes:
        found = restorer.inspect(Photo.from_image(taken(path), path.name))
        if found.peaks:
            alarms += 1
            print(f"false alarm: {path}: pattern {found.pattern:.2f}, noise {found.noise:.2f}")
    print(f"{right} of {arguments.count} screens named, {alarms} of {len(scenes)} clean scenes are")
    held_out = photos(arguments.photos, scenes_only=True, held_out_only=True)
    for height, width in SMALL:
        left, restored = judged_small(restorer, held_out, height, width)
        print(*(f"false alarm: {line}" for line in restored), sep="\n", end="\n" * bool(restored))
        count = f"{len(restored)} of {len(left + restored)}"
        print(f"{count} clean scenes of {height}×{width} px are not left alone", flush=True)
    held_out = photos(arguments.photos, scenes_only=False, held_out_only=True)
    for height, width in SMALL:
        left, restored = judged_small(restorer, held_out, height, width, STRONG)
        print(*(f"missed: {line}" for line in left), sep="\n", end="\n" * bool(left))
        count = f"{len(left)} of {len(left + restored)}"
        print(f"{count} degraded photos of {height}×{width} px are left as they came", flush=True)


if __name__ == "__main__":
    main()
