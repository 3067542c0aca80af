"""What belongs to a photo survives every way from format to format, and orientation is undone."""

import struct
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from restorecli.photo import Metadata, Photo
from restorecli.photo.documents import exif as photo_exif
from restorecli.photo.metadata import from_info
from tests.support.photo_samples import (
    DOCUMENTED,
    ICC_GREY,
    ICC_RGB,
    XMP,
    exif_block,
    exif_tags,
    full_metadata,
    noise,
    photo,
    quadrants,
    saved,
)

ORIENTED = ("JPEG", "PNG", "WEBP", "TIFF")
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # what a viewer does, in NumPy's words
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.swapaxes(np.rot90(a, 2), 0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("source", DOCUMENTED)
@pytest.mark.parametrize("target", DOCUMENTED)
@pytest.mark.parametrize("bits", [8, 16])
def test_all_metadata_goes_from_format_to_format(source: str, target: str, bits: int) -> None:
    first = Photo.read(photo(bits=bits).encode(source))
    again = Photo.read(first.encode(target))
    assert again.metadata.icc == ICC_RGB
    assert again.metadata.xmp == XMP
    assert again.metadata.dpi == (300.0, 300.0)
    tags = exif_tags(again.metadata.exif)
    assert tags["orientation"] in ((None, 1) if "avif" in (source, target) else (1,))
    assert tags["sides"] == (16, 21)
    expected = exif_tags(exif_block())
    for name in ("maker", "date", "note", "gps"):
        assert tags[name] == expected[name], name
    assert again.notices == ()


@pytest.mark.parametrize("format", [name for name in DOCUMENTED if name != "tiff"])
def test_an_exif_block_is_kept_to_the_byte(format: str) -> None:
    block = photo_exif.sized(exif_block(mark=">"), 16, 21)
    original = Photo(pixels=noise(16, 21), metadata=Metadata(exif=block))
    again = Photo.read(original.encode(format)).metadata.exif
    if format == "avif":
        assert exif_tags(again) == exif_tags(block) | {"orientation": None}
    else:
        assert again == block


@pytest.mark.parametrize("mark", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_takes_the_byte_order_of_its_exif(mark: str, bits: int) -> None:
    original = Photo(pixels=noise(7, 9, 3, bits), metadata=Metadata(exif=exif_block(mark=mark)))
    data = original.encode("tiff")
    assert data[:2] == (b"II" if mark == "<" else b"MM")
    again = Photo.read(data)
    assert np.array_equal(again.pixels, original.pixels)
    assert exif_tags(again.metadata.exif)["note"] == exif_tags(exif_block())["note"]
    with Image.open(BytesIO(data)) as other:
        assert other.getexif().get_ifd(0x8769)[0x927C] == exif_tags(exif_block())["note"]


def test_bmp_keeps_dots_per_inch_and_says_what_it_drops() -> None:
    original = photo()
    again = Photo.read(original.encode("bmp"))
    assert again.metadata == Metadata(dpi=(300.0, 300.0))
    (notice,) = original.losses("bmp")
    assert notice == "colour profile, EXIF, XMP: no place for it in BMP, left out"


@pytest.mark.parametrize("dpi", [(72.0, 72.0), (300.0, 600.0), (96.0, 96.0)])
@pytest.mark.parametrize("format", [*DOCUMENTED, "bmp"])
def test_dots_per_inch_without_other_metadata(format: str, dpi: tuple[float, float]) -> None:
    original = Photo(pixels=noise(4, 4), metadata=Metadata(dpi=dpi))
    assert Photo.read(original.encode(format)).metadata.dpi == dpi


@pytest.mark.parametrize("format", [*DOCUMENTED, "bmp"])
def test_no_metadata_is_invented(format: str) -> None:
    again = Photo.read(Photo(pixels=noise(4, 4)).encode(format))
    assert again.metadata == Metadata()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("format", ORIENTED)
def test_orientation_is_applied_once(format: str, turn: int) -> None:
    settings = {"quality": 95} if format in ("JPEG", "WEBP") else {}
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = turn, "Leica"
    data = saved(Image.fromarray(quadrants()), format, exif=exif.tobytes(), **settings)
    upright = TURNS[turn](quadrants())
    again = Photo.read(data)
    assert again.pixels.shape == upright.shape
    assert np.abs(again.pixels.astype(int) - upright).mean() < 8
    assert again.metadata.exif is not None
    assert photo_exif.orientation(again.metadata.exif) == 1
    twice = Photo.read(again.encode("png"))
    assert np.array_equal(twice.pixels, again.pixels)
    assert again.pixels.flags.c_contiguous


@pytest.mark.parametrize("turn", range(1, 9))
def test_heic_and_avif_turn_by_their_own_boxes(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = saved(Image.fromarray(quadrants()), "AVIF", exif=exif.tobytes(), quality=95)
    upright = TURNS[turn](quadrants())
    again = Photo.read(data)
    assert again.pixels.shape == upright.shape
    assert np.abs(again.pixels.astype(int) - upright).mean() < 8


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("format", ["png", "tiff"])
def test_deep_and_transparent_photos_turn_with_their_alpha(
    format: str, bits: int, turn: int
) -> None:
    stored = photo(3, bits, alpha=True)
    block = exif_block(turn)
    turned = Photo(pixels=stored.pixels, alpha=stored.alpha, metadata=Metadata(exif=block))
    again = Photo.read(turned.encode(format))
    assert np.array_equal(again.pixels, TURNS[turn](stored.pixels))
    assert again.alpha is not None
    assert stored.alpha is not None
    assert np.array_equal(again.alpha, TURNS[turn](stored.alpha))


def test_turning_by_a_quarter_swaps_the_resolution() -> None:
    sideways = Metadata(exif=exif_block(6), dpi=(300.0, 600.0))
    data = Photo(pixels=noise(4, 4), metadata=sideways).encode("png")
    assert Photo.read(data).metadata.dpi == (600.0, 300.0)


def with_exif(format: str, block: bytes, **settings: object) -> bytes:
    """A file as Pillow writes it, with a block of EXIF."""
    marked = b"Exif\0\0" + block if format == "JPEG" else block
    return saved(Image.fromarray(quadrants()), format, exif=marked, **settings)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("format", [*ORIENTED, "AVIF"])
def test_turning_swaps_the_resolution_in_exif_too(format: str, turn: int) -> None:
    block = photo_exif.with_resolution(exif_block(turn), (300.0, 600.0))
    expected = (600.0, 300.0) if turn >= 5 else (300.0, 600.0)
    found = Photo.read(with_exif(format, block)).metadata
    assert found.exif is not None
    assert photo_exif.resolution(found.exif) == expected
    assert found.dpi == expected


@pytest.mark.parametrize("turn", [3, 6])
def test_heic_that_its_decoder_has_turned_has_its_resolution_turned(turn: int) -> None:
    block = photo_exif.with_resolution(exif_block(turn), (300.0, 600.0))
    data = Photo(pixels=quadrants(), metadata=Metadata(exif=block)).encode("heic")
    found = Photo.read(data)
    expected = (600.0, 300.0) if turn >= 5 else (300.0, 600.0)
    assert found.pixels.shape == TURNS[turn](quadrants()).shape
    assert found.metadata.dpi == expected
    assert found.metadata.exif is not None
    assert photo_exif.resolution(found.metadata.exif) == expected


def test_xmp_that_turns_swaps_the_resolution_in_exif() -> None:
    block = photo_exif.with_resolution(exif_block(None), (300.0, 600.0))
    xmp = XMP.replace(b'Orientation="1"', b'Orientation="8"')
    found = from_info({"xmp": xmp, "exif": block}, 4, 4).metadata
    assert found.dpi == (600.0, 300.0)
    assert found.exif is not None
    assert photo_exif.resolution(found.exif) == (600.0, 300.0)


@pytest.mark.parametrize("format", [*ORIENTED, "AVIF"])
def test_no_resolution_is_invented_beside_exif(format: str) -> None:
    assert Photo.read(with_exif(format, exif_block())).metadata.dpi is None


JFIF = b"JFIF\0\1\1"


@pytest.mark.parametrize(
    ("unit", "density", "stated", "dpi"),
    [
        (1, (200, 400), None, (200.0, 400.0)),
        (2, (100, 200), None, (254.0, 508.0)),
        (0, (200, 400), None, None),
        (1, (0, 0), None, None),
        (1, (0, 0), (240.0, 120.0), (240.0, 120.0)),
        (0, (1, 1), (240.0, 120.0), (240.0, 120.0)),
        (1, (200, 200), (240.0, 240.0), (200.0, 200.0)),
    ],
)
def test_jpeg_has_the_resolution_of_jfif_or_exif(
    unit: int,
    density: tuple[int, int],
    stated: tuple[float, float] | None,
    dpi: tuple[float, float] | None,
) -> None:
    block = exif_block() if stated is None else photo_exif.with_resolution(exif_block(), stated)
    data = with_exif("JPEG", block)
    place = data.index(JFIF) + len(JFIF)
    head = struct.pack(">BHH", unit, *density)
    assert Photo.read(data[:place] + head + data[place + 5 :]).metadata.dpi == dpi


@pytest.mark.parametrize("turn", range(2, 9))
@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_tiff_is_turned_where_orientation_is_all_it_says(mode: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    picture = Image.fromarray(quadrants())
    data = saved(picture.quantize(8) if mode == "P" else picture, "TIFF", exif=exif.tobytes())
    assert np.array_equal(Photo.read(data).pixels, TURNS[turn](quadrants()))


def test_damaged_exif_in_tiff_costs_neither_profile_nor_orientation() -> None:
    broken = Metadata(exif=exif_block(6), icc=ICC_RGB, dpi=(300.0, 600.0))
    data = bytearray(Photo(pixels=quadrants(), metadata=broken).encode("tiff"))
    pointer = b"\x69\x87\x04\x00\x01\x00\x00\x00"
    at = data.rindex(pointer) + len(pointer)
    data[at : at + 4] = b"\xff\xff\xff\x7f"
    photo = Photo.read(bytes(data))
    assert photo.metadata.icc == ICC_RGB
    assert photo.metadata.dpi == (600.0, 300.0)
    assert np.array_equal(photo.pixels, TURNS[6](quadrants()))


def test_exif_that_pillow_chokes_on_is_left_out_of_tiff(monkeypatch: pytest.MonkeyPatch) -> None:
    def choke(*_: object) -> bytes:
        raise struct.error("unpack requires 4 bytes")

    data = Photo(pixels=quadrants(), metadata=Metadata(exif=exif_block(8), icc=ICC_RGB)).encode(
        "tiff"
    )
    monkeypatch.setattr(Image.Exif, "tobytes", choke)
    photo = Photo.read(data)
    assert photo.notices == ("its EXIF block is damaged and was left out",)
    assert photo.metadata.icc == ICC_RGB
    assert np.array_equal(photo.pixels, TURNS[8](quadrants()))


def test_xmp_speaks_where_exif_is_silent() -> None:
    xmp = XMP.replace(b'Orientation="1"', b'Orientation="3"')
    facts = from_info({"xmp": xmp, "exif": exif_block(None)}, 4, 4)
    assert facts.orientation == 3
    assert facts.metadata.xmp == XMP
    spoken = from_info({"xmp": xmp, "exif": exif_block(1)}, 4, 4)
    assert spoken.orientation == 1
    element = b"<tiff:Orientation>8</tiff:Orientation>"
    assert from_info({"xmp": element}, 4, 4).orientation == 8
    assert from_info({"xmp": element}, 4, 4).metadata.xmp == element.replace(b"8", b"1")


def test_damaged_exif_is_left_out_with_a_notice() -> None:
    for block in (b"nonsense", exif_block()[:30], b"II*\0\xff\xff\0\0"):
        facts = from_info({"exif": block}, 4, 4)
        assert facts.metadata.exif is None
        assert facts.notices == ("its EXIF block is damaged and was left out",)


def test_imagemagicks_text_chunk_is_exif_too() -> None:
    block = exif_block(6)
    text = "\nexif\n  100\n" + block.hex()
    assert from_info({"Raw profile type exif": text}, 4, 4).orientation == 6
    assert from_info({"Raw profile type exif": "\nexif\n 1\nzz"}, 4, 4).metadata.exif is None


@pytest.mark.parametrize("dpi", [(0, 0), (1, 1), (float("nan"), 72), (72,), "72", ("a", "b")])
def test_nonsense_resolutions_are_none(dpi: object) -> None:
    assert from_info({"dpi": dpi}, 4, 4).metadata.dpi is None


def test_resolution_falls_back_to_exif() -> None:
    block = photo_exif.with_resolution(exif_block(), (240.0, 240.0))
    assert from_info({"exif": block}, 4, 4).metadata.dpi == (240.0, 240.0)


@pytest.mark.parametrize("format", DOCUMENTED)
def test_a_grey_profile_stays_with_a_grey_photo(format: str) -> None:
    original = Photo(pixels=noise(16, 16, 1), metadata=Metadata(icc=ICC_GREY))
    again = Photo.read(original.encode(format))
    assert again.grey
    assert again.metadata.icc == ICC_GREY


def test_a_grey_photo_with_an_rgb_profile_is_written_as_rgb() -> None:
    original = Photo(pixels=noise(8, 8, 1), metadata=Metadata(icc=ICC_RGB))
    data = original.encode("png")
    with Image.open(BytesIO(data)) as other:
        assert other.mode == "RGB"
    again = Photo.read(data)
    assert again.grey
    assert np.array_equal(again.pixels, original.pixels)


def test_a_profile_of_other_numbers_is_left_out_with_a_notice() -> None:
    data = saved(Image.fromarray(quadrants()), "PNG", icc_profile=ICC_GREY)
    again = Photo.read(data)
    assert again.metadata.icc is None
    assert again.notices == ("its colour profile does not describe its pixels and was left out",)


def test_what_is_too_long_for_jpeg_is_left_out_with_a_notice() -> None:
    metadata = Metadata(exif=exif_block() + bytes(70000), xmp=XMP + b" " * 70000)
    original = Photo(pixels=noise(4, 4), metadata=metadata)
    again = Photo.read(original.encode("jpeg"))
    assert again.metadata.exif is None
    assert again.metadata.xmp is None
    assert original.losses("jpeg") == ("EXIF, XMP: too long for JPEG, left out",)
    assert original.losses("png") == ()
    whole = Photo.read(original.encode("png")).metadata
    assert whole.xmp == metadata.xmp


def test_scaling_updates_the_size_that_exif_states() -> None:
    original = Photo(pixels=noise(4, 6), metadata=full_metadata())
    doubled = Photo.read(original.replaced(noise(8, 12)).encode("jpeg"))
    assert exif_tags(doubled.metadata.exif)["sides"] == (8, 12)
