"""Run a network over a photo of any size, tile by tile, and give the result strip by strip.

Tiles overlap and are feathered; memory is bounded by one row of tiles whatever the photo's height.
What is padded here is cropped here. A tile that is too large for the device is halved and run
again; one whose result is broken is run again in full precision. Where tiles lie is decided in
`restorecli.tiling.grid`, what they are cut from in `restorecli.tiling.sources`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from restorecli.device import is_out_of_memory
from restorecli.errors import DeviceError
from restorecli.tiling.grid import (
    LARGEST_TILE,
    SMALLEST_TILE,
    Grid,
    choose_tile,
    tile_for,
    tile_grid,
)
from restorecli.tiling.sources import ImageSource, PixelSource, TensorSource, whole

__all__ = [
    "LARGEST_TILE", "SMALLEST_TILE", "Grid", "ImageSource", "PixelSource", "TensorSource",
    "assemble", "choose_tile", "strips", "tile_for", "tile_grid", "whole",
]  # fmt: skip

TileFunction = Callable[..., Tensor]
_FLAT = 2 / 255  # a tile with less contrast may well become a single colour
_FAR = 0.25  # a single colour this far from the tile's mean is no restoration of it


def strips(
    function: TileFunction,
    sources: Sequence[ImageSource],
    *,
    tile: int,
    overlap: int,
    scale: int = 1,
    multiple: int = 8,
    step: int = 1,
    device: torch.device = torch.device("cpu"),  # noqa: B008  # immutable
    retry: TileFunction | None = None,
) -> Iterator[tuple[int, Float[Tensor, "1 c rows w"]]]:
    """Run a function over all tiles of a photo, and give finished rows from top to bottom.

    Args:
        function: Takes one tile (1, c, h, w) a source, float32 on `device`, h and w multiples of
            `multiple`; gives (1, c', scale·h, scale·w) on any device, in any precision. For a plain
            convolutional network whose output depends on input at most r pixels away, tiled and
            untiled results agree where `overlap` is at least 4·r.
        sources: Aligned pictures of one size.
        tile: Upper bound of a tile's side, in pixels of the sources; see `grid.tile_grid`. A photo
            that fits is run in one call.
        overlap: Pixels that neighbouring tiles share at least.
        scale: Size of the result over the size of the sources.
        multiple: What the sides of a tile must be multiples of. Photos that do not fit are extended
            to the right and downwards by reflection, as far as that goes.
        step: What the starts of tiles are multiples of besides, see `grid.tile_grid`.
        device: Where tiles are put before `function` is called.
        retry: What to run, in full precision, when the result of `function` is not finite, or is
            a single colour although the tile is not. None if `function` is in full precision;
            then only finiteness is checked.

    Yields:
        The strip's first row in the result, and the strip: float32 on the CPU, as wide as the
        result. Strips join without gap; the strip may be written to.

    Raises:
        DeviceError: Out of memory at the smallest tile, or a result that stays broken.
        ValueError: The sources differ in size.
    """
    sizes = sorted({(source.height, source.width) for source in sources})
    if len(sizes) != 1:
        raise ValueError(f"sources must have one size (height, width), not {sizes}")
    runner = _Runner(
        function=function,
        retry=retry,
        scale=scale,
        multiple=multiple,
        step=step,
        overlap=overlap,
        device=device,
        limit=tile,
    )
    return _strips(runner, sources)


def assemble(
    parts: Iterable[tuple[int, Float[Tensor, "1 c rows w"]]], height: int
) -> Float[Tensor, "1 c height w"]:
    """Join strips into one image of the given height, holding one strip beside it."""
    image: Tensor | None = None
    for top, strip in parts:
        if image is None:
            image = strip.new_empty(1, strip.shape[1], height, strip.shape[3])
        image[:, :, top : top + strip.shape[2]] = strip
    assert image is not None, "a picture has at least one strip"
    return image


@dataclass(kw_only=True)
class _Runner:
    """Runs single tiles; its `limit` falls when memory runs out and stays down for the photo."""

    function: TileFunction
    retry: TileFunction | None
    scale: int
    multiple: int
    step: int
    overlap: int
    device: torch.device
    limit: int

    def __call__(self, tiles: list[Tensor]) -> Float[Tensor, "1 c h w"]:
        """Run a tile, in parts if it must be."""
        height, width = tiles[0].shape[-2:]
        if self._fits(height, width):
            result = self._attempt(tiles)
            if result is not None:
                return result
            self._halve(max(height, width))
        parts = _strips(self, [TensorSource(tile) for tile in tiles])
        return assemble(parts, height * self.scale)

    def _fits(self, height: int, width: int) -> bool:
        return max(height, width) <= max(self.limit, self.multiple)

    def _attempt(self, tiles: list[Tensor]) -> Tensor | None:
        """Run a tile in one call; None if that takes too much memory.

        The caller goes on outside the `except` block, whose error keeps tensors alive.
        """
        try:
            return self._checked([tile.to(self.device) for tile in tiles])
        except (RuntimeError, MemoryError, UserWarning) as error:
            if not is_out_of_memory(error):
                raise
        return None

    def _halve(self, side: int) -> None:
        if side <= SMALLEST_TILE:
            raise DeviceError(
                f"{self.device}: out of memory even on a tile of {side} px. "
                f"Close other programs, or use a smaller --scale or another --device."
            )
        self.limit = max(SMALLEST_TILE, side // 2)

    def _checked(self, tiles: list[Tensor]) -> Tensor:
        result = self._run(self.function, tiles)
        suspicious = self.retry is not None and _single_colour(result, tiles[0]) is not None
        if self.retry is not None and (suspicious or not torch.isfinite(result).all()):
            result = self._run(self.retry, tiles)
            colour = _single_colour(result, tiles[0])
            if colour is not None and abs(colour - float(tiles[0].mean())) > _FAR:
                raise DeviceError(
                    f"{self.device}: gives {colour:.3g} for every pixel of a tile, in full "
                    f"precision too. Use --device cpu, and report it with `restore doctor`."
                )
        if not torch.isfinite(result).all():
            raise DeviceError(
                f"{self.device}: gives values that are not finite, in full precision too. "
                f"Use --device cpu, and report it with `restore doctor`."
            )
        return result

    def _run(self, function: TileFunction, tiles: list[Tensor]) -> Float[Tensor, "1 c h w"]:
        result = function(*tiles).detach().to("cpu", torch.float32)
        expected = tuple(side * self.scale for side in tiles[0].shape[-2:])
        assert result.shape[-2:] == expected, f"gave {tuple(result.shape[-2:])}, not {expected}"
        return result


def _single_colour(result: Tensor, tile: Tensor) -> float | None:
    """Give the one value of a result, or None if it has several or its tile is flat as well."""
    low, high = torch.aminmax(result)
    if low != high:
        return None
    dark, bright = torch.aminmax(tile)
    return None if bright - dark <= _FLAT else float(low)


def _strips(runner: _Runner, sources: Sequence[ImageSource]) -> Iterator[tuple[int, Tensor]]:
    height, width = sources[0].height, sources[0].width
    grid = tile_grid(
        height, width, runner.limit, runner.overlap, multiple=runner.multiple, step=runner.step
    )
    weights = grid.rows.weights(runner.scale)
    column_weights = grid.columns.weights(runner.scale)
    carried: Tensor | None = None  # rows of the tiles above that the next row of tiles shares
    for index, top in enumerate(grid.rows.starts):
        band = _band(runner, sources, index, grid, column_weights)
        band *= weights[index][:, None]
        if carried is not None:
            band[:, :, : carried.shape[2]] += carried
        stop = (*grid.rows.starts, height)[index + 1]
        finished = (stop - top) * runner.scale
        carried = band[:, :, finished:].clone()
        yield top * runner.scale, band[:, :, :finished]
        del band  # before the next one is made


def _band(
    runner: _Runner, sources: Sequence[ImageSource], row: int, grid: Grid, weights: list[Tensor]
) -> Float[Tensor, "1 c h w"]:
    """Run one row of tiles and blend it along the columns; the padding below is still there."""
    band: Tensor | None = None
    scale, columns = runner.scale, grid.columns
    top, bottom = grid.rows.starts[row], grid.rows.stops[row]
    for left, right, weight in zip(columns.starts, columns.stops, weights, strict=True):
        tiles = [_read_padded(source, top, left, bottom, right) for source in sources]
        result = runner(tiles)
        if band is None:
            size = (1, result.shape[1], (bottom - top) * scale, columns.length * scale)
            band = result.new_zeros(size)
        inside = (min(columns.length, right) - left) * scale
        band[..., left * scale : left * scale + inside] += (result * weight)[..., :inside]
    assert band is not None, "a grid has at least one column"
    return band


def _read_padded(source: ImageSource, top: int, left: int, bottom: int, right: int) -> Tensor:
    """Read a tile, and extend it where it reaches past the photo."""
    tile = source.read(top, left, min(source.height, bottom), min(source.width, right))
    across, down = right - left - tile.shape[3], bottom - top - tile.shape[2]
    if across == down == 0:
        return tile
    reflected = (min(across, tile.shape[3] - 1), min(down, tile.shape[2] - 1))
    tile = F.pad(tile, (0, reflected[0], 0, reflected[1]), mode="reflect")
    return F.pad(tile, (0, across - reflected[0], 0, down - reflected[1]), mode="replicate")
