"""The classical rivals that every score of ours is shown beside.

Each takes a picture in [0, 1] to one of the same size and knows nothing about its pattern. None
needs weights. Their constants were chosen on synthetic patterns over photos outside any test set.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Image = Float[Tensor, "1 3 h w"]

BLOCK = 128  # px; side of the windows whose spectra the notch filter looks at
PROTECTED = 7.0  # cycles a block; slower waves are left to the photo
NEIGHBOURHOOD = 15  # bins; side of the square whose median is the background
THRESHOLD = 0.8  # nepers above the background from which on a bin counts as a peak
NLM_STRENGTH = 45.0  # of 255; OpenCV's h and hColor. Its default of 3 leaves patterns as they are
_STEP = BLOCK // 2
_LEVELS = 255 / 20  # 8-bit steps a neper, for the median: magnitudes from e-10 to e10
_SINE = np.sin(np.pi * (np.arange(BLOCK) + 0.5) / BLOCK)
_WINDOW = np.outer(_SINE, _SINE).astype(np.float32)  # its squares, half a block apart, sum to 1


def untouched(image: Image) -> Image:
    """Do nothing; the floor that everything else has to rise above."""
    return image


def notch(image: Image) -> Image:
    """Remove repeating patterns where they stand out as peaks of the spectrum.

    Each channel is cut into half-overlapping windows of `BLOCK` px, mirrored at the border. In the
    spectrum of each window, bins that exceed the median of their neighbourhood, and the bins next
    to them, are brought down to that median; the phase is kept. Waves of fewer than `PROTECTED`
    cycles a window are never touched, since faces are made of them. The windows let it follow a
    pattern that bends slowly.
    """
    channels = [_notch_channel(plane.cpu().numpy()) for plane in image[0].float()]
    return torch.from_numpy(np.stack(channels)[None]).clamp_(0, 1).to(image.device)


def non_local_means(image: Image) -> Image:
    """Non-local means (Buades, Coll and Morel 2005) as in OpenCV, on 8 bits, strength 45 of 255."""
    pixels = np.rint(_pixels(image.clamp(0, 1)) * 255).astype(np.uint8)
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    smooth = cv2.fastNlMeansDenoisingColored(
        bgr,
        None,
        h=NLM_STRENGTH,
        hColor=NLM_STRENGTH,
        templateWindowSize=7,
        searchWindowSize=21,
    )
    return _image(cv2.cvtColor(smooth, cv2.COLOR_BGR2RGB).astype(np.float32) / 255, image)


def median(image: Image) -> Image:
    """Take the median of 5×5 pixels, each channel for itself."""
    return _image(cv2.medianBlur(_pixels(image), 5), image)


def gaussian_blur(image: Image) -> Image:
    """Blur with a Gaussian of σ 3 px, mirrored at the border."""
    return _image(cv2.GaussianBlur(_pixels(image), (0, 0), 3.0), image)


BASELINES: Mapping[str, Callable[[Image], Image]] = MappingProxyType(
    {
        "untouched": untouched,
        "notch": notch,
        "non-local means": non_local_means,
        "median 5x5": median,
        "gaussian blur σ 3": gaussian_blur,
    }
)


def _notch_channel(plane: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    height, width = plane.shape
    # Every pixel lies in four windows; behind the last one the mirror fills up a whole step.
    below, right = _STEP + -height % _STEP, _STEP + -width % _STEP
    padded = np.pad(plane, ((_STEP, below), (_STEP, right)), mode="symmetric")
    result = np.zeros_like(padded)
    for top in range(0, padded.shape[0] - _STEP, _STEP):
        for left in range(0, padded.shape[1] - _STEP, _STEP):
            block = np.s_[top : top + BLOCK, left : left + BLOCK]
            result[block] += _WINDOW * _without_peaks(_WINDOW * padded[block])
    return result[_STEP : _STEP + height, _STEP : _STEP + width]


def _without_peaks(block: Float[np.ndarray, "b b"]) -> Float[np.ndarray, "b b"]:
    spectrum = np.fft.fftshift(np.fft.fft2(block))
    magnitude = np.log(np.abs(spectrum) + 1e-4).astype(np.float32)
    excess = magnitude - _background(magnitude)
    peaks = cv2.dilate((excess > THRESHOLD).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    waves = np.arange(BLOCK) - BLOCK // 2
    peaks &= np.hypot(waves[:, None], waves[None]) > PROTECTED
    spectrum *= np.where(peaks, np.exp(-excess.clip(min=0)), 1)
    return np.fft.ifft2(np.fft.ifftshift(spectrum)).real.astype(np.float32)


def _background(magnitude: Float[np.ndarray, "b b"]) -> Float[np.ndarray, "b b"]:
    """Median over a neighbourhood, round the ends of the spectrum, to 0.08 nepers."""
    reach = NEIGHBOURHOOD // 2
    levels = np.rint((np.pad(magnitude, reach, mode="wrap") + 10) * _LEVELS)
    middle = cv2.medianBlur(levels.clip(0, 255).astype(np.uint8), NEIGHBOURHOOD)
    inner = middle[reach:-reach, reach:-reach].astype(np.float32)
    return inner / np.float32(_LEVELS) - 10


def _pixels(image: Image) -> Float[np.ndarray, "h w 3"]:
    return np.ascontiguousarray(image[0].permute(1, 2, 0).float().cpu().numpy())


def _image(pixels: Float[np.ndarray, "h w 3"], like: Image) -> Image:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous().to(like.device)
