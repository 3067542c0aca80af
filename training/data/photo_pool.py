"""The pool of clean photos: decoded once to one flat array, cropped on the training device.

A folder tree of photos becomes `<cache>.npy` (all pixels, uint8) and `<cache>.json` (names, sizes,
offsets), so that a restart maps the file instead of decoding again. One photo in fifty, chosen by
the hash of its name, is held out for validation.
"""

import hashlib
import json
import math
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


@dataclass(frozen=True, eq=False)
class PhotoPool:
    """Clean photos as one flat tensor.

    Attributes:
        pixels: uint8, every photo's (h, w, 3) one after the other, on the training device.
        names: Path of each photo below the folder.
        sizes: (height, width) of each.
        offsets: First element of each in `pixels`.
        softness: For each photo the PSNR in dB against itself after 2× down and up; below 34 is
            truly sharp, above 38 soft.
    """

    pixels: Tensor
    names: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    offsets: tuple[int, ...]
    softness: tuple[float, ...]

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
        return cls(
            pixels,
            tuple(index["names"]),
            sizes,
            tuple(index["offsets"]),
            _softness(pixels, sizes, tuple(index["offsets"]), listing),
        )

    def photo(self, number: int) -> Float[Tensor, "1 3 h w"]:
        """One whole photo in [0, 1]."""
        height, width = self.sizes[number]
        return self._region(number, 0, 0, height, width)

    def split(self, *, held_out: bool) -> list[int]:
        """Numbers of the photos for training, or of those held out for validation."""
        return [n for n, name in enumerate(self.names) if _is_held_out(name) == held_out]

    def sharper_than(self, softness: float, among: list[int]) -> list[int]:
        """Those of the photos whose `softness` is below a bound in dB."""
        return [number for number in among if self.softness[number] < softness]

    def crops(
        self, seeds: Int[Tensor, " n"], size: int, among: list[int]
    ) -> Float[Tensor, "n 3 s s"]:
        """Random square crops, each by its own seed: photo, place, reduction (1 to 3), mirror."""
        draws = Draws(seeds, stream=7)
        which = draws.integers(0, len(among)).tolist()
        wanted = draws.log_uniform(1, 3)
        shrink = torch.where(draws.chance(0.3), 1.0, wanted).tolist()
        places = torch.stack([draws.uniform(), draws.uniform()], 1).tolist()
        mirrored = draws.chance(0.5).tolist()
        rows = []
        for sample in range(len(seeds)):
            number = among[which[sample]]
            height, width = self.sizes[number]
            side = min(round(size * shrink[sample]), height, width)
            top = int(places[sample][0] * (height - side + 1))
            left = int(places[sample][1] * (width - side + 1))
            crop = self._region(number, top, left, side, side)
            if side != size:
                crop = F.interpolate(crop, (size, size), mode="bilinear", antialias=side > size)
            rows.append(crop.flip(3) if mirrored[sample] else crop)
        return torch.cat(rows).clamp(0, 1)

    def _region(
        self, number: int, top: int, left: int, height: int, width: int
    ) -> Float[Tensor, "1 3 h w"]:
        rows, columns = self.sizes[number]
        start = self.offsets[number]
        photo = self.pixels[start : start + rows * columns * 3].view(rows, columns, 3)
        region = photo[top : top + height, left : left + width]
        return region.permute(2, 0, 1).unsqueeze(0).float() / 255


def _is_held_out(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] % 50 == 0


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
    np.save(cache.with_suffix(".npy"), np.concatenate(parts))
    names = [path.relative_to(folder).as_posix() for path in files]
    index = {"names": names, "sizes": sizes, "offsets": offsets}
    cache.with_suffix(".json").write_text(json.dumps(index), "utf-8")


def _softness(
    pixels: Tensor, sizes: tuple[tuple[int, int], ...], offsets: tuple[int, ...], listing: Path
) -> tuple[float, ...]:
    """Measured once and kept in the listing."""
    index = json.loads(listing.read_text("utf-8"))
    if "softness" not in index:
        values = []
        for (height, width), start in zip(sizes, offsets, strict=True):
            flat = pixels[start : start + height * width * 3]
            photo = flat.view(1, height, width, 3).permute(0, 3, 1, 2).float() / 255
            small = F.interpolate(photo, scale_factor=0.5, mode="bicubic", antialias=True)
            again = F.interpolate(small, (height, width), mode="bicubic")
            error = float(((again - photo) ** 2).mean())
            values.append(-10 * math.log10(max(error, 1e-10)))
        index["softness"] = values
        listing.write_text(json.dumps(index), "utf-8")
    return tuple(index["softness"])
