"""How much of a photo a wave lies over: in each of many blocks its amplitude is compared.

A pattern laid over a photo is in every block of it at one frequency; what is shown at that
frequency is where its object is.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.inspection.lattice import crossing, off_axes
from restorecli.inspection.peaks import Peak

PERIODS = 5  # of a wave in a block, at least
LEAST_SIDE = 48  # px, of a block
BLOCKS = 8  # along the shorter side of a large photo; as many again lie between them
BESIDE = 2.5  # cycles in a block by which frequencies to compare with are off, six around the wave
STANDS_OUT = 2.0  # amplitude of the wave over the mean of those
LONG = 12.0  # px, of a period from which on half the pixels along an axis will do
MATE_COVERAGE, MATE_OFF_AXES = 0.5, 6.0  # share, degrees: of a wave across that no peak shows


def covered(grey: Float[Tensor, "h w"], peaks: Sequence[Peak]) -> tuple[Peak, ...]:
    """Say of each wave how much of a photo it lies over.

    The wave across the strongest one is added if it lies over half of the photo or more: of a
    faint screen one of the two may not stand out of the whole spectrum.

    Args:
        grey: The photo's luma.
        peaks: Found in it, strongest first.
    """
    known = [replace(peak, coverage=_coverage(grey, peak)) for peak in peaks]
    if known and off_axes(known[0].angle) > MATE_OFF_AXES:
        first = known[0]
        if not any(crossing(first, other) for other in known):
            mate = replace(first, angle=(first.angle + 90) % 180)
            mate = replace(mate, coverage=_coverage(grey, mate))
            if mate.coverage >= MATE_COVERAGE:
                known.insert(1, mate)
    return tuple(known)


def _coverage(grey: Float[Tensor, "h w"], peak: Peak) -> float:
    lies_over, compared = where(grey, peak)
    return float(lies_over.float().mean()) if compared else 0.0


def where(grey: Float[Tensor, "h w"], peak: Peak) -> tuple[Bool[Tensor, "rows columns"], bool]:
    """Blocks of a photo, half overlapping, in which a wave stands out of its neighbours.

    Returns:
        A row of blocks a row, and whether the photo is large enough to tell.
    """
    period = peak.period
    while period >= LONG and min(grey.shape) >= 2:
        grey, period = F.avg_pool2d(grey[None, None], 2)[0, 0], period / 2
    side = max(math.ceil(PERIODS * period), LEAST_SIDE, min(grey.shape) // BLOCKS)
    turned = math.radians(peak.angle)
    around = [turned + math.pi / 3 * place for place in range(6)]
    across = [math.cos(turned) / period] + [
        math.cos(turned) / period + BESIDE / side * math.cos(angle) for angle in around
    ]
    down = [-math.sin(turned) / period] + [  # rows run downwards
        -math.sin(turned) / period - BESIDE / side * math.sin(angle) for angle in around
    ]
    right = _waves(grey.shape[1], across, side)
    below = _waves(grey.shape[0], down, side)
    flat = grey - grey.mean()
    real = torch.einsum("hw,kcw->khc", flat, right.real)
    imaginary = torch.einsum("hw,kcw->khc", flat, right.imag)
    amplitude = (below @ torch.complex(real, imaginary)).abs()
    return amplitude[0] > STANDS_OUT * amplitude[1:].mean(0), min(grey.shape) >= 2 * period


def _waves(length: int, frequencies: Sequence[float], side: int) -> Tensor:
    """Tapered waves in blocks along one axis half a side apart: (frequencies, blocks, length)."""
    side = min(side, length)
    count = max(1, round(2 * (length - side) / side) + 1)
    starts = torch.linspace(0, length - side, count).round()
    place = torch.arange(length) - starts[:, None]
    taper = 0.5 - 0.5 * torch.cos(2 * math.pi * (place + 0.5) / side)
    inside = (place >= 0) & (place < side)
    cycles = torch.tensor(frequencies)[:, None, None] * place
    return torch.polar((taper * inside).expand_as(cycles), -2 * math.pi * cycles)
