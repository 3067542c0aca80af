"""The rows of a photo in the form a format holds, made band by band while they are written."""

from collections.abc import Iterator

import numpy as np

from restorecli.photo.formats import Format
from restorecli.photo.metadata import Metadata, colour_space

_BAND_PIXELS = 1 << 18
_WITHOUT_GREY = ("webp",)
_WITHOUT_GREY_ALPHA = ("webp", "avif")


class Rows:
    """A picture on its way into a file.

    Attributes:
        height: Rows of pixels.
        width: Columns of pixels.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        bits: 8 or 16, of a channel.
    """

    def __init__(
        self, pixels: np.ndarray, alpha: np.ndarray | None, metadata: Metadata, format: Format
    ) -> None:
        """Decide the form; nothing is converted yet.

        Args:
            pixels: (h, w, 3) or (h, w), uint8 or uint16.
            alpha: (h, w) of the same type, or None.
            metadata: Of the photo; a colour profile for RGB makes a grey picture be written as RGB.
            format: Where it goes.
        """
        self._pixels, self._alpha = pixels, alpha
        self.height, self.width = int(pixels.shape[0]), int(pixels.shape[1])
        self.bits = 16 if pixels.dtype == np.uint16 and format.deep else 8
        veiled = alpha is not None and format.alpha
        coloured = (
            pixels.ndim == 3
            or (format.documents and colour_space(metadata.icc) == "RGB")
            or format.name in (_WITHOUT_GREY_ALPHA if veiled else _WITHOUT_GREY)
        )
        self.channels = (3 if coloured else 1) + veiled

    @property
    def mode(self) -> str:
        """Pillow's name for these channels, at 8 bits."""
        return ("L", "LA", "RGB", "RGBA")[self.channels - 1]

    def bands(self, pixels: int = _BAND_PIXELS) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the first row's number and (rows, w, channels) of uint8 or uint16.

        Args:
            pixels: About how many a band holds; at least one row.
        """
        step = max(1, pixels // self.width)
        for top in range(0, self.height, step):
            yield top, self._band(slice(top, top + step))

    def _band(self, rows: slice) -> np.ndarray:
        pixels = self._pixels[rows]
        colours = pixels if pixels.ndim == 3 else pixels[..., None]
        alpha = None if self._alpha is None else self._alpha[rows][..., None]
        if alpha is not None and self.channels in (1, 3):
            colours, alpha = on_white(colours, alpha), None
        if self.channels >= 3 and colours.shape[2] == 1:
            colours = np.repeat(colours, 3, axis=2)
        band = colours if alpha is None else np.concatenate((colours, alpha), axis=2)
        return band if band.dtype != np.uint16 or self.bits == 16 else to_8_bits(band)


def on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours (…, c) as they look on white paper, given alpha (…, 1) of the same type."""
    most = np.uint32(np.iinfo(colours.dtype).max)
    opacity = alpha.astype(np.uint32)
    mixed = colours.astype(np.uint32) * opacity + most * (most - opacity)
    return ((mixed + most // np.uint32(2)) // most).astype(colours.dtype)


def to_8_bits(values: np.ndarray) -> np.ndarray:
    """Divide 16-bit values by 257 and round; 8-bit ones are given back as they are."""
    if values.dtype == np.uint8:
        return values
    return ((values.astype(np.uint32) * 255 + 32895) >> 16).astype(np.uint8)


def to_16_bits(values: np.ndarray) -> np.ndarray:
    """Multiply 8-bit values by 257, which `to_8_bits` undoes exactly."""
    return values if values.dtype == np.uint16 else values.astype(np.uint16) * np.uint16(257)
