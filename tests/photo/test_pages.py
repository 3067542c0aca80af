"""TIFF files of several pages: which is taken, what is said, and how several are written."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorecli.errors import PhotoReadError, PhotoWriteError
from restorecli.photo import Metadata, Photo, pages, tiff_read
from tests.support.photo_samples import ICC_RGB, XMP, exif_block, exif_tags, noise, quadrants, saved

REDUCED, PAGE, MASK = 1, 2, 4


def tiff(*kinds: tuple[np.ndarray, int]) -> bytes:
    """A file of pages, each with its NewSubfileType."""
    file = BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for pixels, kind in kinds:
            writer.write(
                pixels,
                photometric="mask" if kind & MASK else "rgb",
                subfiletype=kind,
                metadata=None,
            )
    return file.getvalue()


SMALL, LARGE = quadrants(8, 12), quadrants(32, 48)
OTHER = LARGE[::-1].copy()


def test_a_thumbnail_in_front_is_not_the_photo() -> None:
    data = tiff((SMALL, REDUCED), (LARGE, 0))
    found = Photo.read(data)
    assert np.array_equal(found.pixels, LARGE)
    assert found.notices == ()
    assert Photo.page_count(data) == 1


def test_thumbnails_and_masks_between_pages_do_not_count() -> None:
    mask = noise(32, 48, 1) > 127
    data = tiff((LARGE, PAGE), (SMALL, REDUCED), (mask, MASK), (OTHER, PAGE))
    assert Photo.page_count(data) == 2
    assert np.array_equal(Photo.read(data, page=2).pixels, OTHER)


def test_a_thumbnail_alone_is_taken() -> None:
    assert np.array_equal(Photo.read(tiff((SMALL, REDUCED))).pixels, SMALL)


def test_the_first_of_several_pages_says_so() -> None:
    data = tiff((LARGE, PAGE), (OTHER, PAGE), (SMALL, PAGE))
    found = Photo.read(data)
    assert np.array_equal(found.pixels, LARGE)
    assert found.notices == ("only the first of its 3 pages is in the result",)
    for page, pixels in enumerate((LARGE, OTHER, SMALL), 1):
        chosen = Photo.read(data, page=page)
        assert np.array_equal(chosen.pixels, pixels)
        assert chosen.notices == ()


@pytest.mark.parametrize("compression", ["raw", "jpeg", "group4"])
def test_pages_that_pillow_decodes_are_chosen_too(compression: str) -> None:
    mode = "1" if compression == "group4" else "RGB"
    pictures = [Image.fromarray(pixels).convert(mode) for pixels in (LARGE, OTHER)]
    data = saved(
        pictures[0], "TIFF", save_all=True, append_images=pictures[1:], compression=compression
    )
    second = np.asarray(pictures[1].convert("RGB")).astype(int)
    found = Photo.read(data, page=2).pixels.astype(int)
    assert np.abs((found if found.ndim == 3 else found[..., None]) - second).mean() < 8


def test_pages_that_are_not_there() -> None:
    with pytest.raises(PhotoReadError, match="page 3 of a TIFF file that has 2"):
        Photo.read(tiff((LARGE, PAGE), (OTHER, PAGE)), page=3)
    with pytest.raises(PhotoReadError, match="page 0 of a TIFF file that has 1"):
        Photo.read(tiff((LARGE, PAGE)), page=0)
    png = saved(Image.fromarray(LARGE), "PNG")
    with pytest.raises(PhotoReadError, match="page 2 of a PNG file, which has no pages"):
        Photo.read(png, page=2)
    assert np.array_equal(Photo.read(png, page=1).pixels, LARGE)
    assert Photo.page_count(png) == 1


def three() -> bytes:
    """A file of three pages, each with its pixels before its directory."""
    file = BytesIO()
    pages.write([Photo(pixels=pixels) for pixels in (LARGE, OTHER, SMALL)], file, overwrite=False)
    return file.getvalue()


def directories(data: bytes) -> list[int]:
    """Where the directory of each page stands in a little-endian file."""
    places, (start,) = [], struct.unpack_from("<I", data, 4)
    while start:
        places.append(start)
        (start,) = struct.unpack_from("<I", data, pointer(data, start))
    return places


def pointer(data: bytes, directory: int) -> int:
    """Where a directory says at which byte the next one stands."""
    (entries,) = struct.unpack_from("<H", data, directory)
    return int(directory + 2 + 12 * entries)


def pointing(offset: Callable[[list[int]], int]) -> bytes:
    """A file whose second page says that the third one is at another byte."""
    data, places = three(), directories(three())
    place = pointer(data, places[1])
    return data[:place] + struct.pack("<I", offset(places)) + data[place + 4 :]


def cut(page: int, more: int) -> bytes:
    """A file that ends some bytes behind the start of a page's directory."""
    return three()[: directories(three())[page - 1] + more]


