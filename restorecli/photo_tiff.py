"""TIFF files with more than 8 bits a channel, where Pillow falls short.

Pillow halves 16-bit colour to 8 bits and refuses float colour; OpenCV mixes up separate planes.
So deep pictures are put together here, block by block, and Pillow only decompresses.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO

import numpy as np
from PIL import TiffImagePlugin

from restorecli import photo_exif
from restorecli.photo_canvas import Canvas, UnreadableError
from restorecli.photo_metadata import exif_of_tiff

_COMPRESSIONS = frozenset((5, 8, 32773, 32946, 34925, 50000))  # LZW, deflate, PackBits, …
_RAW = 1
_BLOCK_BYTES = 1 << 22
_LONG = 4
_FLOAT = 3
_KINDS = {(16, 1): "u2", (32, 1): "u4", (16, _FLOAT): "f2", (32, _FLOAT): "f4", (64, _FLOAT): "f8"}


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
            UnreadableError: It is absent and has no default, or holds no whole numbers.
        """
        value = self.tags.get(tag)
        if value is None:
            if not default:
                raise UnreadableError(f"TIFF tag {tag} is missing")
            return default
        values = value if isinstance(value, tuple) else (value,)
        if not values or not all(isinstance(item, int) for item in values):
            raise UnreadableError(f"TIFF tag {tag} is damaged")
        return values

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the stored picture."""
        return self.numbers(257)[0], self.numbers(256)[0]

    @property
    def deep(self) -> bool:
        """It is grey or RGB with more than 8 bits a channel."""
        return max(self.numbers(258, 1)) > 8 and self.numbers(262, 0)[0] in (0, 1, 2)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a deep picture lies in its file; sizes in pixels."""

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


def read_header(stream: IO[bytes]) -> Header:
    """Read the main directory, that of the first page.

    Raises:
        UnreadableError: It is a camera's raw file, of which this would be the thumbnail.
    """
    stream.seek(0)
    start = stream.read(8)
    big = start[2:4] in (b"+\0", b"\0+")
    start += stream.read(8) if big else b""
    tags = TiffImagePlugin.ImageFileDirectory_v2(start)
    offset = tags.next
    stream.seek(offset)
    tags.load(stream)
    header = Header(tags=tags, offset=offset, mark="<" if start[:1] == b"I" else ">", big=big)
    reduced = header.numbers(254, 0)[0] & 1
    if 50706 in tags or (reduced and 330 in tags):
        raise UnreadableError("a camera's raw file; export it as TIFF or JPEG")
    return header


def info(stream: IO[bytes], header: Header) -> tuple[dict[str | tuple[int, int], object], bytes]:
    """What Pillow would have put into `image.info`, and the EXIF block, empty if there is none.

    Raises:
        ValueError: The EXIF tags are damaged.
    """
    found: dict[str | tuple[int, int], object] = {}
    for tag, name in ((700, "xmp"), (34675, "icc_profile")):
        value = header.tags.get(tag)
        found[name] = value[0] if isinstance(value, tuple) and len(value) == 1 else value
    unit = header.numbers(296, 2)[0]
    if 282 in header.tags and 283 in header.tags and unit in (2, 3):
        per_inch = 2.54 if unit == 3 else 1.0
        found["dpi"] = tuple(float(header.tags[tag]) * per_inch for tag in (282, 283))
    return found, exif_of_tiff(stream, header.offset, header.mark, big=header.big)


def read_deep(
    stream: IO[bytes], header: Header, turn: int
) -> tuple[tuple[np.ndarray, np.ndarray | None], tuple[str, ...]]:
    """Read a picture with more than 8 bits a channel.

    Args:
        stream: The file.
        header: Its main directory.
        turn: EXIF orientation of the stored picture.

    Returns:
        Upright uint16 pixels with alpha as `Canvas.finish` gives them, and notices.

    Raises:
        UnreadableError: The layout is not one that is read here, or values are out of range.
    """
    layout = _layout(header)
    colours = 3 if header.numbers(262, 0)[0] == 2 else 1
    extra = header.numbers(338, 2 if colours == 3 else 0)[0]
    alpha = layout.samples > colours and extra in (1, 2)
    if layout.samples < colours:
        raise UnreadableError(f"{layout.samples} channels where colour needs {colours}")
    canvas = Canvas(
        layout.height,
        layout.width,
        channels=colours,
        alpha=alpha,
        dtype=np.uint16,
        turn=turn,
    )
    inverted = header.numbers(262, 0)[0] == 0
    for top, left, block in _blocks(stream, layout):
        values = _as_uint16(block)
        shown = ~values[..., :colours] if inverted else values[..., :colours]
        opacity = values[..., colours] if alpha else None
        if opacity is not None and extra == 1:
            shown = _straight(shown, opacity)
        canvas.put(top, left, shown, opacity)
    if layout.kind.kind == "f":
        return canvas.finish(), ("its floating-point values became 16-bit whole numbers",)
    if layout.kind.itemsize == 4:
        return canvas.finish(), ("its 32 bits a channel became 16",)
    return canvas.finish(), ()


