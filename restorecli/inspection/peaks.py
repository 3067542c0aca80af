"""Periods, angles and strengths of the patterns over a photo, read from its spectrum.

A repeating pattern is a few sharp peaks in the Fourier plane of every window of the photo; what the
photo shows differs from window to window. So the peaks are looked for in the median of the windows'
spectra, where they stand out of their ring of equal frequency.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.colour import luma

LARGEST_SIDE = 512  # px, of a window
SMALLEST_SIDE = 32
MOST_WINDOWS = 3  # along an axis
LOWEST_BIN = 4  # cycles in a window below which a photo's own shading cannot be told from a pattern
STANDS_OUT = 1.2  # natural logarithm of a peak over the median of its ring
DEVIATIONS = 4.0  # and that in robust standard deviations of the ring
LEAST_DEVIATION, MOST_DEVIATION = 0.25, 0.5  # of a ring, in natural logarithms
MIRRORED = 2  # columns beyond the vertical axis, for the neighbours of peaks on it
SAME_ANGLE, SAME_RATIO = 4.0, 0.06  # degrees, share: peaks closer than this are one


@dataclass(frozen=True, kw_only=True)
class Peak:
    """One wave of a pattern.

    Attributes:
        period: In pixels of the photo.
        angle: Direction in which the pattern repeats, degrees counter-clockwise from the horizontal
            axis, in [0, 180): 0 for vertical stripes, 90 for horizontal ones.
        strength: Amplitude of the wave above what its ring has anyway, luma in [0, 1].
        coverage: Share of the photo that the wave lies over, in [0, 1].
        coherence: How much of it is one wave, in one phase from edge to edge, in [0, 1]; 0 where
            the photo is too small for the period to tell.
    """

    period: float
    angle: float
    strength: float
    coverage: float = 1.0
    coherence: float = 0.0


def find_peaks(image: Float[Tensor, "1 3 h w"], most: int = 6) -> tuple[Peak, ...]:
    """Find the strongest waves over a photo, strongest first.

    The photo is looked at as it is and at half and a quarter of its size, where long periods have
    more than a few cycles in a window.

    Args:
        image: Whole photo, sRGB in [0, 1].
        most: How many to return at most.
    """
    peaks: list[Peak] = []
    for factor in (1, 2, 4):
        small = image if factor == 1 else F.avg_pool2d(image, factor)
        side = window_side(*small.shape[-2:])
        if side < SMALLEST_SIDE or (factor > 1 and side < 2 * SMALLEST_SIDE):
            break
        for peak in _peaks(spectrum(luma(small)[0, 0], side)):
            if factor > 1 and peak.period < 6:
                continue  # seen better, and not aliased, at the larger size
            peaks.append(
                Peak(
                    period=peak.period * factor,
                    angle=peak.angle,
                    strength=peak.strength / _pooled(peak, factor),
                )
            )
    peaks.sort(key=lambda peak: -peak.strength)
    distinct: list[Peak] = []
    for peak in peaks:
        if not any(_same(peak, other) for other in distinct):
            distinct.append(peak)
    return tuple(distinct[:most])


def window_side(height: int, width: int) -> int:
    """Side of the windows that a photo of a size in pixels is looked at in."""
    shortest = min(height, width, LARGEST_SIDE)
    return int(2 ** int(math.log2(shortest))) if shortest else 0


def spectrum(grey: Float[Tensor, "h w"], side: int) -> Float[Tensor, "side bins"]:
    """Median amplitude of each wave over windows of `side`².

    Returns:
        Luma in [0, 1]; frequency 0 is in the middle row and the first column.
    """
    taper = torch.hann_window(side, periodic=False)
    taper = taper[:, None] * taper
    amplitudes = []
    for top in _starts(grey.shape[0], side):
        for left in _starts(grey.shape[1], side):
            window = grey[top : top + side, left : left + side]
            wave = torch.fft.rfft2((window - window.mean()) * taper)
            amplitudes.append(wave.abs() * (2 / taper.sum()))
    stacked = torch.stack(amplitudes)
    amplitude = stacked.median(0).values if len(stacked) > 2 else stacked.mean(0)
    return amplitude.roll(side // 2, 0)


def _starts(length: int, side: int) -> list[int]:
    count = min(MOST_WINDOWS, -(-(length - side) // (side // 2)) + 1)
    return [round((length - side) * place / max(1, count - 1)) for place in range(count)]


def _peaks(amplitude: Float[Tensor, "side bins"]) -> list[Peak]:
    side = len(amplitude)
    down, across = torch.arange(side) - side // 2, torch.arange(side // 2 + 1)
    radius = _radius(side)
    median, deviation = _rings(torch.log(amplitude + 1e-5))
    amplitude, radius, median, deviation = (
        _mirrored(values) for values in (amplitude, radius, median, deviation)
    )
    across = torch.cat((-across[1 : MIRRORED + 1].flip(0), across))
    level = torch.log(amplitude + 1e-5)
    out = level - median
    highest = F.max_pool2d(amplitude[None, None], 5, 1, 2)[0, 0] == amplitude
    peak = highest & (radius >= LOWEST_BIN) & (out > STANDS_OUT) & (out > DEVIATIONS * deviation)
    upright = (down >= 0) | (down == -(side // 2))  # the fastest has no mirror image
    peak &= (across > 0) | ((across == 0) & upright[:, None])  # each wave once
    found = []
    for row, column in torch.nonzero(peak).tolist():
        y, x = _vertex(level, row, column)
        x, y = x - MIRRORED, side // 2 - y  # rows run downwards, angles upwards
        angle = round(math.degrees(math.atan2(y, x)), 3) % 180
        strength = float(amplitude[row, column] - math.exp(float(median[row, column])))
        found.append(Peak(period=side / math.hypot(x, y), angle=angle, strength=strength))
    return found


def _mirrored(half: Float[Tensor, "side bins"]) -> Float[Tensor, "side more"]:
    """Half a plane of frequencies, and the first columns of the other half, its mirror image."""
    return torch.cat((half.flip(0).roll(1, 0)[:, 1 : MIRRORED + 1].flip(1), half), 1)


def _rings(
    level: Float[Tensor, "side bins"],
) -> tuple[Float[Tensor, "side bins"], Float[Tensor, "side bins"]]:
    """Median of the ring that each frequency lies on, and its robust standard deviation."""
    ring, members = _members(len(level))
    median = _medians(level, members)[ring]
    deviation = 1.4826 * _medians((level - median).abs(), members)[ring]
    return median, deviation.clamp(LEAST_DEVIATION, MOST_DEVIATION)


def _radius(side: int) -> Float[Tensor, "side bins"]:
    """Distance of each frequency from 0, in bins."""
    down, across = torch.arange(side) - side // 2, torch.arange(side // 2 + 1)
    return torch.sqrt(down[:, None] ** 2.0 + across**2.0)


@lru_cache(maxsize=8)  # sides are powers of two
def _members(side: int) -> tuple[Tensor, Tensor]:
    """The ring of each frequency, `(side, bins)`, and the frequencies of each ring.

    The latter is a row of places in the flattened plane for each ring, filled up with the place
    behind the last.
    """
    with torch.inference_mode(mode=False):
        ring = _radius(side).round().long()
        flat = ring.flatten()
        order, counts = flat.argsort(stable=True), flat.bincount()
        column = torch.arange(len(flat)) - (counts.cumsum(0) - counts)[flat[order]]
        members = torch.full((len(counts), int(counts.max())), len(flat))
        members[flat[order], column] = order
        return ring, members


def _medians(values: Float[Tensor, "side bins"], members: Tensor) -> Float[Tensor, " rings"]:
    """The median of each ring; of an even number, the lower of the two in the middle."""
    beyond = values.new_full((1,), torch.nan)
    return torch.cat((values.flatten(), beyond))[members].nanmedian(1).values


def _vertex(level: Float[Tensor, "side bins"], row: int, column: int) -> tuple[float, float]:
    """Place of a peak between the bins: the vertex of a parabola along each axis."""
    side, bins = level.shape

    def offset(before: float, at: float, after: float) -> float:
        bend = before - 2 * at + after
        return 0.0 if bend >= 0 else min(max(0.5 * (before - after) / bend, -0.5), 0.5)

    at = float(level[row, column])
    rows = float(level[row - 1, column]), float(level[(row + 1) % side, column])
    y = row + offset(rows[0], at, rows[1])
    if not 0 < column < bins - 1:
        return y, float(column)
    columns = float(level[row, column - 1]), float(level[row, column + 1])
    return y, column + offset(columns[0], at, columns[1])


def _pooled(peak: Peak, factor: int) -> float:
    """What is left of a wave's amplitude by taking means of `factor`² pixels."""
    left = 1.0
    for part in (math.cos(math.radians(peak.angle)), math.sin(math.radians(peak.angle))):
        half = math.pi * part / (peak.period * factor)
        if abs(half) > 1e-6:
            left *= math.sin(half * factor) / (factor * math.sin(half))
    return max(left, 0.1)


def _same(peak: Peak, other: Peak) -> bool:
    turned = abs(peak.angle - other.angle)
    return (
        min(turned, 180 - turned) < SAME_ANGLE and abs(peak.period / other.period - 1) < SAME_RATIO
    )
