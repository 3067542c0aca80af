"""Combs: rows that are more like the next but one than like their neighbours.

The two fields of interlaced video are taken a moment apart, so where anything moved, every other
row shows it elsewhere. In what is photographed at once, neighbours are more alike; cloth of stripes
one pixel wide is the exception, and rarely fills a photo.
"""

from jaxtyping import Float
from torch import Tensor

from restorecli.inspection.squares import squares

LEAST_STEP = 1.5 / 255  # mean difference of rows from which on a square says something
TELLING = 0.75  # share of the squares that must
COMBED = 0.6  # share of those whose neighbours differ more
RATIO = 1.35  # of the differences, in all of them together; the most in 4,168 photos was 1.21


def is_combed(grey: Float[Tensor, "h w"]) -> bool:
    """Whether the rows of a photo, or its columns, as of one that was turned, are two fields.

    Args:
        grey: Luma of the photo, sRGB in [0, 1].
    """
    return _rows_are(grey) or _rows_are(grey.T)


def _rows_are(grey: Float[Tensor, "h w"]) -> bool:
    next_but_one = squares((grey[2:] - grey[:-2]).abs()).mean(1)
    next_one = squares((grey[1:-1] - grey[:-2]).abs()).mean(1)
    telling = next_one.maximum(next_but_one) > LEAST_STEP
    if not telling.any() or float(telling.float().mean()) < TELLING:
        return False
    next_one, next_but_one = next_one[telling], next_but_one[telling]
    return float((next_one > next_but_one).float().mean()) >= COMBED and float(
        next_one.sum()
    ) >= RATIO * float(next_but_one.sum())
