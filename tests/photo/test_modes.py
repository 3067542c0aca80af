"""Every kind of pixel that a file can hold arrives as honest grey or RGB."""

import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from restorecli.photo import Metadata, Photo
from restorecli.photo.metadata import colour_space
from tests.support.photo_samples import ICC_RGB, noise, quadrants, saved

SRGB = ImageCms.createProfile("sRGB")


def cmyk_profile(of_ink: tuple[int, int, int]) -> bytes:
    """A printer's profile in which any cyan looks like this 8-bit Lab colour, and the rest grey."""
    corners = [(i >> 3 & 1, i >> 2 & 1, i >> 1 & 1, i & 1) for i in range(16)]  # C M Y K
    table = bytes(
        value
        for cyan, *others in corners
        for value in (of_ink if cyan else (255 - 80 * sum(others) * (len(others) > 0), 128, 128))
    )
    ramp, identity = bytes(range(256)), (1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0))
    lut += b"".join(struct.pack(">i", one << 16) for one in identity)
    lut += ramp * 4 + table + ramp * 3
    lut += bytes(-len(lut) % 4)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = struct.pack(">I", 2)
    tags += b"A2B0" + struct.pack(">II", 128 + 28, len(lut))
    tags += b"wtpt" + struct.pack(">II", 128 + 28 + len(lut), len(white))
    size = 128 + len(tags) + len(lut) + len(white)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(24)
    header += struct.pack(">I3i", 0, 63190, 65536, 54061)
    return header.ljust(128, b"\0") + tags + lut + white


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_goes_through_its_profile_which_is_then_gone(format: str) -> None:
    profile = cmyk_profile((136, 208, 195))  # Lab of pure red
    assert colour_space(profile) == "CMYK"
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, 8:, 0] = 255
    data = saved(Image.fromarray(inks, "CMYK"), format, icc_profile=profile)
    photo = Photo.read(data)
    assert photo.metadata.icc is None
    assert photo.notices == ()
    assert photo.pixels[8, 2].min() > 250
    assert np.abs(photo.pixels[8, 13].astype(int) - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("profile", [b"", ICC_RGB, cmyk_profile((0, 0, 0))[:200]])
def test_cmyk_without_a_usable_profile_is_approximated_with_a_notice(profile: bytes) -> None:
    picture = Image.fromarray(quadrants()).convert("CMYK")
    photo = Photo.read(saved(picture, "TIFF", icc_profile=profile))
    assert photo.metadata.icc is None
    (notice,) = photo.notices
    assert "CMYK" in notice
    assert np.abs(photo.pixels.astype(int) - quadrants()).max() < 3


def test_lab_becomes_srgb() -> None:
    to_lab = ImageCms.buildTransform(SRGB, ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = ImageCms.applyTransform(Image.fromarray(quadrants()), to_lab)
    assert lab is not None
    photo = Photo.read(saved(lab, "TIFF"))
    assert photo.notices == ()
    assert np.abs(photo.pixels.astype(int) - quadrants()).max() < 12


def test_ycbcr_becomes_rgb_and_keeps_its_profile() -> None:
    picture = Image.fromarray(quadrants()).convert("YCbCr")
    photo = Photo.read(saved(picture, "TIFF", icc_profile=ICC_RGB))
    assert np.abs(photo.pixels.astype(int) - quadrants()).max() < 4
    assert photo.metadata.icc == ICC_RGB


def test_jpeg_and_fax_inside_tiff() -> None:
    coloured = saved(Image.fromarray(quadrants()), "TIFF", compression="jpeg", quality=95)
    assert np.abs(Photo.read(coloured).pixels.astype(int) - quadrants()).mean() < 8
    black = Image.fromarray(quadrants()).convert("1", dither=Image.Dither.NONE)
    faxed = Photo.read(saved(black, "TIFF", compression="group4"))
    assert faxed.grey
    assert np.array_equal(faxed.pixels, np.asarray(black).astype(np.uint8) * 255)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "GIF"])
def test_one_bit_is_black_and_white(format: str) -> None:
    drawn = np.eye(9, dtype=bool)
    photo = Photo.read(saved(Image.fromarray(drawn), format))
    assert photo.grey
    assert np.array_equal(photo.pixels, drawn.astype(np.uint8) * 255)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "GIF"])
def test_a_palette_becomes_its_colours(format: str) -> None:
    photo = Photo.read(saved(Image.fromarray(quadrants()).quantize(8), format))
    assert np.array_equal(photo.pixels, quadrants())
    assert photo.alpha is None


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_one_transparent_palette_entry(format: str) -> None:
    picture = Image.fromarray(quadrants()).quantize(8)
    corner = picture.getpixel((0, 0))
    photo = Photo.read(saved(picture, format, transparency=corner))
    assert photo.alpha is not None
    expected = np.where((quadrants() == (220, 30, 30)).all(axis=2), 0, 255)
    assert np.array_equal(photo.alpha, expected)


def test_a_palette_with_an_alpha_each() -> None:
    picture = Image.fromarray(quadrants()).quantize(4)
    photo = Photo.read(saved(picture, "PNG", transparency=bytes((0, 80, 160, 255))))
    assert photo.alpha is not None
    expected = np.array((0, 80, 160, 255), np.uint8)[np.asarray(picture)]
    assert np.array_equal(photo.alpha, expected)


