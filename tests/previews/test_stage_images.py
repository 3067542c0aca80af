"""The pictures of the steps that are saved."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.photo import Metadata, Photo
from restorecli.previews import face_overlay, stage_images
from tests.support.fake_restorer import FACE, FakeRestorer
from tests.support.photo_samples import ICC_GREY, ICC_RGB


@pytest.mark.parametrize("factor", [1, 2])
def test_faces_are_marked_where_they_are_whatever_size_the_work_had(
    tmp_path: Path, factor: int
) -> None:
    photo = Photo(pixels=np.zeros((64, 80, 3), np.uint8))
    restoration = FakeRestorer().restore(photo, keep_steps=True)
    steps = {name: image[..., ::factor, ::factor] for name, image in restoration.steps.items()}
    left, top, right, bottom = (8.0, 12.0, 40.0, 56.0)
    face = replace(FACE, box=(left, top, right, bottom))
    restoration = replace(restoration, steps=steps, faces=(face,), work_factor=factor)
    stage_images.write(photo, restoration, tmp_path, overwrite=False)
    marked = np.asarray(Image.open(tmp_path / "3-faces.png"))
    assert marked.shape == (64 // factor, 80 // factor, 3)
    for x, y in ((right, top), (left, bottom), (right, bottom)):
        place = int(y / factor), int(x / factor)
        assert tuple(marked[place]) == face_overlay.RESTORED
    assert not marked[int(bottom / factor) + 1 :].any()


@pytest.mark.parametrize(("icc", "kept"), [(ICC_RGB, True), (ICC_GREY, False), (None, False)])
def test_every_step_has_the_colours_of_the_photo(
    tmp_path: Path, icc: bytes | None, kept: bool
) -> None:
    grey = icc == ICC_GREY
    pixels = np.full((16, 20) if grey else (16, 20, 3), 99, np.uint8)
    photo = Photo(pixels=pixels, metadata=Metadata(icc=icc))
    restoration = FakeRestorer().restore(photo, keep_steps=True)
    stage_images.write(photo, restoration, tmp_path, overwrite=False)
    for path in sorted(tmp_path.iterdir())[:4]:
        with Image.open(path) as picture:
            assert picture.mode == "RGB"
            assert (picture.info.get("icc_profile") == icc) == (kept or icc is None)
            assert ("icc_profile" in picture.info) == kept
    assert Photo.read(tmp_path / "5-final.png").metadata.icc == icc
