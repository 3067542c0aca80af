"""Over how much of a photo lies what the denoiser takes away.

What is laid over a photo lies over all of it, and is taken away everywhere; where tiles, a grille
or blinds are taken for a pattern, the denoiser changes nothing but them. Plain parts prove nothing:
they may be the margin of a scan.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from restorecli.colour import luma
from restorecli.inspection.squares import squares

FEWEST = 16  # squares from which on anything is said
MOST = 0.9  # quantile of the squares, by what is taken from them, that the others are measured by
SOMETHING = 0.25  # share of that which counts
CLIPPED = (0.04, 0.96)  # means of squares outside of which a pattern may be cut off
PLAIN = 4 / 255  # deviation within a square below which it may be blank
LEAST_TELLING = 0.2  # share of the squares that are neither
Image = Float[Tensor, "1 3 h w"]


def spread(photo: Sequence[Image], denoised: Sequence[Image]) -> float:
    """Share of a photo from which something is taken, of what is taken at the most.

    Args:
        photo: Patches of it, sRGB in [0, 1].
        denoised: The same after step 1.

    Returns:
        A share in [0, 1] of the squares that could show a pattern; 1 where they are too few.
    """
    before = torch.cat([squares(luma(one)[0, 0]) for one in photo])
    after = torch.cat([squares(luma(one)[0, 0]) for one in denoised])
    taken, mean = _deviation(before - after), before.mean(1)
    telling = (mean > CLIPPED[0]) & (mean < CLIPPED[1]) & (_deviation(before) > PLAIN)
    if taken.numel() < FEWEST or float(telling.float().mean()) < LEAST_TELLING:
        return 1.0
    return float((taken[telling] >= SOMETHING * taken.quantile(MOST)).float().mean())


def _deviation(values: Float[Tensor, "n pixels"]) -> Float[Tensor, " n"]:
    return (values - values.mean(1, keepdim=True)).square().mean(1).sqrt()
