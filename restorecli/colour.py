"""Luma of sRGB pictures; networks, and what they were trained on, keep weights of their own."""

import functools

import torch
from jaxtyping import Float
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, on sRGB values


def luma(image: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Luma of pictures in [0, 1], ITU-R BT.601."""
    return (image * _weights(image.dtype, image.device)).sum(1, keepdim=True)


@functools.lru_cache(maxsize=8)
def _weights(dtype: torch.dtype, device: torch.device) -> Float[Tensor, "1 3 1 1"]:
    """`LUMA`, put on a device once: a CUDA graph may hold no copy from the host."""
    with torch.inference_mode(mode=False):  # what is kept must serve training too
        return torch.tensor(LUMA, dtype=dtype, device=device).view(1, 3, 1, 1)
