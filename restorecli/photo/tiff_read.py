"""TIFF files whose pixels are plain numbers: grey or RGB of 8, 16, 32 or 64 bits a channel.

Pillow halves 16-bit colour to 8 bits and refuses float colour; OpenCV mixes up separate planes. So
tifffile reads the directory, imagecodecs undoes compression and predictors, strip by strip or tile
by tile, and Pillow is left with palettes, CMYK, fax and JPEG inside TIFF.

This module loads both libraries: import it only when there is a TIFF file.
"""

import logging
import math
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import imagecodecs
import numpy as np
from tifffile import TiffFile, TiffPage

from restorecli.photo.canvas import Canvas, UnreadableError
from restorecli.photo.documents.exif import ORIENTATION
from restorecli.photo.documents.jpeg_segments import iptc_of
from restorecli.photo.formats import Readable
from restorecli.photo.metadata import DAMAGED_EXIF, FileMetadata, exif_of_tiff, from_info

_RAW, _LZW, _PACKBITS = 1, 5, 32773
_DECODERS = {
    _LZW: imagecodecs.lzw_decode,
    8: imagecodecs.deflate_decode,
    32946: imagecodecs.deflate_decode,
    _PACKBITS: imagecodecs.packbits_decode,
    34925: imagecodecs.lzma_decode,
    50000: imagecodecs.zstd_decode,
}
_WHOLE, _FLOAT = 1, 3
# Bits and format of a sample.
_KINDS = {*((bits, _WHOLE) for bits in (8, 16, 32)), *((bits, _FLOAT) for bits in (16, 32, 64))}
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2
_PREMULTIPLIED, _STRAIGHT = 1, 2
_SEPARATE = 2
_C2PA = 0xCD41
_MOST_SAMPLES = 5
_BLOCK_BYTES = 1 << 22
_SMALL_BLOCK = 1 << 20  # pixels; strips and tiles may be larger than the picture, within bounds
_NUMBERS = (
    "compression", "fillorder", "imagedepth", "imagelength", "imagewidth", "photometric",
    "planarconfig", "predictor", "rowsperstrip", "samplesperpixel", "tilelength", "tilewidth",
)  # fmt: skip
_REDUCED, _MASK = 1, 4
_MOST_PAGES = 10_000
# How reading a damaged page was seen to end.
_END = (
    ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError,
    TypeError, ValueError, struct.error,
)  # fmt: skip
_SILENCE = logging.NullHandler()


class Pages(NamedTuple):
    """The pages of a file, at least one.

    Attributes:
        found: Those that can be read, up to the first that is damaged.
        whole: Whether there are no others.
    """

    found: list[TiffPage]
    whole: bool

    @property
    def cut(self) -> tuple[str, ...]:
        """One sentence about the others, none if there are none."""
        return () if self.whole else (f"what comes behind page {len(self.found)} cannot be read",)


def pages(stream: Readable, length: int) -> Pages:
    """Read the directories of the pages; small copies and masks of them are none.

    Args:
        stream: The file.
        length: Of the file in bytes.

    Raises:
        UnreadableError: It is a camera's raw file, of which this would be the thumbnail.
        EOFError: The directory or the pixels lie beyond the end of the file.
        SyntaxError: A tag that lays out the picture is no whole number.
    """
    logging.getLogger("tifffile").addHandler(_SILENCE)  # what it tells ends as an error or not
    try:
        # By a mark, one by its suffix, tifffile would take files of microscopes for more than TIFF.
        file = TiffFile(
            stream, name="photo", offset=0, is_lsm=False, is_ndpi=False, is_scanimage=False
        )
        first = file.pages.first
    except IndexError as error:
        raise EOFError("truncated") from error
    if all(isinstance(getattr(first, name), int) for name in _NUMBERS) and (
        50706 in first.tags or (first.subfiletype & 1 and 330 in first.tags)
    ):
        raise UnreadableError("a camera's raw file. Export it as TIFF or JPEG first")
    later, whole = _later(stream, file, length)
    found = [page for page in (first, *later) if not _is_copy(page)] or [first]
    _check_place(found[0], length)
    return Pages(found, whole)


