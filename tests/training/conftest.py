"""Photos, labels and a stock of portraits for the tests of the face detector's training."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.data.photo_pool import PhotoPool
from training.data.scenes import FacePhotos

CPU = torch.device("cpu")
FACE_BOX = [30.0, 20.0, 70.0, 70.0]
EYES_AND_MOUTH = [[40.0, 40], [60, 40], [50, 50], [43, 60], [57, 60]]


def quick_scores(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let a task that trains on scenes score itself on one batch of two."""
    monkeypatch.setattr("training.data.scene_batches.HELD_OUT_BATCH", 2)
    for name in ("SETTLING_BATCHES", "VALIDATION_BATCHES"):
        monkeypatch.setattr(f"{module}.{name}", 1)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    face = {"box": FACE_BOX, "landmarks": EYES_AND_MOUTH, "score": 0.99}
    doubtful = {**face, "score": 0.4}
    entries = [
        {"name": "a/face.png", "faces": [face]},
        {"name": "a/two.png", "faces": [face, doubtful]},
        {"name": "a/doubtful.png", "faces": [doubtful]},
        {"name": "a/empty.png", "faces": []},
        {"name": "a/elsewhere.png", "faces": [face]},
    ]
    path = tmp_path / "faces.json"
    path.write_text(json.dumps(entries), "utf-8")
    return path


@pytest.fixture
def pool(tmp_path: Path) -> PhotoPool:
    """Photos of 100 × 100 px; red marks the faces."""
    empty = np.full((100, 100, 3), (0, 90, 160), dtype=np.uint8)
    photo = empty.copy()
    photo[20:70, 30:70] = (255, 90, 160)
    (tmp_path / "photos" / "a").mkdir(parents=True)
    for name in ("face", "two", "doubtful", "empty"):
        pixels = empty if name == "empty" else photo
        Image.fromarray(pixels).save(tmp_path / "photos" / "a" / f"{name}.png")
    return PhotoPool.open(tmp_path / "photos", tmp_path / "pool", CPU)


@pytest.fixture
def stock(pool: PhotoPool, labels: Path, monkeypatch: pytest.MonkeyPatch) -> FacePhotos:
    monkeypatch.setattr("training.data.photo_pool.is_held_out", lambda name: False)
    return FacePhotos.read(pool, labels, held_out=False)
