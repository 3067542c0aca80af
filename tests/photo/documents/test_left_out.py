"""What hangs on a file beside its first picture: kept where a format has a place, else named."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, IptcImagePlugin

from restorecli.photo import Metadata, Photo
from restorecli.photo.documents import xmp as photo_xmp
from restorecli.photo.documents.jpeg_segments import _segment as segment
from tests.photo.documents.test_cicp import chunk
from tests.support.photo_samples import quadrants, saved

FILES = Path(__file__).parents[1] / "files"
GUID = b"0123456789ABCDEF0123456789ABCDEF"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
XAP = b"http://ns.adobe.com/xap/1.0/\0"
C2PA = "d8fec3d61b0e483c92975828877ec481"
CAMERA = b'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"'


def jpeg_with(*segments: bytes) -> bytes:
    data = saved(Image.fromarray(quadrants()), "JPEG", quality=95)
    return data[:2] + b"".join(segments) + data[2:]


def packet(attributes: bytes, inside: bytes = b"") -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description dc:title="kept" '
        + attributes
        + b">"
        + inside
        + b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def test_ultra_hdr_promises_no_gain_map_any_more() -> None:
    found = Photo.read(FILES / "ultrahdr.jpg")
    assert found.notices == ("left out: gain map (Ultra HDR)",)
    for format in ("jpeg", "png", "tiff", "webp"):
        data = found.encode(format)
        for word in (b"hdrgm", b"hdr-gain-map", b"GainMap", b"Container", b"MPF"):
            assert word not in data, (format, word)
    assert found.metadata.xmp is not None
    assert found.metadata.xmp.startswith(b"<x:xmpmeta")


@pytest.mark.parametrize(
    ("before", "lost"),
    [
        (
            packet(b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'),
            ("gain map (Ultra HDR)",),
        ),
        (
            packet(
                b"xmlns:g='http://ns.adobe.com/hdr-gain-map/1.0/'",
                b"<g:Version>1.0</g:Version><g:GainMapMax><rdf:Seq><rdf:li>3</rdf:li></rdf:Seq>"
                b"</g:GainMapMax>",
            ),
            ("gain map (Ultra HDR)",),
        ),
        (
            packet(CAMERA + b' GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"'),
            ("motion video",),
        ),
        (
            packet(CAMERA + b' GCamera:MicroVideo="1" GCamera:MicroVideoOffset="99"'),
            ("motion video",),
        ),
        (packet(CAMERA + b' GCamera:MotionPhoto="0"'), ()),
    ],
)
def test_promises_are_cut_out_of_xmp(before: bytes, lost: tuple[str, ...]) -> None:
    after, names = photo_xmp.without_promises(before)
    assert names == lost
    for word in (b"MotionPhoto", b"MicroVideo", b"hdr-gain-map", b"Version", b"GainMapMax"):
        assert word not in after
    assert b'dc:title="kept"' in after
    assert after.endswith(b"</rdf:Description></rdf:RDF></x:xmpmeta>")


def test_an_innocent_packet_is_kept_to_the_byte() -> None:
    kept = packet(CAMERA + b' xmp:Rating="5"', b"<dc:subject>x</dc:subject>")
    assert photo_xmp.without_promises(kept) == (kept, ())


def test_mpo_says_that_there_is_another_picture() -> None:
    found = Photo.read(FILES / "mpo.jpg")
    assert found.notices == ("only the first of its 2 pictures is in the result",)


@pytest.mark.parametrize("format", ["PNG", "GIF", "WEBP", "AVIF"])
def test_animations_say_that_there_are_other_frames(format: str) -> None:
    frames = [Image.fromarray(np.roll(quadrants(), 8 * turn, axis=1)) for turn in range(3)]
    data = saved(frames[0], format, save_all=True, append_images=frames[1:])
    found = Photo.read(data)
    number = "" if format == "GIF" else "3 "
    assert found.notices == (f"only the first of its {number}frames is in the result",)
    assert np.abs(found.pixels.astype(int) - quadrants()).mean() < 8
    assert Photo.read(saved(frames[0], format)).notices == ()


def test_comment_and_iptc_stay_where_there_is_a_place() -> None:
    found = Photo.read(FILES / "iptc.jpg")
    assert found.notices == ()
    assert found.metadata.texts == (("Comment", "hello comment"),)
    assert found.metadata.iptc == b"\x1c\x02x\x00\x07caption\x1c\x02P\x00\x06author"
    for format in ("jpeg", "tiff"):
        with Image.open(BytesIO(found.encode(format))) as other:
            records = IptcImagePlugin.getiptcinfo(other)
        assert records is not None
        assert records[(2, 120)] == b"caption"
    with Image.open(BytesIO(found.encode("jpeg"))) as other:
        assert other.info["comment"] == b"hello comment"
    assert found.losses("jpeg") == ()
    assert found.losses("png") == ("IPTC: no place for it in PNG, left out",)
    assert found.losses("webp") == ("IPTC, text Comment: no place for it in WebP, left out",)


def test_several_comments_and_one_that_is_too_long() -> None:
    texts = (("Comment", "one"), ("Comment", "zwei ü"), ("Author", "Ann"))
    original = Photo(pixels=quadrants(), metadata=Metadata(texts=texts))
    assert Photo.read(original.encode("jpeg")).metadata.texts == texts[:2]
    assert original.losses("jpeg") == ("text Author: no place for it in JPEG, left out",)
    long = Metadata(texts=(("Comment", "x" * 70_000),), iptc=bytes(70_000))
    assert Photo(pixels=quadrants(), metadata=long).losses("jpeg") == (
        "IPTC, text Comment: too long for JPEG, left out",
    )


def test_iptc_as_tiff_stores_it_in_whole_numbers() -> None:
    import tifffile

    records = b"\x1c\x02x\x00\x07caption"
    words = struct.unpack("<3I", records)
    file = BytesIO()
    tifffile.imwrite(
        file, quadrants(), photometric="rgb", extratags=[(33723, 4, len(words), words, True)]
    )
    assert Photo.read(file.getvalue()).metadata.iptc == records


def extended(content: bytes, lengths: tuple[int, ...], guid: bytes = GUID) -> bytes:
    main = packet(b'xmpNote:HasExtendedXMP="' + GUID + b'"')
    parts, start = [segment(0xE1, XAP + main)], 0
    for length in lengths:
        head = EXTENSION + guid + struct.pack(">II", len(content), start)
        parts.insert(1, segment(0xE1, head + content[start : start + length]))  # in any order
        start += length
    return jpeg_with(*parts)


def test_extended_xmp_stays_in_jpeg_and_is_named_elsewhere() -> None:
    content = np.random.default_rng(0).bytes(150_000)
    found = Photo.read(extended(content, (60_000, 60_000, 30_000)))
    assert found.metadata.xmp_extension == content
    assert found.notices == ()
    again = Photo.read(found.encode("jpeg"))
    assert again.metadata.xmp_extension == content
    assert again.metadata.xmp == found.metadata.xmp
    assert found.losses("png") == ("extended XMP: no place for it in PNG, left out",)
    assert b"HasExtendedXMP" not in found.encode("png")


def test_an_extension_with_a_part_missing_is_named() -> None:
    found = Photo.read(extended(bytes(100), (60,)))
    assert found.metadata.xmp_extension is None
    assert found.notices == ("left out: a damaged extension of XMP",)
    assert found.metadata.xmp is not None
    assert b"HasExtendedXMP" not in found.metadata.xmp
    for torn in (EXTENSION, EXTENSION + GUID, EXTENSION + GUID + b"\xff" * 8):
        Photo.read(jpeg_with(segment(0xE1, torn)))


def test_content_credentials_are_named() -> None:
    jpeg = jpeg_with(segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa"))
    png = saved(Image.fromarray(quadrants()), "PNG")
    png = png[:33] + chunk(b"caBX", b"jumb") + png[33:]
    webp = saved(Image.fromarray(quadrants()), "WEBP", exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    webp += b"C2PA\x04\0\0\0jumb"
    webp = webp[:4] + struct.pack("<I", len(webp) - 8) + webp[8:]
    avif = saved(Image.fromarray(quadrants()), "AVIF")
    avif += struct.pack(">I", 28) + b"uuid" + bytes.fromhex(C2PA) + b"jumb"
    for data in (jpeg, png, webp, avif):
        assert Photo.read(data).notices == ("left out: Content Credentials (C2PA)",), data[:12]


def test_a_gain_map_of_the_iso_standard_is_named_once() -> None:
    version = segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0")
    assert Photo.read(jpeg_with(version)).notices == ("left out: gain map (Ultra HDR)",)
    data = (FILES / "ultrahdr.jpg").read_bytes()
    both = data[:2] + version + data[2:]
    assert Photo.read(both).notices == ("left out: gain map (Ultra HDR)",)


def test_a_motion_photo_of_boxes_is_named() -> None:
    data = Photo(pixels=quadrants()).encode("heic") + struct.pack(">I", 12) + b"mpvd" + bytes(4)
    assert Photo.read(data).notices == ("left out: motion video",)


def test_a_gifs_comment_is_a_text() -> None:
    data = saved(Image.fromarray(quadrants()).quantize(8), "GIF", comment=b"from 1995")
    assert Photo.read(data).metadata.texts == (("Comment", "from 1995"),)