def _layout(header: Header) -> Layout:
    height, width = header.size
    samples = header.numbers(277, 1)[0]
    bits, formats = set(header.numbers(258, 1)), set(header.numbers(339, 1))
    kind = _KINDS.get((min(bits), min(formats))) if len(bits) == len(formats) == 1 else None
    compression = header.numbers(259, _RAW)[0]
    predictor = header.numbers(317, 1)[0] if compression in (5, 8, 32946, 34925, 50000) else 1
    if kind is None or not 1 <= samples <= 5 or not height or not width:
        raise UnreadableError(
            f"TIFF with {samples} channels of {max(bits)} bits, sample format {max(formats)}"
        )
    if compression != _RAW and compression not in _COMPRESSIONS:
        raise UnreadableError(f"TIFF compression {compression} with {max(bits)} bits a channel")
    if header.numbers(266, 1)[0] != 1 or predictor not in (1, 2, 3):
        raise UnreadableError(f"TIFF with fill order 2 or predictor {predictor}")
    tiled = 324 in header.tags
    block = (
        (header.numbers(323)[0], header.numbers(322)[0])
        if tiled
        else (min(header.numbers(278, height)[0], height), width)
    )
    if min(block) < 1 or block[0] * block[1] > max(height * width, 1 << 20):
        raise UnreadableError(f"TIFF blocks of {block[1]} × {block[0]} pixels")
    return Layout(
        height=height,
        width=width,
        samples=samples,
        kind=np.dtype(header.mark + kind),
        compression=compression,
        predictor=predictor,
        planes=samples if header.numbers(284, 1)[0] == 2 else 1,
        block=block,
        tiled=tiled,
        offsets=header.numbers(324 if tiled else 273),
        counts=header.numbers(325 if tiled else 279),
    )


def _blocks(stream: IO[bytes], layout: Layout) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield top, left and (rows, columns, samples) of every strip or tile, planes put together."""
    down = range(0, layout.height, layout.block[0])
    across = range(0, layout.width, layout.block[1])
    grid = [(top, left) for top in down for left in across]
    if min(len(layout.offsets), len(layout.counts)) < len(grid) * layout.planes:
        raise UnreadableError(f"{len(layout.offsets)} TIFF strips where {len(grid)} are needed")
    per_row = layout.block[1] * layout.samples * layout.kind.itemsize
    for index, (top, left) in enumerate(grid):
        rows = layout.block[0] if layout.tiled else min(layout.block[0], layout.height - top)
        # A strip may be the whole picture; without compression it can be read in parts.
        step = max(1, _BLOCK_BYTES // per_row) if layout.compression == _RAW else rows
        for start in range(0, rows, step):
            planes = [
                _values(stream, layout, plane * len(grid) + index, start, min(step, rows - start))
                for plane in range(layout.planes)
            ]
            whole = planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)
            seen = whole[: max(0, layout.height - top - start), : layout.width - left]
            yield top + start, left, seen


def _values(stream: IO[bytes], layout: Layout, segment: int, start: int, rows: int) -> np.ndarray:
    """Rows of one strip or tile, (rows, columns, samples of a plane), in native byte order."""
    samples = layout.samples // layout.planes
    row_bytes = layout.block[1] * samples * layout.kind.itemsize
    if layout.compression == _RAW:
        stream.seek(layout.offsets[segment] + start * row_bytes)
        data = stream.read(rows * row_bytes)
    else:
        stream.seek(layout.offsets[segment])
        packed = stream.read(layout.counts[segment])
        data = _decompressed(packed, layout.compression, row_bytes, rows)
    if len(data) < rows * row_bytes:
        raise EOFError("truncated")
    return _unpredicted(data, layout, (rows, layout.block[1], samples))


def _decompressed(packed: bytes, compression: int, row_bytes: int, rows: int) -> bytes:
    """Have Pillow's libtiff unpack the bytes, as the one strip of an 8-bit grey picture."""
    values = {256: row_bytes, 257: rows, 258: 8, 259: compression, 262: 1, 277: 1, 278: rows}
    values |= {273: 8 + 2 + 12 * 9 + 4, 279: len(packed)}
    entries = [
        photo_exif.Entry(tag, _LONG, 1, struct.pack("<I", value)) for tag, value in values.items()
    ]
    file = b"II*\0\x08\0\0\0" + photo_exif.packed(entries, "<") + packed
    with TiffImagePlugin.TiffImageFile(BytesIO(file)) as strip:
        return strip.tobytes()


def _unpredicted(data: bytes, layout: Layout, shape: tuple[int, int, int]) -> np.ndarray:
    """Undo TIFF's predictors: differences of neighbours (2), of their split bytes (3)."""
    native = layout.kind.newbyteorder("=")
    if layout.predictor == 3:
        rows, _, samples = shape
        deltas = np.frombuffer(data, np.uint8).reshape(rows, -1, samples)
        split = np.cumsum(deltas, axis=1, dtype=np.uint8).reshape(rows, layout.kind.itemsize, -1)
        joined = np.ascontiguousarray(split.swapaxes(1, 2))
        return joined.view(layout.kind.newbyteorder(">")).reshape(shape).astype(native)
    values = np.frombuffer(data, layout.kind).reshape(shape).astype(native)
    if layout.predictor == 2:
        whole = np.dtype(f"u{layout.kind.itemsize}")
        return np.cumsum(values.view(whole), axis=1, dtype=whole).view(native)
    return values


def _as_uint16(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.uint16:
        return values
    if values.dtype.kind == "u":
        return (values >> 16).astype(np.uint16)
    low, high = float(values.min()), float(values.max())
    if not -0.001 <= low <= high <= 1.001:  # also refuses NaN
        raise UnreadableError(
            f"floating-point values from {low:g} to {high:g}, where 0 to 1 is black to white; "
            "export it as 16-bit TIFF"
        )
    return np.rint(values.clip(0, 1) * np.float32(65535)).astype(np.uint16)


def _straight(premultiplied: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    opacity = np.maximum(alpha[..., None], 1).astype(np.uint32)
    colours = (premultiplied.astype(np.uint32) * 65535 + opacity // 2) // opacity
    straight: np.ndarray = colours.clip(0, 65535).astype(np.uint16)
    return straight
