"""TIFF as other programs write it: any byte order, layout, compression and depth."""

import contextlib
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from restorecli.errors import PhotoReadError, PhotoTooLargeError, PhotoWriteError
from restorecli.photo import Metadata, Photo, tiff_write
from tests.support.photo_samples import ICC_RGB, XMP, exif_block, noise, photo, quadrants, saved


def written(
    pixels: np.ndarray | Iterator[bytes],
    photometric: str = "rgb",
    **settings: Any,  # noqa: ANN401
) -> bytes:
    """A file as tifffile writes it."""
    file = BytesIO()
    tifffile.imwrite(file, pixels, photometric=photometric, **settings)
    return file.getvalue()


@pytest.mark.parametrize(
    ("order", "compression", "bits"), list(product("<>", (None, "zlib"), (8, 16)))
)
@pytest.mark.parametrize("layout", ["one strip", "strips", "tiles"])
def test_colour_in_any_layout(order: str, compression: str | None, bits: int, layout: str) -> None:
    pixels = noise(37, 45, 3, bits)
    shapes: dict[str, dict[str, Any]] = {
        "one strip": {},
        "strips": {"rowsperstrip": 5},
        "tiles": {"tile": (16, 32)},
    }
    shape = shapes[layout]
    data = written(pixels, byteorder=order, compression=compression, **shape)
    photo = Photo.read(data)
    assert photo.bits == bits
    assert np.array_equal(photo.pixels, pixels)
    assert photo.metadata.exif is None or b"tifffile" in photo.metadata.exif


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("settings", [{}, {"tile": (16, 16)}, {"compression": "zlib"}])
def test_separate_planes(bits: int, settings: dict[str, Any]) -> None:
    planes = noise(3 * 20, 30, 1, bits).reshape(3, 20, 30)
    data = written(planes, planarconfig="separate", **settings)
    assert np.array_equal(Photo.read(data).pixels, planes.transpose(1, 2, 0))


@pytest.mark.parametrize("bits", [8, 16])
def test_white_may_be_zero(bits: int) -> None:
    pixels = noise(9, 11, 1, bits)
    assert np.array_equal(Photo.read(written(pixels, "miniswhite")).pixels, ~pixels)
    assert np.array_equal(Photo.read(written(pixels, "minisblack")).pixels, pixels)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
def test_kinds_of_alpha(bits: int, colours: int, kind: str) -> None:
    most = 2**bits - 1
    values = noise(9, 11, colours + 1, bits)
    values[..., :-1] = np.minimum(values[..., :-1], values[..., -1:])
    photometric = "rgb" if colours == 3 else "minisblack"
    data = written(values, photometric, planarconfig="contig", extrasamples=[kind])
    photo = Photo.read(data)
    if kind == "unspecified":
        assert photo.alpha is None
        return
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, values[..., -1])
    shown = photo.pixels if colours == 3 else photo.pixels[..., None]
    if kind == "unassalpha":
        assert np.array_equal(shown, values[..., :-1])
    else:
        straight = values[..., :-1] / np.maximum(values[..., -1:], 1) * most
        assert np.abs(shown - straight).max() <= 0.51


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_pillows_compressions(compression: str, mode: str) -> None:
    values = noise(50, 60, {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "I;16": 1}[mode])
    if mode == "I;16":
        values = values.astype(np.uint16) * 200
    data = saved(Image.fromarray(values), "TIFF", compression=compression)
    photo = Photo.read(data)
    expected = values[..., 0] if mode == "LA" else values[..., :3] if mode == "RGBA" else values
    assert np.array_equal(photo.pixels, expected)


@pytest.mark.parametrize(("compression", "predictor"), [(1, 1), (5, 1), (5, 2), (8, 2), (8, 1)])
def test_opencvs_16_bits(compression: int, predictor: int) -> None:
    pixels = noise(33, 41, 3, 16)
    settings = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    settings += [cv2.IMWRITE_TIFF_PREDICTOR, predictor]
    ready, data = cv2.imencode(".tiff", pixels, settings)
    assert ready
    assert np.array_equal(Photo.read(data.tobytes()).pixels, pixels[..., ::-1])


@pytest.mark.parametrize("predictor", [1, 2, 3])
@pytest.mark.parametrize("compression", [5, 8])
def test_floats_from_0_to_1_become_16_bits_with_a_notice(compression: int, predictor: int) -> None:
    pixels = noise(21, 34, 3, 16).astype(np.float32) / np.float32(65535)
    settings = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    settings += [cv2.IMWRITE_TIFF_PREDICTOR, predictor]
    ready, data = cv2.imencode(".tiff", pixels, settings)
    assert ready
    photo = Photo.read(data.tobytes())
    assert np.array_equal(photo.pixels, np.rint(pixels[..., ::-1] * 65535).astype(np.uint16))
    assert photo.notices == ("its floating-point values became 16-bit whole numbers",)


