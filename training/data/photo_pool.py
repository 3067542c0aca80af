"""The pool of clean photos: decoded once to one flat array, cropped on the training device.

A folder tree of photos becomes `<cache>.npy` (all pixels, uint8) and `<cache>.json` (names, sizes,
offsets), so that a restart maps the file instead of decoding again. One photo in fifty, chosen by
the hash of its name, is held out for validation; of scenes, which are fewer, three in fifty.
"""

import functools
import hashlib
import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from restorecli.degrade.rng import Draws

SUFFIXES = {".webp", ".png", ".jpg", ".jpeg"}
PLENTIFUL = frozenset(
    {
        "3dsk-canada-faces",
        "drawn",
        "pif-fellows",
        "pixabay-faces",
        "uk-parliament-260",
        "us-18f-team",
        "us-officials-1024",
    }
)  # folders of portraits and of drawn pictures; all others hold scenes


@dataclass(frozen=True, eq=False)
class PhotoPool:
    """Clean photos as one flat tensor.

    Attributes:
        pixels: uint8, every photo's (h, w, 3) one after the other, on the training device.
        names: Path of each photo below the folder.
        sizes: (height, width) of each.
        offsets: First element of each in `pixels`.
        listing: Names, sizes and what was measured, beside the pixels.
    """

    pixels: Tensor
    names: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    offsets: tuple[int, ...]
    listing: Path

    @classmethod
    def open(cls, folder: Path, cache: Path, device: torch.device) -> "PhotoPool":
        """Map the cache, or make it from the photos below `folder`.

        Raises:
            FileNotFoundError: There is neither a cache nor a photo.
        """
        listing = cache.with_suffix(".json")
        if not listing.exists():
            _decode(folder, cache)
        index = json.loads(listing.read_text("utf-8"))
        flat = np.load(cache.with_suffix(".npy"), mmap_mode="c")
        pixels = torch.from_numpy(flat)
        if device.type != "cpu":
            pixels = pixels.to(device)
        sizes = tuple((height, width) for height, width in index["sizes"])
        return cls(pixels, tuple(index["names"]), sizes, tuple(index["offsets"]), listing)

    @functools.cached_property
    def softness(self) -> tuple[float, ...]:
        """For each photo the PSNR in dB against itself after 2× down and up.

        Below 34 is truly sharp, above 38 soft. It takes minutes, once: the listing keeps it.
        """
        index = json.loads(self.listing.read_text("utf-8"))
        if "softness" not in index:
            index["softness"] = [softness(self.photo(n)) for n in range(len(self.names))]
            self.listing.write_text(json.dumps(index), "utf-8")
        return tuple(index["softness"])

    def photo(self, number: int) -> Float[Tensor, "1 3 h w"]:
        """One whole photo in [0, 1]."""
        height, width = self.sizes[number]
        return self.region(number, 0, 0, height, width)

    def split(self, *, held_out: bool) -> list[int]:
        """Numbers of the photos for training, or of those held out for validation."""
        return [n for n, name in enumerate(self.names) if is_held_out(name) == held_out]

    def sharper_than(self, softness: float, among: list[int]) -> list[int]:
        """Those of the photos whose `softness` is below a bound in dB."""
        return [number for number in among if self.softness[number] < softness]

    def of_sets(self, sets: Collection[str], among: list[int]) -> list[int]:
        """Those of the photos whose top folder is one of `sets`."""
        return [number for number in among if self.names[number].split("/", 1)[0] in sets]

    def crops(
        self,
        seeds: Int[Tensor, " n"],
        size: int,
        among: list[int],
        *,
        enlarged: float = 0.0,
        reduced: float = 0.0,
    ) -> Float[Tensor, "n 3 s s"]:
        """Random square crops, each by its own seed: photo, place, reduction (1 to 3), mirror.

        A share of `enlarged` is enlarged instead, by up to 2.5; a share of `reduced` is made
        smaller by 2 to 8, as sharply as small photos are.
        """
        draws, more = Draws(seeds, stream=7), Draws(seeds, stream=8)
        which = draws.integers(0, len(among)).tolist()
        sharpness = draws.log_uniform(1, 3)
        shrink = torch.where(draws.chance(0.3), 1.0, sharpness)
        places = torch.stack([draws.uniform(), draws.uniform()], 1).tolist()
        mirrored = draws.chance(0.5).tolist()
        large = draws.chance(enlarged)
        small = more.chance(reduced)
        factor = torch.where(large, draws.log_uniform(0.4, 1), shrink)
        factors = torch.where(small, more.log_uniform(2, 8), factor).tolist()
        sharp = small.tolist()
        rows = []
        for sample in range(len(seeds)):
            number = among[which[sample]]
            height, width = self.sizes[number]
            side = min(round(size * factors[sample]), height, width)
            top = int(places[sample][0] * (height - side + 1))
            left = int(places[sample][1] * (width - side + 1))
            crop = self.region(number, top, left, side, side)
            if side != size:
                kind = "bilinear" if side > size and not sharp[sample] else "bicubic"
                crop = F.interpolate(crop, (size, size), mode=kind, antialias=side > size)
            rows.append(crop.flip(3) if mirrored[sample] else crop)
        return torch.cat(rows).clamp(0, 1)

    def region(
        self, number: int, top: int, left: int, height: int, width: int
    ) -> Float[Tensor, "1 3 h w"]:
        """A part of a photo in [0, 1], mirrored where it reaches over the border."""
        rows, columns = self.sizes[number]
        start = self.offsets[number]
        photo = self.pixels[start : start + rows * columns * 3].view(rows, columns, 3)
        inside = min(top, left) >= 0 and top + height <= rows and left + width <= columns
        if inside:
            region = photo[top : top + height, left : left + width]
        else:
            device = photo.device
            region = photo[mirrored(torch.arange(top, top + height, device=device), rows)]
            region = region[:, mirrored(torch.arange(left, left + width, device=device), columns)]
        return region.permute(2, 0, 1).unsqueeze(0).float() / 255


