"""Colours that a file describes by numbers: what another colour engine makes of the result."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from restorecli.photo import Photo
from restorecli.photo.documents import cicp
from restorecli.photo.documents.boxes import nclx
from tests.support.photo_samples import ICC_RGB, noise, photo, quadrants, saved

FILES = Path(__file__).parents[1] / "files"
# Linear light to sRGB's, from CSS Color 4.
DISPLAY_P3 = ((1.22494, -0.22494, 0), (-0.04206, 1.04206, 0), (-0.01964, -0.07864, 1.09828))
BT2020 = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))
SAME = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
MUTED = np.array([[[150, 110, 90], [90, 120, 140], [128, 128, 128], [255, 255, 255]]], np.uint8)


def srgb_curve(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def video_curve(values: np.ndarray) -> np.ndarray:
    return np.where(values < 0.081, values / 4.5, ((values + 0.099) / 1.099) ** (1 / 0.45))


def as_srgb(light: np.ndarray) -> np.ndarray:
    bounded = light.clip(0, 1)
    curved = np.where(bounded <= 0.0031308, 12.92 * bounded, 1.055 * bounded ** (1 / 2.4) - 0.055)
    return np.asarray(curved * 255)


def shown(pixels: np.ndarray, icc: bytes) -> np.ndarray:
    """What littleCMS shows on an sRGB screen."""
    transform = ImageCms.buildTransform(
        BytesIO(icc),
        ImageCms.createProfile("sRGB"),
        "RGB",
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    result = ImageCms.applyTransform(Image.fromarray(pixels), transform)
    return np.asarray(result).astype(int)


@pytest.mark.parametrize(
    ("codes", "curve", "matrix"),
    [
        ((12, 13), srgb_curve, DISPLAY_P3),
        ((12, 2), srgb_curve, DISPLAY_P3),
        ((9, 1), video_curve, BT2020),
        ((9, 14), video_curve, BT2020),
        ((1, 1), video_curve, SAME),
        ((1, 8), lambda values: values, SAME),
        ((1, 4), lambda values: values**2.2, SAME),
    ],
)
def test_a_profile_shows_what_the_numbers_mean(
    codes: tuple[int, int],
    curve: Callable[[np.ndarray], np.ndarray],
    matrix: tuple[tuple[float, ...], ...],
) -> None:
    profile = cicp.from_codes(*codes).profile
    assert profile is not None
    expected = as_srgb(curve(MUTED / 255) @ np.array(matrix).T)
    assert np.abs(shown(MUTED, profile) - expected).max() <= 1.5


@pytest.mark.parametrize("codes", [(1, 13), (2, 2), (1, 2), (0, 0), (200, 99)])
def test_srgb_and_silence_need_no_profile(codes: tuple[int, int]) -> None:
    assert cicp.from_codes(*codes).profile is None
    assert cicp.from_codes(*codes).bright is None


@pytest.mark.parametrize("name", ["p3.heic", "p3.avif"])
@pytest.mark.parametrize("format", ["png", "jpeg", "tiff", "webp", "avif", "heic"])
def test_display_p3_in_boxes_is_shown_alike_in_every_result(name: str, format: str) -> None:
    source = Photo.read(FILES / name)
    assert source.metadata.icc == cicp.from_codes(12, 13).profile
    assert source.notices == ()
    again = Photo.read(source.encode(format))
    assert again.metadata.icc == source.metadata.icc
    assert np.abs(again.pixels.astype(int) - source.pixels).mean() < 6


def test_files_of_our_own_are_srgb() -> None:
    for format in ("avif", "heic"):
        assert Photo.read(Photo(pixels=quadrants()).encode(format)).metadata.icc is None


def test_a_profile_is_stronger_than_the_boxes() -> None:
    for format in ("avif", "heic"):
        assert Photo.read(photo().encode(format)).metadata.icc == ICC_RGB


@pytest.mark.parametrize("damage", [b"colrnclx", b"ipma", b"pitm", b"iprp"])
def test_damaged_boxes_say_nothing(damage: bytes) -> None:
    data = (FILES / "p3.avif").read_bytes()
    at = data.index(damage)
    for change in (b"\xff" * 12, bytes(12)):
        changed = data[: at + len(damage)] + change + data[at + len(damage) + 12 :]
        assert nclx(BytesIO(changed), len(changed)) in (None, (12, 13), (0, 0), (65535, 65535))
    assert nclx(BytesIO(data[:90]), 90) is None


def test_pq_is_brought_to_srgb_and_said() -> None:
    found = Photo.read(FILES / "pq2020.heic")
    assert found.notices == ("its HDR brightness (PQ) became that of sRGB",)
    assert found.metadata.icc is None


def pq(nits: float) -> float:
    """SMPTE ST 2084, written from the standard the other way round."""
    y = (nits / 10000) ** (2610 / 16384)
    return float(((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 4096 * 128))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pq_keeps_what_is_darker_than_paper(dtype: type[np.uint8] | type[np.uint16]) -> None:
    most = np.iinfo(dtype).max
    nits = np.array([0, 5, 20, 60, 120, 160, 203, 1000, 10000])
    stored = np.rint([[pq(each) * most for each in nits]]).astype(dtype)
    for pixels in (stored, np.repeat(stored[..., None], 3, axis=2)):
        result = cicp.to_sdr(pixels, cicp.from_codes(9, 16))
        assert result.dtype == dtype
        levels = (result if result.ndim == 2 else result[..., 0])[0] / most * 255
        assert np.abs(levels[:6] - as_srgb(nits[:6] / 203)).max() < 2
        assert (np.diff(levels) >= 0).all()
        assert 240 < levels[6] < levels[7] <= levels[8] <= 255


def test_hlg_paper_white_is_nearly_white_and_grey_stays_grey() -> None:
    ramp = np.linspace(0, 255, 9).astype(np.uint8)[None]
    grey = cicp.to_sdr(ramp, cicp.from_codes(9, 18))
    coloured = cicp.to_sdr(np.repeat(ramp[..., None], 3, axis=2), cicp.from_codes(9, 18))
    assert np.abs(coloured.astype(int) - grey[..., None]).max() <= 1
    assert (np.diff(grey[0].astype(int)) >= 0).all()
    assert 240 <= grey[0, 6] <= 252  # 75 %
    assert grey[0, 0] == 0


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks: bytes, icc: bytes | None = None) -> bytes:
    data = saved(Image.fromarray(quadrants()), "PNG", icc_profile=icc)
    return data[:33] + b"".join(chunks) + data[33:]


P3_CORNERS = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
SRGB_CORNERS = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


def gama(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 1e5)))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((chunk(b"cICP", b"\x0c\x0d\0\1"),), cicp.from_codes(12, 13).profile),
        ((gama(0.45455),), None),
        ((gama(0.45455), chunk(b"cHRM", SRGB_CORNERS)), None),
        ((gama(0.45455), chunk(b"cHRM", P3_CORNERS)), cicp.from_codes(12, 13).profile),
        ((chunk(b"cHRM", P3_CORNERS),), cicp.from_codes(12, 13).profile),
        ((gama(1.0),), cicp.from_codes(1, 8).profile),
        ((chunk(b"sRGB", b"\0"), gama(1.0)), None),
        ((chunk(b"cHRM", bytes(32)), gama(0)), None),
        ((chunk(b"cHRM", b"\xff" * 32),), None),
        ((chunk(b"cHRM", b"\1"), chunk(b"gAMA", b""), chunk(b"cICP", b"")), None),
    ],
)
def test_png_says_its_colours_by_chunks(chunks: tuple[bytes, ...], expected: bytes | None) -> None:
    found = Photo.read(png_with(*chunks))
    assert found.metadata.icc == expected
    assert np.array_equal(found.pixels, quadrants())


def test_cicp_is_stronger_than_a_profile_and_that_than_gamma() -> None:
    p3 = cicp.from_codes(12, 13).profile
    strongest = Photo.read(png_with(chunk(b"cICP", b"\x0c\x0d\0\1"), icc=ICC_RGB))
    assert strongest.metadata.icc == p3
    assert Photo.read(png_with(gama(1.0), icc=ICC_RGB)).metadata.icc == ICC_RGB


def test_a_deep_png_in_pq() -> None:
    data = Photo(pixels=noise(8, 8, 3, 16)).encode("png")
    found = Photo.read(data[:33] + chunk(b"cICP", b"\x09\x10\0\1") + data[33:])
    assert found.bits == 16
    assert found.notices == ("its HDR brightness (PQ) became that of sRGB",)
