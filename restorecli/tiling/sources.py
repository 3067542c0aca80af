"""Pictures that tiles are cut from, and written to: tensors, and pixels of 8 or 16 bits.

A photo of 100 megapixels takes 1.2 GB as float32 but 0.3 GB as it is, so only the tile at hand is
ever converted.
"""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from restorecli.host import give_back

LARGE = 2**24  # pixels; so large a picture has memory of its own, not what earlier work left free


@runtime_checkable
class ImageSource(Protocol):
    """Something that float tiles can be read from."""

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""

    @property
    def width(self) -> int:
        """Pixels from left to right."""

    def read(self, top: int, left: int, bottom: int, right: int) -> Float[Tensor, "1 c h w"]:
        """Give the pixels of rows `top` to `bottom` and columns `left` to `right`, ends excluded.

        The rectangle lies inside the picture. The result may share memory with it and must not be
        written to.
        """


class Canvas(ImageSource, Protocol):
    """A picture that the steps change where it is."""

    def write(self, top: int, left: int, tile: Float[Tensor, "1 c h w"]) -> None:
        """Put a tile, which lies inside the picture, with its first pixel at `top`, `left`."""


def whole(source: ImageSource) -> Float[Tensor, "1 c h w"]:
    """All of a picture; it may share memory with it and must not be written to."""
    return source.read(0, 0, source.height, source.width)


class TensorSource:
    """An image that is held as a tensor, with any number of channels."""

    def __init__(self, image: Float[Tensor, "1 c h w"]) -> None:
        self._image = image

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self._image.shape[2]

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self._image.shape[3]

    def read(self, top: int, left: int, bottom: int, right: int) -> Float[Tensor, "1 c h w"]:
        """Give a view of the rectangle, in float32."""
        return self._image[:, :, top:bottom, left:right].float()

    def write(self, top: int, left: int, tile: Float[Tensor, "1 c h w"]) -> None:
        """Copy a tile into the tensor."""
        self._image[:, :, top : top + tile.shape[2], left : left + tile.shape[3]] = tile


class PixelSource:
    """Pixels as a `Photo` holds them; grey ones are given as three equal channels."""

    def __init__(self, pixels: np.ndarray) -> None:
        """Keep a reference to the pixels.

        Args:
            pixels: (h, w, 3) RGB or (h, w) grey; the full range of uint8 or uint16 is [0, 1].

        Raises:
            ValueError: The array has another shape or type.
        """
        if pixels.dtype not in (np.uint8, np.uint16) or pixels.shape[2:] not in ((), (3,)):
            raise ValueError(f"no picture: {pixels.dtype} pixels of shape {pixels.shape}")
        self._pixels = pixels

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self._pixels.shape[0])

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self._pixels.shape[1])

    def read(self, top: int, left: int, bottom: int, right: int) -> Float[Tensor, "1 3 h w"]:
        """Give the rectangle as sRGB in [0, 1]."""
        values = self._pixels[top:bottom, left:right]
        tile = torch.from_numpy(values.astype(np.float32)) / np.iinfo(values.dtype).max
        if tile.ndim == 2:
            return tile[None, None].expand(1, 3, -1, -1)
        return tile.permute(2, 0, 1)[None]


class PixelCanvas(PixelSource):
    """Pixels that can be written to: values are brought into [0, 1] and rounded.

    Of 16 bits it takes half of what floats do, and a photo of 8 or 16 bits stays what it is, to the
    bit.
    """

    @classmethod
    def of(
        cls,
        strips: Iterable[tuple[int, Float[Tensor, "1 3 rows w"]]],
        height: int,
        width: int,
        dtype: np.typing.DTypeLike = np.uint16,
    ) -> "PixelCanvas":
        """Join strips, each with its first row, into a picture; one strip is held beside it."""
        if height * width >= LARGE:
            give_back()
        canvas = cls(np.empty((height, width, 3), dtype))
        for top, strip in strips:
            canvas.write(top, 0, strip)
        return canvas

    @property
    def pixels(self) -> np.ndarray:
        """The pixels (h, w, 3) themselves."""
        return self._pixels

    def copy(self) -> "PixelCanvas":
        """The same picture, to be written to apart."""
        return PixelCanvas(self._pixels.copy())

    def write(self, top: int, left: int, tile: Float[Tensor, "1 3 h w"]) -> None:
        """Round a tile into the pixels."""
        most = np.iinfo(self._pixels.dtype).max
        rounded = tile[0].clamp(0, 1).mul(most).round_().permute(1, 2, 0).numpy()
        bottom, right = top + tile.shape[2], left + tile.shape[3]
        self._pixels[top:bottom, left:right] = rounded.astype(self._pixels.dtype)
