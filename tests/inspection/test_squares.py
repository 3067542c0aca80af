"""Squares hold the pixels of a plane, each where it was, and none of what does not fill one."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.inspection.squares import SIDE, squares


@settings(deadline=None)
@given(height=st.integers(0, 3 * SIDE), width=st.integers(0, 3 * SIDE), planes=st.integers(1, 3))
def test_squares_are_parts_of_the_planes(height: int, width: int, planes: int) -> None:
    picture = torch.arange(planes * height * width).float().reshape(planes, height, width)
    cut = squares(picture)
    rows, columns = height // SIDE, width // SIDE
    assert cut.shape == (planes, rows * columns, SIDE * SIDE)
    for number in range(rows * columns):
        top, left = number // columns * SIDE, number % columns * SIDE
        whole = picture[:, top : top + SIDE, left : left + SIDE]
        assert torch.equal(cut[:, number], whole.reshape(planes, -1))
    assert torch.equal(squares(picture[0]), cut[0])
