"""Scenes after denoise and relight: made once, cut and mirrored with their faces."""

from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from restorecli.degrade import DegradeConfig
from tests.training.conftest import CPU
from training.data.denoised_scenes import (
    Denoise,
    DenoisedScenes,
    cropped,
    denoised_scenes,
    mirrored,
)
from training.data.scenes import FacePhotos, Scene
from training.tasks.multibox import FACE, FACE_WITH_LANDMARKS, IGNORED

UNTOUCHED = DegradeConfig(clean=1)


def test_denoised_scenes_are_made_once_and_keep_their_faces(
    stock: FacePhotos, tmp_path: Path
) -> None:
    def opened(denoise: Denoise) -> DenoisedScenes:
        make = partial(denoised_scenes, stock, denoise, UNTOUCHED, count=11, size=64, device=CPU)
        return DenoisedScenes.open(tmp_path / "scenes.npz", make)

    def never(image: Tensor) -> Tensor:
        raise AssertionError("made again")

    made = opened(lambda image: 1 - image)
    again = opened(never)
    assert len(again.scenes) == 11
    for seed, (one, two) in enumerate(zip(made.scenes, again.scenes, strict=True)):
        scene = stock.scene(seed, 64)
        np.testing.assert_array_equal(one.pixels, 255 - scene.pixels)
        np.testing.assert_array_equal(one.boxes, scene.boxes)
        np.testing.assert_array_equal(two.landmarks, scene.landmarks)
        np.testing.assert_array_equal(two.kinds, scene.kinds)
        np.testing.assert_array_equal(one.pixels, two.pixels)
    drawn = [made.scene(seed, 60).pixels.tobytes() for seed in range(40)]
    assert drawn == [again.scene(seed, 60).pixels.tobytes() for seed in range(40)]
    assert len(set(drawn)) > 11


def test_a_square_of_a_scene_has_what_it_shows_of_the_faces() -> None:
    boxes = np.array([[10, 10, 30, 40], [50, 50, 90, 90], [80, 80, 95, 95], [2, 10, 8, 20]])
    landmarks = np.stack([np.linspace(box[:2], box[2:], 5) for box in boxes])
    pixels = np.arange(100 * 100 * 3, dtype=np.uint32).astype(np.uint8).reshape(100, 100, 3)
    scene = Scene(pixels, boxes * 1.0, landmarks, np.full(4, FACE_WITH_LANDMARKS))
    square = cropped(scene, 4, 5, 71)
    np.testing.assert_array_equal(square.pixels, pixels[5:76, 4:75])
    assert square.boxes.tolist() == [[6, 5, 26, 35], [46, 45, 71, 71], [0, 5, 4, 15]]
    assert square.kinds.tolist() == [FACE_WITH_LANDMARKS, IGNORED, IGNORED]
    assert cropped(scene, 2, 14, 84).kinds.tolist() == [FACE, FACE, IGNORED, IGNORED]
    whole = cropped(scene, 0, 0, 100)
    np.testing.assert_array_equal(whole.landmarks, landmarks)


def test_a_mirrored_scene_mirrored_again_is_the_scene(stock: FacePhotos) -> None:
    scene = next(s for s in (stock.scene(seed, 64) for seed in range(50)) if len(s.kinds))
    once, twice = mirrored(scene), mirrored(mirrored(scene))
    np.testing.assert_array_equal(once.pixels[:, 0], scene.pixels[:, -1])
    assert (once.landmarks[:, 0, 0] < once.landmarks[:, 1, 0]).all()
    for one, two in ((scene.boxes, twice.boxes), (scene.landmarks, twice.landmarks)):
        np.testing.assert_allclose(one, two)
