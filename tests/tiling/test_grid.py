"""Where tiles lie: they cover the photo, overlap enough, and their weights sum to 1."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.tiling.grid import (
    LARGE,
    LARGEST_TILE,
    SMALLEST_TILE,
    TILE_OF_MANY,
    TILE_OF_SEVERAL,
    Axis,
    choose_tile,
    tile_for,
    tile_grid,
)

lengths = st.integers(1, 700)
tiles = st.integers(1, 300)
overlaps = st.integers(0, 200)
multiples = st.sampled_from([1, 2, 8, 16])


steps = st.sampled_from([1, 3, 24, 64])


def axis(length: int, tile: int, overlap: int, multiple: int, step: int = 1) -> Axis:
    return tile_grid(length, 1, tile, overlap, multiple=multiple, step=step).rows


@settings(deadline=None)
@given(length=lengths, tile=tiles, overlap=overlaps, multiple=multiples, step=steps)
def test_tiles_cover_the_photo(
    length: int, tile: int, overlap: int, multiple: int, step: int
) -> None:
    rows = axis(length, tile, overlap, multiple, step)
    assert rows.starts[0] == 0
    assert length <= rows.stops[-1] < length + multiple
    assert list(rows.starts) == sorted(set(rows.starts))
    assert list(rows.stops) == sorted(set(rows.stops))
    assert all(value % multiple == 0 for value in (*rows.starts, *rows.stops))
    assert max(rows.sizes) <= max(tile, multiple)
    enough = min(overlap, max(tile // multiple, 1) // 2 * multiple)
    shared = zip(rows.stops, rows.starts[1:], strict=False)
    assert all(stop - start >= enough for stop, start in shared)


@settings(deadline=None)
@given(length=lengths, windows=st.integers(1, 4), spare=st.integers(0, 191))
def test_tiles_start_on_the_grid_and_end_with_a_window_of_it(
    length: int, windows: int, spare: int
) -> None:
    rows = axis(length, 64 + 192 * windows + spare, 64, 8, 192)
    assert all(start % 192 == 0 for start in rows.starts)
    assert all(size % 192 == 64 for size in rows.sizes[:-1])


def test_a_tile_too_small_for_a_step_is_used_without() -> None:
    assert axis(400, 128, 64, 8, 192) == axis(400, 128, 64, 8)


@settings(deadline=None)
@given(
    length=lengths,
    tile=tiles,
    overlap=overlaps,
    multiple=multiples,
    step=steps,
    scale=st.sampled_from([1, 2, 4]),
)
def test_weights_sum_to_one(
    length: int, tile: int, overlap: int, multiple: int, step: int, scale: int
) -> None:
    rows = axis(length, tile, overlap, multiple, step)
    total = torch.zeros(rows.stops[-1] * scale)
    for start, stop, weight in zip(rows.starts, rows.stops, rows.weights(scale), strict=True):
        assert weight.min() >= 0
        assert weight.max() <= 1
        total[start * scale : stop * scale] += weight
    assert torch.allclose(total, torch.ones(1), rtol=0, atol=2e-7)


def test_the_outer_quarters_of_an_overlap_belong_to_one_tile() -> None:
    first, second = Axis(length=96, starts=(0, 32), stops=(64, 96)).weights(1)
    assert first[:40].eq(1).all()
    assert first[56:].eq(0).all()
    assert second[:8].eq(0).all()
    assert second[24:].eq(1).all()
    assert second[8:24].diff().gt(0).all()


def test_what_fits_is_one_tile() -> None:
    grid = tile_grid(300, 512, 512, 64)
    assert (grid.rows.starts, grid.columns.starts) == ((0,), (0,))
    assert (grid.rows.sizes, grid.columns.sizes) == ((304,), (512,))


def test_tiles_are_no_larger_than_their_number_needs() -> None:
    rows = tile_grid(520, 1, 512, 64).rows
    assert rows == Axis(length=520, starts=(0, 232), stops=(296, 520))


@pytest.mark.parametrize("values", [(0, 1, 64, 8), (1, 0, 64, 8), (1, 1, 0, 8), (1, 1, 64, -1)])
def test_impossible_grids_are_refused(values: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="no grid for"):
        tile_grid(*values)


@settings(deadline=None)
@given(free=st.integers(-1, 2**40), cost=st.integers(1, 2**16))
def test_a_chosen_tile_fits_or_is_the_smallest(free: int, cost: int) -> None:
    tile = choose_tile(free, cost)
    assert SMALLEST_TILE <= tile <= LARGEST_TILE
    assert tile % 8 == 0
    assert tile == SMALLEST_TILE or tile**2 * cost <= free * 0.5
    assert tile == LARGEST_TILE or (tile + 8) ** 2 * cost > free * 0.5 - cost


def test_more_memory_gives_larger_tiles() -> None:
    assert choose_tile(2 * 2**30, 4096) == 512
    assert choose_tile(2 * 2**30, 4096, share=0.25) == 360
    assert choose_tile(2**40, 4096, largest=768) == 768


@settings(deadline=None)
@given(height=st.integers(1, 2**15), width=st.integers(1, 2**15), free=st.integers(0, 2**34))
def test_a_photos_tile_fits_and_is_the_whole_where_it_can_be(
    height: int, width: int, free: int
) -> None:
    fitting = choose_tile(free, 1600)
    tile = tile_for(height, width, fitting=fitting)
    assert SMALLEST_TILE <= tile <= fitting
    assert (tile >= max(height, width)) == (fitting >= max(height, width))
    if max(height, width) > fitting:
        assert tile <= (TILE_OF_MANY if height * width > LARGE else TILE_OF_SEVERAL)


def test_a_photo_above_24_megapixels_has_smaller_tiles() -> None:
    assert tile_for(4000, 6000, fitting=LARGEST_TILE) == TILE_OF_SEVERAL
    assert tile_for(4000, 6001, fitting=LARGEST_TILE) == TILE_OF_MANY
    assert tile_for(4000, 6000, fitting=512) == 512
