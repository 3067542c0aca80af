"""The strips and tiles of a TIFF file, as arrays.

Deflate is undone with zlib; Pillow's libtiff is asked for the other compressions, one block at a
time. Predictors, byte order and separate planes are undone here.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import TiffImagePlugin

from restorecli.photo import exif
from restorecli.photo.files import Readable

RAW = 1
_DEFLATE = (8, 32946)
COMPRESSIONS = frozenset((RAW, 5, *_DEFLATE, 32773, 34925, 50000))  # 5: LZW, 32773: PackBits
_FLOAT = 3
# (bits, sample format) → NumPy's code
KINDS = {
    (8, 1): "u1",
    (16, 1): "u2",
    (32, 1): "u4",
    (16, _FLOAT): "f2",
    (32, _FLOAT): "f4",
    (64, _FLOAT): "f8",
}
_BLOCK_BYTES = 1 << 22
_LONG = 4


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a plain picture lies in its file; sizes in pixels."""

    height: int
    width: int
    samples: int
    kind: np.dtype[np.generic]  # of one stored sample, with byte order
    compression: int
    predictor: int
    planes: int  # 1: samples side by side
    block: tuple[int, int]  # height, width of a strip or tile
    tiled: bool
    offsets: tuple[int, ...]
    counts: tuple[int, ...]


def blocks(stream: Readable, layout: Layout) -> Iterator[tuple[int, int, np.ndarray]]:
    """Read the picture piece by piece.

    Args:
        stream: The file.
        layout: What its directory says.

    Yields:
        Top, left and (rows, columns, samples) in native byte order, planes put together, without
        what tiles have beyond the picture.

    Raises:
        EOFError: A piece is shorter than it should be.
        SyntaxError: There are too few pieces.
    """
    down = range(0, layout.height, layout.block[0])
    across = range(0, layout.width, layout.block[1])
    grid = [(top, left) for top in down for left in across]
    if min(len(layout.offsets), len(layout.counts)) < len(grid) * layout.planes:
        raise SyntaxError(f"{len(layout.offsets)} TIFF strips where {len(grid)} are needed")
    per_row = layout.block[1] * layout.samples * layout.kind.itemsize
    for index, (top, left) in enumerate(grid):
        rows = layout.block[0] if layout.tiled else min(layout.block[0], layout.height - top)
        # A strip may be the whole picture; without compression it can be read in parts.
        step = max(1, _BLOCK_BYTES // per_row) if layout.compression == RAW else rows
        for start in range(0, rows, step):
            planes = [
                _values(stream, layout, plane * len(grid) + index, start, min(step, rows - start))
                for plane in range(layout.planes)
            ]
            whole = planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)
            seen = whole[: max(0, layout.height - top - start), : layout.width - left]
            if seen.size:
                yield top + start, left, seen


def _values(stream: Readable, layout: Layout, segment: int, start: int, rows: int) -> np.ndarray:
    """Rows of one strip or tile, (rows, columns, samples of a plane), in native byte order."""
    samples = layout.samples // layout.planes
    row_bytes = layout.block[1] * samples * layout.kind.itemsize
    if layout.compression == RAW:
        stream.seek(layout.offsets[segment] + start * row_bytes)
        data = stream.read(rows * row_bytes)
    else:
        stream.seek(layout.offsets[segment])
        packed = stream.read(layout.counts[segment])
        data = _decompressed(packed, layout.compression, row_bytes, rows)
    if len(data) != rows * row_bytes:
        raise EOFError("truncated")
    return _unpredicted(data, layout, (rows, layout.block[1], samples))


def _decompressed(packed: bytes, compression: int, row_bytes: int, rows: int) -> bytes:
    if compression in _DEFLATE:
        return zlib.decompressobj().decompress(packed, rows * row_bytes)
    # Given to libtiff as the one strip of an 8-bit grey picture, it comes back as plain bytes.
    values = {256: row_bytes, 257: rows, 258: 8, 259: compression, 262: 1, 277: 1, 278: rows}
    values |= {273: 8 + 2 + 12 * 9 + 4, 279: len(packed)}
    entries = [exif.Entry(tag, _LONG, 1, struct.pack("<I", value)) for tag, value in values.items()]
    file = b"II*\0\x08\0\0\0" + exif.packed(entries, "<") + packed
    with TiffImagePlugin.TiffImageFile(BytesIO(file)) as strip:
        return strip.tobytes()


def _unpredicted(data: bytes, layout: Layout, shape: tuple[int, int, int]) -> np.ndarray:
    """Undo TIFF's predictors: differences of neighbours (2), of their split bytes (3)."""
    native = layout.kind.newbyteorder("=")
    rows, _, samples = shape
    predictor = 1 if layout.compression in (RAW, 32773) else layout.predictor
    if predictor == 3 and native.kind == "f":
        deltas = np.frombuffer(data, np.uint8).reshape(rows, -1, samples)
        split = np.cumsum(deltas, axis=1, dtype=np.uint8).reshape(rows, native.itemsize, -1)
        joined = np.ascontiguousarray(split.swapaxes(1, 2))
        return joined.view(layout.kind.newbyteorder(">")).reshape(shape).astype(native)
    values = np.frombuffer(data, layout.kind).reshape(shape).astype(native, copy=False)
    if predictor == 2:
        whole = np.dtype(f"u{native.itemsize}")
        return np.cumsum(values.view(whole), axis=1, dtype=whole).view(native)
    return values
