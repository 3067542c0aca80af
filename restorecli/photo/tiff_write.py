"""Writing TIFF: any depth, deflated strip by strip by imagecodecs, with the EXIF block kept whole.

A TIFF file and an EXIF block have the same structure. So the file starts as the block, and the
block's tags join the main directory with their offsets unchanged; even maker notes survive.
"""

import struct
from collections.abc import Sequence

import imagecodecs
import numpy as np

from restorecli.photo.documents import exif
from restorecli.photo.documents.exif import Entry
from restorecli.photo.formats import Writable
from restorecli.photo.metadata import DESCRIPTIVE, Metadata
from restorecli.photo.rows import Rows

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 2, 3, 4, 5, 7
_DEFLATE, _DIFFERENCES, _STRAIGHT_ALPHA = 8, 2, 2
_MOST_BYTES = 2**32 - 1
_STRIP_BYTES = 1 << 18


class TooLongError(ValueError):
    """The file would outgrow what the format can address."""


def write(rows: Rows, metadata: Metadata, sink: Writable) -> int:
    """Write a whole TIFF file of one page.

    Args:
        rows: The picture.
        metadata: Everything in it is kept.
        sink: An empty file that can be sought; OSError passes through.

    Returns:
        Where the file says that there is no other page, for `append`.

    Raises:
        TooLongError: The file would be longer than 4 GB.
    """
    block = metadata.exif or exif.EMPTY
    byte_order = exif.order(block)
    entries = [entry for entry in exif.first_directory(block).entries if entry.tag in DESCRIPTIVE]
    if metadata.dpi:
        block, entries = exif.with_resolution_entries(block, entries, metadata.dpi)
    sink.write(block + b"\0" * (len(block) % 2))
    return _write_page(rows, metadata, sink, entries, byte_order, 4)


def append(rows: Rows, metadata: Metadata, sink: Writable, byte_order: str, pointer: int) -> int:
    """Add a page to a file.

    Args:
        rows: The picture.
        metadata: Kept, but for what EXIF keeps in directories of its own: camera and GPS.
        sink: The file, at its end.
        byte_order: Its byte order.
        pointer: What the page before gave.

    Returns:
        As `write` does; errors are the same too.
    """
    entries = _copied(metadata.exif, sink, byte_order)
    if metadata.dpi:
        sides = [(round(side * 1000), 1000) for side in metadata.dpi]
        for tag, side in zip((282, 283), sides, strict=True):
            entries.append(_entry(sink, byte_order, tag, _RATIONAL, side))
        entries.append(_entry(sink, byte_order, 296, _SHORT, [2]))
    return _write_page(rows, metadata, sink, entries, byte_order, pointer)


def _copied(block: bytes | None, sink: Writable, byte_order: str) -> list[Entry]:
    """What EXIF says in words of a page: maker, date, description."""
    if block is None:
        return []
    return [
        _entry(sink, byte_order, entry.tag, _ASCII, exif.payload(block, entry))
        for entry in exif.first_directory(block).entries
        if entry.tag in DESCRIPTIVE and entry.kind == _ASCII
    ]


def _write_page(
    rows: Rows,
    metadata: Metadata,
    sink: Writable,
    entries: list[Entry],
    byte_order: str,
    pointer: int,
) -> int:
    strip_rows = max(1, _STRIP_BYTES // (rows.width * rows.channels * rows.bits // 8))
    offsets, counts = _write_strips(rows, strip_rows, byte_order, sink)
    tags = _tags(rows, metadata, strip_rows, offsets, counts)
    entries += [_entry(sink, byte_order, tag, kind, values) for tag, kind, values in tags]
    start = sink.tell()
    if start > _MOST_BYTES:
        raise TooLongError("more than the 4 GB that TIFF can address")
    directory = exif.packed(entries, byte_order)
    sink.write(directory)
    sink.seek(pointer)
    sink.write(struct.pack(byte_order + "I", start))
    sink.seek(0, 2)
    return start + len(directory) - 4


def _tags(
    rows: Rows, metadata: Metadata, strip_rows: int, offsets: list[int], counts: list[int]
) -> list[tuple[int, int, Sequence[int] | bytes]]:
    tags: list[tuple[int, int, Sequence[int] | bytes]] = [
        (256, _LONG, [rows.width]),
        (257, _LONG, [rows.height]),
        (258, _SHORT, [rows.bits] * rows.channels),
        (259, _SHORT, [_DEFLATE]),
        (262, _SHORT, [2 if rows.channels >= 3 else 1]),
        (273, _LONG, offsets),
        (277, _SHORT, [rows.channels]),
        (278, _LONG, [strip_rows]),
        (279, _LONG, counts),
        (284, _SHORT, [1]),
        (317, _SHORT, [_DIFFERENCES]),
    ]
    if rows.channels in (2, 4):
        tags.append((338, _SHORT, [_STRAIGHT_ALPHA]))
    if metadata.xmp:
        tags.append((700, _BYTE, metadata.xmp))
    if metadata.iptc:
        tags.append((33723, _UNDEFINED, metadata.iptc))
    if metadata.icc:
        tags.append((34675, _UNDEFINED, metadata.icc))
    return tags


def _write_strips(
    rows: Rows, strip_rows: int, byte_order: str, sink: Writable
) -> tuple[list[int], list[int]]:
    offsets: list[int] = []
    counts: list[int] = []
    for _, band in rows.bands(strip_rows * rows.width):
        differences = band.copy()
        differences[:, 1:] -= band[:, :-1]
        stored = np.dtype(f"{byte_order}u{band.itemsize}")
        packed = imagecodecs.deflate_encode(differences.astype(stored).tobytes())
        offsets.append(sink.tell())
        counts.append(len(packed))
        if offsets[-1] + len(packed) > _MOST_BYTES:
            raise TooLongError("more than the 4 GB that TIFF can address")
        sink.write(packed + b"\0" * (len(packed) % 2))
    return offsets, counts


def _entry(
    sink: Writable, byte_order: str, tag: int, kind: int, values: Sequence[int] | bytes
) -> Entry:
    """A directory entry; values that do not fit into it are written to the sink first."""
    code = "H" if kind == _SHORT else "I"
    data = (
        values
        if isinstance(values, bytes)
        else struct.pack(f"{byte_order}{len(values)}{code}", *values)
    )
    count = len(values) // 2 if kind == _RATIONAL else len(values)
    if len(data) <= 4:
        return Entry(tag, kind, count, data.ljust(4, b"\0"))
    offset = sink.tell()
    sink.write(data + b"\0" * (len(data) % 2))
    return Entry(tag, kind, count, struct.pack(byte_order + "I", offset & _MOST_BYTES))
