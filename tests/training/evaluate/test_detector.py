"""Scores of the face detector: known cases, and scenes made for them."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from restorecli.faces.detections import Detections
from tests.training.conftest import EYES_AND_MOUTH, FACE_BOX
from training.data.scenes import FacePhotos
from training.evaluate.detector import labelled, made_scenes, print_made, score
from training.tasks.multibox import FACE


def test_scores_of_a_known_case(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    for name in ("one", "two"):
        Image.new("RGB", (100, 100)).save(tmp_path / "clean" / f"{name}.png")
    face = {"box": FACE_BOX, "landmarks": EYES_AND_MOUTH, "score": 0.9}
    unsure = {**face, "box": [0, 0, 10, 10], "score": 0.3}
    entries = [{"name": "one", "faces": [face, unsure]}, {"name": "two", "faces": []}]
    (tmp_path / "faces.json").write_text(json.dumps(entries), "utf-8")
    boxes = torch.tensor([FACE_BOX, [0.0, 0, 10, 10], [80, 80, 90, 90]])
    marks = torch.tensor(EYES_AND_MOUTH).repeat(3, 1, 1) + torch.tensor([2.0, 0])
    finds = Detections(boxes, marks, torch.ones(3))
    result = score(lambda image: finds, labelled(tmp_path / "clean", tmp_path / "faces.json", 1))
    assert result.recall == 1
    assert result.precision == pytest.approx(1 / 5)
    assert result.landmark_error == pytest.approx(0.1)
    assert result.false_finds == 2


def test_made_scenes_ask_for_faces_of_some_widths_only(stock: FacePhotos) -> None:
    samples = list(made_scenes(stock, count=30, size=96, narrowest=12, widest=24))
    again = [stock.scene(seed, 96) for seed in range(30)]
    asked = 0
    for (image, faces), scene in zip(samples, again, strict=True):
        assert image.shape == (1, 3, 96, 96)
        widths = faces.boxes[:, 2] - faces.boxes[:, 0]
        assert len(faces) == len(scene.kinds)
        for width, kind, counts in zip(widths, scene.kinds, faces.scores, strict=True):
            assert bool(counts) == (12 <= width < 24 and kind >= FACE)
        asked += int(faces.scores.sum())
    assert asked > 5


def test_made_scenes_are_scored(
    stock: FacePhotos, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.evaluate.detector.MADE_SCENES", 8)
    monkeypatch.setattr("training.evaluate.detector.MADE_SIDE", 64)
    nothing = Detections(torch.zeros(0, 4), torch.zeros(0, 5, 2), torch.zeros(0))
    print_made(lambda image: nothing, stock, 0.5)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "0.5 made, 12 to 16 px",
        "0.5 made, 16 to 24 px",
        "0.5 made, 24 to 48 px",
        "0.5 made, no faces",
    ]
    assert all(line.endswith("recall 0.000") for line in lines[:3])
    assert "none found in 1.000 of" in lines[3]
