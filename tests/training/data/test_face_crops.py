"""Making aligned pairs from labelled photos."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.data import face_crops
from training.data.face_crops import Face, FacePairs, labelled_faces, make_pairs, window
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


def test_pairs_show_the_same_face(pool: PhotoPool) -> None:
    faces = [Face(0, LANDMARKS), Face(1, LANDMARKS)]
    degraded, source, clean = make_pairs(pool, faces, [1, 2], 32, None)
    assert degraded.shape == clean.shape == (2, 3, 32, 32)
    assert torch.equal(source, degraded)
    alone, _, _ = make_pairs(pool, faces[1:], [2], 32, None)
    torch.testing.assert_close(alone[0], degraded[1])
    difference = (degraded - clean).abs().mean((1, 2, 3))
    crossed = (degraded - clean.flip(0)).abs().mean((1, 2, 3))
    assert (difference < crossed).all()


def test_a_face_is_in_the_middle_of_its_crop(pool: PhotoPool) -> None:
    """Its pixels are the window's own, wherever the window was cut."""
    faces = [Face(0, LANDMARKS)] * 8
    _, _, clean = make_pairs(pool, faces, list(range(8)), 160, None)
    assert clean.shape == (8, 3, 160, 160)
    assert len({float(crop.mean()) for crop in clean}) == 8
    eyes = torch.tensor(LANDMARKS).mean(0)
    photo = pool.photo(0)
    middle = photo[..., int(eyes[1]) - 4 : int(eyes[1]) + 4, int(eyes[0]) - 4 : int(eyes[0]) + 4]
    middles = clean[:, :, 76:84, 76:84].mean((2, 3))
    torch.testing.assert_close(middles, middle.mean((2, 3)).expand(8, 3), atol=0.15, rtol=0)


def test_the_command_writes_parts_and_goes_on(
    pool: PhotoPool, listing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["face_crops", "--photos", "unused", "--cache", str(tmp_path / "pool")]
    words += ["--faces", str(listing), "--out", str(tmp_path / "out"), "--side", "16"]
    monkeypatch.setattr(sys, "argv", [*words, "--parts", "1", "--size", "2"])
    face_crops.main()
    first = (tmp_path / "out" / "train-000.npz").read_bytes()
    monkeypatch.setattr(sys, "argv", [*words, "--parts", "2", "--size", "2"])
    face_crops.main()
    assert (tmp_path / "out" / "train-000.npz").read_bytes() == first
    assert FacePairs.open(tmp_path / "out", "train", CPU).clean.shape == (4, 3, 16, 16)
