"""A photo made smaller for the work and brought back keeps its size, and what is smooth in it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorecli.inspection.work_size import (
    brought_back,
    made_smaller,
    reduced,
    work_factor,
)

factors = st.sampled_from((1, 2, 4))
sides = st.integers(1, 40)


@given(height=sides, width=sides, factor=factors, seed=st.integers(0, 99))
def test_reduced_is_the_mean_of_squares(height: int, width: int, factor: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    small = reduced(pixels, factor)
    assert small.dtype == pixels.dtype
    assert small.shape == (-(-height // factor), -(-width // factor), 3)
    whole = pixels[: height // factor * factor, : width // factor * factor].astype(float)
    if whole.size:
        squares = whole.reshape(height // factor, factor, width // factor, factor, 3)
        inside = small[: height // factor, : width // factor]
        assert np.abs(inside - squares.mean((1, 3))).max() <= 0.51


@given(height=sides, width=sides, factor=factors, rest=factors)
def test_brought_back_has_the_size_wanted(height: int, width: int, factor: int, rest: int) -> None:
    pixels = np.full((height, width, 3), 7, np.uint16)
    small = reduced(pixels, factor * rest)
    large = np.repeat(np.repeat(small, factor, 0), factor, 1)  # what the network makes of it
    back = brought_back(large, height=height, width=width, rest=rest)
    assert back.shape == pixels.shape
    assert back.dtype == pixels.dtype
    assert (back == 7).all()


@pytest.mark.parametrize(
    ("height", "width", "wished", "factor"),
    [(1000, 1000, 4, 4), (400, 1000, 4, 2), (1000, 200, 4, 1), (300, 300, 2, 2), (10, 10, 4, 1)],
)
def test_a_small_photo_is_not_made_smaller(
    height: int, width: int, wished: int, factor: int
) -> None:
    assert work_factor(height, width, wished) == factor


@given(
    height=sides,
    width=sides,
    share=st.floats(0.05, 1),
    bits=st.sampled_from([np.uint8, np.uint16]),
    value=st.integers(0, 255),
)
def test_what_is_flat_stays_so_when_made_smaller(
    height: int, width: int, share: float, bits: type[np.uint8 | np.uint16], value: int
) -> None:
    pixels = np.full((height, width, 3), value, bits)
    size = max(1, int(height * share)), max(1, int(width * share))
    small = made_smaller(pixels, *size)
    assert small.dtype == bits
    assert small.shape == (*size, 3)
    assert (small == value).all()


def test_made_smaller_does_not_alias_and_keeps_16_bits() -> None:
    lines = np.zeros((32, 96, 3), np.uint16)
    lines[:, ::2] = 65535
    small = made_smaller(lines, 24, 72)[4:-4, 8:-8].astype(float)
    assert small.std() < 0.25 * lines.std()
    slope = np.linspace(0, 65535, 96)[None, :, None].repeat(32, 0).repeat(3, 2).astype(np.uint16)
    assert len(np.unique(made_smaller(slope, 24, 72))) > 70
