"""Over how much of a photo lies what the denoiser takes away.

What is laid over a photo lies over all of it, and is taken away everywhere; where tiles, a grille
or blinds are taken for a pattern, the denoiser changes nothing but them.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from restorecli.colour import luma

SIDE = 32  # px, of a square
FEWEST = 16  # squares from which on anything is said
MOST = 0.9  # quantile of the squares, by what is taken from them, that the others are measured by
SOMETHING = 0.25  # share of that which counts
CLIPPED = (0.04, 0.96)  # means of squares outside of which a pattern may be cut off
LEAST_UNCLIPPED = 0.2  # share of the squares
Image = Float[Tensor, "1 3 h w"]


def spread(photo: Sequence[Image], denoised: Sequence[Image]) -> float:
    """Share of a photo from which something is taken, of what is taken at the most.

    Args:
        photo: Patches of it, sRGB in [0, 1].
        denoised: The same after step 1.

    Returns:
        A share in [0, 1] of the squares that could show a pattern; 1 where they are too few.
    """
    taken, means = zip(*map(_squares, photo, denoised), strict=True)
    much, mean = torch.cat(taken), torch.cat(means)
    unclipped = (mean > CLIPPED[0]) & (mean < CLIPPED[1])
    if much.numel() < FEWEST or float(unclipped.float().mean()) < LEAST_UNCLIPPED:
        return 1.0
    return float((much[unclipped] >= SOMETHING * much.quantile(MOST)).float().mean())


def _squares(photo: Image, denoised: Image) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Of each square how much is taken away, as a deviation, and its mean, of luma."""
    grey = luma(photo)[0, 0]
    rows, columns = (side // SIDE for side in grey.shape)

    def squares(values: Float[Tensor, "h w"]) -> Float[Tensor, "n pixels"]:
        whole = values[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE)
        return whole.transpose(1, 2).reshape(rows * columns, SIDE * SIDE)

    taken = squares(grey - luma(denoised)[0, 0])
    deviation = (taken - taken.mean(1, keepdim=True)).square().mean(1).sqrt()
    return deviation, squares(grey).mean(1)
