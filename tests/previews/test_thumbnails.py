"""Tests of the small pictures that a report shows."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli import record
from restorecli.options import STAGES, Stage, StageImage
from restorecli.photo import Metadata, Photo
from restorecli.previews import thumbnails
from tests.support.fake_restorer import FACE, FakeRestorer, picture


def sizes(photo: Photo, stages: tuple[Stage, ...] = STAGES) -> dict[str, tuple[int, int]]:
    restoration = FakeRestorer().restore(photo, keep_steps=True)
    pictures, _ = thumbnails.encoded(thumbnails.small_photos(photo, restoration, stages))
    return {name: Image.open(io.BytesIO(content)).size for name, content in pictures.items()}


def test_pictures_of_a_small_photo(tmp_path: Path) -> None:
    photo = Photo.read(picture(tmp_path / "a.png", height=16, width=12))
    assert sizes(photo) == {
        "input": (12, 16),
        "denoised": (12, 16),
        "faces": (480, 640),
        "final": (24, 32),
    }
    assert "denoised" not in sizes(photo, ("faces",))


@pytest.mark.parametrize("grey", [False, True])
def test_pictures_of_a_large_photo_are_small(grey: bool) -> None:
    shape = (700, 1300) if grey else (700, 1300, 3)
    photo = Photo(pixels=np.full(shape, 9, np.uint8), metadata=Metadata(dpi=(300, 300)))
    assert set(sizes(photo).values()) == {(640, 345)}


def test_a_brightened_photo_has_a_picture_more(tmp_path: Path) -> None:
    photo = Photo.read(picture(tmp_path / "a.png"))
    restoration = replace(FakeRestorer().restore(photo, keep_steps=True), relit=True, faces=())
    small = thumbnails.small_photos(photo, restoration, STAGES)
    assert list(small) == ["input", "relit", "denoised", "final"]


def test_change_is_a_root_mean_square_in_0_to_1() -> None:
    small = {
        StageImage.INPUT: Photo(pixels=np.zeros((4, 4, 3), np.uint8)),
        StageImage.FINAL: Photo(pixels=np.full((8, 8, 3), 51, np.uint8)),
    }
    assert thumbnails.encoded(small)[1] == pytest.approx(0.2, abs=1e-6)
    assert thumbnails.encoded(dict.fromkeys(small, small[StageImage.INPUT]))[1] == 0


def test_they_are_no_part_of_the_record(tmp_path: Path) -> None:
    photo = Photo.read(picture(tmp_path / "a.png"))
    outcome = record.restored("a", "b", photo, FakeRestorer().restore(photo))
    with_pictures = replace(
        outcome, thumbnails=record.Thumbnails(pictures={StageImage.INPUT: b"b"}, changed=0)
    )
    assert record.json_line(with_pictures) == record.json_line(outcome)
    assert "pictures" not in repr(with_pictures)


def test_a_face_in_a_smaller_picture() -> None:
    half = FACE.scaled(0.5)
    assert half.box == (1.0, 1.5, 5.0, 7.00002)
    assert half.landmarks[1] == (4.0, 3.0)
    assert replace(half, box=FACE.box, landmarks=FACE.landmarks) == FACE
