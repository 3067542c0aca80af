"""Where decoded pixels are collected: upright from the first row on, in one copy.

A decoder hands over rectangles in the file's own orientation; they land turned. So a rotated photo
costs no more memory than an upright one, and no decoder has to know about orientation.
"""

import numpy as np

from restorecli.errors import PhotoTooLargeError

_ROWS = 256  # looked at together when a whole picture is checked


class UnreadableError(ValueError):
    """A picture whose content is refused; the message says why in words for the user."""


class Canvas:
    """Pixels of one photo while it is decoded."""

    def __init__(
        self,
        height: int,
        width: int,
        *,
        channels: int,
        alpha: bool,
        dtype: type[np.uint8] | type[np.uint16],
        orientation: int,
        tint: int = 0,
    ) -> None:
        """Allocate the upright picture.

        Args:
            height: Of the picture as stored in the file, in pixels.
            width: Likewise.
            channels: 1 for grey or 3 for RGB.
            alpha: There is a transparency channel.
            dtype: Of a channel.
            orientation: EXIF orientation of the stored picture, 1 to 8.
            tint: Channels that differ by no more than this everywhere count as equal.
        """
        self._tint = tint
        sides = (width, height) if orientation >= 5 else (height, width)
        self._colours = np.empty((*sides, channels), dtype)
        self._alpha = np.empty(sides, dtype) if alpha else None
        self._orientation = orientation

    def put(self, top: int, left: int, colours: np.ndarray, alpha: np.ndarray | None) -> None:
        """Place a rectangle given in the file's orientation.

        Args:
            top: Row of its first pixel in the stored picture.
            left: Column of its first pixel.
            colours: (h, w, channels) or, for grey, (h, w).
            alpha: (h, w); needed if the canvas has alpha.
        """
        height, width = colours.shape[:2]
        where = (slice(top, top + height), slice(left, left + width))
        as_stored(self._colours, self._orientation)[where] = colours.reshape(height, width, -1)
        if self._alpha is not None and alpha is not None:
            as_stored(self._alpha, self._orientation)[where] = alpha

    def finish(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Give the picture in its simplest true form.

        Returns:
            Pixels, (h, w) if all channels are equal everywhere and (h, w, 3) otherwise, and alpha
            (h, w), None if everything is opaque.
        """
        alpha = None if self._alpha is None or _opaque(self._alpha) else self._alpha
        if self._colours.shape[2] == 1:
            return self._colours[..., 0], alpha
        if _grey(self._colours, self._tint):
            return self._colours[..., 1].copy(), alpha
        return self._colours, alpha


def as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """A view of an upright picture in the order that EXIF `orientation` stores it."""
    view = upright.swapaxes(0, 1) if orientation >= 5 else upright
    view = view[::-1] if orientation in (3, 4, 6, 7) else view
    return view[:, ::-1] if orientation in (2, 3, 7, 8) else view


def check_size(name: str, height: int, width: int, max_megapixels: float) -> None:
    """Refuse pictures beyond the limit by the size they declare.

    Raises:
        PhotoTooLargeError: It has more pixels than the limit.
    """
    megapixels = height * width / 1e6
    if megapixels > max_megapixels:
        said = f"{megapixels:,.0f}" if megapixels > max_megapixels + 1 else f"{megapixels:.6g}"
        raise PhotoTooLargeError(
            f"{name}: {width} × {height} pixels are {said} megapixels, the limit is "
            f"{max_megapixels:g}. Make it smaller first, or raise --max-megapixels if you trust it."
        )


def _opaque(alpha: np.ndarray) -> bool:
    most = np.iinfo(alpha.dtype).max
    return all(bool((rows == most).all()) for rows in _bands(alpha))


def _grey(colours: np.ndarray, tint: int) -> bool:
    for rows in _bands(colours):
        if not tint and not bool((rows == rows[..., :1]).all()):
            return False
        if tint and int((rows.max(axis=2) - rows.min(axis=2)).max()) > tint:
            return False
    return True


def _bands(picture: np.ndarray) -> list[np.ndarray]:
    return [picture[top : top + _ROWS] for top in range(0, picture.shape[0], _ROWS)]
