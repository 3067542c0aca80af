"""Tiles read from tensors and from pixels are the same numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from restorecli.tiling.sources import ImageSource, PixelCanvas, PixelSource, TensorSource, whole


def test_tensor_tiles_are_parts_of_the_image() -> None:
    image = torch.rand(1, 5, 7, 9, generator=torch.Generator().manual_seed(0))
    source = TensorSource(image)
    assert isinstance(source, ImageSource)
    assert (source.height, source.width) == (7, 9)
    assert torch.equal(source.read(2, 3, 6, 9), image[:, :, 2:6, 3:9])
    assert TensorSource(image.half()).read(0, 0, 7, 9).dtype == torch.float32


@pytest.mark.parametrize(("kind", "brightest"), [(np.uint8, 255), (np.uint16, 65535)])
def test_pixel_tiles_are_floats_in_range(kind: type, brightest: int) -> None:
    random = np.random.default_rng(0)
    pixels: np.ndarray = random.integers(0, brightest + 1, (7, 9, 3)).astype(kind)
    pixels[2, 3] = brightest
    source = PixelSource(pixels)
    assert isinstance(source, ImageSource)
    tile = source.read(2, 3, 6, 9)
    assert tile.dtype == torch.float32
    assert tile[0, :, 0, 0].eq(1).all()
    expected = pixels[2:6, 3:9].transpose(2, 0, 1)[None] / brightest
    assert np.allclose(tile.numpy(), expected, rtol=0, atol=1e-7)


def test_grey_pixels_fill_three_channels() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    tile = PixelSource(pixels).read(0, 0, 3, 4)
    assert tile.shape == (1, 3, 3, 4)
    assert torch.equal(tile[:, 0], tile[:, 2])
    assert float(tile[0, 1, 2, 3]) == pytest.approx(11 / 255)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((3, 4, 3), np.float32),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros((1, 3, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no picture"):
        PixelSource(pixels)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@given(height=st.integers(1, 40), width=st.integers(1, 9), rows=st.integers(1, 17))
def test_pixels_of_any_photo_survive_the_canvas_to_the_bit(
    kind: type, height: int, width: int, rows: int
) -> None:
    """Whatever strips they come in: the 16 bits between the steps hold 8 and 16."""
    rng = np.random.default_rng(height * width)
    pixels: np.ndarray = rng.integers(0, np.iinfo(kind).max + 1, (height, width, 3)).astype(kind)
    source = PixelSource(pixels)
    tops = range(0, height, rows)
    strips = ((top, source.read(top, 0, min(top + rows, height), width)) for top in tops)
    canvas = PixelCanvas.of(strips, height, width)
    assert isinstance(canvas, ImageSource)
    again = PixelCanvas.of([(0, whole(canvas))], height, width, kind)
    assert np.array_equal(again.pixels, pixels)


@given(
    values=st.lists(st.floats(-0.5, 1.5, width=32), min_size=3, max_size=3),
    top=st.integers(0, 4),
    left=st.integers(0, 6),
)
def test_what_is_written_is_brought_into_range_and_rounded(
    values: list[float], top: int, left: int
) -> None:
    canvas = PixelCanvas(np.zeros((6, 8, 3), np.uint16))
    tile = torch.tensor(values).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    canvas.write(top, left, tile)
    read = whole(canvas)
    there = read[..., top : top + 2, left : left + 2]
    assert (there - tile.clamp(0, 1)).abs().max() <= 0.5 / 65535 + 1e-7
    there.zero_()
    assert not read.any()
