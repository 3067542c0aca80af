"""TIFF files whose pixels are plain numbers: grey or RGB of 8, 16, 32 or 64 bits a channel.

Pillow halves 16-bit colour to 8 bits and refuses float colour; OpenCV mixes up separate planes.
So these are put together here, block by block, and Pillow is left with palettes, CMYK, fax and
JPEG inside TIFF.

Of a strip or tile, deflate is undone with zlib; Pillow's libtiff is asked for the other
compressions, one block at a time. Predictors, byte order and separate planes are undone here.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import TiffImagePlugin

from restorecli.photo.canvas import Canvas, UnreadableError
from restorecli.photo.exif import ORIENTATION, Entry, packed
from restorecli.photo.files import Readable
from restorecli.photo.metadata import DAMAGED_EXIF, Found, exif_of_tiff, from_info

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
        content = stream.read(layout.counts[segment])
        data = _decompressed(content, layout.compression, row_bytes, rows)
    if len(data) != rows * row_bytes:
        raise EOFError("truncated")
    return _unpredicted(data, layout, (rows, layout.block[1], samples))


def _decompressed(content: bytes, compression: int, row_bytes: int, rows: int) -> bytes:
    if compression in _DEFLATE:
        return zlib.decompressobj().decompress(content, rows * row_bytes)
    # Given to libtiff as the one strip of an 8-bit grey picture, it comes back as plain bytes.
    values = {256: row_bytes, 257: rows, 258: 8, 259: compression, 262: 1, 277: 1, 278: rows}
    values |= {273: 8 + 2 + 12 * 9 + 4, 279: len(content)}
    entries = [Entry(tag, _LONG, 1, struct.pack("<I", value)) for tag, value in values.items()]
    file = b"II*\0\x08\0\0\0" + packed(entries, "<") + content
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


_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2
_PREMULTIPLIED, _STRAIGHT = 1, 2
_MOST_SAMPLES = 5
_SMALL_BLOCK = 1 << 20  # pixels; tiles may be larger than the picture, but not without bound


@dataclass(frozen=True, kw_only=True)
class Header:
    """The main directory of a TIFF file and how to read it."""

    tags: TiffImagePlugin.ImageFileDirectory_v2
    offset: int
    mark: str  # byte order, "<" or ">"
    big: bool

    def numbers(self, tag: int, *default: int) -> tuple[int, ...]:
        """The values of a tag, `default` if it is absent.

        Raises:
            SyntaxError: It is absent and has no default, or holds no whole numbers.
        """
        value = self.tags.get(tag)
        if value is None:
            if not default:
                raise SyntaxError(f"TIFF tag {tag} is missing")
            return default
        values = value if isinstance(value, tuple) else (value,)
        if not values or not all(isinstance(item, int) for item in values):
            raise SyntaxError(f"TIFF tag {tag} is damaged")
        return values

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the stored picture."""
        return self.numbers(257)[0], self.numbers(256)[0]

    @property
    def photometric(self) -> int:
        """What the numbers mean: black to white, white to black, RGB or something else."""
        return self.numbers(262, 0)[0]

    @property
    def kind(self) -> str | None:
        """NumPy's code of one sample without byte order, None for unusual ones."""
        bits, formats = set(self.numbers(258, 1)), set(self.numbers(339, 1))
        return KINDS.get((min(bits), min(formats))) if len(bits) == len(formats) == 1 else None

    @property
    def plain(self) -> bool:
        """It is for `read`; of what is not, Pillow takes what has 8 bits a channel or fewer."""
        if self.photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB):
            return False
        usual = self.numbers(266, 1)[0] == 1 and self.kind is not None
        simple = usual and self.numbers(259, RAW)[0] in COMPRESSIONS
        return simple or max(self.numbers(258, 1)) > 8


def read_header(stream: Readable, length: int) -> Header:
    """Read the main directory, that of the first page.

    Args:
        stream: The file.
        length: Of the file in bytes.

    Raises:
        UnreadableError: It is a camera's raw file, of which this would be the thumbnail.
        EOFError: The directory or the pixels lie beyond the end of the file.
    """
    stream.seek(0)
    start = stream.read(8)
    big = start[2:4] in (b"+\0", b"\0+")
    start += stream.read(8) if big else b""
    tags = TiffImagePlugin.ImageFileDirectory_v2(start)
    offset = tags.next
    if offset >= length:
        raise EOFError("truncated")
    stream.seek(offset)
    tags.load(stream)
    header = Header(tags=tags, offset=offset, mark="<" if start[:1] == b"I" else ">", big=big)
    reduced = header.numbers(254, 0)[0] & 1
    if 50706 in tags or (reduced and 330 in tags):
        raise UnreadableError("a camera's raw file. Export it as TIFF or JPEG first")
    places, counts = (324, 325) if 324 in tags else (273, 279)
    if places in tags and counts in tags:
        ends = zip(header.numbers(places), header.numbers(counts), strict=False)
        if any(place + count > length for place, count in ends):
            raise EOFError("truncated")
    return header


