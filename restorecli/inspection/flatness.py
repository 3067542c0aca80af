"""Squares of a photo that are of one value, to the bit.

Sensors, scanners, and what is laid over a whole photo leave none but where light or ink is at its
bound: in black, and in white. Elsewhere they are the mark of a drawn page or a picture of a screen.
"""

from jaxtyping import Float
from torch import Tensor

from restorecli.inspection.squares import squares

LEAST = 0.02  # share of the squares
BETWEEN = (0.06, 0.98)  # of a square's value: neither black nor white


def is_flat(image: Float[Tensor, "1 3 h w"]) -> bool:
    """Whether a part of a picture, sRGB in [0, 1], as it came, is flat."""
    parts = squares(image[0])
    if not parts.numel():
        return False
    low, high = parts.amin(2), parts.amax(2)
    value = high.mean(0)
    between = (value > BETWEEN[0]) & (value < BETWEEN[1])
    return float(((low == high).all(0) & between).float().mean()) > LEAST
