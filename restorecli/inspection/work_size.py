"""The size that the work is done at: a print with a coarse screen is made smaller first.

Between the dots of a screen of period p there is no detail much finer than p / 2, so little is
lost, the networks see the screen at a period they know, and a quarter of the pixels take a quarter
of the time. A screen of fewer than 12 px comes out sharper, and without a trace of its dots, at the
photo's own size.
"""

import cv2
import numpy as np
from PIL import Image

from restorecli.options import Options
from restorecli.photo.capacity import enlarged_size
from restorecli.tiling.sources import ImageSource, PixelCanvas
from restorecli.tiling.strips import in_strips

SMALLEST_WORK = 128  # px, of the shorter side of a photo made smaller for the work
LARGEST_UPSCALE = 4  # of the network that enlarges; what is wanted beyond it is interpolated
WORK_FACTORS = {"1": 1, "1/2": 2, "1/4": 4}  # by which it is made smaller, of the words for it


def work_factor(height: int, width: int, wished: int) -> int:
    """The greatest factor up to `wished` that leaves something to work on."""
    room = max(1, min(height, width) // SMALLEST_WORK)
    return max(factor for factor in WORK_FACTORS.values() if factor <= max(1, min(wished, room)))


def reduced(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Means of squares of `factor`²; the last row and column are repeated to fill the last ones.

    Args:
        pixels: (h, w) or (h, w, c), of any type that OpenCV averages.
        factor: At least 1.

    Returns:
        (⌈h / factor⌉, ⌈w / factor⌉) pixels of the same type.
    """
    if factor == 1:
        return pixels
    height, width = pixels.shape[:2]
    extra = [(0, -height % factor), (0, -width % factor)] + [(0, 0)] * (pixels.ndim - 2)
    filled = np.pad(pixels, extra, mode="edge")
    size = filled.shape[1] // factor, filled.shape[0] // factor
    return np.asarray(cv2.resize(filled, size, interpolation=cv2.INTER_AREA), pixels.dtype)


def brought_back(pixels: np.ndarray, *, height: int, width: int, rest: int = 1) -> np.ndarray:
    """Bring the result of a photo that was made smaller to the size that is wanted.

    Args:
        pixels: (h, w, c), `rest` times too small, and up to that many rows and columns too large.
        height: Wanted.
        width: Wanted.
        rest: What the network that enlarges could not do; interpolated by cubic splines.
    """
    if rest > 1:
        pixels = cv2.resize(pixels, None, fx=rest, fy=rest, interpolation=cv2.INTER_CUBIC)
    return pixels[:height, :width]


def at_scale(
    pixels: np.ndarray, height: int, width: int, options: Options, *, rest: int
) -> np.ndarray:
    """Bring the result of a photo to the scale that is asked for.

    Args:
        pixels: As of `brought_back`.
        height: Of the photo.
        width: Likewise.
        options: What is asked for.
        rest: As of `brought_back`.
    """
    whole = options.network_scale
    enlarged = brought_back(pixels, height=height * whole, width=width * whole, rest=rest)
    return made_smaller(enlarged, *enlarged_size(height, width, options.scale))


def mixed(pixels: np.ndarray, source: ImageSource, share: float) -> np.ndarray:
    """Mix the result of a photo that was made smaller for the work with the photo itself.

    Args:
        pixels: (h, w, 3), uint8 or uint16.
        source: The photo at its own size; brought to that of the result by cubic splines.
        share: Of the result, in [0, 1].
    """
    photo = PixelCanvas.of(in_strips(source), source.height, source.width, pixels.dtype).pixels
    height, width = pixels.shape[:2]
    if height > source.height:
        photo = cv2.resize(photo, (width, height), interpolation=cv2.INTER_CUBIC)
    photo = made_smaller(photo, height, width)
    return cv2.addWeighted(pixels, share, photo, 1 - share, 0)


def made_smaller(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Make a result smaller by three lobes of a sinc, which neither blurs nor aliases.

    Args:
        pixels: (h, w, c), uint8 or uint16.
        height: Wanted, at most h.
        width: Wanted, at most w.

    Returns:
        (height, width, c) pixels of the same type, `pixels` itself if it has that size.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    made = np.empty((height, width, pixels.shape[2]), pixels.dtype)
    for channel in range(pixels.shape[2]):
        plane = Image.fromarray(pixels[..., channel].astype(np.float32))
        small = np.asarray(plane.resize((width, height), Image.Resampling.LANCZOS))
        made[..., channel] = np.rint(small).clip(0, np.iinfo(pixels.dtype).max)
    return made
