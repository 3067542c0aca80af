"""Small pictures and files for the tests of photos, made here so that none is stored."""

import struct
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from restorecli.photo import Metadata, Photo
from restorecli.photo.documents import exif as photo_exif
from restorecli.photo.formats import FORMATS

ICC_RGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# A grey profile: the RGB one with its colour space named anew is enough for what is tested.
ICC_GREY = ICC_RGB[:16] + b"GRAY" + ICC_RGB[20:]
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<r tiff:Orientation="1" dc:title="\xed\x95\x9c"/></x:xmpmeta>'
)
LOSSLESS = ("png", "tiff", "bmp")
DOCUMENTED = tuple(name for name, format in FORMATS.items() if format.documents)


def noise(height: int, width: int, channels: int = 3, bits: int = 8, seed: int = 0) -> np.ndarray:
    """Independent values, (h, w, channels), or (h, w) for one channel."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    generator = np.random.default_rng(seed)
    return generator.integers(0, 2**bits, shape, np.uint8 if bits == 8 else np.uint16)


def quadrants(height: int = 32, width: int = 48) -> np.ndarray:
    """Four flat colours, the top left red: survives lossy formats and shows any turn or flip."""
    picture = np.empty((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    picture[:top, :left] = (220, 30, 30)
    picture[:top, left:] = (30, 200, 30)
    picture[top:, :left] = (30, 30, 220)
    picture[top:, left:] = (230, 230, 230)
    return picture


def exif_block(orientation: int | None = 1, *, mark: str = "<", thumbnail: bytes = b"") -> bytes:
    """A block with maker, resolution, date, GPS, a maker note and, if given, a thumbnail."""
    header = (b"II*\0" if mark == "<" else b"MM\0*") + struct.pack(mark + "I", 8)
    entries = 5 if orientation else 4
    extra = 8 + 2 + 12 * entries + 4
    inner, position = extra + 8, extra + 8 + 2 + 12 * 4 + 4
    date, note = b"1954:07:04 12:00:00\0", b"NOTE\0\x01\x02\x03 at a fixed place"
    gps = position + 20 + len(note) + len(note) % 2
    second = gps + 2 + 12 + 4
    rows = [(0x010F, 2, 8, struct.pack(mark + "I", extra))]
    if orientation:
        rows.append((0x0112, 3, 1, struct.pack(mark + "HH", orientation, 0)))
    rows += [
        (0x0128, 3, 1, struct.pack(mark + "HH", 2, 0)),
        (0x8769, 4, 1, struct.pack(mark + "I", inner)),
        (0x8825, 4, 1, struct.pack(mark + "I", gps)),
    ]
    block = header + _directory(mark, rows, second if thumbnail else 0) + b"Leica\0\0\0"
    sides = [(tag, 3, 1, struct.pack(mark + "HH", 1, 0)) for tag in (0xA002, 0xA003)]
    dated = (0x9003, 2, 20, struct.pack(mark + "I", position))
    noted = (0x927C, 7, len(note), struct.pack(mark + "I", position + 20))
    block += _directory(mark, [dated, noted, *sides], 0)
    block += date + note + b"\0" * (len(note) % 2)
    block += _directory(mark, [(0x0001, 2, 2, b"N\0\0\0")], 0)
    if thumbnail:
        where = second + 2 + 24 + 4
        starts = (0x0201, 4, 1, struct.pack(mark + "I", where))
        ends = (0x0202, 4, 1, struct.pack(mark + "I", len(thumbnail)))
        block += _directory(mark, [starts, ends], 0) + thumbnail
    return block


def _directory(mark: str, rows: list[tuple[int, int, int, bytes]], following: int) -> bytes:
    packed = b"".join(struct.pack(mark + "HHI4s", *row) for row in rows)
    return struct.pack(mark + "H", len(rows)) + packed + struct.pack(mark + "I", following)


def full_metadata() -> Metadata:
    """Every kind of metadata at once."""
    return Metadata(icc=ICC_RGB, exif=exif_block(), xmp=XMP, dpi=(300.0, 300.0))


def photo(channels: int = 3, bits: int = 8, alpha: bool = False, side: int = 16) -> Photo:
    """Noise with all metadata."""
    return Photo(
        pixels=noise(side, side + 5, channels, bits),
        alpha=noise(side, side + 5, 1, bits, seed=1) if alpha else None,
        metadata=full_metadata(),
        name="sample",
    )


def saved(image: Image.Image, format: str, **settings: object) -> bytes:
    """The bytes of a file as Pillow writes it."""
    file = BytesIO()
    image.save(file, format, **settings)
    return file.getvalue()


def exif_tags(block: bytes | None) -> dict[str, object]:
    """What another reader, Pillow, sees in a block."""
    assert block is not None
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + photo_exif.strip_marker(block))
    inner, gps = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    return {
        "maker": str(exif.get(0x010F, "")).rstrip("\0"),
        "orientation": exif.get(0x0112),
        "date": inner.get(0x9003),
        "note": inner.get(0x927C),
        "sides": (inner.get(0xA003), inner.get(0xA002)),
        "gps": gps.get(1),
    }
