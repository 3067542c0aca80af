"""Tiling: any size, no seams, bounded memory, and a way out when a tile fails."""

import math
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from restorecli.errors import DeviceError
from restorecli.tiling.tiles import SMALLEST_TILE, TensorSource, assemble, strips

CPU_ERROR = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"
)


def identity(image: Tensor) -> Tensor:
    return image


class Remembered:
    """The identity, remembering the tiles it was given."""

    def __init__(self) -> None:
        self.tiles: list[Tensor] = []

    def __call__(self, tile: Tensor) -> Tensor:
        self.tiles.append(tile)
        return tile


def enlarge(scale: int) -> Callable[[Tensor], Tensor]:
    return lambda image: image.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, channels, height, width, generator=generator)


def run(function: Callable[..., Tensor], *images: Tensor, **choices: object) -> Tensor:
    """Tile a function over images and join the strips; small tiles unless told otherwise."""
    settings = {"tile": 32, "overlap": 8, "scale": 1} | choices
    sources = [TensorSource(image) for image in images]
    height = images[0].shape[2] * int(str(settings["scale"]))
    return assemble(strips(function, sources, **settings), height)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    tile=st.integers(8, 64),
    overlap=st.integers(0, 32),
    scale=st.sampled_from([1, 2, 4]),
)
def test_any_size_obeys_the_size_law_and_identity_stays_identity(
    height: int, width: int, tile: int, overlap: int, scale: int
) -> None:
    image = noise(height, width)
    result = run(enlarge(scale), image, tile=tile, overlap=overlap, scale=scale)
    assert result.dtype == torch.float32
    assert torch.allclose(result, enlarge(scale)(image), rtol=0, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 60), width=st.integers(1, 60), multiple=st.sampled_from([1, 8, 16]))
def test_tiles_are_multiples_and_no_larger_than_asked(
    height: int, width: int, multiple: int
) -> None:
    function = Remembered()
    run(function, noise(height, width), multiple=multiple)
    sides = [side for tile in function.tiles for side in tile.shape[-2:]]
    assert all(side % multiple == 0 and side <= 32 for side in sides)


def test_a_photo_that_fits_is_run_once_and_unchanged() -> None:
    function = Remembered()
    image = noise(40, 64)
    result = run(function, image, tile=64)
    assert len(function.tiles) == 1
    assert torch.equal(result, image)


def test_strips_come_in_order_without_gap() -> None:
    parts = list(strips(enlarge(2), [TensorSource(noise(100, 50))], tile=32, overlap=8, scale=2))
    assert len(parts) > 2
    edges = [top for top, _ in parts]
    assert edges[0] == 0
    assert [*edges[1:], 200] == [top + strip.shape[2] for top, strip in parts]
    assert all(strip.shape[3] == 100 for _, strip in parts)


def plain_network(stride: int = 1) -> nn.Module:
    """Three convolutions, or a U-shape that halves the resolution once; reach at most 8 px."""
    torch.manual_seed(0)
    up: nn.Module = nn.Upsample(scale_factor=stride) if stride > 1 else nn.Identity()
    layers = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.PReLU(),
        nn.Conv2d(6, 6, 3, stride=stride, padding=1),
        nn.PReLU(),
        up,
        nn.Conv2d(6, 3, 3, padding=1),
    )
    return layers.requires_grad_(False)


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(8, 120),
    width=st.integers(8, 120),
    tile=st.integers(48, 80),
    stride=st.sampled_from([1, 2]),
)
def test_tiled_equals_untiled_where_the_overlap_covers_the_reach(
    height: int, width: int, tile: int, stride: int
) -> None:
    network, image = plain_network(stride), noise(height, width)
    whole = run(network, image, tile=200)
    tiled = run(network, image, tile=tile, overlap=24)
    assert torch.allclose(tiled, whole, rtol=0, atol=1e-5)


def test_padding_at_the_border_is_the_photos_own_reflection() -> None:
    image = noise(13, 13)
    function = Remembered()
    run(function, image)
    assert torch.equal(function.tiles[0], F.pad(image, (0, 3, 0, 3), mode="reflect"))
    run(function, image[:, :, :1, :2])
    expected = F.pad(
        F.pad(image[:, :, :1, :2], (0, 1, 0, 0), mode="reflect"), (0, 5, 0, 7), "replicate"
    )
    assert torch.equal(function.tiles[1], expected)


def test_aligned_sources_are_read_alike_and_channels_may_change() -> None:
    first, second = noise(70, 50), noise(70, 50, channels=2, seed=1)
    result = run(lambda one, two: torch.cat([two, one[:, :1]], 1), first, second)
    assert torch.allclose(result, torch.cat([second, first[:, :1]], 1), rtol=0, atol=1e-6)


def test_sources_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match="must have one size"):
        run(torch.add, noise(8, 8), noise(8, 9))


def test_results_of_low_precision_come_back_as_float32() -> None:
    result = run(lambda tile: tile.bfloat16(), noise(40, 40))
    assert result.dtype == torch.float32


