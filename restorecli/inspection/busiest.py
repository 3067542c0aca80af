"""Where a pattern is strongest: the part of a photo to look at first."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from restorecli.colour import luma
from restorecli.inspection.peaks import Peak
from restorecli.tiling.sources import ImageSource

MOST = 8  # places along an axis
LOOKED_AT = 256  # px, of the middle of each


def busiest(
    source: ImageSource, side: int, peaks: Sequence[Peak], *, multiple: int = 1
) -> list[int]:
    """Find the part of a photo in which its waves are strongest.

    Args:
        source: The photo.
        side: Of the part in pixels; all of a side that is shorter.
        peaks: The waves; without any, the part with the most detail is taken.
        multiple: What its corner is a multiple of.

    Returns:
        The rectangle's top, left, bottom and right.
    """
    places = [
        (top, left)
        for top in _starts(source.height, side, multiple)
        for left in _starts(source.width, side, multiple)
    ]

    def evidence(place: tuple[int, int]) -> float:
        height, width = min(side, source.height), min(side, source.width)
        top, left = (
            start + max(0, length - LOOKED_AT) // 2
            for start, length in zip(place, (height, width), strict=True)
        )
        bottom = min(top + LOOKED_AT, place[0] + height)
        return _evidence(
            luma(source.read(top, left, bottom, min(left + LOOKED_AT, place[1] + width)))[0, 0],
            peaks,
        )

    top, left = max(places, key=evidence)
    return [top, left, min(top + side, source.height), min(left + side, source.width)]


def _starts(length: int, side: int, multiple: int) -> list[int]:
    spare = max(0, length - side)
    count = min(MOST, -(-spare // max(1, side // 2)) + 1)
    return [spare * place // max(1, count - 1) // multiple * multiple for place in range(count)]


def _evidence(grey: Tensor, peaks: Sequence[Peak]) -> float:
    """Power of the waves in a part, or of its detail."""
    height, width = grey.shape
    flat = grey - grey.mean()
    if not peaks:
        return float(flat.diff(dim=0).square().mean() + flat.diff(dim=1).square().mean())
    taper = torch.hann_window(height, periodic=False)[:, None] * torch.hann_window(
        width, periodic=False
    )
    amplitude = torch.fft.fft2(flat * taper).abs() / taper.sum().clamp(min=1e-6)
    power = 0.0
    for peak in peaks:
        turned = math.radians(peak.angle)
        row = round(-math.sin(turned) / peak.period * height)
        column = round(math.cos(turned) / peak.period * width)
        rows, columns = (torch.arange(at - 1, at + 2) for at in (row, column))
        power += float(amplitude[rows % height][:, columns % width].square().sum())
    return power
