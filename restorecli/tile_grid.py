"""Where tiles lie on a photo, how much each counts at each pixel, and how large they may be.

Plain arithmetic on lengths; no picture is touched here. Rows and columns are independent, so a grid
is two axes and the weight of a pixel is the product of its weights along both.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

SMALLEST_TILE = 64  # px; below it a pattern of usual period no longer shows twice
LARGEST_TILE = 1024  # px; larger ones are not faster, and memory stays bounded


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Tiles along one direction of a photo, all of one size, each overlapping the next.

    The last tile may reach past the photo, by less than the multiple that tiles are made of; there
    the photo is padded.

    Attributes:
        length: Pixels of the photo.
        size: Pixels of every tile.
        starts: First pixel of each tile, ascending from 0.
    """

    length: int
    size: int
    starts: tuple[int, ...]

    def weights(self, scale: int) -> list[Float[Tensor, " size"]]:
        """Say how much each tile counts along this axis, at `scale` times its resolution.

        In the overlap of two tiles the second one fades in by half a cosine wave over the middle
        half; the outer quarters belong to one tile alone, so that what a network makes of a cut
        edge is not seen. At every pixel the weights of all tiles sum to 1.

        Returns:
            One vector of length `size * scale` a tile, values in [0, 1].
        """
        weights = []
        for index, start in enumerate(self.starts):
            centres = start + (torch.arange(self.size * scale, dtype=torch.float64) + 0.5) / scale
            weight = self._fade_in(index, centres)
            for later in range(index + 1, len(self.starts)):
                if self.starts[later] >= start + self.size:
                    break
                weight = weight * (1 - self._fade_in(later, centres))
            weights.append(weight.float())
        return weights

    def _fade_in(self, index: int, centres: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        if index == 0:
            return torch.ones_like(centres)
        start = self.starts[index]
        overlap = self.starts[index - 1] + self.size - start
        if overlap == 0:
            return (centres >= start).to(centres.dtype)
        progress = ((centres - start) - overlap / 4) / (overlap / 2)
        return 0.5 - 0.5 * torch.cos(math.pi * progress.clamp(0, 1))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """All tiles of a photo: every start of `rows` with every start of `columns`."""

    rows: Axis
    columns: Axis


def plan(height: int, width: int, tile: int, overlap: int, *, multiple: int = 8) -> Grid:
    """Lay tiles of equal size over a photo.

    Equal, because channel attention and spectral gates take statistics over a tile. A photo that
    fits into a tile is one tile. Otherwise there are as few tiles as `tile` allows, then these are
    made as small as their number allows and spread evenly: two tiles over 520 pixels need not be
    512 pixels each. Starts are multiples of `multiple`, so a network that halves its resolution
    sees the same phase in every tile.

    Args:
        height: Pixels of the photo, at least 1.
        width: Pixels of the photo, at least 1.
        tile: Upper bound of a tile's side; rounded down to `multiple`, but not below it.
        overlap: Pixels that two neighbours share at least; rounded up to `multiple`, and bounded by
            half a tile.
        multiple: What a tile's sides are multiples of.

    Raises:
        ValueError: A size is not positive, or `overlap` is negative.
    """
    if min(height, width, tile, multiple) < 1 or overlap < 0:
        raise ValueError(f"no grid for {height} x {width} px, tile {tile}, overlap {overlap}")
    return Grid(
        rows=_axis(height, tile, overlap, multiple), columns=_axis(width, tile, overlap, multiple)
    )


def _axis(length: int, tile: int, overlap: int, multiple: int) -> Axis:
    units = _ceil_divide(length, multiple)
    size = max(1, tile // multiple)
    if units <= size:
        return Axis(length=length, size=units * multiple, starts=(0,))
    shared = min(_ceil_divide(overlap, multiple), size // 2)
    count = _ceil_divide(units - shared, size - shared)
    size = _ceil_divide(units + (count - 1) * shared, count)
    starts = tuple(round(index * (units - size) / (count - 1)) * multiple for index in range(count))
    return Axis(length=length, size=size * multiple, starts=starts)


def _ceil_divide(number: int, divisor: int) -> int:
    return -(-number // divisor)


def choose_tile(
    free_bytes: int,
    bytes_per_pixel: int,
    *,
    share: float = 0.5,
    smallest: int = SMALLEST_TILE,
    largest: int = LARGEST_TILE,
    multiple: int = 8,
) -> int:
    """Choose the largest tile whose working memory fits.

    Args:
        free_bytes: Memory that is free on the device, see `restorecli.device.free_memory`.
        bytes_per_pixel: Peak memory of the network over the pixels of its tile, as measured.
        share: Part of the free memory to use; the rest is for the photo and for others.
        smallest: Returned also where not even this fits; running out of memory is then reported
            by whoever runs the tile.
        largest: Bound of the tile however much memory there is.
        multiple: What the tile is a multiple of.

    Returns:
        Side of a square tile in pixels, between `smallest` and `largest`.
    """
    side = math.isqrt(max(0, int(free_bytes * share)) // bytes_per_pixel)
    return min(largest, max(smallest, side // multiple * multiple))
