"""Which files are photos: names, signatures, what each format can hold; streams they come in.

Content decides how a file is read, its name how one is written. Nothing here opens a file.
"""

import re
import struct
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter, BytesIO
from pathlib import PurePath
from typing import Literal, Protocol, runtime_checkable

from restorecli.errors import PlanError

Readable = BufferedReader | BytesIO  # binary and can be sought
Writable = BufferedWriter | BytesIO
_TITLES = {"webp": "WebP", "jp2": "JPEG 2000", "jxl": "JPEG XL", "ppm": "PPM"}


@runtime_checkable
class ByteSource(Protocol):
    """Any binary stream to read from, such as `sys.stdin.buffer`."""

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes, everything by default."""
        ...


@runtime_checkable
class Target(Protocol):
    """Any binary stream to write to, such as `sys.stdout.buffer`."""

    def write(self, data: bytes, /) -> object:
        """Write all of the bytes."""
        ...

    def flush(self) -> object:
        """Hand everything to the system."""
        ...


def title(name: str) -> str:
    """The name of a format as it is written in sentences."""
    return _TITLES.get(name, name.upper())


@dataclass(frozen=True, kw_only=True)
class Format:
    """What a format that can be written holds.

    Attributes:
        name: As in `Photo.write(format=...)`.
        suffixes: File name endings, the usual one first.
        longest_side: Pixels; the most that the format or its encoder takes.
        alpha: It keeps transparency.
        deep: It keeps 16 bits a channel.
        documents: It keeps EXIF, XMP and a colour profile.
        iptc: It keeps IPTC records.
        texts: It keeps texts: none, a comment, or any under their keywords.
        density: It has a field of its own for dots per inch; others keep them inside EXIF.
    """

    name: str
    suffixes: tuple[str, ...]
    longest_side: int
    alpha: bool = True
    deep: bool = False
    documents: bool = True
    iptc: bool = False
    texts: Literal["none", "comment", "any"] = "none"
    density: bool = False

    @property
    def title(self) -> str:
        """The name as it is written in sentences."""
        return title(self.name)


_ALL = (
    Format(
        name="jpeg",
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
        longest_side=65500,
        alpha=False,
        iptc=True,
        texts="comment",
        density=True,
    ),
    Format(
        name="png",
        suffixes=(".png",),
        longest_side=2**31 - 1,
        deep=True,
        texts="any",
        density=True,
    ),
    Format(name="webp", suffixes=(".webp",), longest_side=16383),
    Format(
        name="tiff",
        suffixes=(".tif", ".tiff"),
        longest_side=2**31 - 1,
        deep=True,
        iptc=True,
        density=True,
    ),
    Format(
        name="bmp",
        suffixes=(".bmp", ".dib"),
        longest_side=2**31 - 1,
        alpha=False,
        documents=False,
        density=True,
    ),
    Format(name="avif", suffixes=(".avif",), longest_side=32768),
    Format(name="heic", suffixes=(".heic", ".heif", ".hif"), longest_side=16384),
)
FORMATS = {format.name: format for format in _ALL}
_BY_SUFFIX = {suffix: format for format in _ALL for suffix in format.suffixes}
WRITABLE = frozenset(_BY_SUFFIX)
READABLE = WRITABLE | {
    ".gif", ".apng", ".jxl", ".tga",
    ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx",
    ".ppm", ".pgm", ".pbm", ".pnm",
}  # fmt: skip

_AVIF_BRANDS = (b"avif", b"avis")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
SIGNATURE_LENGTH = 64


def signature(start: bytes) -> str | None:
    """Which format the first `SIGNATURE_LENGTH` bytes of a file announce.

    Returns:
        A format's name, or that of one which is read only: `"gif"`, `"jp2"`, `"jxl"`, `"ppm"`,
        `"tga"`. None if it is none of those read here.
    """
    if start[4:8] == b"ftyp":
        brands = [start[at : at + 4] for at in range(8, len(start), 4)]
        if any(brand in _AVIF_BRANDS for brand in brands):
            return "avif"
        known = any(brand in _HEIC_BRANDS for brand in brands)
        return "heic" if known or brands[:1] == [b"mif1"] else None
    if start[:4] == b"RIFF":
        return "webp" if start[8:12] == b"WEBP" else None
    for mark, name in (
        (b"\xff\xd8\xff", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"II*\0", "tiff"),
        (b"MM\0*", "tiff"),
        (b"II+\0", "tiff"),
        (b"MM\0+", "tiff"),
        (b"GIF87a", "gif"),
        (b"GIF89a", "gif"),
        (b"BM", "bmp"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
        (b"\xff\x4f\xff\x51", "jp2"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
        (b"\xff\x0a", "jxl"),
    ):
        if start.startswith(mark):
            return name
    if re.match(rb"P[1-6][\s#]", start):
        return "ppm"
    return "tga" if _is_tga(start) else None


def _is_tga(start: bytes) -> bool:
    """TGA has no signature: its header must make sense in every field."""
    if len(start) < 18 or 0 in (start[12:14] != b"\0\0", start[14:16] != b"\0\0"):
        return False
    palette, kind, map_fields, depth, flags = start[1], start[2], start[3:8], *start[16:18]
    depths = {1: (8,), 2: (16, 24, 32), 3: (8, 16)}.get(kind & 0xF7, ())
    mapped = palette == 1 and map_fields[4] in (16, 24, 32) and kind & 0xF7 == 1
    plain = palette == 0 and map_fields == bytes(5) and kind & 0xF7 != 1
    return (mapped or plain) and depth in depths and flags & 0xC0 == 0 and flags & 15 in (0, 1, 8)


def announced_length(stream: Readable, kind: str) -> int:
    """How many bytes a file says it has, 0 if it does not say; longer than it is means cut short.

    Args:
        stream: The file; can be sought.
        kind: As `signature` says; WebP and the two kinds made of boxes announce a length.
    """
    if kind == "webp":
        stream.seek(4)
        return int.from_bytes(stream.read(4), "little") + 8
    if kind not in ("avif", "heic"):  # JPEG 2000 and XL end with a box of open length
        return 0
    end = 0
    while True:
        stream.seek(end)
        head = stream.read(16)
        if len(head) < 8:
            return end + 8 if head else end
        size = struct.unpack(">I", head[:4])[0]
        if size == 1 and len(head) == 16:
            size = struct.unpack(">Q", head[8:])[0]
        if size < 8:  # 0: to the end of the file
            return end
        end += size


def format_for(target: PurePath) -> Format | None:
    """The format that the suffix of a file to be written asks for, or None."""
    return _BY_SUFFIX.get(target.suffix.lower())


def writable_suffix(ext: str) -> str:
    """Turn `jpg`, `.JPG`, … into `.jpg`.

    Raises:
        PlanError: No picture can be written under this suffix.
    """
    suffix = "." + ext.lower().removeprefix(".")
    if suffix not in WRITABLE:
        raise PlanError(f"--ext {ext}: cannot be written. Use one of {spelled(WRITABLE)}.")
    return suffix


def spelled(suffixes: frozenset[str]) -> str:
    """Suffixes as they stand in sentences."""
    return ", ".join(sorted(suffix.removeprefix(".") for suffix in suffixes))
