"""Labelled faces of photos, and windows around them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.data.labelled_faces import Face, labelled_faces, window
from training.data.photo_pool import PhotoPool

LANDMARKS = ((150.0, 150.0), (250.0, 150.0), (200.0, 210.0), (155.0, 250.0), (245.0, 250.0))
CPU = torch.device("cpu")


@pytest.fixture
def pool(tmp_path: Path) -> PhotoPool:
    rng = np.random.default_rng(0)
    for number in range(3):
        small = Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
        (tmp_path / "photos").mkdir(exist_ok=True)
        small.resize((400, 400)).save(tmp_path / "photos" / f"{number}.png")
    return PhotoPool.open(tmp_path / "photos", tmp_path / "pool", CPU)


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    far = [[x / 10, y / 10] for x, y in LANDMARKS]
    faces = [
        {"landmarks": LANDMARKS, "score": 0.99},
        {"landmarks": LANDMARKS, "score": 0.5},
        {"landmarks": far, "score": 0.99},
    ]
    path = tmp_path / "faces.json"
    names = ("0.png", "1.png", "2.png", "of another set.png")
    path.write_text(json.dumps([{"name": name, "faces": faces} for name in names]), "utf-8")
    return path


def test_only_sure_and_large_faces_of_the_pool(pool: PhotoPool, listing: Path) -> None:
    parts = [labelled_faces(pool, listing, held_out=held_out) for held_out in (False, True)]
    faces = [face for part in parts for face in part]
    assert sorted(face.photo for face in faces) == [0, 1, 2]
    assert all(face.eye_distance == 100 for face in faces)


def test_a_window_is_so_many_eye_distances_wide(pool: PhotoPool) -> None:
    clean, landmarks = window(pool, Face(0, LANDMARKS), 168, (0.0, 0.0), 4.2)
    assert clean.shape == (1, 3, 168, 168)
    assert float((landmarks[1] - landmarks[0]).norm()) == pytest.approx(168 / 4.2)
    assert (landmarks.mean(0) - 84).abs().max() <= 0.5


def test_a_window_over_the_border_is_mirrored(pool: PhotoPool) -> None:
    clean, _ = window(pool, Face(0, LANDMARKS), 336, (-0.5, 0.0), 4.2)
    assert clean.isfinite().all()
    photo = pool.photo(0)
    small = torch.nn.functional.interpolate(photo, (320, 320), mode="bilinear", antialias=True)
    assert torch.isin(clean[0, 0], small[0, 0]).all()
