"""The second opinion: where a photo is denoised to be judged, and what is taken away, shown."""

from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.inspection.residual import MOST_PATCHES, PATCH, judge, patches
from restorecli.networks.inspector import InspectorConfig, ResidualInspector, residual_picture

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