def softness(photo: Float[Tensor, "1 3 h w"]) -> float:
    """PSNR in dB of a photo against itself after 2× down and up: the higher, the softer."""
    small = F.interpolate(photo, scale_factor=0.5, mode="bicubic", antialias=True)
    again = F.interpolate(small, photo.shape[-2:], mode="bicubic")
    return -10 * math.log10(max(float(((again - photo) ** 2).mean()), 1e-10))


def mirrored(index: Tensor, length: int) -> Tensor:
    """Fold indices outside [0, length) back in."""
    period = max(1, 2 * (length - 1))
    folded = index.remainder(period)
    return torch.where(folded >= length, period - folded, folded)


def is_held_out(name: str) -> bool:
    """Whether a photo, by its path below the folder, is for validation and never learnt from."""
    held_out_of_fifty = 1 if name.split("/")[0] in PLENTIFUL else 3
    return hashlib.sha256(name.encode()).digest()[0] % 50 < held_out_of_fifty


def photo_names(folder: Path, *, held_out: bool) -> list[str]:
    """Paths below a folder of its photos for training, or of those held out, in order."""
    names = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    return [name for name in names if is_held_out(name) == held_out]


def _decode(folder: Path, cache: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"{folder}: no photos to train on")
    parts, sizes, offsets, start = [], [], [], 0
    for path in files:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        parts.append(pixels.reshape(-1))
        sizes.append(pixels.shape[:2])
        offsets.append(start)
        start += pixels.size
    cache.parent.mkdir(parents=True, exist_ok=True)
    flat = np.lib.format.open_memmap(cache.with_suffix(".npy"), "w+", np.uint8, (start,))
    for offset, part in zip(offsets, parts, strict=True):
        flat[offset : offset + part.size] = part
    flat.flush()
    names = [path.relative_to(folder).as_posix() for path in files]
    index = {"names": names, "sizes": sizes, "offsets": offsets}
    cache.with_suffix(".json").write_text(json.dumps(index), "utf-8")
