"""Whole pictures in strips, where no network computes them: as they are, enlarged, reduced."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.tiling.sources import ImageSource, whole

ROWS_AT_ONCE = 256  # a multiple of the cells in which colours are corrected


def bands(height: int) -> Iterator[tuple[int, int]]:
    """First row and end of strips of `ROWS_AT_ONCE` rows, of which the last may have fewer."""
    for top in range(0, height, ROWS_AT_ONCE):
        yield top, min(top + ROWS_AT_ONCE, height)


def plain_strips(
    source: ImageSource, scale: int
) -> Iterator[tuple[int, Float[Tensor, "1 3 rows sw"]]]:
    """A picture as it is, in strips, or enlarged bicubically in one."""
    if scale > 1:
        yield 0, F.interpolate(whole(source), scale_factor=float(scale), mode="bicubic")
        return
    for top, bottom in bands(source.height):
        yield top, source.read(top, 0, bottom, source.width)


def downsampled(
    source: ImageSource,
    size: tuple[int, int],
    box: tuple[int, int, int, int] | None = None,
) -> Float[Tensor, "1 c i j"]:
    """A smaller copy of a picture or of a part of it, bilinear without aliasing.

    Args:
        source: Read strip by strip; a strip and the narrow copy are all that is held.
        size: Height and width of the copy, neither more than the part's.
        box: First row, first column and their ends of the part; None for the whole picture.
    """
    top, left, bottom, right = box or (0, 0, source.height, source.width)
    narrow = torch.cat([
        F.interpolate(source.read(top + first, left, top + end, right), (end - first, size[1]),
                      mode="bilinear", antialias=True)
        for first, end in bands(bottom - top)
    ], 2)  # fmt: skip
    return F.interpolate(narrow, size, mode="bilinear", antialias=True)
