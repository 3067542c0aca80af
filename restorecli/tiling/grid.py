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
TILE_OF_SEVERAL = 832  # px; where one does not do: larger ones share less, smaller ones take less
TILE_OF_MANY = 448  # px; the same for a large photo: 100 Mpx must fit in 2 GiB
LARGE = 24_000_000  # pixels of a photo


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Tiles along one direction of a photo, each overlapping the next.

    The last tile may reach past the photo, by less than the multiple that tiles are made of; there
    the photo is padded.

    Attributes:
        length: Pixels of the photo.
        starts: First pixel of each tile, ascending from 0.
        stops: One past the last pixel of each tile, ascending.
    """

    length: int
    starts: tuple[int, ...]
    stops: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pixels of each tile."""
        return tuple(stop - start for start, stop in zip(self.starts, self.stops, strict=True))

    def weights(self, scale: int) -> list[Float[Tensor, " size"]]:
        """Say how much each tile counts along this axis, at `scale` times its resolution.

        In the overlap of two tiles the second one fades in by half a cosine wave over the middle
        half; the outer quarters belong to one tile alone, so that what a network makes of a cut
        edge is not seen. At every pixel the weights of all tiles sum to 1.

        Returns:
            One vector of length `size * scale` a tile, values in [0, 1].
        """
        weights = []
        for index, (start, stop) in enumerate(zip(self.starts, self.stops, strict=True)):
            centres = start + (torch.arange((stop - start) * scale).double() + 0.5) / scale
            weight = self._fade_in(index, centres)
            for later in range(index + 1, len(self.starts)):
                if self.starts[later] >= stop:
                    break
                weight = weight * (1 - self._fade_in(later, centres))
            weights.append(weight.float())
        return weights

    def _fade_in(self, index: int, centres: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        if index == 0:
            return torch.ones_like(centres)
        start = self.starts[index]
        overlap = self.stops[index - 1] - start
        if overlap == 0:
            return (centres >= start).to(centres.dtype)
        progress = ((centres - start) - overlap / 4) / (overlap / 2)
        return 0.5 - 0.5 * torch.cos(math.pi * progress.clamp(0, 1))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """All tiles of a photo: every start of `rows` with every start of `columns`."""

    rows: Axis
    columns: Axis


def tile_grid(
    height: int, width: int, tile: int, overlap: int, *, multiple: int = 8, step: int = 1
) -> Grid:
    """Lay tiles over a photo.

    A photo that fits into a tile is one tile. Otherwise there are as few tiles as `tile` allows,
    and these are made as small as their number allows: two tiles over 520 pixels need not be 512
    pixels each. Starts are multiples of `multiple`, so a network that halves its resolution sees
    the same phase in every tile, and of `step`, so that windows on a grid (see
    `restorecli.networks.windows`) lie in every tile where they lie in the photo. A tile too small
    for one step and the overlap leaves `step` out of account.

    Args:
        height: Pixels of the photo, at least 1.
        width: Pixels of the photo, at least 1.
        tile: Upper bound of a tile's side; rounded down to `multiple`, but not below it.
        overlap: Pixels that two neighbours share; rounded up to `multiple`, and bounded by half a
            tile.
        multiple: What a tile's sides are multiples of.
        step: What the starts are multiples of besides.

    Raises:
        ValueError: A size is not positive, or `overlap` is negative.
    """
    if min(height, width, tile, multiple, step) < 1 or overlap < 0:
        raise ValueError(f"no grid for {height} x {width} px, tile {tile}, overlap {overlap}")
    rows, columns = (_axis(side, tile, overlap, multiple, step) for side in (height, width))
    return Grid(rows=rows, columns=columns)


def _axis(length: int, tile: int, overlap: int, multiple: int, step: int) -> Axis:
    """Lay tiles along one direction, counted in units of `multiple` until the end."""
    units, largest = _ceil_divide(length, multiple), max(1, tile // multiple)
    if units <= largest:
        return Axis(length=length, starts=(0,), stops=(units * multiple,))
    shared = min(_ceil_divide(overlap, multiple), largest // 2)
    step = math.lcm(step, multiple) // multiple
    if step > largest - shared:
        step = 1
    furthest = (largest - shared) // step * step
    count = _ceil_divide(units - shared, furthest)
    stride = _ceil_divide(_ceil_divide(units - shared, count), step) * step
    starts = range(0, units - shared, stride)
    return Axis(
        length=length,
        starts=tuple(start * multiple for start in starts),
        stops=tuple(min(start + stride + shared, units) * multiple for start in starts),
    )


def _ceil_divide(number: int, divisor: int) -> int:
    return -(-number // divisor)


def tile_for(height: int, width: int, *, fitting: int) -> int:
    """Side of the tiles of a photo, where memory allows for tiles of a side of `fitting`."""
    if max(height, width) <= fitting:
        return fitting
    return min(fitting, TILE_OF_MANY if height * width > LARGE else TILE_OF_SEVERAL)


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
