"""The chunks of a PNG file that belong to the photo and are not its pixels.

Pillow reads them too, but refuses the whole photo where a text or a profile is longer than it
likes, and its limits are the process's. So it is shown the file without them.
"""

import io
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from restorecli.photo.documents import cicp
from restorecli.photo.formats import Readable

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_COLOURS = (b"cICP", b"gAMA", b"cHRM", b"sRGB")
_HIDDEN = (*_TEXTS, b"iCCP", *_COLOURS)  # from Pillow
_MOST_BYTES = 1 << 24  # of all texts together, and of a profile
_STEP = 1 << 16  # bytes that are unpacked at a time
_MOST_CHUNKS = 1 << 22
_LONGEST_KEYWORD = 79
_XMP_TEXT = "XML:com.adobe.xmp"
_PROFILE = "Raw profile type "  # ImageMagick's way before PNG had chunks for them


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        file: What Pillow is to see.
        info: Profile, XMP and texts, in place of those that `image.info` would have.
        colours: What cICP, or gAMA and cHRM, say.
        left_out: Names of what is in the file and in no result.
    """

    file: Readable
    info: dict[str, object]
    colours: cicp.Colours | None
    left_out: tuple[str, ...]


def read(stream: Readable) -> Found:
    """Read the chunks; what is damaged is left out.

    Raises:
        SyntaxError: A text or a profile unpacks to more than any photo has: it is a bomb.
    """
    colours: dict[bytes, bytes] = {}
    info: dict[str, object] = {}
    texts: list[tuple[str, str]] = []
    lost: dict[str, None] = {}
    of_texts, of_profiles = _Unpacker(), _Unpacker()
    kept, hidden = [(0, 8)], False
    for kind, start, end in _chunks(stream):
        hidden = hidden or kind in _HIDDEN
        if kind not in _HIDDEN:
            _extend(kept, start - 8, end + 4)
        if kind in _COLOURS:
            colours.setdefault(kind, _content(stream, start, min(end, start + 32)))
        elif kind == b"caBX":
            lost["Content Credentials (C2PA)"] = None
        elif kind == b"iCCP":
            packed = _content(stream, start, end).partition(b"\0")[2][1:]
            if "icc_profile" in info:
                continue
            if profile := of_profiles.inflated(packed):
                info["icc_profile"] = profile
            else:
                lost["a damaged colour profile"] = None
        elif kind in _TEXTS:
            text = _text(kind, _content(stream, start, end), of_texts)
            if text is None:
                lost["a damaged text"] = None
            else:
                texts.append(text)
    info |= _sorted(texts)
    file = _joined(stream, kept) if hidden else stream
    weaker = "icc_profile" in info and b"cICP" not in colours
    return Found(file, info, None if weaker else _meaning(colours), tuple(lost))


def text_chunk(key: str, text: str) -> tuple[bytes, bytes]:
    """The kind and the content of the shortest chunk that holds a text.

    Args:
        key: Its keyword, at most 79 letters of Latin-1.
        text: Any text.
    """
    name = key.encode("latin-1", "replace")[:_LONGEST_KEYWORD] + b"\0"
    try:
        plain = text.encode("latin-1")
    except UnicodeEncodeError:
        whole = text.encode("utf-8", "replace")
        if len(whole) < 1024:
            return b"iTXt", name + b"\0\0\0\0" + whole
        return b"iTXt", name + b"\1\0\0\0" + zlib.compress(whole)
    if len(plain) < 1024:
        return b"tEXt", name + plain
    return b"zTXt", name + b"\0" + zlib.compress(plain)


def _chunks(stream: Readable) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each chunk; stops where the file is damaged."""
    place = 8
    for _ in range(_MOST_CHUNKS):
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        yield kind, place + 8, place + 8 + length
        if kind == b"IEND":
            return
        place += 12 + length


def _content(stream: Readable, start: int, end: int) -> bytes:
    stream.seek(start)
    return stream.read(min(end - start, _MOST_BYTES))