BROKEN: dict[str, Callable[[], bytes]] = {  # three pages, of which two can be read
    "its directory is cut": lambda: cut(3, 30),
    "there is none": lambda: cut(3, 0),
    "the file ends in the pixels": lambda: cut(3, -20),
    "the file ends in the offset": lambda: three()[: pointer(three(), directories(three())[1]) + 2],
    "its pixels are cut": lambda: tiff((LARGE, PAGE), (OTHER, PAGE), (SMALL, PAGE))[:-8],
    "beyond the end": lambda: pointing(lambda _: 1 << 30),
    "into pixels": lambda: pointing(lambda places: places[0] - 20),
    "into its own directory": lambda: pointing(lambda places: places[1] + 12),
    "back to the first": lambda: pointing(lambda places: places[0]),
    "to itself": lambda: pointing(lambda places: places[1]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_pages_behind_a_damaged_one_are_told(name: str) -> None:
    data = BROKEN[name]()
    told = "what comes behind page 2 cannot be read"
    found = Photo.read(data)
    assert np.array_equal(found.pixels, LARGE)
    assert found.notices == (told, "only the first of its 2 readable pages is in the result")
    assert Photo.read(data, page=2).notices == (told,)
    with pytest.raises(PhotoReadError, match="page 3 of a TIFF file of which 2 can be read"):
        Photo.read(data, page=3)
    with pytest.raises(PhotoReadError, match=r"what comes behind page 2 .* one by one\.$"):
        Photo.page_count(data)


def test_a_single_page_that_is_cut_behind_its_pixels() -> None:
    data = tiff((LARGE, PAGE), (OTHER, PAGE))[:-8]
    found = Photo.read(data)
    assert np.array_equal(found.pixels, LARGE)
    assert found.notices == ("what comes behind page 1 cannot be read",)


def test_a_file_that_ends_where_the_next_page_would_be_named_is_whole() -> None:
    """As some writers of single pages leave it."""
    data = three()[: pointer(three(), directories(three())[1])]
    assert Photo.page_count(data) == 2
    assert Photo.read(data, page=2).notices == ()


def test_a_thumbnail_that_is_cut_costs_no_page() -> None:
    data = tiff((LARGE, PAGE), (OTHER, PAGE), (SMALL, REDUCED))[:-8]
    assert Photo.page_count(data) == 2
    assert Photo.read(data, page=2).notices == ()


def test_more_pages_than_are_read_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiff((LARGE, PAGE), (OTHER, PAGE), (SMALL, PAGE))
    monkeypatch.setattr(tiff_read, "_MOST_PAGES", 3)
    assert Photo.page_count(data) == 3
    monkeypatch.setattr(tiff_read, "_MOST_PAGES", 2)
    with pytest.raises(PhotoReadError, match="behind page 2"):
        Photo.page_count(data)


def test_what_is_no_photo_has_no_pages() -> None:
    with pytest.raises(PhotoReadError):
        Photo.page_count(b"no photo")


def test_pages_go_into_one_file_that_others_read(tmp_path: Path) -> None:
    described = Metadata(icc=ICC_RGB, xmp=XMP, exif=exif_block(), dpi=(300.0, 200.0))
    photos = [
        Photo(pixels=noise(20, 30), metadata=described),
        Photo(pixels=noise(21, 17, 1, 16), metadata=replace(described, icc=None)),
        Photo(pixels=noise(8, 9), alpha=noise(8, 9, 1)),
    ]
    path = tmp_path / "all.tif"
    pages.write(iter(photos), path, overwrite=False)
    assert Photo.page_count(path) == 3
    for number, photo in enumerate(photos, 1):
        again = Photo.read(path, page=number)
        assert np.array_equal(again.pixels, photo.pixels)
        assert again.metadata.icc == photo.metadata.icc
        assert again.metadata.xmp == photo.metadata.xmp
        assert again.metadata.dpi == photo.metadata.dpi
        if photo.metadata.exif:
            assert exif_tags(again.metadata.exif)["maker"] == "Leica"
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 3
        assert np.array_equal(file.pages[1].asarray(), photos[1].pixels)
    with Image.open(path) as other:
        assert getattr(other, "n_frames", 1) == 3
        other.seek(2)
        assert np.array_equal(np.asarray(other)[..., :3], photos[2].pixels)
    with pytest.raises(PhotoWriteError, match="exists"):
        pages.write(iter(photos), path, overwrite=False)
    assert pages.losses(photos[1], 2) == ("EXIF of the camera: kept for the first page only",)
    assert pages.losses(photos[0], 1) == ()


def test_nothing_is_left_of_pages_that_fail_halfway(tmp_path: Path) -> None:
    def failing() -> Iterator[Photo]:
        yield Photo(pixels=LARGE)
        raise PhotoReadError("second")

    with pytest.raises(PhotoReadError, match="second"):
        pages.write(failing(), tmp_path / "all.tif", overwrite=False)
    assert list(tmp_path.iterdir()) == []
