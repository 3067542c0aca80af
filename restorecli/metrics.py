"""How like its original a picture is: SSIM and PSNR, each defined once, for bench and training.

SSIM is that of Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error
Visibility to Structural Similarity" (2004): an 11×11 Gaussian window of σ 1.5, K1 = 0.01,
K2 = 0.03, population statistics. The value moves by 0.06 with the convention and by 0.27 with a
wrong data range, so every printed score carries `SSIM_CONVENTION`. Filtering is separable and only
where the whole window lies inside the picture.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

SSIM_CONVENTION = (
    "SSIM of Wang et al. 2004: Gaussian window 11x11, sigma 1.5, mean over R, G, B, data range 1, "
    "border of 5 px left out (skimage gaussian_weights=True, use_sample_covariance=False)"
)
PSNR_CONVENTION = "PSNR in dB over R, G, B together, peak 1"
PSNR_Y_CONVENTION = "PSNR-Y in dB on ITU-R BT.601 luma (16 to 235), peak 255"

SIGMA = 1.5
RADIUS = int(3.5 * SIGMA + 0.5)  # 5 px: SciPy's truncation at 3.5 σ
WINDOW = 2 * RADIUS + 1
_C1 = 0.01**2
_C2 = 0.03**2
_STRIP_VALUES = 2**15  # of one strip: 256 KiB in float64, so that its moments stay in cache
_UNSCALED = [math.exp(-0.5 * (offset / SIGMA) ** 2) for offset in range(-RADIUS, RADIUS + 1)]
_WEIGHTS = tuple(weight / sum(_UNSCALED) for weight in _UNSCALED)
_LUMA = (65.481, 128.553, 24.966)  # ITU-R BT.601, for R, G, B in [0, 1]


def ssim(image: Float[Tensor, "1 3 h w"], reference: Float[Tensor, "1 3 h w"]) -> float:
    """Structural similarity of two pictures, in float64 and in strips of bounded memory.

    Args:
        image: sRGB in [0, 1], at least 11×11 pixels.
        reference: The same; the order of the two makes no difference.

    Returns:
        At most 1, which only equal pictures reach; see `SSIM_CONVENTION`.

    Raises:
        ValueError: The pictures are smaller than the window.
    """
    height, width = image.shape[-2:]
    _check_window(height, width)
    rows = max(2 * RADIUS, _STRIP_VALUES // (3 * width))
    total = 0.0
    with torch.no_grad():
        for top in range(0, height - 2 * RADIUS, rows):
            strip = slice(top, min(top + rows, height - 2 * RADIUS) + 2 * RADIUS)
            values = _ssim_map(_precise(image[:, :, strip]), _precise(reference[:, :, strip]))
            total += float(values.sum())
    return total / (3 * (height - 2 * RADIUS) * (width - 2 * RADIUS))


def ssim_per_image(
    image: Float[Tensor, "n 3 h w"], reference: Float[Tensor, "n 3 h w"]
) -> Float[Tensor, " n"]:
    """SSIM of each picture of a batch, differentiable, in float32 or better.

    The same definition as `ssim`, which it meets within 1e-5 in float32. Autocast has no say in
    the operations used; half-precision inputs are raised to float32.

    Args:
        image: sRGB in [0, 1], at least 11×11 pixels.
        reference: The same.

    Returns:
        One value a picture, float32, or float64 if an input is.

    Raises:
        ValueError: The pictures are smaller than the window.
    """
    _check_window(image.shape[-2], image.shape[-1])
    precise = torch.promote_types(torch.promote_types(image.dtype, reference.dtype), torch.float32)
    return _ssim_map(image.to(precise), reference.to(precise)).mean(dim=(1, 2, 3))


def psnr(image: Float[Tensor, "1 3 h w"], reference: Float[Tensor, "1 3 h w"]) -> float:
    """Peak signal-to-noise ratio in dB, peak 1, over all three channels; infinite at equality.

    Args:
        image: sRGB in [0, 1].
        reference: The same; the order of the two makes no difference.

    Returns:
        Decibels; see `PSNR_CONVENTION`.
    """
    total = sum(float(strip.square().sum()) for strip in _differences(image, reference))
    return _decibels(total / image.numel())


def psnr_y(image: Float[Tensor, "1 3 h w"], reference: Float[Tensor, "1 3 h w"]) -> float:
    """PSNR in dB of the luma alone, as papers on super-resolution report it.

    Args:
        image: sRGB in [0, 1].
        reference: The same.

    Returns:
        Decibels, infinite where the luma is equal; see `PSNR_Y_CONVENTION`.
    """
    weights = torch.tensor(_LUMA, dtype=torch.float64).view(1, 3, 1, 1) / 255
    lumas = ((strip * weights).sum(dim=1) for strip in _differences(image, reference))
    total = sum(float(luma.square().sum()) for luma in lumas)
    return _decibels(total / (image.shape[2] * image.shape[3]))


METRICS: Mapping[str, Callable[[Tensor, Tensor], float]] = MappingProxyType(
    {"ssim": ssim, "psnr": psnr, "psnr-y": psnr_y}
)
CONVENTIONS: Mapping[str, str] = MappingProxyType(
    {"ssim": SSIM_CONVENTION, "psnr": PSNR_CONVENTION, "psnr-y": PSNR_Y_CONVENTION}
)


def _differences(
    image: Float[Tensor, "1 3 h w"], reference: Float[Tensor, "1 3 h w"]
) -> Iterator[Float[Tensor, "1 3 rows w"]]:
    """Strip by strip what separates two pictures, in float64; luma's offset of 16 drops out."""
    height, width = image.shape[-2:]
    rows = max(1, _STRIP_VALUES // (3 * width))
    for top in range(0, height, rows):
        strip = slice(top, top + rows)
        yield _precise(image[:, :, strip]) - _precise(reference[:, :, strip])


def _precise(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    """Float64 on the CPU, since not every device has it."""
    return image.detach().to("cpu", torch.float64)


def _decibels(mean_square: float) -> float:
    return math.inf if mean_square == 0 else -10 * math.log10(mean_square)


def _check_window(height: int, width: int) -> None:
    if min(height, width) < WINDOW:
        raise ValueError(
            f"a picture of {width}×{height} px is smaller than SSIM's window of {WINDOW}×{WINDOW}"
        )


def _ssim_map(
    image: Float[Tensor, "n 3 h w"], reference: Float[Tensor, "n 3 h w"]
) -> Float[Tensor, "n 3 rows columns"]:
    """SSIM around each pixel whose window lies inside: 2·RADIUS rows and columns fewer."""
    # Variances do not mind a shift; around zero they lose fewer digits to cancellation.
    a, b = image - 0.5, reference - 0.5
    mean_a, mean_b = _blur(a), _blur(b)
    variances = _blur(a * a) - mean_a * mean_a + _blur(b * b) - mean_b * mean_b
    covariance = _blur(a * b) - mean_a * mean_b
    mean_a, mean_b = mean_a + 0.5, mean_b + 0.5
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a * mean_a + mean_b * mean_b + _C1)
    return luminance * (2 * covariance + _C2) / (variances + _C2)


def _blur(image: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 rows columns"]:
    """Gaussian window, separable, without padding; sums of shifted views beat a convolution."""
    if image.is_cuda:
        return _blur_by_matrices(image)
    for axis in (2, 3):
        length = image.shape[axis] - 2 * RADIUS
        blurred = image.narrow(axis, 0, length) * _WEIGHTS[0]
        for offset, weight in enumerate(_WEIGHTS[1:], start=1):
            blurred = torch.add(blurred, image.narrow(axis, offset, length), alpha=weight)
        image = blurred
    return image


def _blur_by_matrices(image: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 rows columns"]:
    """The same but for rounding, for a GPU: there the gradient of shifted views is slow."""
    down, across = (_band(side, image.dtype, image.device) for side in image.shape[-2:])
    with torch.autocast(image.device.type, enabled=False):
        return down @ image @ across.T


@functools.lru_cache(maxsize=8)
def _band(length: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "rows {length}"]:
    """The matrix that takes the window over `length` values."""
    with torch.inference_mode(mode=False):  # what is kept must serve training too
        band = torch.zeros(length - 2 * RADIUS, length, dtype=dtype)
        for offset, weight in enumerate(_WEIGHTS):
            band.diagonal(offset).fill_(weight)
        return band.to(device)
