"""A wave over part of a photo, over all of it, and one whose phase does not hold."""

import math

import pytest
import torch

from restorecli.colour import luma
from restorecli.inspection.coverage import covered
from restorecli.inspection.peaks import Peak
from tests.inspection.test_peaks import scenery, wave


def measured(image: torch.Tensor, period: float, angle: float) -> Peak:
    return covered(luma(image)[0, 0], [Peak(period=period, angle=angle, strength=0.1)])[0]


@pytest.mark.parametrize(("period", "angle"), [(3.3, 20.0), (9.0, 130.0), (30.0, 75.0)])
def test_a_wave_over_all_of_a_photo_and_over_half_of_it(period: float, angle: float) -> None:
    clean = scenery(400, 640)
    laid = 0.7 * clean + 0.3 * wave(400, 640, period, angle)
    whole = measured(laid, period, angle)
    assert whole.coverage > 0.95
    assert whole.coherence > 0.95
    half = torch.cat((laid[..., :320], clean[..., 320:]), 3)
    assert measured(half, period, angle).coverage == pytest.approx(0.5, abs=0.15)
    assert measured(clean, period, angle).coverage < 0.2


def test_bent_stripes_are_not_one_wave() -> None:
    y, x = torch.arange(400.0)[:, None], torch.arange(640.0)
    bent = x + 4 * torch.sin(y / 60) + 4 * torch.sin(x / 90)
    stripes = 0.5 + 0.3 * torch.cos(2 * math.pi * bent / 10)
    found = measured(stripes.expand(1, 3, -1, -1), 10, 0)
    assert found.coverage > 0.8
    assert found.coherence < 0.9


def test_a_few_blocks_do_not_tell_whether_a_wave_holds_its_phase() -> None:
    large = 0.7 * scenery(512, 512) + 0.3 * wave(512, 512, 29, 84)
    assert measured(large, 29, 84).coherence > 0.95
    assert measured(large[..., :256, :256], 29, 84).coherence == 0


def test_the_faint_wave_across_is_added_off_the_axes() -> None:
    dots = wave(400, 400, 9, 30) + 0.5 * wave(400, 400, 9, 120)
    grey = luma(0.8 * scenery(400, 400) + 0.1 * dots)[0, 0]
    first, mate = covered(grey, [Peak(period=9, angle=30, strength=0.05)])
    assert (first.angle, mate.angle) == (30, 120)
    stripes = luma(0.8 * scenery(400, 400) + 0.2 * wave(400, 400, 9, 30))[0, 0]
    assert len(covered(stripes, [Peak(period=9, angle=30, strength=0.1)])) == 1


@pytest.mark.parametrize("size", [(1, 1), (3, 300), (40, 40)])
def test_small_photos_are_no_trouble(size: tuple[int, int]) -> None:
    for period in (3.0, 40.0):
        covered(torch.rand(size), [Peak(period=period, angle=33, strength=0.1)])
