"""How much of a photo a wave lies over, and how much of it is one wave.

A pattern laid over a photo is in every block of it at one frequency and in one phase. What is shown
at that frequency is where its object is, and cloth or a roof that fills the photo is never so even
that its phase holds from edge to edge.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.inspection.lattice import crossing, off_axes
from restorecli.inspection.peaks import Peak

PERIODS = 5  # of a wave in a block, at least
LEAST_SIDE = 48  # px, of a block
BLOCKS = 8  # along the shorter side of a large photo; as many again lie between them
BESIDE = 2.5  # cycles in a block by which frequencies to compare with are off, six around the wave
FEWEST = 5  # blocks of a photo from which on it says something that their phases agree
STANDS_OUT = 2.0  # amplitude of the wave over the mean of those
LONG = 12.0  # px, of a period from which on half the pixels along an axis will do
FINER = 8  # parts of the step between frequencies at which one wave for all blocks is looked for
MATE_COVERAGE, MATE_OFF_AXES = 0.5, 6.0  # share, degrees: of a wave across that no peak shows


def covered(grey: Float[Tensor, "h w"], peaks: Sequence[Peak]) -> tuple[Peak, ...]:
    """Say of each wave how much of a photo it lies over, and how much of it is one wave.

    The wave across the strongest one is added if it lies over half of the photo or more: of a
    faint screen one of the two may not stand out of the whole spectrum.

    Args:
        grey: The photo's luma.
        peaks: Found in it, strongest first.
    """
    known = [_measured(grey, peak) for peak in peaks]
    if known and off_axes(known[0].angle) > MATE_OFF_AXES:
        first = known[0]
        if not any(crossing(first, other) for other in known):
            mate = _measured(grey, replace(first, angle=(first.angle + 90) % 180))
            if mate.coverage >= MATE_COVERAGE:
                known.insert(1, mate)
    return tuple(known)


def _measured(grey: Float[Tensor, "h w"], peak: Peak) -> Peak:
    wave, lies_over = blocks(grey, peak)
    several = torch.fft.fft2(wave, s=[FINER * count for count in wave.shape]).abs()
    coherence = float(several.max() / wave.abs().sum().clamp(min=1e-12))
    if wave.numel() < FEWEST:
        coherence = 0.0
    return replace(peak, coverage=float(lies_over.float().mean()), coherence=coherence)


def blocks(
    grey: Float[Tensor, "h w"], peak: Peak
) -> tuple[Complex[Tensor, "rows columns"], Bool[Tensor, "rows columns"]]:
    """Look for a wave in blocks of a photo that half overlap.

    Returns:
        Its amplitude and phase in each block, up to a factor, and whether it stands out there of
        the frequencies around it.
    """
    period = peak.period
    while period >= LONG and min(grey.shape) >= 2 * LEAST_SIDE:
        grey, period = F.avg_pool2d(grey[None, None], 2)[0, 0], period / 2
    side = max(math.ceil(PERIODS * period), LEAST_SIDE, min(grey.shape) // BLOCKS)
    turned = math.radians(peak.angle)
    x, y = math.cos(turned) / period, -math.sin(turned) / period  # rows run downwards
    around = [turned + math.pi / 3 * place for place in range(6)]
    away = BESIDE / side
    right = _waves(grey.shape[1], [x, *(x + away * math.cos(angle) for angle in around)], side)
    below = _waves(grey.shape[0], [y, *(y - away * math.sin(angle) for angle in around)], side)
    flat = grey - grey.mean()
    real, imaginary = (torch.einsum("hw,kcw->khc", flat, part) for part in (right.real, right.imag))
    wave = below @ torch.complex(real, imaginary)
    amplitude = wave.abs()
    return wave[0], amplitude[0] > STANDS_OUT * amplitude[1:].mean(0)


def _waves(
    length: int, frequencies: Sequence[float], side: int
) -> Complex[Tensor, "frequencies blocks length"]:
    """Waves along one axis, each cut into tapered blocks half a side apart."""
    side = min(side, length)
    count = max(1, round(2 * (length - side) / side) + 1)
    starts = torch.linspace(0, length - side, count).round()
    place = torch.arange(length)
    within = place - starts[:, None]
    taper = 0.5 - 0.5 * torch.cos(2 * math.pi * (within + 0.5) / side)
    taper = taper * ((within >= 0) & (within < side))
    cycles = torch.tensor(frequencies, dtype=torch.float64)[:, None] * place
    phase = (-2 * math.pi * (cycles - cycles.round())).float()
    return taper * torch.polar(torch.ones_like(phase), phase)[:, None]
