"""The table "what is kept" of docs/photos.md: each of its cells is a test."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from restorecli.photo import Metadata, Photo, pages
from restorecli.photo.formats import FORMATS
from tests.support.photo_samples import ICC_RGB, XMP, exif_block, exif_tags, noise

PAGE = Path(__file__).parents[2] / "docs" / "photos.md"
GUID = b"0123456789ABCDEF0123456789ABCDEF"
EXTENDED = XMP.replace(b"<r ", b'<r xmpNote:HasExtendedXMP="' + GUID + b'" ')
COMMENT, AUTHOR = ("Comment", "hello"), ("Author", "Ann")


def rows() -> Iterator[tuple[str, str, str]]:
    """Format, column and what the cell says."""
    table = PAGE.read_text("utf-8").split("<!-- kept -->\n")[1].split("\n\n")[0].splitlines()
    columns = [cell.strip() for cell in table[0].strip("|").split("|")]
    for line in table[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for column, cell in zip(columns[1:], cells[1:], strict=True):
            yield cells[0], column, cell


def kept(metadata: Metadata, format: str) -> Metadata:
    photo = Photo(pixels=noise(8, 9), metadata=metadata)
    return Photo.read(photo.encode(format)).metadata


def tags(format: str) -> dict[str, object]:
    exif = kept(Metadata(exif=exif_block()), format).exif
    return exif_tags(exif) if exif else {}


def has_pages(format: str) -> bool:
    return format == pages.TIFF.name


CHECKS: dict[str, Callable[[str], bool]] = {
    "8 bits": lambda format: Photo.read(Photo(pixels=noise(8, 9)).encode(format)).bits == 8,
    "16 bits": lambda format: (
        Photo.read(Photo(pixels=noise(8, 9, 3, 16)).encode(format)).bits == 16
    ),
    "alpha": lambda format: (
        Photo.read(Photo(pixels=noise(8, 9), alpha=noise(8, 9, 1)).encode(format)).alpha is not None
    ),
    "grey": lambda format: Photo.read(Photo(pixels=noise(8, 9, 1)).encode(format)).grey,
    "profile": lambda format: kept(Metadata(icc=ICC_RGB), format).icc == ICC_RGB,
    "EXIF": lambda format: tags(format).get("date") == "1954:07:04 12:00:00",
    "maker notes": lambda format: tags(format).get("note") == exif_tags(exif_block())["note"],
    "GPS": lambda format: tags(format).get("gps") == "N",
    "XMP": lambda format: kept(Metadata(xmp=XMP), format).xmp == XMP,
    "extended XMP": lambda format: (
        kept(Metadata(xmp=EXTENDED, xmp_extension=b"<x/>"), format).xmp_extension == b"<x/>"
    ),
    "IPTC": lambda format: kept(Metadata(iptc=b"\x1c\x02x\0\1a"), format).iptc == b"\x1c\x02x\0\1a",
    "comment": lambda format: kept(Metadata(texts=(COMMENT,)), format).texts == (COMMENT,),
    "texts": lambda format: kept(Metadata(texts=(AUTHOR,)), format).texts == (AUTHOR,),
    "dots per inch": lambda format: (
        kept(Metadata(dpi=(300.0, 300.0)), format).dpi == (300.0, 300.0)
    ),
    "pages": has_pages,
}


@pytest.mark.parametrize(("title", "column", "cell"), list(rows()))
def test_cell(title: str, column: str, cell: str) -> None:
    (format,) = (format for format in FORMATS.values() if format.title == title)
    assert cell == ("kept" if CHECKS[column](format.name) else "no")


@pytest.mark.parametrize(("title", "column", "cell"), list(rows()))
def test_what_is_not_kept_is_said(title: str, column: str, cell: str) -> None:
    (format,) = (format for format in FORMATS.values() if format.title == title)
    metadata = Metadata(
        icc=ICC_RGB, exif=exif_block(), xmp=EXTENDED, xmp_extension=b"<x/>",
        iptc=b"\x1c\x02x\0\1a", texts=(COMMENT, AUTHOR),
    )  # fmt: skip
    said = " ".join(
        Photo(pixels=noise(8, 9, 3, 16), alpha=noise(8, 9, 1, 16), metadata=metadata).losses(
            format.name
        )
    )
    words = {"16 bits": "16", "alpha": "transparency", "profile": "colour profile",
             "comment": "text Comment", "texts": "text Author", "maker notes": "EXIF",
             "GPS": "EXIF"}  # fmt: skip
    if column not in ("8 bits", "grey", "dots per inch", "pages"):
        word = words.get(column, column)
        assert bool(re.search(rf"(?<!extended ){word}", said)) == (cell == "no")


def test_every_format_and_every_column_is_in_the_table() -> None:
    found = list(rows())
    assert {title for title, _, _ in found} == {format.title for format in FORMATS.values()}
    assert {column for _, column, _ in found} == set(CHECKS)
