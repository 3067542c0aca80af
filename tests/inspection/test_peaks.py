"""Periods and angles of waves that were laid over pictures are found again."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.inspection.peaks import find_peaks


def scenery(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """What photos are like: amplitudes that fall as one over the frequency, phases at random."""
    generator = torch.Generator().manual_seed(seed)
    waves = torch.fft.rfft2(torch.randn(1, 3, height, width, generator=generator))
    down = torch.fft.fftfreq(height)[:, None] * height
    across = torch.fft.rfftfreq(width) * width
    picture = torch.fft.irfft2(waves / (1 + torch.hypot(down, across)), s=(height, width))
    scaled: torch.Tensor = 0.5 + 0.15 * picture / picture.std()
    return scaled.clamp(0, 1)


def wave(height: int, width: int, period: float, angle: float) -> torch.Tensor:
    """A cosine in [0, 1] that repeats in a direction given in degrees, counter-clockwise."""
    y = torch.arange(height)[:, None]
    x = torch.arange(width)
    across = x * math.cos(math.radians(angle)) - y * math.sin(math.radians(angle))
    return 0.5 + 0.5 * torch.cos(2 * math.pi * across / period)


def off(angle: float, other: float) -> float:
    turned = abs(angle - other) % 180
    return min(turned, 180 - turned)


@settings(max_examples=25, deadline=None)
@given(
    period=st.floats(2.6, 40), angle=st.floats(0, 179.9), contrast=st.floats(0.15, 0.6),
    seed=st.integers(0, 20),
)  # fmt: skip
def test_a_wave_is_found_within_five_percent_and_two_degrees(
    period: float, angle: float, contrast: float, seed: int
) -> None:
    size = (300, 420)
    image = scenery(*size, seed) * (1 - contrast) + contrast * wave(*size, period, angle)
    peaks = find_peaks(image)
    assert peaks
    assert peaks[0].period == pytest.approx(period, rel=0.05)
    assert off(peaks[0].angle, angle) < 2
    assert peaks[0].strength == pytest.approx(contrast / 2, rel=0.5)


def test_the_fastest_stripes_are_found_in_both_directions_alike() -> None:
    stripes = 0.2 * (1 - 2 * (torch.arange(256) % 2)).float()
    image = 0.5 * scenery(256, 256) + 0.25
    across, down = (find_peaks(image + laid)[0] for laid in (stripes, stripes[:, None]))
    assert (across.period, down.period) == pytest.approx((2, 2), rel=0.002)
    assert (across.angle, down.angle) == pytest.approx((0, 90), abs=0.5)
    assert down.strength == pytest.approx(across.strength, rel=0.02)


@pytest.mark.parametrize("period", [8.0, 20.0, 31.0, 40.0])
@pytest.mark.parametrize("angle", [1.5, 88.0, 92.0, 178.0])
def test_a_wave_that_nearly_lies_on_an_axis_is_not_taken_for_one_that_does(
    period: float, angle: float
) -> None:
    image = 0.5 * scenery(300, 420) + 0.5 * wave(300, 420, period, angle)
    found = find_peaks(image)[0]
    assert found.period == pytest.approx(period, rel=0.05)
    assert off(found.angle, angle) < 1


def test_a_dot_screen_has_two_waves_across_each_other() -> None:
    dots = wave(384, 384, 9, 30) * wave(384, 384, 9, 120)
    first, second, *_ = find_peaks(scenery(384, 384) * 0.6 + 0.4 * dots)
    assert first.period == pytest.approx(9, rel=0.05)
    assert second.period == pytest.approx(9, rel=0.05)
    assert off(first.angle, second.angle) == pytest.approx(90, abs=2)


def test_no_wave_is_found_where_none_is_and_small_pictures_are_no_trouble() -> None:
    assert find_peaks(scenery(300, 300)) == ()
    assert find_peaks(torch.rand(1, 3, 256, 256)) == ()
    for size in ((1, 1), (31, 200), (32, 32), (33, 500)):
        find_peaks(torch.rand(1, 3, *size))
    assert find_peaks(torch.full((1, 3, 64, 64), 0.5)) == ()
