"""How much of a photo is changed: everywhere, in a part, and where nothing can be said."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.inspection.spread import FEWEST, spread
from restorecli.inspection.squares import SIDE
from tests.inspection.test_peaks import scenery, wave


def noise(height: int, width: int) -> torch.Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))


@settings(deadline=None, max_examples=30)
@given(st.integers(3, 16), st.integers(0, 2), st.floats(0.02, 0.1))
def test_the_share_is_that_of_the_changed_columns(
    columns: int, cleaner: int, strength: float
) -> None:
    """Whatever is taken, however much of it, and whatever else is changed a little."""
    denoised = scenery(512, 512).clamp(0.1, 0.9)
    photo = denoised + 0.001 * cleaner * noise(512, 512)
    part = slice(0, columns * SIDE)
    photo[..., part] += (strength * wave(512, 512, 5.0, 30.0))[..., part]
    assert spread([photo], [denoised]) == pytest.approx(columns / 16, abs=0.07)


def test_patches_are_one_photo() -> None:
    denoised = scenery(256, 512).clamp(0.1, 0.9)
    photo = denoised.clone()
    photo[..., :256] += 0.1 * wave(256, 256, 5.0, 30.0)
    halves = [photo[..., :256], photo[..., 256:]], [denoised[..., :256], denoised[..., 256:]]
    assert spread(*halves) == spread([photo], [denoised]) == 0.5


def test_what_is_cut_off_in_white_proves_nothing() -> None:
    denoised = scenery(256, 512).clamp(0.1, 0.9)
    denoised[..., :256] = 1.0
    photo = (denoised + 0.1 * wave(256, 512, 5.0, 30.0)).clamp(0, 1)
    assert spread([photo], [denoised]) == 1.0


def test_a_margin_proves_nothing() -> None:
    denoised = scenery(512, 512).clamp(0.1, 0.9)
    photo = denoised + 0.1 * wave(512, 512, 5.0, 30.0)
    for image in (photo, denoised):
        image[..., 256:] = 0.8 + 0.005 * noise(512, 256)
    assert spread([photo], [denoised]) == 1.0


@pytest.mark.parametrize("side", [1, SIDE, SIDE * 3])
def test_nothing_is_said_of_few_squares(side: int) -> None:
    assert (side // SIDE) ** 2 < FEWEST
    assert spread([torch.rand(1, 3, side, side)], [torch.rand(1, 3, side, side)]) == 1.0


def test_a_photo_that_is_left_is_changed_nowhere_more_than_elsewhere() -> None:
    photo = scenery(256, 256)
    assert spread([photo], [photo]) == 1.0
