"""Pairs of degraded and clean pictures of the kinds that photographers have, for `field`.

Everything is made anew from seeds, out of photos that are held out from training (three scenes and
one portrait in fifty) and of fonts that no picture for training is drawn with. Which fonts there
are is the machine's affair; so scores of the drawn pages compare only on one machine.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from restorecli.degrade import FAMILIES, PRESSES, DegradeConfig, degrade
from restorecli.degrade.corruption import jpeg
from restorecli.metrics import ssim
from training.data.photo_pool import PLENTIFUL, photo_names
from training.drawn.fonts import SYSTEM_FOLDERS
from training.drawn.pictures import Material, picture

SEED = 10**6
SMALL, PAGE, LARGE = 384, 480, 512  # px, sides of the pictures
SIGMAS, QUALITIES = (5, 10, 15), (60, 75, 90)  # of 255; of JPEG
PERIODS = (24, 32, 48, 64)  # px
WIDE_PERIODS = (20, 40, 56, 72, 96)  # px, over larger pictures
GAINS = (0.12, 0.45)
SSIM_IN = 0.45  # of pictures under a long period
PAGES = {"text": 8, "screenshot": 4, "music": 4, "striped": 4, "checked": 4}
Image3 = Float[Tensor, "1 3 h w"]
Plane = Float[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """One picture to restore.

    Attributes:
        kind: One of `KINDS`.
        group: What it shares with some others of its kind, as "newsprint" or "σ 10".
        name: Of what it was made of.
        image: As it comes, in whole steps of 1/255.
        clean: What it should become.
    """

    kind: str
    group: str
    name: str
    image: Image3
    clean: Image3


@dataclass(frozen=True)
class Held:
    """Photos that are held out: paths of scenes, and of people."""

    folder: Path
    scenes: tuple[Path, ...]
    people: tuple[Path, ...]

    @classmethod
    def find(cls, folder: Path) -> "Held":
        """Those below a folder that are large enough."""
        names = [name for name in photo_names(folder, held_out=True) if _side(folder / name) >= 320]
        drawn = {name for name in names if name.split("/")[0] == "drawn"}
        people = [name for name in names if name.split("/")[0] in PLENTIFUL and name not in drawn]
        scenes = [name for name in names if name not in people and name not in drawn]
        return cls(folder, *(tuple(folder / name for name in part) for part in (scenes, people)))


def scenes(held: Held) -> Iterator[Case]:
    """48 crops of 384², the two most textured ones of each scene, then the most textured."""
    for name, crop in textured(held, 48):
        yield Case(kind="scenes", group="clean", name=name, image=crop, clean=crop)


def textured(held: Held, count: int) -> list[tuple[str, Image3]]:
    """The most textured crops of 384² of the scenes, two a scene at most."""
    candidates: list[tuple[float, str, Image3]] = []
    for path in held.scenes:
        photo = read(path)
        if min(photo.shape[-2:]) < SMALL:
            continue
        rows, columns = ([0] if spare < SMALL // 2 else [0, spare]
                         for spare in (side - SMALL for side in photo.shape[-2:]))  # fmt: skip
        crops = [
            (_texture(crop), f"{path.parent.name}/{path.stem}+{left}+{top}", crop)
            for top in rows
            for left in columns
            for crop in (photo[..., top : top + SMALL, left : left + SMALL],)
        ]
        candidates += sorted(crops, key=lambda one: -one[0])[:2]
    candidates.sort(key=lambda one: -one[0])
    return [(name, crop) for _, name, crop in candidates[:count]]


def pages(held: Held) -> Iterator[Case]:
    """24 drawn pages, screens, sheets of music and clothes of 480²."""
    material = Material.find(SYSTEM_FOLDERS, held.folder, held_out=True)
    for kind, count in PAGES.items():
        for number in range(count):
            _, pixels = picture(SEED, number, material, kind=kind, size=(PAGE, PAGE))
            image = _tensor(pixels)
            yield Case(kind="pages", group=kind, name=f"{number}", image=image, clean=image)


def presses(held: Held) -> Iterator[Case]:
    """60 photos of 512² in print, on paper, on displays and tapes; people and scenes in turn."""
    for place, family in enumerate(PRESSES):
        config = DegradeConfig(
            families=(family,), presses=1, clean=0, plain=0, mild=0, second=0, dimmed=0, sigma=0.02
        )
        for number in range(6):
            path = _turn(held.people if number % 2 else held.scenes, place * 3 + number // 2)
            clean = squared(read(path), LARGE)
            pair = degrade(clean, torch.tensor([SEED + 100 * place + number]), config)
            yield Case(kind="presses", group=family, name=path.stem, image=pair.image,
                       clean=_rounded(pair.target))  # fmt: skip


def noise(held: Held) -> Iterator[Case]:
    """Clean scenes with a little Gaussian noise, or saved as JPEG; 4 of each strength."""
    for number, (name, crop) in enumerate(textured(held, 48)[::12]):
        rng = torch.Generator().manual_seed(SEED + number)
        for sigma in SIGMAS:
            noisy = crop + torch.randn(crop.shape, generator=rng) * sigma / 255
            yield Case(kind="noise", group=f"σ {sigma}", name=name, image=_rounded(noisy),
                       clean=crop)  # fmt: skip
        for quality in QUALITIES:
            saved = jpeg(crop, torch.tensor([float(quality)]), torch.tensor([True]))
            yield Case(kind="noise", group=f"JPEG {quality}", name=name, image=_rounded(saved),
                       clean=crop)  # fmt: skip


def periods(held: Held) -> Iterator[Case]:
    """Three screens of each long period over two photos of 384², as strong as SSIM 0.45."""
    for place, period in enumerate(PERIODS):
        for screen, pattern in SCREENS.items():
            for number in range(2):
                among = held.people if number else held.scenes
                path = _turn(among, place * 3 + list(SCREENS).index(screen))
                rng = np.random.default_rng([SEED, period, number])
                clean = squared(read(path), SMALL)
                field = torch.from_numpy(pattern(rng, period, SMALL)).float()[None, None]
                yield Case(kind="periods", group=f"{period} px", name=f"{screen} {path.stem}",
                           image=under(clean, field), clean=clean)  # fmt: skip


def wide(held: Held) -> Iterator[Case]:
    """The same screens, longer, over four photos of 512² each, larger than a window of 256 px."""
    for place, period in enumerate(WIDE_PERIODS):
        for turn, (screen, pattern) in enumerate(SCREENS.items()):
            for number in range(4):
                among = held.people if number % 2 else held.scenes
                path = _turn(among, 20 + 13 * place + 5 * turn + 7 * number)
                rng = np.random.default_rng([SEED, period, number, turn])
                clean = squared(read(path), LARGE)
                field = torch.from_numpy(pattern(rng, period, LARGE)).float()[None, None]
                yield Case(kind="wide", group=f"{period} px", name=f"{screen} {path.stem}",
                           image=under(clean, field), clean=clean)  # fmt: skip


def dark(held: Held) -> Iterator[Case]:
    """20 photos of 384² under the families of `restore degrade`, then taken too dark.

    The degraded photo is multiplied by 0.12 to 0.45; the clean one, bright, is to come back.
    """
    config = DegradeConfig(clean=0, plain=0, mild=0, dimmed=0, presses=0)
    families = [family for family in FAMILIES if family not in PRESSES]
    for number in range(20):
        path = _turn(held.people if number % 2 else held.scenes, 5 + number)
        clean = squared(read(path), SMALL)
        family = families[number % len(families)]
        one = DegradeConfig(**{**vars(config), "families": (family,)})
        pair = degrade(clean, torch.tensor([SEED + 5000 + number]), one)
        gain = GAINS[0] * (GAINS[1] / GAINS[0]) ** (number * 7 % 20 / 19)
        yield Case(kind="dark", group="dark", name=f"{family} × {gain:.2f}",
                   image=_rounded(pair.image * gain), clean=clean)  # fmt: skip


def portraits(held: Held) -> Iterator[Case]:
    """10 clean portraits of 384²."""
    step = max(1, len(held.people) // 10)
    for path in held.people[::step][:10]:
        image = squared(read(path), SMALL)
        yield Case(kind="portraits", group="clean", name=path.stem, image=image, clean=image)


KINDS: Mapping[str, Callable[[Held], Iterator[Case]]] = MappingProxyType(
    {
        "scenes": scenes,
        "pages": pages,
        "presses": presses,
        "noise": noise,
        "periods": periods,
        "wide": wide,
        "dark": dark,
        "portraits": portraits,
    }
)


def sinusoids(rng: np.random.Generator, period: float, side: int) -> Plane:
    """Two waves across each other, from −1 to 1."""
    u, v = _turned(rng, side)
    return np.asarray((np.sin(u / period * 2 * np.pi) + np.sin(v / period * 2 * np.pi)) / 2)


def dots(rng: np.random.Generator, period: float, side: int) -> Plane:
    """Soft round dots in rows."""
    u, v = _turned(rng, side)
    far = np.hypot(np.mod(u, period) - period / 2, np.mod(v, period) - period / 2)
    return np.asarray(2 * np.clip((period * 0.3 - far) / 1.5 + 0.5, 0, 1) - 1)


def honeycomb(rng: np.random.Generator, period: float, side: int) -> Plane:
    """The walls of hexagonal cells."""
    u, v = (plane / period for plane in _turned(rng, side))
    tall = np.sqrt(3)
    near = [
        np.hypot(np.mod(u - shift, 1) - 0.5, np.mod(v - shift * tall, tall) - tall / 2)
        for shift in (0, 0.5)
    ]
    return np.asarray(2 * np.clip((np.minimum(*near) - 0.44) * period / 1.5 + 0.5, 0, 1) - 1)


SCREENS: Mapping[str, Callable[[np.random.Generator, float, int], Plane]] = MappingProxyType(
    {"sinusoids": sinusoids, "dots": dots, "honeycomb": honeycomb}
)


def under(clean: Image3, field: Float[Tensor, "1 1 h w"]) -> Image3:
    """Add a field, so strongly that the SSIM falls to `SSIM_IN`, or as far as it will."""
    low, high = 0.0, 1.5
    for _ in range(9):
        middle = (low + high) / 2
        if ssim(_rounded(clean + field * middle), clean) > SSIM_IN:
            low = middle
        else:
            high = middle
    return _rounded(clean + field * high)


def read(path: Path) -> Image3:
    """A photo as RGB in [0, 1]."""
    with Image.open(path) as opened:
        return _tensor(np.asarray(opened.convert("RGB")))


def squared(photo: Image3, side: int) -> Image3:
    """The upper middle of a photo, brought to `side`², in whole steps of 1/255."""
    height, width = photo.shape[-2:]
    least = min(height, width)
    top, left = (height - least) // 4, (width - least) // 2
    part = photo[..., top : top + least, left : left + least]
    if least == side:
        return part
    small = F.interpolate(part, (side, side), mode="bicubic", antialias=least > side)
    return _rounded(small)


def _turned(rng: np.random.Generator, side: int) -> tuple[Plane, Plane]:
    angle = rng.uniform(0, np.pi)
    v, u = np.mgrid[:side, :side].astype(np.float64)
    return u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)


def _texture(crop: Image3) -> float:
    """What is lost by making it half as large; the more, the finer is its texture."""
    small = F.interpolate(crop, scale_factor=0.5, mode="bicubic", antialias=True)
    again = F.interpolate(small, crop.shape[-2:], mode="bicubic")
    return float((again - crop).square().mean())


def _tensor(pixels: np.ndarray) -> Image3:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255


def _rounded(image: Image3) -> Image3:
    return image.clamp(0, 1).mul(255).round() / 255


def _turn(paths: Sequence[Path], number: int) -> Path:
    return paths[number % len(paths)]


def _side(path: Path) -> int:
    with Image.open(path) as opened:
        return min(opened.size)
