"""Two fields of interlaced video are told from what was taken at once."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from restorecli.colour import luma
from restorecli.inspection.combs import is_combed
from restorecli.inspection.squares import SIDE
from restorecli.photo import Photo
from restorecli.tiling.sources import PixelSource
from tests.inspection.test_peaks import scenery, wave

PHOTOS = sorted((Path(__file__).parents[2] / "examples" / "photos").glob("*.jpg"))


def two_fields(grey: Tensor, moved: int) -> Tensor:
    """Every other row as the scene was after it had moved sideways."""
    combed = grey.clone()
    combed[1::2] = grey.roll(moved, 1)[1::2]
    return combed


def photograph(path: Path) -> Tensor:
    photo = Photo.read(path)
    return luma(PixelSource(photo.colours()).read(0, 0, photo.height, photo.width))[0, 0]


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(PHOTOS), st.integers(6, 20), st.booleans(), st.booleans())
def test_fields_that_are_apart_are_seen_whichever_way_the_photo_was_turned(
    path: Path, moved: int, turned: bool, backwards: bool
) -> None:
    grey = photograph(path)
    assert not is_combed(grey)
    combed = two_fields(grey, -moved if backwards else moved)
    assert is_combed(combed.T if turned else combed)


@pytest.mark.parametrize("period", [2.5, 3.0, 4.0, 9.0])
def test_other_waves_and_noise_are_no_combs(period: float) -> None:
    scene = luma(scenery(320, 384))[0, 0]
    assert not is_combed(scene + 0.1 * wave(320, 384, period, 90))
    assert not is_combed(scene + 0.05 * torch.randn(320, 384))


def test_cloth_in_half_of_a_photo_is_no_comb() -> None:
    scene = luma(scenery(320, 384))[0, 0]
    striped = scene.clone()
    striped[::2, :192] += 0.2
    assert not is_combed(striped)
    striped[::2, 192:] += 0.2
    assert is_combed(striped)


@pytest.mark.parametrize("side", [1, 2, SIDE, SIDE + 2])
def test_nothing_is_said_of_what_is_too_small_or_even(side: int) -> None:
    assert not is_combed(torch.full((side, side), 0.5))
