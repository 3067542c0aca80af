"""The boxes of HEIC, AVIF, JPEG 2000 and JPEG XL files, as far as Pillow keeps silent about them.

Nothing here raises over damage: what cannot be read is not there.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from restorecli.photo.formats import Readable

_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_EXIF = b"JpgTiffExif->JP2"
_MOST_BOXES = 4096
_MOST_BYTES = 1 << 26  # of one box that is read whole


@dataclass(frozen=True)
class Box:
    """Where a box lies.

    Attributes:
        kind: Its four letters, or the sixteen bytes that a `uuid` box has for a name.
        start: Of its content.
        end: Behind its content.
    """

    kind: bytes
    start: int
    end: int


def inside(stream: Readable, start: int, end: int) -> Iterator[Box]:
    """The boxes between two places in a file."""
    for _ in range(_MOST_BOXES):
        stream.seek(start)
        head = stream.read(32)
        if start + 8 > end or len(head) < 8:
            return
        size, kind = struct.unpack(">I4s", head[:8])
        content = start + 8
        if size == 1 and len(head) >= 16:
            (size,) = struct.unpack(">Q", head[8:16])
            content += 8
        size = size or end - start
        if kind == b"uuid":
            kind = head[content - start : content - start + 16]
            content += 16
        if start + size < content or start + size > end:
            return
        yield Box(kind, content, start + size)
        start += size


def at(stream: Readable, path: tuple[bytes, ...], end: int) -> Iterator[Box]:
    """Boxes of these kinds, one within the other; `meta` has four bytes before those in it."""
    found = [Box(b"", 0, end)]
    for kind in path:
        found = [
            box
            for outer in found
            for box in inside(stream, outer.start + 4 * (outer.kind == b"meta"), outer.end)
            if box.kind == kind
        ]
    yield from found


def nclx(stream: Readable, length: int) -> tuple[int, int] | None:
    """Colour primaries and transfer that the main picture of an AVIF file states, if any."""
    properties = [
        inner
        for ipco in at(stream, (b"meta", b"iprp", b"ipco"), length)
        for inner in inside(stream, ipco.start, ipco.end)
    ]
    owned = _properties_of_main(stream, length)
    chosen = [box for index, box in enumerate(properties, 1) if index in owned] or properties
    for box in chosen:
        content = _content(stream, box) if box.kind == b"colr" else b""
        if content[:4] == b"nclx" and len(content) >= 8:
            return struct.unpack(">HH", content[4:8])
    return None


def documents(stream: Readable, length: int) -> dict[str, object]:
    """EXIF, XMP and profile of a JPEG 2000 or XL file, under the names that Pillow uses."""
    found: dict[str, object] = {}
    for box in inside(stream, 0, length):
        if box.kind in (_XMP, b"xml "):
            found["xmp"] = _content(stream, box)
        elif box.kind == _EXIF:
            found["exif"] = _content(stream, box)
    for box in at(stream, (b"jp2h", b"colr"), length):
        content = _content(stream, box)
        if content[:1] in (b"\2", b"\3"):
            found["icc_profile"] = content[3:]
    return found


def jxl_size(stream: Readable, length: int) -> tuple[int, int] | None:
    """Height and width that a JPEG XL file declares, before it is turned upright."""
    stream.seek(0)
    start = stream.read(16)
    if start[:2] != b"\xff\x0a":
        parts = [box for box in inside(stream, 0, length) if box.kind in (b"jxlc", b"jxlp")]
        if not parts:
            return None
        stream.seek(parts[0].start + 4 * (parts[0].kind == b"jxlp"))
        start = stream.read(16)
    bits = int.from_bytes(start[2:], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side(small: int) -> int:
        return (take(5) + 1) * 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = take(1)
    height = side(small)
    ratio = take(3)
    above, below = ((1, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio]
    return height, height * above // below if ratio else side(small)


def left_out(stream: Readable, length: int) -> tuple[str, ...]:
    """Names of what lies in an HEIC or AVIF file and in no result."""
    kinds = {box.kind for box in inside(stream, 0, length)}
    items = b"".join(_content(stream, box) for box in at(stream, (b"meta", b"iinf"), length))
    there = {
        "gain map": b"tmap" in items,
        "motion video": b"mpvd" in kinds,
        "Content Credentials (C2PA)": _C2PA in kinds or b"jumb" in kinds,
    }
    return tuple(name for name, found in there.items() if found)


def _properties_of_main(stream: Readable, length: int) -> set[int]:
    """Numbers, from 1 on, of the properties that the main item has."""
    main = b"".join(_content(stream, box) for box in at(stream, (b"meta", b"pitm"), length))
    number = int.from_bytes(main[4:8], "big")
    found: set[int] = set()
    for box in at(stream, (b"meta", b"iprp", b"ipma"), length):
        data = _content(stream, box)
        try:
            wide, long = bool(data[3] & 1), data[0] > 0
            (count,), place = struct.unpack_from(">I", data, 4), 8
            for _ in range(count):
                (item,) = struct.unpack_from(">I" if long else ">H", data, place)
                place += 4 if long else 2
                owned, place = data[place], place + 1
                step = 2 if wide else 1
                if item == number:
                    parts = [data[place + step * i : place + step * (i + 1)] for i in range(owned)]
                    found |= {int.from_bytes(p, "big") & (0x7FFF if wide else 0x7F) for p in parts}
                place += step * owned
        except (IndexError, struct.error):
            return found
    return found


def _content(stream: Readable, box: Box) -> bytes:
    stream.seek(box.start)
    return stream.read(min(box.end - box.start, _MOST_BYTES))