def _later(stream: Readable, file: TiffFile, length: int) -> tuple[list[TiffPage], bool]:
    """The pages behind the first, up to the first that is damaged; and whether none is.

    Damaged are also those whose values lie over one another, so that they are longer than the file:
    thousands of pages could have one list of strips, and each would be read.
    """
    later: list[TiffPage] = []
    page, before, room = file.pages.first, set[int](), length
    try:
        while following := _following(stream, page):
            before.add(page.offset)
            if following in before or len(before) == _MOST_PAGES:
                return later, False
            page = file.pages.get(len(before)).aspage()
            if not _is_copy(page):
                _check_place(page, length)
            room -= sum(tag.valuebytecount for tag in page.tags)
            if room < 0:
                return later, False
            later.append(page)
    except _END:
        return later, False
    return later, True


def _following(stream: Readable, page: TiffPage) -> int:
    """Where the page says that the next one is, 0 for none, and where the file ends before that."""
    tiff = page.parent.tiff
    stream.seek(page.offset)
    (entries,) = struct.unpack(tiff.tagnoformat, stream.read(tiff.tagnosize))
    stream.seek(page.offset + tiff.tagnosize + entries * tiff.tagsize)
    place = stream.read(tiff.offsetsize)
    return int(struct.unpack(tiff.offsetformat, place)[0]) if place else 0


def _is_copy(page: TiffPage) -> bool:
    """Whether it is made smaller from another page, or a mask of one."""
    return bool(page.subfiletype & (_REDUCED | _MASK)) or page.tags.valueof(255) == 2


def _check_place(page: TiffPage, length: int) -> None:
    """Refuse a page whose layout is nonsense or beyond the end of the file."""
    if not all(isinstance(getattr(page, name), int) for name in _NUMBERS):
        raise SyntaxError("TIFF tags that are no whole numbers")
    if not page.imagelength * page.imagewidth:
        raise SyntaxError("a TIFF without pixels")
    ends = zip(page.dataoffsets, page.databytecounts, strict=False)
    if any(offset + count > length for offset, count in ends):
        raise EOFError("truncated")


def is_plain(page: TiffPage) -> bool:
    """Whether `read` is to read it; of the rest, Pillow takes what has 8 bits a channel or less."""
    if page.photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB):
        return False
    simple = _has_known_kind(page) and page.fillorder == 1
    return (simple and page.compression in (_RAW, *_DECODERS)) or _bits(page) > 8


def metadata(stream: Readable, page: TiffPage) -> FileMetadata:
    """Read what belongs to the picture, and its orientation."""
    tags: dict[str | tuple[int, int], object] = {
        "xmp": page.tags.valueof(700),
        "icc_profile": page.tags.valueof(34675),
        "iptc": _iptc(page),
    }
    lost = ("Content Credentials (C2PA)",) if _C2PA in page.tags else ()
    sides, unit = [page.tags.valueof(tag) for tag in (282, 283)], page.tags.valueof(296, 2)
    if None not in sides and unit in (2, 3):
        tags["dpi"] = tuple(_ratio(side) * (2.54 if unit == 3 else 1.0) for side in sides)
    size, tiff = (page.imagelength, page.imagewidth), page.parent.tiff
    try:
        exif = exif_of_tiff(stream, page.offset, tiff.byteorder, big=tiff.is_bigtiff)
    except ValueError:
        orientation = page.tags.valueof(ORIENTATION, 1)
        orientation = orientation if orientation in range(1, 9) else 1
        damaged = from_info(tags, *size, orientation=orientation, left_out=lost)
        return replace(damaged, notices=(DAMAGED_EXIF, *damaged.notices))
    return from_info(tags, *size, tiff=exif, left_out=lost)


def _iptc(page: TiffPage) -> bytes:
    """IPTC records, which some writers store as whole numbers of 32 bits."""
    tag = page.tags.get(33723)
    if tag is not None and isinstance(tag.value, bytes):
        return tag.value
    if tag is not None and isinstance(tag.value, tuple):
        order = page.parent.byteorder
        try:
            return struct.pack(f"{order}{len(tag.value)}I", *tag.value).rstrip(b"\0")
        except struct.error:
            return b""
    resources = page.tags.valueof(34377)
    return iptc_of(resources) if isinstance(resources, bytes) else b""


