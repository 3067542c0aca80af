"""What hangs on a file is read in time in proportion to its length, whatever is in it.

With a square in it, each of these would take from ten seconds to hours. `test_xmp.py` has the
padding of packets.
"""

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from PIL import Image

from restorecli.photo import Metadata, Photo, tiff_read
from restorecli.photo.documents import boxes, exif, extras, jpeg_segments, png_chunks, xmp
from restorecli.photo.metadata import from_info
from tests.support.work import takes_at_most

MOST = 80  # units of work for each; they take at most fifteen
LENGTH = 500_000  # bytes


class Segments(Image.Image):
    """As much of an opened JPEG file as is looked at."""

    def __init__(self, *applist: tuple[str, bytes], index: bytes = b"") -> None:
        super().__init__()
        self.applist = applist
        self.info["mp"] = index


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def directory(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """A block whose only directory has these tags, types, counts and values."""
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (
        b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + rows + struct.pack("<I", following)
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", len(data), kind) + data + bytes(4)


def png(chunks: bytes) -> io.BytesIO:
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b""))


def many_credentials() -> None:
    count = LENGTH // 8
    found = jpeg_segments.read(Segments(*[("APP11", b"c2pa")] * count))
    assert found.left_out == ("Content Credentials (C2PA)",)


def pictures_of_one_list() -> None:
    """Entries of the index that all point to the same long list."""
    entries = [(0xB002, 7, 59_008, 0)] * 5_000
    found = jpeg_segments.read(Segments(index=directory(entries)))
    assert found.pictures < 5_000


def extension_in_parts() -> None:
    length, guid = 48 << 20, b"A" * 32
    part, parts = 4096, []
    for start in range(0, length, part):
        head = b"http://ns.adobe.com/xmp/extension/\0" + guid + struct.pack(">II", length, start)
        parts.append(("APP1", head + bytes(part)))
    found = jpeg_segments.read(Segments(*parts))
    extension = found.info["xmp_extension"]
    assert isinstance(extension, bytes)
    assert len(extension) == length
    assert len(jpeg_segments.written((), None, extension, guid)) > length


