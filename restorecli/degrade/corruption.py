"""What happens to a photo besides the pattern: blur, resampling, noise, JPEG, dimming."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.degrade.rng import Draws

Image = Float[Tensor, "n 3 h w"]

# Quantisation tables of ITU-T T.81, annex K.1 and K.2
_LUMA_TABLE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMA_TABLE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, *([99] * 32),
)  # fmt: skip
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def _gaussian(sigma: Float[Tensor, " n"]) -> Float[Tensor, "n 13"]:
    offsets = torch.arange(-6, 7, device=sigma.device)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp(min=0.05).view(-1, 1)) ** 2)
    return kernel / kernel.sum(1, keepdim=True)


def gaussian_blur(
    image: Float[Tensor, "n c h w"], sigma: Float[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """Blur each picture with its own σ in pixels (at most 3), borders repeated."""
    n, channels = image.shape[:2]
    kernel = _gaussian(sigma).repeat_interleave(channels, 0)
    rows = F.pad(image.reshape(1, n * channels, *image.shape[-2:]), (6, 6, 6, 6), mode="replicate")
    rows = F.conv2d(rows, kernel.view(-1, 1, 1, 13), groups=n * channels)
    return F.conv2d(rows, kernel.view(-1, 1, 13, 1), groups=n * channels).view_as(image)


def resample(image: Image, factor: float) -> Image:
    """Make the photos smaller by `factor` and bring them back to their size, bilinearly."""
    height, width = image.shape[-2:]
    small = (max(8, round(height * factor)), max(8, round(width * factor)))
    reduced = F.interpolate(image, small, mode="bilinear", antialias=True, align_corners=False)
    back = F.interpolate(reduced, (height, width), mode="bilinear", align_corners=False)
    return back.clamp(0, 1)


def add_noise(image: Image, sigma: Float[Tensor, " n"], draws: Draws) -> Image:
    """Noise of standard deviation `sigma`: Gaussian, Poisson-like (∝ √signal) or of a sensor.

    A sensor's noise is a mixture of both, at times correlated over neighbours as demosaicing and
    in-camera processing leave it; a third of the samples has grey noise.
    """
    white = draws.normal_field(3, *image.shape[-2:])
    grey = draws.chance(0.3).view(-1, 1, 1, 1)
    white = torch.where(grey, white[:, :1].expand_as(white), white)
    soft, reach = draws.chance(0.25), draws.uniform(0.4, 0.9)
    loss = _gaussian(reach).square().sum(1).view(-1, 1, 1, 1)  # of standard deviation, by blurring
    correlated = gaussian_blur(white, reach) / loss
    noise = torch.where(soft.view(-1, 1, 1, 1), correlated, white)
    shot = draws.uniform(-0.6, 1.0).clamp(min=0).view(-1, 1, 1, 1)
    gain = (1 - shot) + shot * torch.sqrt(image.clamp(min=0) * 2)
    return image + noise * gain * sigma.view(-1, 1, 1, 1)


def _dct_matrix(device: torch.device) -> Float[Tensor, "8 8"]:
    k = torch.arange(8, device=device, dtype=torch.float32)
    matrix = torch.cos(math.pi * (2 * k.view(1, -1) + 1) * k.view(-1, 1) / 16) * 0.5
    matrix[0] = math.sqrt(1 / 8)
    return matrix


def _quantise(
    plane: Float[Tensor, "m h w"], table: Float[Tensor, "m 64"]
) -> Float[Tensor, "m h w"]:
    """Round the 8×8 DCT coefficients of a plane in [-128, 127] to multiples of the table."""
    m, height, width = plane.shape
    pad = (0, -width % 8, 0, -height % 8)
    padded = F.pad(plane.unsqueeze(1), pad, mode="replicate")[:, 0]
    rows, columns = padded.shape[-2] // 8, padded.shape[-1] // 8
    blocks = padded.view(m, rows, 8, columns, 8).permute(0, 1, 3, 2, 4)
    dct = _dct_matrix(plane.device)
    steps = table.view(m, 1, 1, 8, 8)
    coefficients = torch.round(dct @ blocks @ dct.T / steps) * steps
    restored = (dct.T @ coefficients @ dct).permute(0, 1, 3, 2, 4)
    return restored.reshape(m, rows * 8, columns * 8)[:, :height, :width]


def jpeg(image: Image, quality: Float[Tensor, " n"], subsampled: Tensor) -> Image:
    """What JPEG of the given quality (1 to 100) leaves of the photos, without writing a file.

    Args:
        image: Photos in [0, 1].
        quality: As in libjpeg.
        subsampled: (n,) bool, true for 4:2:0 chroma.
    """
    device = image.device
    matrix = torch.tensor(_TO_YCC, device=device)
    ycc = torch.einsum("ij,njhw->nihw", matrix, image.clamp(0, 1)) * 255
    ycc[:, 0] -= 128
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).view(-1, 1)
    tables = [
        torch.clamp(
            (torch.tensor(table, device=device).float() * scale + 50).floor() / 100, 1, 255
        ).floor()
        for table in (_LUMA_TABLE, _CHROMA_TABLE, _CHROMA_TABLE)
    ]
    height, width = image.shape[-2:]
    half = F.avg_pool2d(ycc[:, 1:], 2, ceil_mode=True)
    planes = [_quantise(ycc[:, 0], tables[0])]
    for channel in (1, 2):
        small = _quantise(half[:, channel - 1], tables[channel]).unsqueeze(1)
        enlarged = F.interpolate(small, (height, width), mode="bilinear")[:, 0]
        full = _quantise(ycc[:, channel], tables[channel])
        planes.append(torch.where(subsampled.view(-1, 1, 1), enlarged, full))
    decoded = torch.stack(planes, 1)
    decoded[:, 0] += 128
    rgb = torch.einsum("ij,njhw->nihw", torch.linalg.inv(matrix), decoded) / 255
    return (torch.round(rgb * 255) / 255).clamp(0, 1)
