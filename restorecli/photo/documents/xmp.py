"""Surgery on an XMP packet: take out what is not true of a restored photo, keep the rest as it is.

A packet is XML that others wrote; like an EXIF block it is cut, not written anew. Packets are
padded with spaces, by some with megabytes, so every expression that begins with a run (of spaces,
of letters) may match at the run's first byte alone: else each byte of it begins the search anew.
"""

import re
from bisect import bisect_left
from collections.abc import Callable

ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>\s*))([1-8])")
_SPACES = rb"(?<!\s)\s+"
_EXTENSION = re.compile(
    rb"(?:" + _SPACES + rb"|(?<![\w.-]))[\w.-]+:HasExtendedXMP\s*=\s*[\"']([0-9A-Fa-f]{32})[\"']"
)
_EXTENSION_ELEMENT = re.compile(rb"<([\w.-]+:HasExtendedXMP)\s*>\s*([0-9A-Fa-f]{32})\s*</\1\s*>")
_GAIN_MAPS = (b"http://ns.adobe.com/hdr-gain-map/1.0/", b"http://ns.apple.com/HDRGainMap/1.0/")
_CAMERA = b"http://ns.google.com/photos/1.0/camera/"
_CONTAINER = b"http://ns.google.com/photos/1.0/container/"
_CONTAINERS = (_CONTAINER, _CONTAINER + b"item/")
_MOTION = rb"(?:MotionPhoto|MicroVideo)\w*"
_GPS = rb"(?=\w*?[Gg][Pp][Ss])\w+"
_CLOSING = re.compile(rb"</([\w.-]+:[\w.-]+)\s*>")


def without_promises(packet: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Take out what speaks of pictures and videos that hung on the file and are gone.

    Returns:
        The packet, and names of what it promised.
    """
    lost: tuple[str, ...] = ()
    if any(name in packet for name in _GAIN_MAPS) or b'"GainMap"' in packet:
        lost += ("gain map (Ultra HDR)",)
    if re.search(rb"(?:MotionPhoto|MicroVideo)\s*(?:=\s*[\"']|>\s*)[1-9]", packet):
        lost += ("motion video",)
    for uri in _GAIN_MAPS:
        packet = _without(packet, uri, rb"[\w.-]+", whole=True)
    packet = _without(packet, _CAMERA, _MOTION)
    if _CONTAINER in packet:
        for uri in _CONTAINERS:
            packet = _without(packet, uri, rb"[\w.-]+", whole=True)
    return packet, lost


def without_gps(packet: bytes) -> bytes:
    """Take out every property whose name speaks of GPS."""
    return _properties_out(packet, None, _GPS)


def extension_name(packet: bytes) -> bytes | None:
    """By which name the packet calls for an extension, 32 letters, or None."""
    match = _EXTENSION.search(packet)
    if match:
        return match[1]
    element = _EXTENSION_ELEMENT.search(packet)
    return element[2] if element else None


def without_extension(packet: bytes) -> bytes:
    """Call for no extension."""
    return _EXTENSION_ELEMENT.sub(b"", _EXTENSION.sub(b"", packet))


def _without(packet: bytes, uri: bytes, names: bytes, *, whole: bool = False) -> bytes:
    """Take properties of one namespace out, and where none is left its declaration too."""
    declared = re.compile(_SPACES + rb"xmlns:([\w.-]+)\s*=\s*[\"']" + re.escape(uri) + rb"[\"']")
    prefixes = {match[1] for match in declared.finditer(packet)}
    if prefixes:
        packet = _properties_out(packet, prefixes, names)
    return declared.sub(b"", packet) if whole else packet


def _properties_out(packet: bytes, prefixes: set[bytes] | None, names: bytes) -> bytes:
    """Take out attributes and elements, with what is in them; any prefix will do if it is None."""

    def ours(tag: re.Match[bytes]) -> bool:
        return prefixes is None or tag[2] in prefixes

    def without(tag: re.Match[bytes]) -> bytes:
        return b"" if ours(tag) else tag[0]

    name = rb"(([\w.-]+):" + names + rb")"
    packet = re.sub(rb"<" + name + rb"(?:\s[^<>]*)?/>", without, packet)
    packet = _elements_out(packet, re.compile(rb"<" + name + rb"(?:\s[^<>]*)?>"), ours)
    attribute = _SPACES + rb"(?!xmlns:)" + name + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')"
    return re.sub(attribute, without, packet)


def _elements_out(
    packet: bytes, opening: re.Pattern[bytes], ours: Callable[[re.Match[bytes]], bool]
) -> bytes:
    """Take out elements from their opening tag to the next closing one of the same name."""
    closings: dict[bytes, list[re.Match[bytes]]] = {}
    for tag in _CLOSING.finditer(packet):
        closings.setdefault(tag[1], []).append(tag)
    kept, at = [], 0
    for tag in opening.finditer(packet):
        if tag.start() < at or not ours(tag):
            continue
        places = closings.get(tag[1], [])
        first = bisect_left(places, tag.end(), key=re.Match.start)
        if first < len(places):
            kept.append(packet[at : tag.start()])
            at = places[first].end()
    return b"".join([*kept, packet[at:]])
