"""Scores of the face step: laws of the measures, and the command on a set of two photos."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from restorecli.faces.alignment import feather_mask, fit_similarity, pixel_centres, radii
from restorecli.faces.detections import Detections
from restorecli.faces.restore import FaceRecord, FaceStatus
from restorecli.networks.face_vae import FaceVAEPairConfig
from restorecli.options import Options
from tests.support.tiny import save, tiny_restorer
from tests.training.conftest import EYES_AND_MOUTH, FACE_BOX
from training.evaluate import faces
from training.evaluate.faces import CELL, COLUMNS, GAP, Comparison, Sample, quality, sheet, summary

RECORD = FaceRecord(
    box=(20.0, 20.0, 140.0, 140.0),
    landmarks=((56.5, 63.0), (103.5, 63.0), (80, 91.5), (58.5, 110.8), (101.5, 110.8)),
    score=0.9, status=FaceStatus.RESTORED, prior=0.5, moved=0.1,
)  # fmt: skip


CONFIG = FaceVAEPairConfig()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, 160, 160, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4


def test_an_equal_face_is_perfect(image: torch.Tensor) -> None:
    quality_of_face = quality(image, image, RECORD, CONFIG)
    assert quality_of_face.ssim == pytest.approx(1)
    assert quality_of_face.psnr > 100
    assert quality_of_face.gradient == pytest.approx(1)
    assert quality_of_face.edge == pytest.approx(1, abs=0.03)


def test_a_blurred_face_has_lost_gradients(image: torch.Tensor) -> None:
    soft = torch.nn.functional.avg_pool2d(image, 3, 1, 1)
    assert quality(soft, image, RECORD, CONFIG).gradient < 0.6


def test_a_box_around_the_face_shows_at_the_edge(image: torch.Tensor) -> None:
    flat = torch.full_like(image, 0.5)
    placement = fit_similarity(torch.tensor(RECORD.landmarks), 160)
    points = placement.to_crop(pixel_centres(0, 0, 160, 160)) / 160
    ring = ((radii(points) < 0.9).float() * 0.2)[None, None]
    natural = quality(image, image, RECORD, CONFIG).edge
    assert quality(image + ring, image, RECORD, CONFIG).edge > 1.1 * natural
    assert quality(flat + ring, image, RECORD, CONFIG).edge > 5


def test_the_mask_ends_at_radius_one() -> None:
    radius = radii(pixel_centres(0, 0, 64, 64) / 64)
    mask = feather_mask(64)[0, 0]
    assert not mask[radius >= 1].any()
    assert (mask[radius < 0.99] > 0).all()


def test_the_summary_of_known_faces() -> None:
    worse = faces.Quality(ssim=0.5, psnr=20, gradient=0.8, edge=1)
    better = faces.Quality(ssim=0.6, psnr=22, gradient=1.1, edge=1)
    good = faces.Quality(ssim=0.9, psnr=30, gradient=1, edge=1)
    rows = [
        Comparison(before=worse, after=better, luminance=0.2, record=RECORD),
        Comparison(before=good, after=good, luminance=0.5, record=RECORD),
        Comparison(before=good, after=good, luminance=0.8, record=replace(RECORD, prior=0.2)),
    ]
    scores = summary(rows)
    assert scores["ssim"] == pytest.approx((2.3 / 3, 2.4 / 3))
    assert scores["worst third"] == pytest.approx((0.5, 0.6))
    assert scores["gradient, distance from 1"] == pytest.approx((0.2 / 3, 0.1 / 3))
    assert scores["gain of darker, of lighter half"] == pytest.approx((0.1, 0))
    assert scores["prior, moved"] == pytest.approx((0.4, 0.1))


def test_the_sheet_has_a_cell_for_each_picture(image: torch.Tensor) -> None:
    marks = torch.tensor([RECORD.landmarks])
    detections = Detections(torch.tensor([RECORD.box]), marks, torch.tensor([0.9]))
    sample = Sample("one", image, image * 0, image, detections=detections)
    picture = sheet([sample] * (COLUMNS + 1), tiny_restorer().face_pair, Options())
    assert picture.size == (COLUMNS * (4 * CELL + GAP), 2 * (CELL + GAP))
    assert picture.getpixel((CELL // 2, CELL // 2)) == (0, 0, 0)
    assert picture.getpixel((picture.width - 5, picture.height - 9)) == (255, 255, 255)


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tiny_restorer(), tmp_path)
    for folder, shade in (("clean", 120), ("degraded", 90)):
        (tmp_path / folder).mkdir()
        for name in ("one", "two"):
            Image.effect_noise((96, 96), shade).convert("RGB").save(
                tmp_path / folder / f"{name}.png"
            )
    face = {"box": FACE_BOX, "landmarks": EYES_AND_MOUTH, "score": 0.9}
    entries = [{"name": name, "faces": [face]} for name in ("one", "two")]
    (tmp_path / "faces.json").write_text(json.dumps(entries), "utf-8")
    detections = Detections(
        torch.tensor([FACE_BOX]).float(), torch.tensor([EYES_AND_MOUTH]).float(), torch.ones(1)
    )
    monkeypatch.setattr(faces, "detect", lambda *_, **__: detections)
    (tmp_path / "shown.txt").write_text("# who\ntwo source.jpg\n", "utf-8")
    words = [str(tmp_path), "--weights", str(tmp_path), "--fidelity", "0.5", "1"]
    words += ["--sheet", str(tmp_path / "sheet.png"), "--shown", str(tmp_path / "shown.txt")]
    monkeypatch.setattr(sys, "argv", ["faces", *words])
    faces.main()
    spoken = capsys.readouterr().out
    assert "fidelity 0.5: 2 faces, {'restored': 2}" in spoken
    half, full = spoken.split("fidelity 1")
    assert half.count("landmarks after") == full.count("landmarks after") == 1
    before, after = full[full.index("ssim") :].split()[1:3]
    assert before == after
    with Image.open(tmp_path / "sheet.png") as drawn:
        assert drawn.height == CELL + GAP