def test_a_grey_palette_is_grey() -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert("P")
    photo = Photo.read(saved(ramp, "PNG"))
    assert photo.grey


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_one_transparent_value(mode: str) -> None:
    pixels = noise(8, 8, 1) // 64
    picture = Image.fromarray(pixels).convert(mode)
    photo = Photo.read(saved(picture, "PNG", transparency=2 if mode == "L" else (2, 2, 2)))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, np.where(pixels == 2, 0, 255))
    assert photo.grey


def test_equal_channels_are_grey_and_one_unequal_pixel_is_not() -> None:
    grey = np.repeat(noise(600, 9, 1)[..., None], 3, axis=2)
    assert Photo.read(saved(Image.fromarray(grey), "PNG")).grey
    grey[599, 8, 2] ^= 1
    assert not Photo.read(saved(Image.fromarray(grey), "PNG")).grey


def test_alpha_that_is_opaque_everywhere_is_none() -> None:
    picture = Image.fromarray(quadrants()).convert("RGBA")
    assert Photo.read(saved(picture, "PNG")).alpha is None


def test_only_the_first_frame_is_read() -> None:
    first, second = Image.fromarray(quadrants()), Image.fromarray(quadrants()[::-1].copy())
    for format, settings in (("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True})):
        data = saved(first, format, save_all=True, append_images=[second], **settings)
        assert np.array_equal(Photo.read(data).pixels, quadrants()), format
    pages = saved(first, "TIFF", save_all=True, append_images=[second])
    assert np.array_equal(Photo.read(pages).pixels, quadrants())


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
def test_16_bit_png_of_other_programs(colours: int, alpha: bool) -> None:
    stored = noise(12, 17, 4, 16)
    if colours == 3:
        chosen = stored if alpha else stored[..., :3]
        ready, data = cv2.imencode(".png", chosen)
        assert ready
        photo = Photo.read(data.tobytes())
        assert np.array_equal(photo.pixels, stored[..., 2::-1])
    else:
        photo = Photo.read(Photo(pixels=stored[..., 0], alpha=stored[..., 3]).encode("png"))
        assert np.array_equal(photo.pixels, stored[..., 0])
        alpha = True
    assert photo.bits == 16
    assert (photo.alpha is not None) == alpha
    if photo.alpha is not None:
        assert np.array_equal(photo.alpha, stored[..., 3])


def test_a_very_dark_16_bit_photo_is_16_bit() -> None:
    dark = noise(8, 8, 3, 16) // 300
    for format in ("png", "tiff"):
        photo = Photo.read(Photo(pixels=dark).encode(format))
        assert photo.bits == 16
        assert np.array_equal(photo.pixels, dark)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_transparent_16_bit_value(channels: int) -> None:
    pixels = noise(8, 8, channels, 16)
    clear = pixels[3, 4] if channels == 3 else pixels[3, 4].reshape(1)
    data = Photo(pixels=pixels).encode("png")
    chunk = b"tRNS" + clear.astype(">u2").tobytes()
    crc = struct.pack(">I", zlib.crc32(chunk))
    at = data.index(b"IDAT") - 4
    data = data[:at] + struct.pack(">I", len(chunk) - 4) + chunk + crc + data[at:]
    photo = Photo.read(data)
    assert np.array_equal(photo.pixels, pixels)
    assert photo.alpha is not None
    assert photo.alpha[3, 4] == 0
    assert (photo.alpha == 65535).sum() == 63


def test_one_transparent_colour_where_opencv_leaves_it_to_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *given: np.asarray(decode(*given))[..., :3])
    test_one_transparent_16_bit_value(3)


def test_what_other_programs_see_in_our_16_bit_png() -> None:
    pixels, alpha = noise(12, 17, 3, 16), noise(12, 17, 1, 16)
    data = Photo(pixels=pixels, alpha=alpha, metadata=Metadata(icc=ICC_RGB)).encode("png")
    seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert seen is not None
    assert np.array_equal(seen[..., 2::-1], pixels)
    assert np.array_equal(seen[..., 3], alpha)
    with Image.open(BytesIO(data)) as other:
        other.load()
        assert other.info["icc_profile"] == ICC_RGB


def test_16_bits_are_rounded_for_formats_of_8() -> None:
    ramp = np.arange(65536, dtype=np.uint32).astype(np.uint16).reshape(256, 256)
    photo = Photo.read(Photo(pixels=ramp).encode("bmp"))
    assert np.array_equal(photo.pixels, np.rint(ramp / 257).astype(np.uint8))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_is_put_on_white_where_there_is_none(bits: int, channels: int) -> None:
    most = 2**bits - 1
    pixels = noise(9, 9, channels, bits)
    alpha = noise(9, 9, 1, bits, seed=3)
    original = Photo(pixels=pixels, alpha=alpha)
    opacity = (alpha if channels == 1 else alpha[..., None]) / most
    expected = (pixels / most * opacity + 1 - opacity) * 255
    photo = Photo.read(original.encode("bmp"))
    assert photo.alpha is None
    assert np.abs(photo.pixels - expected).max() <= 0.51 + (bits == 8) * 0.01
    assert "BMP has no transparency: put on white" in original.losses("bmp")
