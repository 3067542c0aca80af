"""Photos that are given away: without a place, or without anything about them."""

import numpy as np
import pytest

from restorecli.photo import Metadata, Photo
from restorecli.photo.documents import exif as photo_exif
from restorecli.photo.documents import xmp as photo_xmp
from tests.support.photo_samples import DOCUMENTED, ICC_RGB, exif_block, exif_tags, noise, photo

GPS_XMP = (
    b'<x:xmpmeta><r exif:GPSLatitude="52,31N" drone-dji:GpsLongitude=\'13\' dc:title="t">'
    b"<exif:GPSAltitude>9</exif:GPSAltitude></r></x:xmpmeta>"
)


@pytest.mark.parametrize("mark", ["<", ">"])
def test_exif_loses_its_place_and_nothing_else(mark: str) -> None:
    before, after = exif_block(mark=mark), photo_exif.without_gps(exif_block(mark=mark))
    assert exif_tags(after) == exif_tags(before) | {"gps": None}
    assert photo_exif.without_gps(after) == after


def test_coordinates_are_nowhere_in_the_block() -> None:
    from PIL import Image

    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.345), 29: "2020:02:02"})
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    assert b"2020:02:02" in block
    assert b"2020:02:02" not in photo_exif.without_gps(block)


def test_xmp_loses_its_place_and_nothing_else() -> None:
    assert photo_xmp.without_gps(GPS_XMP) == b'<x:xmpmeta><r dc:title="t"></r></x:xmpmeta>'


def full() -> Photo:
    texts = (("exif:GPSInfo", "1234"), ("Author", "Ann"))
    metadata = Metadata(
        icc=ICC_RGB, exif=exif_block(), xmp=GPS_XMP, xmp_extension=b"<Gps>1</Gps>",
        iptc=b"\x1c\x02x\0\1a", texts=texts, dpi=(300.0, 300.0),
    )  # fmt: skip
    return Photo(pixels=noise(8, 8), metadata=metadata)


@pytest.mark.parametrize("format", DOCUMENTED)
def test_strip_gps_in_every_format(format: str) -> None:
    data = full().stripped(gps=True).encode(format)
    assert b"GPS" not in data.upper()
    again = Photo.read(data).metadata
    assert exif_tags(again.exif)["gps"] is None
    assert exif_tags(again.exif)["maker"] == "Leica"
    assert again.xmp is not None
    assert b'dc:title="t"' in again.xmp


@pytest.mark.parametrize("format", DOCUMENTED)
@pytest.mark.parametrize("bits", [8, 16])
def test_strip_metadata_keeps_colours_and_resolution(format: str, bits: int) -> None:
    given = photo(bits=bits).stripped(metadata=True)
    again = Photo.read(given.encode(format))
    assert again.metadata.icc == ICC_RGB
    assert again.metadata.dpi == (300.0, 300.0)
    assert again.metadata.xmp is again.metadata.iptc is None
    assert again.metadata.texts == ()
    if again.metadata.exif:
        assert exif_tags(again.metadata.exif)["maker"] == ""


def test_nothing_is_stripped_unasked() -> None:
    given = full()
    assert given.stripped() is given
    assert np.array_equal(given.stripped(gps=True).pixels, given.pixels)
