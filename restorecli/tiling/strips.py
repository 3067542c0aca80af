"""Whole pictures in strips, where no network computes them: as they are, enlarged, reduced."""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.tiling.sources import ImageSource, whole

PIXELS_AT_ONCE = 2**18  # in a strip: a few MB of floats, and as much again of what they become
ROWS = 8  # strips have multiples of it: the cells in which colours are compared


def bands(height: int, width: int) -> Iterator[tuple[int, int]]:
    """First row and end of strips of about `PIXELS_AT_ONCE`: multiples of `ROWS`, but the last."""
    rows = max(ROWS, PIXELS_AT_ONCE // width // ROWS * ROWS)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def in_strips(source: ImageSource) -> Iterator[tuple[int, Float[Tensor, "1 c rows w"]]]:
    """A picture as it is, strip by strip, each with its first row."""
    for top, bottom in bands(source.height, source.width):
        yield top, source.read(top, 0, bottom, source.width)


def plain_strips(
    source: ImageSource, scale: int
) -> Iterator[tuple[int, Float[Tensor, "1 c rows sw"]]]:
    """A picture as it is, or enlarged bicubically, which is done in one."""
    if scale == 1:
        return in_strips(source)
    return iter([(0, F.interpolate(whole(source), scale_factor=float(scale), mode="bicubic"))])


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
    narrow: Tensor | None = None  # whole from the first strip on: see `colour_correction`
    for first, end in bands(bottom - top, right - left):
        strip = source.read(top + first, left, top + end, right)
        if narrow is None:
            narrow = strip.new_empty(1, strip.shape[1], bottom - top, size[1])
        narrow[:, :, first:end] = F.interpolate(
            strip, (end - first, size[1]), mode="bilinear", antialias=True
        )
    assert narrow is not None, "a picture has at least one strip"
    return F.interpolate(narrow, size, mode="bilinear", antialias=True)