def damaged_texts_that_unpack() -> None:
    """Each becomes megabytes and ends too early; they count as read."""
    packed = zlib.compress(bytes(15 << 20))[:-5]
    with pytest.raises(SyntaxError, match="endless"):
        png_chunks.read(png(chunk(b"zTXt", b"a\0\0" + packed) * (LENGTH // 15_000 * 20)))


def profiles_that_unpack() -> None:
    packed = zlib.compress(bytes(15 << 20))
    count = LENGTH // 15_000 * 20
    found = png_chunks.read(png(chunk(b"iCCP", b"a\0\0" + packed) * count))
    assert found.info["icc_profile"] == bytes(15 << 20)
    with pytest.raises(SyntaxError, match="endless"):
        png_chunks.read(png(chunk(b"iCCP", b"a\0\0" + packed[:-5]) * count))


def thousands_of_texts() -> None:
    texts = b"".join(
        chunk(b"tEXt", b"%d\0a" % number) + chunk(b"tEXt", b"Comment\0a")
        for number in range(LENGTH // 40)
    )
    found = png_chunks.read(png(texts)).info["texts"]
    assert isinstance(found, tuple)
    photo = Photo(pixels=np.zeros((2, 2), np.uint8), metadata=Metadata(texts=found))
    assert len(found) == LENGTH // 20
    (loss,) = photo.losses("jpeg")
    assert len(loss) < 500
    assert "12,492 more" in loss


def a_long_number_of_the_main_item() -> None:
    item = box(b"meta", bytes(4) + box(b"pitm", bytes(8 * LENGTH)) + box(
        b"iprp", box(b"ipma", bytes(8)) * 4000 + box(b"ipco")))  # fmt: skip
    assert boxes.nclx(io.BytesIO(item), len(item)) is None


def boxes_without_content() -> None:
    file = box(b"free") * (LENGTH // 8)
    boxes.left_out(io.BytesIO(file), len(file))
    boxes.documents(io.BytesIO(file), len(file))


def webp_chunks_without_content() -> None:
    file = b"RIFF\0\0\0\0WEBP" + b"junk\0\0\0\0" * (LENGTH // 8)
    assert extras._chunk_names(io.BytesIO(file), len(file)) == {b"junk"}


def exif_pointers_to_one_directory(tag: int) -> None:
    """Every entry points to the directory that it is in."""
    block = directory([(tag, 4, 1, 8)] * 4000)
    metadata = from_info({"exif": block}, 8, 8).metadata
    assert metadata.without_gps().exif in (None, metadata.exif)


def gps_values_over_one_another() -> None:
    pointers = directory([(0x8825, 4, 1, 26)])
    entries = directory([(number, 7, 20 * LENGTH, 8) for number in range(4000)])[8:]
    block = pointers + entries + bytes(20 * LENGTH)
    changed = exif.without_gps(block)
    assert changed.count(0) > LENGTH


def pages_of_one_list(tag: int) -> None:
    """Pages that all have the same long list, of strips or of pages within them."""
    count, pages = 100_000, 1000
    sides = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 4, 279: 16}
    file = b""
    for page in range(1, pages + 1):
        entries = [(number, 4, 1, value) for number, value in sides.items() if number != tag]
        entries = sorted([*entries, (tag, 4, count, 126 * pages)])
        following = 8 + len(file) + 6 + 12 * len(entries)
        file += directory(entries, following if page < pages else 0)[8:]
    file = b"II*\0\x08\0\0\0" + file
    file = file.ljust(126 * pages, b"\0") + b"\x08\0\0\0" * count
    assert len(tiff_read.pages(io.BytesIO(file), len(file)).found) <= 2


def packets() -> dict[str, bytes]:
    """Hostile XMP, each with what takes the square."""
    camera = b"http://ns.google.com/photos/1.0/camera/"
    declared = b"".join(b' xmlns:a%d="%s"' % (number, camera) for number in range(LENGTH // 60))
    return {
        "GPS in one tag": b"<a:" + b"gps" * (LENGTH // 3),
        "GPS in one attribute": b"<a b:" + b"gps" * (LENGTH // 3),
        "GPS tags of many names": b"".join(b"<e:GPS%d>" % n for n in range(LENGTH // 13)),
        "closed in vain": b"<e:GPS>" * (LENGTH // 20) + b"</e:GPSx>" * (LENGTH // 20),
        "prefixes": b"<d" + declared + b"/>",
        "quotes": b" a:GPS='" * (LENGTH // 9) + b' a:GPS="' * 2,
        "orientations": b"tiff:Orientation" + b" " * LENGTH + b"tiff:Orientation>" * 9999,
        "motion": b"MotionPhoto " * (LENGTH // 12) + b" " * LENGTH,
    }


def packet(kind: str) -> None:
    text = packets()[kind]
    found = from_info({"xmp": text, "xmp_extension": b"a"}, 8, 8).metadata
    found.without_gps()
    xmp.extension_name(text)


READERS: dict[str, Callable[[], None]] = {
    read.__name__: read
    for read in (
        many_credentials, pictures_of_one_list, extension_in_parts, damaged_texts_that_unpack,
        profiles_that_unpack, thousands_of_texts, a_long_number_of_the_main_item,
        boxes_without_content, webp_chunks_without_content, gps_values_over_one_another,
    )
}  # fmt: skip
READERS |= {f"XMP: {kind}": partial(packet, kind) for kind in packets()}
READERS |= {
    f"EXIF: {tag:#x}": partial(exif_pointers_to_one_directory, tag)
    for tag in (0x8769, 0x8825, 0x0112)
}
READERS |= {f"TIFF: {tag}": partial(pages_of_one_list, tag) for tag in (273, 330)}


@pytest.mark.parametrize("name", READERS)
def test_hostile_documents_are_read_in_linear_time(name: str) -> None:
    assert takes_at_most(MOST, READERS[name])