def read(
    stream: Readable, page: TiffPage, orientation: int
) -> tuple[tuple[np.ndarray, np.ndarray | None], tuple[str, ...]]:
    """Read a plain picture.

    Args:
        stream: The file.
        page: Its main directory.
        orientation: EXIF orientation of the stored picture.

    Returns:
        Upright pixels and alpha as `Canvas.finish` gives them, uint8 for 8 bits a channel and
        uint16 for more; and notices.

    Raises:
        UnreadableError: The layout is not one that is read here, or values are out of range.
        EOFError: A strip or tile is shorter than it should be.
        SyntaxError: The tags contradict each other.
    """
    _check(page)
    colours = 3 if page.photometric == _RGB else 1
    if page.samplesperpixel < colours:
        raise SyntaxError(f"{page.samplesperpixel} channels where colour needs {colours}")
    extra = (*page.extrasamples, _STRAIGHT if colours == 3 else 0)[0]
    alpha = page.samplesperpixel > colours and extra in (_PREMULTIPLIED, _STRAIGHT)
    canvas = Canvas(
        page.imagelength,
        page.imagewidth,
        channels=colours,
        alpha=alpha,
        dtype=np.uint8 if page.bitspersample == 8 else np.uint16,
        orientation=orientation,
    )
    for top, left, block in _blocks(stream, page):
        values = _whole(block)
        pixels = values[..., :colours]
        pixels = ~pixels if page.photometric == _MIN_IS_WHITE else pixels
        opacity = values[..., colours] if alpha else None
        if opacity is not None and extra == _PREMULTIPLIED:
            pixels = _straight(pixels, opacity)
        canvas.put(top, left, pixels, opacity)
    if page.sampleformat == _FLOAT:
        return canvas.finish(), ("its floating-point values became 16-bit whole numbers",)
    return canvas.finish(), ("its 32 bits a channel became 16",) * (page.bitspersample == 32)


def _bits(page: TiffPage) -> int:
    bits = page.bitspersample
    return max(bits) if isinstance(bits, tuple) else bits


def _has_known_kind(page: TiffPage) -> bool:
    return (page.bitspersample, page.sampleformat) in _KINDS


def _predictor(page: TiffPage) -> int:
    """What is predicted: 1 nothing, 2 values, 3 the bytes of floating-point values."""
    # As in libtiff, two compressions know no predictor, whatever the file says.
    return 1 if page.compression in (_RAW, _PACKBITS) else int(page.predictor)


def _ratio(value: object) -> float:
    match value:
        case (int(above), int(below)) if below:
            return above / below
        case int() | float():
            return float(value)
    return 0.0  # which `from_info` takes for silence


def _check(page: TiffPage) -> None:
    """Refuse layouts that are not read here, and those that are absurd."""
    samples, pixels = page.samplesperpixel, page.imagelength * page.imagewidth
    if not _has_known_kind(page) or not 1 <= samples <= _MOST_SAMPLES:
        raise UnreadableError(
            f"a TIFF with {samples} channels of {_bits(page)} bits in sample format "
            f"{int(page.sampleformat)}. Export it with 8 or 16 bits a channel first"
        )
    predictors = (1, 2, 3) if page.sampleformat == _FLOAT else (1, 2)
    known = page.compression in (_RAW, *_DECODERS) and _predictor(page) in predictors
    if not known or page.fillorder != 1:
        raise UnreadableError(
            f"a TIFF with {_bits(page)} bits a channel and compression {int(page.compression)}, "
            f"predictor {_predictor(page)}. Export it with LZW compression or none first"
        )
    if page.planarconfig not in (1, _SEPARATE) or page.imagedepth != 1:
        raise SyntaxError(f"planes {page.planarconfig}, depth {page.imagedepth}")
    if page.is_tiled and page.tilelength * page.tilewidth > max(pixels, _SMALL_BLOCK):
        raise SyntaxError(f"tiles of {page.tilewidth} × {page.tilelength} pixels")
    there = min(len(page.dataoffsets), len(page.databytecounts))
    if math.prod(page.chunked) > there:
        raise SyntaxError(f"{there} TIFF strips where {math.prod(page.chunked)} are needed")


