"""Tests of before and after, as a picture and as a page, and of the pictures of the steps."""

import io
import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.errors import PhotoWriteError, PlanError
from restorecli.faces.restore import FaceRecord, FaceStatus
from restorecli.options import SaveOptions
from restorecli.photo import Metadata, Photo
from restorecli.previews import face_overlay, stage_images
from restorecli.reports import compare
from tests.support.fake_restorer import FakeRestorer, picture


def flat(
    height: int, width: int, value: int, *, alpha: int | None = None, grey: bool = False
) -> Photo:
    shape = (height, width) if grey else (height, width, 3)
    return Photo(
        pixels=np.full(shape, value, np.uint8),
        alpha=None if alpha is None else np.full((height, width), alpha, np.uint8),
        name="<b>한글</b>.png",
    )


@pytest.mark.parametrize("grey", [False, True])
def test_before_is_left_and_after_right(grey: bool) -> None:
    sheet = compare.side_by_side(flat(5, 7, 10, grey=grey), flat(10, 14, 200, grey=grey))
    assert (sheet.height, sheet.width) == (10, 14 + compare.GAP + 14)
    assert sheet.grey == grey
    assert set(np.unique(sheet.pixels[:, :14])) == {10}
    assert set(np.unique(sheet.pixels[:, 14:-14])) == {255}
    assert set(np.unique(sheet.pixels[:, -14:])) == {200}


def test_transparency_is_shown_on_white() -> None:
    sheet = compare.side_by_side(flat(4, 4, 0, alpha=0), flat(4, 4, 100, alpha=51))
    assert int(sheet.pixels[0, 0, 0]) == 255
    assert int(sheet.pixels[0, -1, 0]) == 224
    grey = compare.side_by_side(flat(4, 4, 0, alpha=0, grey=True), flat(4, 4, 0, grey=True))
    assert (int(grey.pixels[0, 0]), int(grey.pixels[0, -1])) == (255, 0)


def test_16_bits_are_shown_in_8_and_the_profile_is_kept() -> None:
    deep = Photo(pixels=np.full((4, 4, 3), 257 * 77, np.uint16), metadata=Metadata(icc=b"profile"))
    sheet = compare.side_by_side(deep, deep)
    assert sheet.bits == 8
    assert int(sheet.pixels[0, 0, 0]) == 77
    assert sheet.metadata == Metadata(icc=b"profile")


def test_large_results_are_shown_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "LONGEST_SIDE", 10)
    sheet = compare.side_by_side(flat(40, 1, 1), flat(40, 1, 2))
    assert (sheet.height, sheet.width) == (10, 1 + compare.GAP + 1)
    sizes = [image.size for image in pictures(compare.page(flat(20, 40, 1), flat(40, 80, 2)))]
    assert sizes == [(10, 5), (10, 5)]


def pictures(page: str) -> list[Image.Image]:
    """The pictures inside a page, the result first."""
    sources = re.findall(r'src="data:image/webp;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(b64decode(text))) for text in sources]


class Tags(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_page_holds_both_pictures() -> None:
    after, before = pictures(compare.page(flat(6, 8, 10), flat(12, 16, 200)))
    assert (before.size, after.size) == ((8, 6), (16, 12))
    assert abs(int(np.asarray(before).mean()) - 10) <= 2
    assert abs(int(np.asarray(after).mean()) - 200) <= 2


def test_page_loads_nothing() -> None:
    page = compare.page(flat(6, 8, 10), flat(12, 16, 200))
    tags = Tags(page).found
    for tag, attributes in tags:
        assert tag != "link"
        assert not {"href", "srcset", "onclick"} & set(attributes)
        assert (attributes.get("src") or "data:").startswith("data:")
    assert "http" not in re.sub(r"http-equiv", "", page)
    assert "default-src 'none'" in page


def test_page_is_worked_by_a_labelled_slider() -> None:
    tags = Tags(compare.page(flat(6, 8, 10), flat(12, 16, 200))).found
    slider = next(attributes for tag, attributes in tags if tag == "input")
    assert slider["type"] == "range"
    assert slider["aria-label"]
    assert [attributes["alt"] for tag, attributes in tags if tag == "img"] == [
        "<b>한글</b>.png after restoration",
        "<b>한글</b>.png before restoration",
    ]
    assert any(tag == "button" for tag, _ in tags)


def test_names_are_no_markup() -> None:
    page = compare.page(flat(6, 8, 10), flat(12, 16, 200))
    assert "<title>&lt;b&gt;한글&lt;/b&gt;.png: before and after</title>" in page
    assert "8 × 6 → 16 × 12 pixels" in page
    assert "$" not in re.sub(r"base64,[^\"]+", "", page)


@pytest.mark.parametrize("name", ["sheet.png", "page.html"])
def test_targets_are_not_replaced_unasked(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    target.write_bytes(b"mine")
    before, after = flat(4, 4, 0), flat(4, 4, 9)
    with pytest.raises(PhotoWriteError, match="exists"):
        compare.write(before, after, target, SaveOptions())
    assert target.read_bytes() == b"mine"
    compare.write(before, after, target, SaveOptions(overwrite=True))
    assert target.read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("status", "colour"),
    [
        (FaceStatus.RESTORED, face_overlay.RESTORED),
        (FaceStatus.PROFILE, face_overlay.KEPT),
    ],
)
def test_faces_are_marked_by_what_became_of_them(
    status: FaceStatus, colour: tuple[int, int, int]
) -> None:
    photo = flat(60, 60, 0)
    face = FaceRecord(box=(2, 3, 40, 50), landmarks=((30, 40),) * 5, score=0.7, status=status)
    marked = face_overlay.marked(photo, (face,)).pixels
    for x, y in ((2, 3), (40, 50), (30, 40)):
        assert tuple(marked[y, x]) == colour
    assert marked[4:30, 3:39].any()
    assert not marked[52:].any()
    assert not photo.pixels.any()


def test_no_faces_no_marks() -> None:
    photo = flat(6, 6, 7)
    assert np.array_equal(face_overlay.marked(photo, ()).pixels, photo.pixels)


def test_a_face_out_of_the_picture_is_no_error() -> None:
    beside = FaceRecord(
        box=(9, 9, 3, 3), landmarks=((-5, 90),) * 5, score=0.9, status=FaceStatus.CUT
    )
    assert face_overlay.marked(flat(6, 6, 7), (beside,)).pixels.shape == (6, 6, 3)


def test_steps_are_numbered_pictures(tmp_path: Path) -> None:
    photo = Photo.read(picture(tmp_path / "a.png"))
    restoration = FakeRestorer().restore(photo, keep_steps=True)
    folder = tmp_path / "deep" / "steps"
    stage_images.refuse(folder, overwrite=False)
    stage_images.write(photo, restoration, folder, overwrite=False)
    assert sorted(path.name for path in folder.iterdir()) == sorted(stage_images.NAMES.values())
    assert Photo.read(folder / "1-relit.png").width == 12
    assert Photo.read(folder / "5-final.png").width == 24
    with pytest.raises(PhotoWriteError, match=r"1-relit\.png: exists already"):
        stage_images.refuse(folder, overwrite=False)
    stage_images.refuse(folder, overwrite=True)
    stage_images.write(photo, restoration, folder, overwrite=True)


def test_folder_of_steps_that_is_a_file(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    with pytest.raises(PlanError, match="is a file"):
        stage_images.refuse(taken, overwrite=True)
    photo = flat(6, 6, 7)
    with pytest.raises(PhotoWriteError, match="there is no folder"):
        stage_images.write(photo, FakeRestorer().restore(photo), taken / "below", overwrite=False)