class _Unpacker:
    """Unpacks `_MOST_BYTES` in all; what turns out to be damaged counts too."""

    def __init__(self) -> None:
        self._room = _MOST_BYTES

    def inflated(self, packed: bytes) -> bytes | None:
        """What was deflated, or None if it is damaged.

        Raises:
            SyntaxError: There is no room for it.
        """
        unpacker, parts = zlib.decompressobj(), []
        try:
            while packed and not unpacker.eof:
                parts.append(unpacker.decompress(packed, _STEP))
                packed = unpacker.unconsumed_tail
                self._room -= len(parts[-1])
                if self._room < 0:
                    raise SyntaxError("endless text or profile")
        except zlib.error:
            self._room -= _STEP
            return None
        return b"".join(parts) if unpacker.eof else None

    def plain(self, text: bytes) -> bytes:
        """As much of a text as there is room for."""
        text = text[: max(0, self._room)]
        self._room -= len(text)
        return text


def _text(kind: bytes, data: bytes, unpacker: _Unpacker) -> tuple[str, str] | None:
    """Keyword and text of a chunk, or None if it is damaged."""
    name, _, rest = data.partition(b"\0")
    packed, coding = kind == b"zTXt", "latin-1"
    if kind == b"iTXt":
        packed, rest, coding = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1], "utf-8"
    elif packed:
        rest = rest[1:]
    content = unpacker.inflated(rest) if packed else unpacker.plain(rest)
    if not 0 < len(name) <= _LONGEST_KEYWORD or content is None:
        return None
    return name.decode("latin-1"), content.decode(coding, "replace")


def _sorted(texts: list[tuple[str, str]]) -> dict[str, object]:
    """Texts, and the documents that some of them are, under the names that Pillow uses."""
    found: dict[str, object] = {}
    plain: list[tuple[str, str]] = []
    for key, text in texts:
        if key == _XMP_TEXT:
            found["xmp"] = text.encode()
        elif key == f"{_PROFILE}exif":
            found[key] = text
        elif key.startswith(_PROFILE):
            found.setdefault(key.removeprefix(_PROFILE), _from_hex(text))
        else:
            plain.append((key, text))
    return found | {"texts": tuple(plain)}


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return b""


def _meaning(chunks: dict[bytes, bytes]) -> cicp.Colours | None:
    """The strongest statement about colours."""
    if len(code := chunks.get(b"cICP", b"")) >= 2:
        return cicp.from_codes(code[0], code[1])
    if b"sRGB" in chunks or not {b"gAMA", b"cHRM"} & set(chunks):
        return None
    gamma = int.from_bytes(chunks.get(b"gAMA", b"")[:4], "big") / 1e5
    corners = chunks.get(b"cHRM", b"")
    primaries = struct.unpack(">8I", corners[:32]) if len(corners) >= 32 else ()
    return cicp.from_gamma(gamma, tuple(value / 1e5 for value in primaries))


def _extend(parts: list[tuple[int, int]], start: int, end: int) -> None:
    """Add a part behind the others, or make the last one longer."""
    if parts[-1][1] == start:
        parts[-1] = parts[-1][0], end
    else:
        parts.append((start, end))


def _joined(stream: Readable, parts: list[tuple[int, int]]) -> Readable:
    return io.BufferedReader(_Parts(stream, parts))


class _Parts(io.RawIOBase):
    """Parts of a file that can be sought, as one file."""

    def __init__(self, stream: Readable, parts: list[tuple[int, int]]) -> None:
        self._stream, self._parts, self._place = stream, parts, 0
        ends = list(accumulate(end - start for start, end in parts))
        self._begins, self._length = [0, *ends], ends[-1]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._length}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        if self._place >= self._length:
            return 0
        index = bisect_right(self._begins, self._place) - 1
        start, end = self._parts[index]
        start += self._place - self._begins[index]
        self._stream.seek(start)
        data = self._stream.read(min(len(buffer), end - start))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)