def _blocks(stream: Readable, page: TiffPage) -> Iterator[tuple[int, int, np.ndarray]]:
    """Top, left and (rows, columns, samples) in native byte order, with all planes."""
    planes = page.samplesperpixel if page.planarconfig == _SEPARATE else 1
    segments = math.prod(page.chunked) // planes
    for index in range(segments):
        _, (_, _, top, left, _), (_, rows, columns, samples) = page.decode(None, index)
        # A strip may be the whole picture; without compression it can be read in parts.
        per_row = columns * samples * page.bitspersample // 8
        step = max(1, _BLOCK_BYTES // per_row) if page.compression == _RAW else rows
        for start in range(0, min(rows, page.imagelength - top), step):
            shape = (min(step, rows - start), columns, samples)
            parts = [
                _segment(stream, page, plane * segments + index, start * per_row, shape)
                for plane in range(planes)
            ]
            block = parts[0] if planes == 1 else np.concatenate(parts, axis=2)
            shown = block[: page.imagelength - top - start, : page.imagewidth - left]
            yield top + start, left, shown


def _segment(
    stream: Readable, page: TiffPage, index: int, skipped: int, shape: tuple[int, int, int]
) -> np.ndarray:
    """Rows of one strip or tile, (rows, columns, samples of a plane), in native byte order."""
    letter = "f" if page.sampleformat == _FLOAT else "u"
    dtype = np.dtype(f"{page.parent.byteorder}{letter}{page.bitspersample // 8}")
    length = math.prod(shape) * dtype.itemsize
    stream.seek(page.dataoffsets[index] + skipped)
    if page.compression == _RAW:
        data: bytes | bytearray = stream.read(length)
    else:
        content = stream.read(page.databytecounts[index])
        data = _DECODERS[page.compression](content, out=max(length, _longest_strip(page, shape)))
    if len(data) < length:
        raise EOFError("truncated")
    native, predictor = dtype.newbyteorder("="), _predictor(page)
    if predictor == 3:  # works on bytes, most significant first
        split = np.frombuffer(data, native, math.prod(shape)).reshape(shape)
        return np.asarray(imagecodecs.floatpred_decode(split, axis=-2))
    values = np.frombuffer(data, dtype, math.prod(shape)).reshape(shape).astype(native, copy=False)
    return np.asarray(imagecodecs.delta_decode(values, axis=-2)) if predictor == 2 else values


def _longest_strip(page: TiffPage, shape: tuple[int, int, int]) -> int:
    """Bytes of a full strip: some writers fill up the last one, with rows that are not shown."""
    _, columns, samples = shape
    most = max(page.imagelength, _SMALL_BLOCK // columns)
    rows = min(int(page.tags.valueof(278, page.imagelength)), most)
    return rows * columns * samples * page.bitspersample // 8


def _whole(values: np.ndarray) -> np.ndarray:
    """Samples as uint8 or uint16 of full range."""
    if values.dtype in (np.uint8, np.uint16):
        return values
    if values.dtype.kind == "u":
        return (values >> 16).astype(np.uint16)
    low, high = float(values.min()), float(values.max())
    if not -0.001 <= low <= high <= 1.001:  # also refuses NaN
        raise UnreadableError(
            f"floating-point values from {low:g} to {high:g}, where 0 is black and 1 is white. "
            "Export it as 16-bit TIFF first"
        )
    return np.rint(values.clip(0, 1) * np.float32(65535)).astype(np.uint16)


def _straight(premultiplied: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    most = np.iinfo(alpha.dtype).max
    opacity = np.maximum(alpha[..., None], 1).astype(np.uint32)
    colours = (premultiplied.astype(np.uint32) * most + opacity // 2) // opacity
    straight: np.ndarray = colours.clip(0, most).astype(alpha.dtype)
    return straight
