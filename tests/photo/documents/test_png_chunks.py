"""PNG's texts and profiles, of any length, without a word to Pillow's globals."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from restorecli.errors import PhotoReadError
from restorecli.photo import Metadata, Photo
from restorecli.photo.documents.png_chunks import text_chunk
from tests.photo.documents.test_cicp import chunk
from tests.support.photo_samples import ICC_RGB, noise, photo, quadrants
from tests.support.work import takes_at_most

LONG = "prompt " * 300_000


def with_chunks(*chunks: bytes, bits: int = 8) -> bytes:
    data = Photo(pixels=noise(6, 9, 3, bits)).encode("png")
    return data[:33] + b"".join(chunks) + data[33:]


@pytest.mark.parametrize("bits", [8, 16])
def test_two_megabytes_of_text_are_read_and_kept(bits: int) -> None:
    before = (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY, ImageFile.SAFEBLOCK)
    packed = chunk(b"zTXt", b"workflow\0\0" + zlib.compress(LONG.encode()))
    found = Photo.read(with_chunks(packed, bits=bits))
    assert found.metadata.texts == (("workflow", LONG),)
    assert np.array_equal(found.pixels, noise(6, 9, 3, bits))
    assert Photo.read(found.encode("png")).metadata.texts == found.metadata.texts
    after = (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY, ImageFile.SAFEBLOCK)
    assert after == before


def test_a_profile_of_a_megabyte_and_a_half() -> None:
    long = ICC_RGB + np.random.default_rng(0).bytes(1_500_000)
    data = with_chunks(chunk(b"iCCP", b"p\0\0" + zlib.compress(long)))
    found = Photo.read(data)
    assert found.metadata.icc == long
    for format in ("png", "jpeg", "webp", "tiff"):
        assert Photo.read(found.encode(format)).metadata.icc == long


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_a_bomb_is_refused(kind: bytes) -> None:
    bomb = zlib.compress(bytes(20_000_000), 9)
    with pytest.raises(PhotoReadError, match="damaged PNG file"):
        Photo.read(with_chunks(chunk(kind, b"a\0\0" + bomb)))


@pytest.mark.parametrize(
    "damaged", [b"\0\0x", b"key\0\0no zlib", b"", b"key", b"key\0\1\0\0\0no zlib"]
)
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_damaged_chunks_cost_no_pixel(kind: bytes, damaged: bytes) -> None:
    found = Photo.read(with_chunks(chunk(kind, damaged)))
    assert np.array_equal(found.pixels, noise(6, 9))
    assert found.metadata.icc is None


@pytest.mark.parametrize("bits", [8, 16])
def test_texts_of_every_kind_come_back(bits: int) -> None:
    texts = (("Author", "Ann"), ("Title", "한국 " * 9), ("Long", "é" * 2000), ("Wide", "字" * 2000))
    original = Photo(pixels=noise(6, 9, 3, bits), metadata=Metadata(texts=texts))
    data = original.encode("png")
    assert Photo.read(data).metadata.texts == texts
    assert [text_chunk(*text)[0] for text in texts] == [b"tEXt", b"iTXt", b"zTXt", b"iTXt"]


def test_pillow_reads_our_texts() -> None:
    from io import BytesIO

    texts = (("Author", "Ann"), ("Title", "한국"), ("Long", "é" * 2000), ("Wide", "字" * 2000))
    original = Photo(pixels=quadrants(), metadata=Metadata(texts=texts))
    with Image.open(BytesIO(original.encode("png"))) as other:
        assert isinstance(other, PngImagePlugin.PngImageFile)
        other.load()
        assert {key: str(text) for key, text in other.text.items()} == dict(texts)


def test_thousands_of_texts_take_no_time() -> None:
    data = Photo(pixels=quadrants()).encode("png")
    many = (chunk(b"tEXt", b"key\0text") + chunk(b"IDAT", b"")) * 20_000

    def read() -> None:
        found = Photo.read(data[:-12] + many + data[-12:])
        assert len(found.metadata.texts) == 20_000
        assert np.array_equal(found.pixels, quadrants())

    assert takes_at_most(120, read)


def test_imagemagicks_texts_are_documents() -> None:
    def profile(name: str, data: bytes) -> bytes:
        text = f"\n{name}\n{len(data):8d}\n{data.hex()}\n"
        return chunk(b"tEXt", f"Raw profile type {name}".encode() + b"\0" + text.encode())

    found = Photo.read(with_chunks(profile("iptc", b"\x1c\x02x\0\1a"), profile("xmp", b"<x/>")))
    assert found.metadata.iptc == b"\x1c\x02x\0\1a"
    assert found.metadata.xmp == b"<x/>"
    assert found.metadata.texts == ()


def test_everything_else_of_a_png_is_as_before() -> None:
    found = Photo.read(photo(4 - 1, 8, alpha=True).encode("png"))
    assert found.metadata.icc == ICC_RGB
    assert found.metadata.dpi == (300.0, 300.0)
    cut = with_chunks(struct.pack(">I", 2**31 - 1) + b"tEXt")
    with pytest.raises(Exception, match="not an image Pillow can read"):
        Photo.read(cut)
