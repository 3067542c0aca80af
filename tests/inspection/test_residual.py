"""The second opinion: where a photo is denoised to be judged, and what is taken away, shown."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.inspection.peaks import Peak
from restorecli.inspection.presence import Inspection
from restorecli.inspection.residual import MOST_PATCHES, PATCH, SecondOpinion, judge, patches
from restorecli.networks.inspector import InspectorConfig, ResidualInspector, residual_picture
from restorecli.tiling.networks import RetryCounter, Tiles, TileSteps
from restorecli.tiling.tiles import PixelSource
from tests.support.tiny import photo, tiny_restorer

CONFIG = InspectorConfig(side=32, widths=(4, 4, 8, 8), spectral_widths=(4, 4, 8, 8), levels=2)


@settings(max_examples=100, deadline=None)
@given(height=st.integers(1, 5000), width=st.integers(1, 5000))
def test_patches_are_of_one_size_and_inside_the_photo(height: int, width: int) -> None:
    boxes = patches(height, width)
    assert 1 <= len(boxes) <= MOST_PATCHES**2
    assert len(set(boxes)) == len(boxes)
    for top, left, bottom, right in boxes:
        assert 0 <= top < bottom <= height
        assert 0 <= left < right <= width
        assert (bottom - top, right - left) == (min(PATCH, height), min(PATCH, width))


@settings(max_examples=50, deadline=None)
@given(side=st.integers(1, MOST_PATCHES * PATCH))
def test_patches_cover_a_small_photo(side: int) -> None:
    boxes = patches(side, 10)
    assert boxes[0][0] == 0
    assert boxes[-1][2] == side
    assert all(below[0] <= above[2] for above, below in pairwise(boxes))


def test_patches_of_a_large_photo_keep_off_its_ends() -> None:
    boxes = patches(3000, 3000)
    assert len(boxes) == MOST_PATCHES**2
    assert boxes[0][0] > 300
    assert boxes[-1][2] < 2700


@settings(max_examples=50, deadline=None)
@given(
    photo=st.floats(0, 1, width=32), one=st.floats(0, 1, width=32), other=st.floats(0, 1, width=32)
)
def test_the_more_is_taken_away_the_brighter_is_the_residual(
    photo: float, one: float, other: float
) -> None:
    shown = [
        float(
            residual_picture(
                *(torch.full((1, 3, 2, 2), value) for value in (photo, denoised))
            ).mean()
        )
        for denoised in (one, other, photo)
    ]
    assert all(0 <= value <= 1 for value in shown)
    assert shown[2] == 0.5
    if one > other:
        assert shown[0] <= shown[1]


@settings(max_examples=10, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_a_photo_of_any_size_is_judged(height: int, width: int) -> None:
    torch.manual_seed(0)
    inspector = ResidualInspector(CONFIG)
    image = torch.rand(2, 3, height, width)
    parts = [
        image[..., top:bottom, left:right] for top, left, bottom, right in patches(height, width)
    ]
    together = judge(inspector, parts, parts).pattern
    assert together.shape == (2,)
    for number, answer in enumerate(together):
        one = [part[number : number + 1] for part in parts]
        alone = judge(inspector, one, one).pattern[0]
        torch.testing.assert_close(alone, answer, atol=1e-4, rtol=1e-4)


def test_what_is_taken_away_counts_beside_the_photo() -> None:
    torch.manual_seed(0)
    inspector = ResidualInspector(CONFIG)
    photo = [torch.rand(1, 3, 64, 64)]
    nothing, much = ([residual_picture(photo[0], photo[0] * share)] for share in (1.0, 0.5))
    assert judge(inspector, photo, nothing).pattern != judge(inspector, photo, much).pattern


def seen(*, coverage: float) -> Inspection:
    """A wave over a share of a photo."""
    peak = Peak(period=8.0, angle=40.0, strength=0.1, coverage=coverage, coherence=0.99)
    return Inspection(pattern=1.0, noise=0.0, printed=0.0, peaks=(peak,))


@pytest.mark.parametrize("before", [False, True])
def test_a_photo_is_denoised_in_the_windows_that_its_wave_asks_for(before: bool) -> None:
    """And once: what was denoised in others is done again, what was not is kept."""
    restorer, asked = tiny_restorer(), list[bool]()

    def tiles(steady: bool) -> Tiles:
        asked.append(steady)
        denoiser = restorer.wide_denoiser if steady else restorer.denoiser
        networks = denoiser, restorer.second_look, restorer.upscaler
        steps = TileSteps(*networks, torch.device("cpu"), torch.float32)
        return Tiles(steps, 512, RetryCounter("fp32"))

    source = PixelSource(photo(300, 290).pixels)
    second = SecondOpinion(
        restorer.residual_inspector, source, tiles, lambda _: 1, lambda _: False, steady=before
    )
    kept = second.whole()
    assert second.whole() is kept
    second(seen(coverage=1.0 if before else 0.5))
    assert second.whole() is kept
    assert asked == [before]
    second(seen(coverage=0.5 if before else 1.0))
    assert second.whole() is not kept
    assert asked == [before, not before]
    assert not torch.equal(second.whole().read(0, 0, 300, 290), kept.read(0, 0, 300, 290))
