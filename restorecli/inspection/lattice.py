"""Which waves of a spectrum stand for themselves, and which follow from others.

Bars have waves at whole multiples of their frequency, a screen of dots at all sums of whole
multiples of its two, and what lies beyond half a cycle a pixel is seen folded back. Only the waves
that the others follow from are a pattern's periods and angles.
"""

import itertools
import math
from collections.abc import Sequence

from restorecli.inspection.peaks import Peak

ORDERS = range(-4, 5)  # multiples of a frequency that are looked for
SAME_FREQUENCY, SAME_SHARE = 0.003, 0.015  # cycles a pixel, and share: what frequencies may be off
LEAST_OF_MULTIPLE = 0.25  # strength of a wave over that of one that is a multiple of it
RIGHT_ANGLE, ONE_PERIOD = 10.0, 0.06  # degrees and share by which a screen's two waves may be off

Frequency = tuple[float, float]


def fundamentals(peaks: Sequence[Peak]) -> tuple[Peak, ...]:
    """Leave out the waves that follow from others; the two waves of a screen stay together.

    Args:
        peaks: Strongest first.

    Returns:
        Strongest first, where waves that cross as those of a screen count as one.
    """
    kept: list[Peak] = []
    for peak in peaks:
        multiple = next((other for other in kept if _is_multiple(other, peak)), None)
        if multiple is not None and peak.strength > LEAST_OF_MULTIPLE * multiple.strength:
            kept[kept.index(multiple)] = peak
        elif not _follows(peak, kept):
            kept.append(peak)
    energy = {peak: _energy(peak, kept) for peak in kept}
    return tuple(sorted(kept, key=lambda peak: -energy[peak]))


def crossing(one: Peak, other: Peak) -> bool:
    """Whether two waves are of one period and at right angles."""
    apart = abs(one.angle - other.angle)
    return (
        abs(min(apart, 180 - apart) - 90) < RIGHT_ANGLE
        and abs(one.period / other.period - 1) < ONE_PERIOD
    )


def off_axes(angle: float) -> float:
    """Degrees between a direction and the nearer axis of the photo."""
    return abs((angle + 45) % 90 - 45)


def _frequency(peak: Peak) -> Frequency:
    turned = math.radians(peak.angle)
    return math.cos(turned) / peak.period, math.sin(turned) / peak.period


def _is_multiple(peak: Peak, of: Peak) -> bool:
    """Whether a wave is one of the second to fourth harmonics of another, not folded back."""
    (x, y), (fx, fy) = _frequency(peak), _frequency(of)
    near = SAME_FREQUENCY + SAME_SHARE / peak.period
    return any(
        math.hypot(x - sign * order * fx, y - sign * order * fy) < near
        for order in (2, 3, 4)
        for sign in (1, -1)
    )


def _follows(peak: Peak, kept: Sequence[Peak]) -> bool:
    """Whether a wave is a sum of whole multiples of one or two stronger ones, or that folded."""
    target = _frequency(peak)
    near = SAME_FREQUENCY + SAME_SHARE / peak.period
    pairs = [pair for pair in itertools.combinations(kept[:4], 2) if crossing(*pair)]
    bases: list[tuple[Frequency, Frequency]] = [(_frequency(one), (0.0, 0.0)) for one in kept]
    bases += [(_frequency(one), _frequency(other)) for one, other in pairs]
    for (fx, fy), (gx, gy) in bases:
        for m, n in itertools.product(ORDERS, ORDERS):
            if m or n:
                apart = _folded(m * fx + n * gx - target[0]), _folded(m * fy + n * gy - target[1])
                if math.hypot(*apart) < near:
                    return True
    return False


def _folded(frequency: float) -> float:
    """The frequency in [-1/2, 1/2] that looks the same on pixels."""
    return frequency - round(frequency)


def _energy(peak: Peak, kept: Sequence[Peak]) -> float:
    """Strength of a wave and, if it has one, the wave across it."""
    across = [other.strength for other in kept if other is not peak and crossing(peak, other)]
    return math.hypot(peak.strength, max(across, default=0.0))
