"""Strips of a result: from pictures that no tile computes, and into the pixels that are written."""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

ROWS_AT_ONCE = 256  # of a picture that is written as it is
Image = Float[Tensor, "1 3 h w"]


def to_pixels(
    strips: Iterable[tuple[int, Tensor]], image: Image, scale: int, dtype: np.dtype
) -> np.ndarray:
    """Round strips into the pixels of the result, `scale` times the size of `image`."""
    height, width = image.shape[-2] * scale, image.shape[-1] * scale
    pixels = np.empty((height, width, 3), dtype)
    for top, strip in strips:
        rounded = strip[0].clamp(0, 1).mul(np.iinfo(dtype).max).round_().permute(1, 2, 0)
        pixels[top : top + rounded.shape[0]] = rounded.numpy().astype(dtype)
    return pixels


def plain_strips(image: Image, scale: int) -> Iterator[tuple[int, Tensor]]:
    """A picture as it is, in strips, or enlarged bicubically in one."""
    if scale > 1:
        yield 0, F.interpolate(image, scale_factor=float(scale), mode="bicubic")
        return
    for top in range(0, image.shape[-2], ROWS_AT_ONCE):
        yield top, image[..., top : top + ROWS_AT_ONCE, :]
