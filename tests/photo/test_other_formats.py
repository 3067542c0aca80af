"""Formats that are read only: JPEG 2000, TGA, PPM, and JPEG XL where its plug-in is installed."""

import struct
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.batch import plan
from restorecli.errors import NothingToDoError, PhotoReadError, PhotoTooLargeError
from restorecli.photo import Photo
from restorecli.photo.documents.boxes import jxl_size
from restorecli.photo.formats import READABLE, WRITABLE, signature
from tests.support.photo_samples import ICC_RGB, noise, quadrants, saved

JXL = pytest.mark.skipif(find_spec("pillow_jxl") is None, reason="needs the extra [jxl]")
PICTURE = Image.fromarray(quadrants())
KINDS = [
    ("JPEG2000", {}),
    ("JPEG2000", {"no_jp2": True}),
    ("TGA", {}),
    ("TGA", {"compression": "tga_rle"}),
    ("PPM", {}),
]


@pytest.mark.parametrize(("format", "settings"), KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pixels_come_back_exactly(format: str, settings: dict[str, object], mode: str) -> None:
    expected = np.asarray(PICTURE.convert(mode))
    found = Photo.read(saved(PICTURE.convert(mode), format, **settings))
    assert np.array_equal(found.pixels, expected)
    assert found.notices == ()


@pytest.mark.parametrize(("format", "settings"), KINDS[:4])
def test_transparency_comes_back(format: str, settings: dict[str, object]) -> None:
    veiled = PICTURE.copy()
    veiled.putalpha(Image.fromarray(noise(32, 48, 1)))
    found = Photo.read(saved(veiled, format, **settings))
    assert found.alpha is not None
    assert np.array_equal(found.alpha, noise(32, 48, 1))


def test_palettes_of_tga_and_bits_of_pbm() -> None:
    indexed = PICTURE.quantize(8)
    found = Photo.read(saved(indexed, "TGA"))
    assert np.array_equal(found.pixels, np.asarray(indexed.convert("RGB")))
    assert np.array_equal(Photo.read(b"P1\n# a\n2 1\n1 0\n").pixels, [[0, 255]])
    assert np.array_equal(Photo.read(b"P2 2 1 255 7 9\n").pixels, [[7, 9]])


def test_sixteen_bits_are_kept_in_grey_and_told_in_colour() -> None:
    deep = noise(4, 6, 1, 16)
    found = Photo.read(b"P5 6 4 65535\n" + deep.astype(">u2").tobytes())
    assert np.array_equal(found.pixels, deep)
    assert found.pixels.dtype == np.uint16
    jp2 = Photo.read(saved(Image.fromarray(deep), "JPEG2000"))
    assert np.array_equal(jp2.pixels, deep)
    assert jp2.notices == ()
    colour = noise(4, 6, 3, 16)
    found = Photo.read(b"P6\n# of a scanner\n6 4\n65535\n" + colour.astype(">u2").tobytes())
    assert found.notices == ("its 16 bits a channel became 8",)
    assert np.abs(found.pixels.astype(int) - (colour >> 8)).max() <= 1


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def test_profile_and_xmp_of_jpeg_2000() -> None:
    data = saved(PICTURE, "JPEG2000")
    header = data.index(b"jp2h")
    colour = box(b"colr", b"\2\0\0" + ICC_RGB)
    (length,) = struct.unpack(">I", data[header - 4 : header])
    end = header - 4 + length
    grown = struct.pack(">I", length + len(colour))
    data = data[: header - 4] + grown + data[header:end] + colour + data[end:]
    data += box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + b"<x/>")
    found = Photo.read(data)
    assert found.metadata.icc == ICC_RGB
    assert found.metadata.xmp == b"<x/>"
    assert np.array_equal(found.pixels, quadrants())


@pytest.mark.parametrize(("format", "settings"), KINDS)
def test_the_limit_counts_before_decoding(format: str, settings: dict[str, object]) -> None:
    with pytest.raises(PhotoTooLargeError, match=r"48 × 32 pixels"):
        Photo.read(saved(PICTURE, format, **settings), max_megapixels=0.001)


@pytest.mark.parametrize("format", ["JPEG2000", "TGA", "PPM"])
def test_cut_short(format: str) -> None:
    data = saved(Image.fromarray(noise(40, 40)), format)
    with pytest.raises(PhotoReadError, match="not an image"):
        Photo.read(data[: len(data) // 2])


@pytest.mark.parametrize(
    "start",
    [b"\0" * 64, b"\0\0\x02" + b"\xff" * 61, b"P7\nWIDTH 3", b"P6x", b"\0\0\1\0" + bytes(60)],
)
def test_what_only_looks_like_one(start: bytes) -> None:
    assert signature(start) is None


def test_a_batch_takes_them_as_png(tmp_path: Path) -> None:
    for name in ("a.jp2", "b.TGA", "c.ppm", "d.jxl"):
        (tmp_path / name).touch()
    found = plan.make([str(tmp_path)], tmp_path / "out")
    assert [task.target.name for task in found.tasks] == ["a.png", "b.png", "c.png", "d.png"]
    assert {".jp2", ".tga", ".ppm", ".pgm", ".jxl"} <= READABLE - WRITABLE
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.ico").touch()
    with pytest.raises(NothingToDoError):
        plan.make([str(tmp_path / "other")], tmp_path / "out")


def test_jpeg_xl_without_its_plug_in_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_jxl.JpegXLImagePlugin", None)
    with pytest.raises(PhotoReadError, match=r"pip install pillow-jxl-plugin"):
        Photo.read(SMALLEST, name="a.jxl")
    with pytest.raises(PhotoReadError, match="damaged JPEG XL file"):
        Photo.read(b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x14ftypjxl " + bytes(8), name="a.jxl")


# FF0A, then: small, 1 × 8 rows, ratio 1:1; a picture that nobody decodes here.
SMALLEST = b"\xff\x0a" + (1 | 0 << 1 | 1 << 6).to_bytes(2, "little") + bytes(60)


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ("1 00000 001", (8, 8)),
        ("1 00011 111", (32, 64)),
        ("1 00011 000 00101", (32, 48)),
        ("0 00 000010010 000 01 0000000001111", (19, 16)),
        ("0 10 000010000000000000 011", (8193, 10924)),
    ],
)
def test_size_that_jpeg_xl_declares(bits: str, expected: tuple[int, int]) -> None:
    words, number, place = bits.split(), 0, 0
    for word in words:
        number |= int(word, 2) << place
        place += len(word)
    data = b"\xff\x0a" + number.to_bytes(12, "little")
    assert jxl_size(BytesIO(data), len(data)) == expected
    boxed = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"jxlp", b"\0\0\0\0" + data)
    assert jxl_size(BytesIO(boxed), len(boxed)) == expected


@JXL
def test_jpeg_xl_is_read() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Leica"
    import pillow_jxl  # noqa: F401  # so that Pillow can write it

    data = saved(PICTURE, "JXL", lossless=True, exif=exif.tobytes())
    found = Photo.read(data)
    assert np.array_equal(found.pixels, quadrants())
    assert found.metadata.exif is not None
    with pytest.raises(PhotoTooLargeError, match=r"48 × 32 pixels"):
        Photo.read(data, max_megapixels=0.001)
    with pytest.raises(PhotoReadError):
        Photo.read(data[: len(data) // 2])