@pytest.mark.parametrize("order", "<>")
def test_the_float_predictor_undoes_its_definition(order: str) -> None:
    values = (noise(3, 8, 1, 16) / 65535).astype(np.float32).reshape(3, 4, 2)
    split = values.astype(">f4").view(np.uint8).reshape(3, 8, 4).swapaxes(1, 2).reshape(3, -1, 2)
    deltas = np.diff(split, axis=1, prepend=np.zeros((3, 1, 2), np.uint8)).astype(np.uint8)
    data = written(
        iter([zlib.compress(deltas.tobytes())]),
        "minisblack",
        shape=values.shape,
        dtype=np.float32,
        byteorder=order,
        compression="zlib",
        predictor=3,
        planarconfig="contig",
        extrasamples=["unassalpha"],
    )
    photo = Photo.read(data)
    assert photo.alpha is not None
    again = np.dstack((photo.pixels, photo.alpha))
    assert np.array_equal(again, np.rint(values * 65535).astype(np.uint16))


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_other_floats(kind: type[np.generic]) -> None:
    pixels = np.linspace(0, 1, 99).reshape(3, 11, 3).astype(kind)
    photo = Photo.read(written(pixels))
    assert np.abs(photo.pixels / 65535 - pixels.astype(np.float64)).max() < 1e-3


@pytest.mark.parametrize("wrong", [255.0, -1.0, float("nan"), float("inf")])
def test_floats_of_another_range_are_refused(wrong: float) -> None:
    pixels = np.full((4, 4, 3), 0.5, np.float32)
    pixels[2, 2, 1] = wrong
    with pytest.raises(PhotoReadError, match=r"floating-point values from .* 16-bit TIFF first\.$"):
        Photo.read(written(pixels))


def test_32_bits_become_16_with_a_notice() -> None:
    pixels = noise(4, 5, 3, 16).astype(np.uint32) * 65537
    photo = Photo.read(written(pixels))
    assert np.array_equal(photo.pixels, pixels >> 16)
    assert photo.notices == ("its 32 bits a channel became 16",)


@pytest.mark.parametrize("pixels", [noise(4, 4, 3, 16).astype(np.int16), noise(4, 4, 8, 16)])
def test_signed_and_many_channelled_files_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(PhotoReadError, match="Export it"):
        Photo.read(written(pixels, "minisblack", planarconfig="contig"))


def test_bigtiff_and_later_pages() -> None:
    first, second = noise(6, 7, 3, 16), noise(6, 7, 3, 16, seed=1)
    file = BytesIO()
    with tifffile.TiffWriter(file, bigtiff=True) as pages:
        for page in (first, second):
            pages.write(page, photometric="rgb", iccprofile=ICC_RGB, resolution=(300, 300))
    photo = Photo.read(file.getvalue())
    assert np.array_equal(photo.pixels, first)
    assert photo.metadata.icc == ICC_RGB
    assert photo.metadata.dpi == (300.0, 300.0)


def test_resolution_in_centimetres() -> None:
    data = written(noise(4, 4), resolution=(100, 200), resolutionunit="CENTIMETER")
    assert Photo.read(data).metadata.dpi == (254.0, 508.0)
    bare = written(noise(4, 4), resolution=(100, 200), resolutionunit="NONE")
    assert Photo.read(bare).metadata.dpi is None


def test_a_cameras_raw_file_is_refused() -> None:
    data = written(noise(4, 4), extratags=[(50706, 1, 4, b"\1\4\0\0", True)])
    with pytest.raises(PhotoReadError, match="camera's raw file"):
        Photo.read(data)


def test_an_unusual_compression_of_deep_pixels_is_refused() -> None:
    data = written(noise(4, 4, 3, 16))
    old = struct.pack("<HHI", 259, 3, 1) + struct.pack("<I", 1)
    assert old in data
    wrong = data.replace(old, struct.pack("<HHI", 259, 3, 1) + struct.pack("<I", 7))
    with pytest.raises(PhotoReadError, match=r"compression 7.*Export it"):
        Photo.read(wrong)


@pytest.mark.parametrize("tag", [256, 257, 273, 277, 278])
@pytest.mark.parametrize("value", [0, 2, 9, 1 << 15])
def test_a_lying_directory_is_damage_or_another_picture(tag: int, value: int) -> None:
    data = bytearray(written(noise(16, 16, 3, 16), rowsperstrip=4))
    struct.pack_into("<I", data, entries(data)[tag] + 8, value)
    with contextlib.suppress(PhotoReadError, PhotoTooLargeError):
        Photo.read(bytes(data), max_megapixels=1)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_says_so(compression: str | None, part: float) -> None:
    data = written(noise(40, 40, 3, 16), compression=compression)
    with pytest.raises(PhotoReadError, match="truncated at"):
        Photo.read(data[: int(len(data) * part)])


