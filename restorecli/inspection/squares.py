"""The squares that a photo is judged by where one answer for all of it would not do."""

from jaxtyping import Float
from torch import Tensor

SIDE = 32  # px


def squares(planes: Float[Tensor, "*planes h w"]) -> Float[Tensor, "*planes n pixels"]:
    """Cut planes into the whole squares they hold, row by row; none of a smaller one."""
    *planes_of, height, width = planes.shape
    rows, columns = height // SIDE, width // SIDE
    whole = planes[..., : rows * SIDE, : columns * SIDE]
    parts = whole.reshape(*planes_of, rows, SIDE, columns, SIDE).transpose(-3, -2)
    return parts.reshape(*planes_of, rows * columns, SIDE * SIDE)
