"""Pictures made small strip by strip are what they are made small as a whole."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from restorecli.tiling.sources import TensorSource
from restorecli.tiling.strips import PIXELS_AT_ONCE, ROWS, bands, downsampled, in_strips


def picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))


@settings(deadline=None, max_examples=20)
@given(
    height=st.integers(1, 150),
    width=st.integers(1, 6000),
    shares=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
    corner=st.tuples(st.floats(0, 0.9), st.floats(0, 0.9)),
)
def test_a_part_is_made_small_as_it_is_in_one(
    height: int, width: int, shares: tuple[float, float], corner: tuple[float, float]
) -> None:
    image = picture(height, width)
    top, left = int(corner[0] * height), int(corner[1] * width)
    part = image[..., top:, left:]
    size = tuple(max(1, int(s * n)) for s, n in zip(shares, part.shape[-2:], strict=True))
    small = downsampled(TensorSource(image), (size[0], size[1]), (top, left, height, width))
    expected = F.interpolate(part, size, mode="bilinear", antialias=True)
    torch.testing.assert_close(small, expected, atol=1e-5, rtol=0)


@given(st.integers(1, 5000), st.integers(1, 10**6))
def test_bands_are_all_rows_once(height: int, width: int) -> None:
    parts = list(bands(height, width))
    assert [row for top, bottom in parts for row in range(top, bottom)] == list(range(height))
    assert all((bottom - top) % ROWS == 0 for top, bottom in parts[:-1])
    assert all((bottom - top) * width <= max(PIXELS_AT_ONCE, ROWS * width) for top, bottom in parts)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 200), st.integers(2000, 4000))
def test_strips_are_the_picture(height: int, width: int) -> None:
    image = picture(height, width)
    parts = [part for _, part in in_strips(TensorSource(image))]
    assert torch.equal(torch.cat(parts, 2), image)