def metadata(stream: Readable, header: Header) -> Found:
    """Read what belongs to the picture, and its orientation."""
    found: dict[str | tuple[int, int], object] = {}
    for tag, name in ((700, "xmp"), (34675, "icc_profile")):
        value = header.tags.get(tag)
        found[name] = value[0] if isinstance(value, tuple) and len(value) == 1 else value
    unit = header.numbers(296, 2)[0]
    if 282 in header.tags and 283 in header.tags and unit in (2, 3):
        per_inch = 2.54 if unit == 3 else 1.0
        found["dpi"] = tuple(float(header.tags[tag]) * per_inch for tag in (282, 283))
    try:
        exif = exif_of_tiff(stream, header.offset, header.mark, big=header.big)
    except ValueError:
        turn = header.numbers(ORIENTATION, 1)[0]
        read = from_info(found, *header.size)
        return Found(read.metadata, turn if 1 <= turn <= 8 else 1, (DAMAGED_EXIF,))
    return from_info(found, *header.size, tiff=exif)


def read(
    stream: Readable, header: Header, turn: int
) -> tuple[tuple[np.ndarray, np.ndarray | None], tuple[str, ...]]:
    """Read a plain picture.

    Args:
        stream: The file.
        header: Its main directory.
        turn: EXIF orientation of the stored picture.

    Returns:
        Upright pixels and alpha as `Canvas.finish` gives them, uint8 for 8 bits a channel and
        uint16 for more; and notices.

    Raises:
        UnreadableError: The layout is not one that is read here, or values are out of range.
    """
    layout = _layout(header)
    colours = 3 if header.photometric == _RGB else 1
    if layout.samples < colours:
        raise SyntaxError(f"{layout.samples} channels where colour needs {colours}")
    extra = header.numbers(338, _STRAIGHT if colours == 3 else 0)[0]
    alpha = layout.samples > colours and extra in (_PREMULTIPLIED, _STRAIGHT)
    canvas = Canvas(
        layout.height,
        layout.width,
        channels=colours,
        alpha=alpha,
        dtype=np.uint8 if layout.kind.itemsize == 1 else np.uint16,
        turn=turn,
    )
    for top, left, block in blocks(stream, layout):
        values = _whole(block)
        shown = values[..., :colours]
        shown = ~shown if header.photometric == _MIN_IS_WHITE else shown
        opacity = values[..., colours] if alpha else None
        if opacity is not None and extra == _PREMULTIPLIED:
            shown = _straight(shown, opacity)
        canvas.put(top, left, shown, opacity)
    return canvas.finish(), _notices(layout.kind)


def _layout(header: Header) -> Layout:
    height, width = header.size
    samples, bits = header.numbers(277, 1)[0], max(header.numbers(258, 1))
    compression = header.numbers(259, RAW)[0]
    predictor = header.numbers(317, 1)[0]
    if header.kind is None or not 1 <= samples <= _MOST_SAMPLES or not height or not width:
        raise UnreadableError(
            f"a TIFF with {samples} channels of {bits} bits in sample format "
            f"{max(header.numbers(339, 1))}. Export it with 8 or 16 bits a channel first"
        )
    if compression not in COMPRESSIONS or header.numbers(266, 1)[0] != 1 or predictor > 3:
        raise UnreadableError(
            f"a TIFF with {bits} bits a channel and compression {compression}, predictor "
            f"{predictor}. Export it with LZW compression or none first"
        )
    tiled = 324 in header.tags
    strip = (min(header.numbers(278, height)[0], height), width)
    block = (header.numbers(323)[0], header.numbers(322)[0]) if tiled else strip
    if min(block) < 1 or block[0] * block[1] > max(height * width, _SMALL_BLOCK):
        raise SyntaxError(f"blocks of {block[1]} × {block[0]} pixels")
    return Layout(
        height=height,
        width=width,
        samples=samples,
        kind=np.dtype(header.mark + header.kind),
        compression=compression,
        predictor=predictor,
        planes=samples if header.numbers(284, 1)[0] == 2 else 1,
        block=block,
        tiled=tiled,
        offsets=header.numbers(324 if tiled else 273),
        counts=header.numbers(325 if tiled else 279),
    )


def _notices(kind: np.dtype[np.generic]) -> tuple[str, ...]:
    if kind.kind == "f":
        return ("its floating-point values became 16-bit whole numbers",)
    return ("its 32 bits a channel became 16",) if kind.itemsize == 4 else ()


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
