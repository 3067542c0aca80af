"""Surgery on a raw EXIF block: read and change single tags without rewriting the rest.

An EXIF block is a small TIFF file: a header, a directory of 12-byte entries, data found by offset.
Everything here keeps what it does not change at its old offset, so that maker notes, whose
offsets only their makers know, stay readable. Nothing here knows pixels or files.
"""

import re
import struct
from dataclasses import dataclass

ORIENTATION = 0x0112
X_RESOLUTION = 0x011A
Y_RESOLUTION = 0x011B
RESOLUTION_UNIT = 0x0128
EMPTY = b"II*\x00\x08\x00\x00\x00" + bytes(6)  # a block without a tag
_EXIF_DIRECTORY, _GPS_DIRECTORY = 0x8769, 0x8825
_PIXEL_SIDES = (0xA002, 0xA003)  # PixelXDimension, PixelYDimension
_THUMBNAIL_START = 0x0201
_THUMBNAIL_LENGTH = 0x0202
_SHORT, _LONG, _RATIONAL = 3, 4, 5
_SIZES = {3: 2, 4: 4, 5: 8, 6: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # bytes of a value; others 1
_INCH, _CENTIMETRE = 2, 3
_MOST_ENTRIES = 4096


@dataclass(frozen=True)
class Entry:
    """One directory entry; `payload` is the four bytes that hold the value or its offset."""

    tag: int
    kind: int
    count: int
    payload: bytes
    position: int = 0  # of the entry in the block


@dataclass(frozen=True)
class Directory:
    """A directory of a block, with the position of the pointer to the directory after it."""

    entries: tuple[Entry, ...]
    next_position: int
    next_offset: int


def strip_marker(block: bytes) -> bytes:
    """The block without the `Exif` marks that JPEG and some writers put in front."""
    return re.sub(rb"^(Exif\x00\x00)+", b"", block)


def order(block: bytes) -> str:
    """`"<"` or `">"`, as `struct` writes byte orders.

    Raises:
        ValueError: The block does not start as a TIFF file does.
    """
    if block[:4] == b"II*\x00":
        return "<"
    if block[:4] == b"MM\x00*":
        return ">"
    raise ValueError("no EXIF header")


def directory(block: bytes, offset: int) -> Directory:
    """Parse the directory at `offset`.

    Raises:
        ValueError: It does not lie inside the block.
    """
    byte_order = order(block)
    try:
        (count,) = struct.unpack_from(byte_order + "H", block, offset)
        if count > _MOST_ENTRIES:
            raise ValueError(f"{count} EXIF entries")
        starts = range(offset + 2, offset + 2 + 12 * count, 12)
        rows = [struct.unpack_from(byte_order + "HHI4s", block, start) for start in starts]
        entries = tuple(
            Entry(tag, kind, items, payload, start)
            for (tag, kind, items, payload), start in zip(rows, starts, strict=True)
        )
        after = offset + 2 + 12 * count
        # Some writers leave the last pointer out; a missing one means "no more".
        known = after + 4 <= len(block)
        (following,) = struct.unpack_from(byte_order + "I", block, after) if known else (0,)
    except struct.error as error:
        raise ValueError("EXIF directory outside its block") from error
    return Directory(entries, after if known else 0, following)


def first_directory(block: bytes) -> Directory:
    """The main directory of the block.

    Raises:
        ValueError: It does not lie inside the block, or has two directories of one kind in it.
    """
    main = directory(block, _unpack(block, "I", block[4:8]))
    for pointer in (_EXIF_DIRECTORY, _GPS_DIRECTORY):
        if sum(entry.tag == pointer for entry in main.entries) > 1:
            raise ValueError("two EXIF directories of one kind")
    return main


def orientation(block: bytes) -> int | None:
    """The orientation tag: 1 to 8, 1 where it is nonsense, None where it is absent."""
    value = _number(block, first_directory(block), ORIENTATION)
    return value if value is None or 1 <= value <= 8 else 1


def resolution(block: bytes) -> tuple[float, float] | None:
    """Horizontal and vertical dots per inch, or None if the block does not say."""
    main = first_directory(block)
    x, y = _rational(block, main, X_RESOLUTION), _rational(block, main, Y_RESOLUTION)
    unit = _number(block, main, RESOLUTION_UNIT) or _INCH
    if x is None or y is None or unit not in (_INCH, _CENTIMETRE):
        return None
    per_inch = 2.54 if unit == _CENTIMETRE else 1.0
    return x * per_inch, y * per_inch


def upright_and_without_thumbnail(block: bytes) -> bytes:
    """The block of a photo that has been turned upright and changed.

    The orientation becomes 1 and the embedded thumbnail, which still shows the old picture, is
    blanked and unlinked. The length and every other offset stay.
    """
    main = first_directory(block)
    changed = bytearray(block)
    for entry in main.entries:
        if entry.tag == ORIENTATION:
            _set_number(changed, entry, 1)
    if main.next_offset:
        _blank_thumbnail(changed, main)
    return bytes(changed)


def turned_by_a_quarter(block: bytes) -> bytes:
    """The block of a photo whose sides have changed places: so have its two resolutions."""
    byte_order, changed = order(block), bytearray(block)
    names = {X_RESOLUTION: Y_RESOLUTION, Y_RESOLUTION: X_RESOLUTION}
    sides = [entry for entry in first_directory(block).entries if entry.tag in names]
    renamed = sorted((names[side.tag], side.kind, side.count, side.payload) for side in sides)
    for side, fields in zip(sides, renamed, strict=True):
        struct.pack_into(byte_order + "HHI4s", changed, side.position, *fields)
    return bytes(changed)


def sized(block: bytes, height: int, width: int) -> bytes:
    """The block with the pixel dimensions it states, if it states any, set to these."""
    changed = bytearray(block)
    for entry in first_directory(block).entries:
        if entry.tag == _EXIF_DIRECTORY:
            inner = directory(block, _unpack(block, "I", entry.payload))
            for side in inner.entries:
                if side.tag in _PIXEL_SIDES:
                    _set_number(changed, side, width if side.tag == _PIXEL_SIDES[0] else height)
    return bytes(changed)


def without_orientation(block: bytes) -> bytes:
    """The block with no orientation tag, for writers that would act on it."""
    main = first_directory(block)
    others = [entry for entry in main.entries if entry.tag != ORIENTATION]
    if len(others) == len(main.entries):
        return block
    return relocated(block, others)


def has_directories(block: bytes) -> bool:
    """Whether the block says more than its main directory holds: camera settings, GPS."""
    pointers = (_EXIF_DIRECTORY, _GPS_DIRECTORY)
    return any(entry.tag in pointers for entry in first_directory(block).entries)


def payload(block: bytes, entry: Entry) -> bytes:
    """The bytes of an entry's value, as they are stored; empty if they lie outside the block."""
    length = entry.count * _SIZES.get(entry.kind, 1)
    if length <= 4:
        return entry.payload[:length]
    start = _unpack(block, "I", entry.payload)
    return block[start : start + length]


def without_gps(block: bytes) -> bytes:
    """The block without its GPS directory, whose entries and values are blanked."""
    main = first_directory(block)
    changed = bytearray(block)
    for entry in main.entries:
        if entry.tag == _GPS_DIRECTORY:
            _blank_directory(changed, _unpack(block, "I", entry.payload))
    kept = [entry for entry in main.entries if entry.tag != _GPS_DIRECTORY]
    return block if len(kept) == len(main.entries) else relocated(bytes(changed), kept)


def with_resolution(block: bytes | None, dpi: tuple[float, float]) -> bytes:
    """A block that states these dots per inch, unless it already states a resolution."""
    block = block or EMPTY
    entries = first_directory(block).entries
    if any(entry.tag in (X_RESOLUTION, Y_RESOLUTION) for entry in entries):
        return block
    return relocated(*with_resolution_entries(block, list(entries), dpi))


def with_resolution_entries(
    block: bytes, entries: list[Entry], dpi: tuple[float, float]
) -> tuple[bytes, list[Entry]]:
    """Append the two rationals to the block; entries that point to them replace older ones."""
    byte_order = order(block)
    block += b"\0" * (len(block) % 2)
    tags = (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)
    others = [entry for entry in entries if entry.tag not in tags]
    for tag, value in zip(tags, dpi, strict=False):
        others.append(Entry(tag, _RATIONAL, 1, struct.pack(byte_order + "I", len(block))))
        block += struct.pack(byte_order + "II", round(value * 1000), 1000)
    others.append(Entry(RESOLUTION_UNIT, _SHORT, 1, struct.pack(byte_order + "HH", _INCH, 0)))
    return block, others


def relocated(block: bytes, entries: list[Entry]) -> bytes:
    """The block with a new main directory at its end; all old data keeps its offset."""
    byte_order = order(block)
    block += b"\0" * (len(block) % 2)
    start = struct.pack(byte_order + "I", len(block))
    return block[:4] + start + block[8:] + packed(entries, byte_order)


def packed(entries: list[Entry], byte_order: str) -> bytes:
    """A directory of these entries, in the ascending order of tags that TIFF asks for."""
    rows = b"".join(
        struct.pack(byte_order + "HHI4s", entry.tag, entry.kind, entry.count, entry.payload)
        for entry in sorted(entries, key=lambda entry: entry.tag)
    )
    return struct.pack(byte_order + "H", len(entries)) + rows + b"\0\0\0\0"


def _unpack(block: bytes | bytearray, kind: str, payload: bytes) -> int:
    try:
        return int(struct.unpack_from(order(bytes(block[:4])) + kind, payload)[0])
    except struct.error as error:
        raise ValueError("EXIF block cut short") from error


def _number(block: bytes, main: Directory, tag: int) -> int | None:
    for entry in main.entries:
        if entry.tag == tag and entry.kind in (_SHORT, _LONG):
            return _unpack(block, "H" if entry.kind == _SHORT else "I", entry.payload)
    return None


def _rational(block: bytes, main: Directory, tag: int) -> float | None:
    for entry in main.entries:
        if entry.tag == tag and entry.kind == _RATIONAL:
            at = _unpack(block, "I", entry.payload)
            if at + 8 > len(block):
                return None
            above, below = struct.unpack_from(order(block) + "II", block, at)
            return above / below if above and below else None
    return None


def _set_number(block: bytearray, entry: Entry, value: int) -> None:
    byte_order = order(bytes(block[:4]))
    kind = entry.kind if entry.kind == _SHORT and value < 2**16 else _LONG
    short = kind == _SHORT
    payload = (
        struct.pack(byte_order + "HH", value, 0) if short else struct.pack(byte_order + "I", value)
    )
    struct.pack_into(byte_order + "HHI4s", block, entry.position, entry.tag, kind, 1, payload)


def _blank_directory(block: bytearray, offset: int) -> None:
    """Fill a directory and the values that it points to with zeros."""
    try:
        entries = directory(bytes(block), offset).entries
    except ValueError:
        return
    places = []
    for entry in entries:
        length = entry.count * _SIZES.get(entry.kind, 1)
        start = _unpack(block, "I", entry.payload)
        if length > 4 and start >= 8 and start + length <= len(block):
            places.append((start, start + length))
        places.append((entry.position, entry.position + 12))
    blanked = 0
    for start, end in sorted(places):  # values may lie over one another: each byte once
        start = max(start, blanked)
        block[start:end] = bytes(max(0, end - start))
        blanked = max(blanked, end)


def _blank_thumbnail(block: bytearray, main: Directory) -> None:
    struct.pack_into("4s", block, main.next_position, b"\0\0\0\0")
    try:
        second = directory(bytes(block), main.next_offset)
    except ValueError:
        return
    start = _number(bytes(block), second, _THUMBNAIL_START)
    length = _number(bytes(block), second, _THUMBNAIL_LENGTH)
    if start is not None and length is not None and start >= 8 and start + length <= len(block):
        block[start : start + length] = bytes(length)
