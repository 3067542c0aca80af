"""What lies in a JPEG file beside its pixels and is not EXIF, a profile or the usual XMP."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_IPTC = 0x0404  # the one of Photoshop's resources that is about the photo
_GAIN_MAP = b"urn:iso:std:iso:ts:21496"
_GUID = 32
_LONGEST = 65533 - len(_EXTENSION) - _GUID - 8
_MOST_BYTES = 1 << 26
_LARGE_THUMBNAIL = 0x010000


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        info: Comments, IPTC and the extension of XMP, under names of our own.
        pictures: How many there are, not counting what is a preview of the first.
        left_out: Names of what is in the file and in no result.
    """

    info: dict[str, object]
    pictures: int
    left_out: tuple[str, ...]


def read(image: Image.Image) -> Found:
    """Look through the segments of an opened JPEG file; nothing here is refused."""
    info: dict[str, object] = {}
    texts: list[tuple[str, str]] = []
    parts: list[bytes] = []
    lost: dict[str, None] = {}
    for name, data in getattr(image, "applist", ()):
        if name == "COM":
            texts.append(("Comment", _decoded(data.rstrip(b"\0"))))
        elif name == "APP13" and data.startswith(_PHOTOSHOP):
            info.setdefault("iptc", iptc_of(data.removeprefix(_PHOTOSHOP)))
        elif name == "APP1" and data.startswith(_EXTENSION):
            parts.append(data.removeprefix(_EXTENSION))
        elif name == "APP11" and b"c2pa" in data:
            lost["Content Credentials (C2PA)"] = None
        elif name == "APP2" and data.startswith(_GAIN_MAP):
            lost["gain map (Ultra HDR)"] = None
    info |= {"texts": tuple(text for text in texts if text[1]), "xmp_extension": _joined(parts)}
    return Found(info, _pictures(image.info.get("mp")), tuple(lost))


def written(
    comments: tuple[str, ...], iptc: bytes | None, extension: bytes | None, guid: bytes | None
) -> bytes:
    """Segments to be put into a JPEG file.

    Args:
        comments: Each at most 65,533 bytes.
        iptc: Records; at most 65,000 bytes.
        extension: Of the XMP packet.
        guid: By which the packet names it.
    """
    segments = [_segment(0xFE, text.encode("utf-8", "replace")) for text in comments]
    if iptc:
        block = b"8BIM" + struct.pack(">HHI", _IPTC, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
        segments.append(_segment(0xED, _PHOTOSHOP + block))
    if extension and guid:
        for start in range(0, len(extension), _LONGEST):
            head = _EXTENSION + guid + struct.pack(">II", len(extension), start)
            segments.append(_segment(0xE1, head + extension[start : start + _LONGEST]))
    return b"".join(segments)


def iptc_of(resources: bytes) -> bytes:
    """The IPTC records among Photoshop's resources, empty if there are none."""
    place = 0
    while resources[place : place + 4] == b"8BIM" and place + 12 <= len(resources):
        (kind,) = struct.unpack_from(">H", resources, place + 4)
        place += 6 + (resources[place + 6] + 2) // 2 * 2
        if place + 4 > len(resources):
            break
        (length,) = struct.unpack_from(">I", resources, place)
        if kind == _IPTC:
            return resources[place + 4 : place + 4 + length]
        place += 4 + (length + 1) // 2 * 2
    return b""


def _segment(kind: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _joined(parts: list[bytes]) -> bytes:
    """The extension, empty where one of its parts is missing."""
    head = struct.Struct(">II")
    places = sorted(
        (*head.unpack_from(part, _GUID)[::-1], part[_GUID + 8 :])
        for part in parts
        if len(part) > _GUID + 8 and part[:_GUID] == parts[0][:_GUID]
    )
    end = 0
    for start, length, content in places:
        if start != end or not end < length <= _MOST_BYTES:
            return b""
        end += len(content)
    whole = places and end == places[0][1]
    return b"".join(content for _, _, content in places) if whole else b""


def _pictures(index: object) -> int:
    """Pictures that the index of a multi-picture file names."""
    if not isinstance(index, bytes):
        return 1
    return max(1, sum(kind & 0xFF0000 != _LARGE_THUMBNAIL for kind in _kinds(index)))


def _kinds(index: bytes) -> Iterator[int]:
    """Kind of each picture, from the entries that the first tag 0xB002 points to."""
    mark = ">" if index[:2] == b"MM" else "<"
    try:
        (start,) = struct.unpack_from(mark + "I", index, 4)
        (count,) = struct.unpack_from(mark + "H", index, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, length, place = struct.unpack_from(mark + "HHII", index, entry)
            if tag == 0xB002:
                for at in range(place, place + length, 16):
                    yield struct.unpack_from(mark + "I", index, at)[0] & 0xFFFFFF
                return
    except struct.error:
        return
