"""Harmonics and sums of waves are left out; a screen's two waves stay and count as one."""

import math

import pytest

from restorecli.inspection.lattice import crossing, fundamentals, off_axes
from restorecli.inspection.peaks import Peak


def peak(period: float, angle: float, strength: float) -> Peak:
    return Peak(period=period, angle=angle, strength=strength)


def test_harmonics_of_bars_follow_from_the_first() -> None:
    first = peak(12, 30, 0.2)
    found = fundamentals([first, peak(6, 30, 0.1), peak(4, 30.2, 0.05), peak(5, 80, 0.03)])
    assert found == (first, peak(5, 80, 0.03))


def test_a_harmonic_stronger_than_its_fundamental_gives_way() -> None:
    assert fundamentals([peak(6, 30, 0.1), peak(12, 30, 0.06)]) == (peak(12, 30, 0.06),)
    faint = [peak(6, 30, 0.1), peak(12, 30, 0.01)]
    assert fundamentals(faint) == tuple(faint)


def test_a_harmonic_beyond_half_a_cycle_a_pixel_is_known_where_it_is_folded_to() -> None:
    x, y = 2 * math.cos(math.radians(110)) / 3.1, 2 * math.sin(math.radians(110)) / 3.1 - 1
    folded = peak(1 / math.hypot(x, y), math.degrees(math.atan2(y, x)) % 180, 0.05)
    assert fundamentals([peak(3.1, 110, 0.2), folded]) == (peak(3.1, 110, 0.2),)


def test_a_screen_keeps_two_waves_and_counts_as_one() -> None:
    pair = peak(5, 20, 0.05), peak(5, 110, 0.05)
    diagonal = peak(5 / math.sqrt(2), 65, 0.04)
    assert fundamentals([peak(30, 0, 0.06), *pair, diagonal]) == (*pair, peak(30, 0, 0.06))


@pytest.mark.parametrize(("angle", "off"), [(0, 0), (5, 5), (85, 5), (95, 5), (45, 45), (179, 1)])
def test_degrees_off_the_axes(angle: float, off: float) -> None:
    assert off_axes(angle) == pytest.approx(off)


def test_waves_cross_at_right_angles_and_with_one_period() -> None:
    assert crossing(peak(5, 3, 1), peak(5.1, 94, 1))
    assert not crossing(peak(5, 3, 1), peak(5.6, 93, 1))
    assert not crossing(peak(5, 3, 1), peak(5, 63, 1))
