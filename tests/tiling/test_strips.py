"""Pictures made small strip by strip are what they are made small as a whole."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from restorecli.tiling.sources import TensorSource
from restorecli.tiling.strips import ROWS_AT_ONCE, bands, downsampled, plain_strips


def picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))


@settings(deadline=None, max_examples=20)
@given(
    height=st.integers(1, 2 * ROWS_AT_ONCE + 3),
    width=st.integers(1, 40),
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


@given(st.integers(1, 5 * ROWS_AT_ONCE))
def test_bands_are_all_rows_once(height: int) -> None:
    rows = [row for top, bottom in bands(height) for row in range(top, bottom)]
    assert rows == list(range(height))


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 2 * ROWS_AT_ONCE))
def test_plain_strips_are_the_picture(height: int) -> None:
    image = picture(height, 3)
    parts = [part for _, part in plain_strips(TensorSource(image), 1)]
    assert torch.equal(torch.cat(parts, 2), image)