def entries(data: bytes | bytearray) -> dict[int, int]:
    """Where each tag of the main directory stands in a little-endian file."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    places = range(start + 2, start + 2 + 12 * count, 12)
    return {struct.unpack_from("<H", data, at)[0]: at for at in places}


def test_a_tag_beyond_the_end_does_not_hide_those_after_it() -> None:
    pixels = noise(16, 16, 3, 16)
    data = bytearray(written(pixels, compression="zlib", predictor=2, iccprofile=ICC_RGB))
    struct.pack_into("<II", data, entries(data)[282] + 4, 1, 1 << 30)  # before predictor and ICC
    photo = Photo.read(bytes(data))
    assert np.array_equal(photo.pixels, pixels)
    assert photo.metadata.icc == ICC_RGB


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits", "zstd"])
def test_the_last_strip_may_be_filled_up(compression: str) -> None:
    pixels, filled = noise(20, 16, 3, 16), noise(24, 16, 3, 16)
    filled[:20] = pixels
    data = bytearray(written(filled, compression=compression, rowsperstrip=8))
    struct.pack_into("<I", data, entries(data)[257] + 8, 20)
    assert np.array_equal(Photo.read(bytes(data)).pixels, pixels)


def test_one_strip_may_hold_more_rows_than_there_are() -> None:
    pixels = noise(24, 16, 3, 16)
    data = bytearray(written(pixels, compression="zlib", rowsperstrip=24))
    struct.pack_into("<I", data, entries(data)[257] + 8, 20)
    assert np.array_equal(Photo.read(bytes(data)).pixels, pixels[:20])


@pytest.mark.parametrize("compression", [None, "packbits"])
def test_predictors_of_compressions_without_one_are_ignored_as_in_libtiff(
    compression: str | None,
) -> None:
    pixels = noise(16, 16, 3, 16)
    data = bytearray(written(pixels, compression=compression, extratags=[(316, 3, 1, 2, True)]))
    struct.pack_into("<H", data, entries(data)[316], 317)  # tifffile itself would not write it
    assert np.array_equal(Photo.read(bytes(data)).pixels, pixels)


def test_whole_numbers_have_no_predictor_of_floats() -> None:
    data = bytearray(written(noise(16, 16, 3, 16), compression="zlib", predictor=2))
    struct.pack_into("<H", data, entries(data)[317] + 8, 3)
    with pytest.raises(PhotoReadError, match=r"predictor 3\. Export"):
        Photo.read(bytes(data))


def test_a_deflated_strip_that_fails_its_checksum_is_damage() -> None:
    data = bytearray(written(noise(16, 16, 3, 16), compression="zlib"))
    at = entries(data)
    (offset,) = struct.unpack_from("<I", data, at[273] + 8)
    (count,) = struct.unpack_from("<I", data, at[279] + 8)
    data[offset + count - 1] ^= 1
    with pytest.raises(PhotoReadError, match="damaged TIFF"):
        Photo.read(bytes(data))


def test_a_big_endian_bigtiff() -> None:
    pixels = noise(6, 7, 3, 16)
    data = written(pixels, bigtiff=True, byteorder=">")
    assert np.array_equal(Photo.read(data).pixels, pixels)


def test_the_libraries_of_tiff_are_loaded_when_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "scan.png").write_bytes(Photo(pixels=noise(6, 7)).encode("png"))
    program = (
        "import sys; from restorecli import Photo; photo = Photo.read('scan.png'); "
        "photo.encode('png'); sys.exit(not {'tifffile', 'imagecodecs'}.isdisjoint(sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
def test_what_other_programs_see_in_our_files(bits: int, channels: int, alpha: bool) -> None:
    original = photo(channels, bits, alpha, side=300)
    grey = Photo(
        pixels=original.pixels,
        alpha=original.alpha,
        metadata=Metadata(xmp=XMP, exif=exif_block(), dpi=(300.0, 300.0)),
    )
    with tifffile.TiffFile(BytesIO(grey.encode("tiff"))) as file:
        page = file.pages[0].aspage()
        assert page.tags[700].value == XMP
        assert page.tags[271].value == "Leica"
        assert page.predictor == 2
        assert len(page.dataoffsets) > 1 or channels == 1
    ready = cv2.imdecode(np.frombuffer(grey.encode("tiff"), np.uint8), cv2.IMREAD_UNCHANGED)
    assert ready is not None
    if channels == 3 and not (alpha and bits == 8):  # there OpenCV premultiplies
        assert np.array_equal(ready[..., 2::-1], original.pixels)
    elif channels == 1 and not alpha:
        assert np.array_equal(ready, original.pixels)
    if bits == 8:
        with Image.open(BytesIO(grey.encode("tiff"))) as other:
            seen = np.asarray(other)
        expected = original.pixels
        if original.alpha is not None:
            expected = np.dstack((original.pixels, original.alpha))
        assert np.array_equal(seen, expected)


def test_more_than_4_gb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_write, "_MOST_BYTES", 500)
    with pytest.raises(PhotoWriteError, match="4 GB"):
        Photo(pixels=noise(20, 20)).encode("tiff")
    flat = Photo(pixels=np.zeros((2, 2), np.uint8), metadata=Metadata(xmp=b"x" * 600))
    with pytest.raises(PhotoWriteError, match="4 GB"):
        flat.encode("tiff")


def test_quadrants_survive_pillows_tiles() -> None:
    data = saved(Image.fromarray(quadrants()), "TIFF", compression="tiff_lzw", strip_size=1)
    assert np.array_equal(Photo.read(data).pixels, quadrants())
