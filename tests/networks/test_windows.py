"""Windows: they cover, keep to the grid, and their shares sum to 1."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.networks.windows import Windows

windows = st.tuples(st.integers(2, 40), st.integers(0, 20)).map(
    lambda pair: Windows(side=pair[0], overlap=min(pair[1], pair[0] // 2))
)


@settings(deadline=None)
@given(grid=windows, length=st.integers(1, 300))
def test_shares_sum_to_one_and_stay_inside_their_windows(grid: Windows, length: int) -> None:
    starts, shares = grid.starts(length), grid.shares(length, torch.device("cpu"))
    assert shares.shape == (len(starts), length)
    boxes = grid.boxes(length, torch.device("cpu"))
    assert torch.allclose(boxes.sum(1), torch.ones(len(starts)))
    assert torch.equal(boxes > 0, boxes == boxes.amax())
    assert torch.allclose(shares.sum(0), torch.ones(length), atol=1e-6)
    position = torch.arange(length)
    for start, share in zip(starts, shares, strict=True):
        outside = (position < start) | (position >= start + grid.side)
        assert share.min() >= 0
        assert share[outside].eq(0).all()


@settings(deadline=None)
@given(grid=windows, length=st.integers(1, 300))
def test_windows_lie_on_the_grid_but_for_the_last(grid: Windows, length: int) -> None:
    starts = grid.starts(length)
    assert list(starts) == sorted(set(starts))
    assert all(start % (grid.side - grid.overlap) == 0 for start in starts[:-1])
    assert starts[-1] == max(0, length - grid.side)
    assert grid.cover(length, 1) == (len(starts) == 1)


@settings(deadline=None)
@given(grid=windows, steps=st.integers(1, 5), rest=st.integers(1, 100))
def test_a_tile_on_the_grid_has_the_windows_of_the_whole(
    grid: Windows, steps: int, rest: int
) -> None:
    step = grid.side - grid.overlap
    start = step * steps
    whole = grid.starts(start + grid.side + rest)
    tile = grid.starts(grid.side + rest)
    assert tuple(at + start for at in tile) == tuple(at for at in whole if at >= start)


def test_a_coarser_level_has_the_same_windows_in_fewer_samples() -> None:
    assert Windows(side=256, overlap=64).coarser(8) == Windows(side=32, overlap=8)