def test_a_result_of_the_wrong_size_is_a_bug() -> None:
    with pytest.raises(AssertionError, match=r"gave \(16, 16\), not \(32, 32\)"):
        run(identity, noise(16, 16), scale=2)


class Recorded:
    """A picture of any height, all of one colour gradient, that remembers what was read."""

    def __init__(self, height: int) -> None:
        self.height, self.width, self.bottom = height, 40, 0

    def read(self, top: int, left: int, bottom: int, right: int) -> Tensor:
        self.bottom = bottom
        rows = torch.arange(top, bottom) / self.height
        return rows[None, None, :, None].expand(1, 3, -1, right - left)


@pytest.mark.parametrize("height", [200, 5000])
def test_memory_does_not_grow_with_the_height(height: int) -> None:
    source, waiting, rows = Recorded(height), [], []
    for top, strip in strips(identity, [source], tile=64, overlap=16):
        waiting.append(source.bottom - top)
        rows.append(strip.untyped_storage().nbytes() // (3 * 40 * 4))
    assert sum(1 for _ in waiting) >= height // 64
    assert max(waiting) <= 64
    assert max(rows) <= 64


def failing_above(side: int, error: Exception) -> Callable[[Tensor], Tensor]:
    """Make a function that has memory for tiles up to a given side only."""

    def function(tile: Tensor) -> Tensor:
        sides.append(max(tile.shape[-2:]))
        if sides[-1] > side:
            raise error
        return enlarge(2)(tile)

    sides: list[int] = []
    function.sides = sides  # type: ignore[attr-defined]
    return function


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError(CPU_ERROR),
        MemoryError(),
        UserWarning("mkldnn_matmul failed, switching to baddbmm:could not create a primitive"),
    ],
)
@pytest.mark.parametrize("side", [200, 100, 64])
def test_out_of_memory_halves_the_tile_and_repeats_it(error: Exception, side: int) -> None:
    image = noise(300, 270)
    function = failing_above(side, error)
    result = run(function, image, tile=256, overlap=16, scale=2)
    assert torch.allclose(result, enlarge(2)(image), rtol=0, atol=2e-6)
    failed = [seen for seen in function.sides if seen > side]  # type: ignore[attr-defined]
    assert failed == sorted(failed, reverse=True)
    assert len(failed) <= 2, "what was learnt is kept for the tiles that follow"


@pytest.mark.parametrize("size", [40, 300])
def test_out_of_memory_at_the_smallest_tile_is_an_error(size: int) -> None:
    function = failing_above(4, RuntimeError(CPU_ERROR))
    with pytest.raises(DeviceError, match=r"cpu: out of memory even on a tile of \d+ px\. Close"):
        run(function, noise(size, size), tile=256, scale=2)
    assert min(function.sides) >= min(size, SMALLEST_TILE)  # type: ignore[attr-defined]


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="something else"):
        run(failing_above(4, RuntimeError("something else")), noise(40, 40))


def alternating(broken: float, good: float) -> Callable[[Tensor], Tensor]:
    """Make a function whose every second result has one value that is `broken`."""
    turns: Iterator[int] = iter(range(1000))

    def function(tile: Tensor) -> Tensor:
        result = tile + good
        if next(turns) % 2:
            result[0, 0, 3, 3] = broken
        return result

    return function


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_results_that_are_not_finite_are_run_again(broken: float) -> None:
    image = noise(60, 60)
    result = run(alternating(broken, 0), image, retry=identity)
    assert torch.allclose(result, image, rtol=0, atol=1e-6)


@pytest.mark.parametrize("retry", [None, lambda tile: tile * math.nan])
def test_results_that_stay_not_finite_are_an_error(
    retry: Callable[[Tensor], Tensor] | None,
) -> None:
    with pytest.raises(DeviceError, match="cpu: gives values that are not finite"):
        run(alternating(math.nan, 0), noise(60, 60), retry=retry)


def test_a_black_tile_is_run_again() -> None:
    image = noise(60, 60)
    assert torch.allclose(run(torch.zeros_like, image, retry=identity), image, rtol=0, atol=1e-6)


def test_a_tile_that_stays_black_is_an_error() -> None:
    with pytest.raises(DeviceError, match="cpu: gives 0 for every pixel of a tile"):
        run(torch.zeros_like, noise(60, 60), retry=torch.zeros_like)


def test_a_plain_background_under_a_pattern_may_become_one_colour() -> None:
    image = 0.9 + 0.1 * noise(60, 60)
    white = run(torch.ones_like, image, retry=torch.ones_like)
    assert torch.allclose(white, torch.ones(1), rtol=0, atol=1e-6)


def test_a_flat_tile_may_stay_flat() -> None:
    image = torch.full((1, 3, 40, 40), 0.5)
    result = run(identity, image, retry=lambda tile: tile + math.nan)
    assert torch.allclose(result, image, rtol=0, atol=1e-6)
