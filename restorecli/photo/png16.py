"""PNG with 16 bits a channel, which Pillow cannot write for colour."""

import struct
import zlib

import numpy as np

from restorecli.photo.documents import png_chunks
from restorecli.photo.formats import Writable
from restorecli.photo.metadata import Metadata
from restorecli.photo.rows import Rows

_COLOUR_KINDS = {1: 0, 2: 4, 3: 2, 4: 6}
_PAETH = 4
_LEVEL = 6
_BAND_PIXELS = 1 << 16  # filtering needs a dozen times as much memory


def write_deep(rows: Rows, metadata: Metadata, sink: Writable) -> None:
    """Write a whole PNG file with 16 bits a channel.

    Args:
        rows: The picture.
        metadata: Everything in it is kept.
        sink: Where the file goes, from first byte to last; OSError passes through.
    """
    kind = _COLOUR_KINDS[rows.channels]
    sink.write(b"\x89PNG\r\n\x1a\n")
    _chunk(sink, b"IHDR", struct.pack(">IIBBBBB", rows.width, rows.height, 16, kind, 0, 0, 0))
    if metadata.icc:
        _chunk(sink, b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc))
    if metadata.dpi:
        x, y = (round(side / 0.0254) for side in metadata.dpi)
        _chunk(sink, b"pHYs", struct.pack(">IIB", x, y, 1))
    if metadata.exif:
        _chunk(sink, b"eXIf", metadata.exif)
    if metadata.xmp:
        _chunk(sink, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp)
    for text in metadata.texts:
        _chunk(sink, *png_chunks.text_chunk(*text))
    packer = zlib.compressobj(_LEVEL)
    above = np.zeros((1, rows.width * rows.channels * 2), np.uint8)
    for _, band in rows.bands(_BAND_PIXELS):
        values = band.astype(">u2").view(np.uint8).reshape(len(band), -1)
        _data(sink, packer.compress(_filtered(values, above, rows.channels * 2)))
        above = values[-1:]
    _data(sink, packer.flush())
    _chunk(sink, b"IEND", b"")


def _filtered(values: np.ndarray, above: np.ndarray, step: int) -> bytes:
    """Each row's differences from Paeth's guess, after the byte that says so.

    Args:
        values: (rows, bytes) of the picture.
        above: (1, bytes), the row before the first.
        step: Bytes of a pixel.

    Returns:
        The rows as PNG compresses them.
    """
    up = np.concatenate((above, values[:-1])).astype(np.int16)
    left = np.pad(values[:, :-step], ((0, 0), (step, 0))).astype(np.int16)
    corner = np.pad(up[:, :-step], ((0, 0), (step, 0)))
    guess = left + up - corner
    far_left, far_up, far_corner = (abs(guess - near) for near in (left, up, corner))
    best = np.where(far_up <= far_corner, up, corner)
    best = np.where((far_left <= far_up) & (far_left <= far_corner), left, best)
    differences = values - best.astype(np.uint8)
    return np.pad(differences, ((0, 0), (1, 0)), constant_values=_PAETH).tobytes()


def _data(sink: Writable, packed: bytes) -> None:
    if packed:
        _chunk(sink, b"IDAT", packed)


def _chunk(sink: Writable, kind: bytes, data: bytes) -> None:
    sink.write(struct.pack(">I", len(data)) + kind)
    sink.write(data)
    sink.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))
