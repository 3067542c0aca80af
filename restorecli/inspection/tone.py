"""Whether the change of tone that the denoiser made to a photo is to be believed.

Step 1 takes a pattern away with all it did to the photo's tone. Of a raster or of ink that is
right; of paper under raking light, of noise or of four plates, whose tone is the photo's own, it is
a guess, and where it errs a whole photo comes out too light.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from restorecli.inspection.residual import patches
from restorecli.networks.tone_inspector import ToneInspector, statistics
from restorecli.tiling.sources import ImageSource

# Probability that it is right, below and above which none or all of it is taken: chosen on held-out
# crops, but for the upper one, as half of the dark of a raster is a cast that is seen
NONE, ALL = 0.3, 0.6


def believed_tone(inspector: ToneInspector, source: ImageSource, denoised: ImageSource) -> float:
    """Share in [0, 1] of the denoiser's change of tone that is to be taken.

    Args:
        inspector: On the CPU. What it says of a few patches is averaged, as log odds.
        source: The photo, sRGB in [0, 1].
        denoised: What step 1 made of it, of the same size.
    """
    boxes = patches(source.height, source.width)
    with torch.inference_mode():
        odds = [inspector(statistics(source.read(*box), denoised.read(*box))) for box in boxes]
        return float(share_of(torch.cat(odds).mean()))


def share_of(odds: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Share of the change that is taken, by the log odds that it is right."""
    return ((odds.sigmoid() - NONE) / (ALL - NONE)).clamp(0, 1)
