"""Luma and colour differences of sRGB pictures: the one place that knows the weights."""

from jaxtyping import Float
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, on sRGB values


def luma(image: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Luma of pictures in [0, 1], ITU-R BT.601."""
    weights = image.new_tensor(LUMA).view(1, 3, 1, 1)
    return (image * weights).sum(1, keepdim=True)
