"""The prior of faces: where its canvases lie, its sizes, and that it learns with an adversary."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restorecli import weights
from restorecli.faces.alignment import TEMPLATE
from restorecli.networks.face_vae import FaceVAEPair, FaceVAEPairConfig
from training.data.face_canvases import EYES, FaceCanvases
from training.data.photo_pool import PhotoPool
from training.engine.loop import Run
from training.engine.recipe import Phase, Recipe
from training.networks.face_prior import FacePrior, FacePriorConfig
from training.train import make_task, start

CPU = torch.device("cpu")
SIDE = 32
SMALL = {"canvas": SIDE, "latent": 4, "widths": (8, 8, 8), "blocks": (1, 1, 1), "heads": 2,
         "encoder_widths": (8, 8, 8), "encoder_blocks": (1, 1, 1)}  # fmt: skip


@pytest.fixture(autouse=True)
def small_faces_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.labelled_faces.MIN_EYE_DISTANCE", 10)
    monkeypatch.setattr("training.data.photo_pool.is_held_out", lambda name: "two" in name)


def recipe(**changes: object) -> Recipe:
    settings = {
        "network": "face_prior", "config": SMALL, "steps": 4, "warmup": 1, "validation": 3,
        "precision": "fp32", "losses": {"charbonnier": 1.0, "structure": 0.1},
        "phases": (Phase(until=0.5, size=SIDE, batch=4), Phase(until=1, size=SIDE, batch=2)),
        "options": {"divergence": 1e-3, "adversary": 0.3, "gentle_phases": 1},
    }  # fmt: skip
    return Recipe(**settings | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("around", [1.0, 4 / 3])
def test_a_face_lies_in_the_middle_of_its_canvas_as_the_face_step_cuts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, around: float
) -> None:
    """Dots at the template's places of a crop are at the template's places of the canvas."""
    side, eye = 400, 40.0
    scale = eye / (TEMPLATE[1][0] - TEMPLATE[0][0])
    marks = [(120 + x * scale, 130 + y * scale) for x, y in TEMPLATE]
    pixels = np.full((side, side, 3), 60, dtype=np.uint8)
    for x, y in marks:
        pixels[round(y) - 4 : round(y) + 4, round(x) - 4 : round(x) + 4] = 255
    (tmp_path / "photos").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photos" / "dots.png")
    labels = tmp_path / "faces.json"
    face = {"box": [120, 130, 260, 270], "landmarks": marks, "score": 0.99}
    labels.write_text(json.dumps([{"name": "dots.png", "faces": [face]}]), "utf-8")
    pool = PhotoPool.open(tmp_path / "photos", tmp_path / "pool", CPU)
    monkeypatch.setattr(PhotoPool, "softness", (30.0,))
    canvases = FaceCanvases(pool, labels, 120, held_out=False, around=around)
    canvas = canvases.canvas(canvases.faces[0], 120, 0.5, (0, 0))
    rows, columns = (v.double() for v in torch.nonzero(canvas[0, 0] > 0.6, as_tuple=True))
    middle = torch.tensor(TEMPLATE).double().mean(0)
    found = (torch.stack([columns.mean(), rows.mean()]) + 0.5) / 120
    expected = 0.5 + (middle - 0.5) / around
    assert torch.allclose(found, expected, atol=0.02)
    wide = float(columns.max() - columns.min()) / 120 * around
    assert wide == pytest.approx((8 + eye) / eye / (sum(EYES) / 2), rel=0.08)


def test_canvases_depend_on_their_seed_alone(pool: PhotoPool, labels: Path) -> None:
    canvases = FaceCanvases(pool, labels, SIDE, held_out=False)
    seeds = torch.tensor([3, 4, 5])
    batch = canvases.batch(seeds, SIDE)
    assert batch.shape == (3, 3, SIDE, SIDE)
    assert float(batch.min()) >= 0
    assert float(batch.max()) <= 1
    assert torch.equal(canvases.batch(seeds[1:2], SIDE), batch[1:2])
    assert not torch.equal(batch[0], batch[1])


def test_soft_photos_are_made_smaller_or_left_out(
    pool: PhotoPool, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A face of 20 px between the eyes has 84 px of canvas, sharp; 60 or 42 where it is not."""
    for softness, most in ((33.0, 84), (36.0, 60), (40.0, 42)):
        monkeypatch.setattr(PhotoPool, "softness", (softness,) * len(pool.names))
        assert FaceCanvases(pool, labels, most, held_out=False).faces
        with pytest.raises(ValueError, match="no face is sharp"):
            FaceCanvases(pool, labels, most + 1, held_out=False)


def test_it_learns_and_scores(pool: PhotoPool, labels: Path, tmp_path: Path) -> None:
    run = Run(make_task(recipe(), pool, tmp_path, faces=labels), recipe(), tmp_path / "run", CPU)
    assert run.go(every=2)
    first, *rows = (tmp_path / "run" / "log.csv").read_text("utf-8").splitlines()
    assert {"divergence", "psnr", "ssim", "steepness", "adversary"} <= set(first.split(","))
    assert len(rows) == 2
    prior = weights.load(FacePrior, "face_prior", folder=tmp_path / "run")
    drawn = prior(torch.rand(1, 3, SIDE, 2 * SIDE))
    assert drawn.half.shape == (1, 3, SIDE // 2, SIDE)
    assert drawn.full.shape == (1, 3, SIDE, 2 * SIDE)


def test_it_takes_its_decoder_from_a_finished_pair(tmp_path: Path) -> None:
    prior = FacePrior(FacePriorConfig(**SMALL))  # type: ignore[arg-type]
    encoder = {name: value.clone() for name, value in prior.encoder.state_dict().items()}
    sizes = {name: SMALL[name] for name in ("canvas", "latent", "widths", "blocks", "heads")}
    pair = FaceVAEPair(FaceVAEPairConfig(**sizes))  # type: ignore[arg-type]
    weights.save(pair, "face_vae", tmp_path / "face_vae.safetensors", {})
    start(prior, "face_vae", tmp_path)
    for name, value in prior.decoder.state_dict().items():
        assert torch.equal(value, pair.prior.state_dict()[name])
    for name, value in prior.encoder.state_dict().items():
        assert torch.equal(value, encoder[name])


@pytest.mark.parametrize("bad", [{"canvas": 30}, {"heads": 3, "widths": (8, 8, 8)}])
def test_impossible_sizes_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"multiple|divide"):
        FacePriorConfig(**bad)  # type: ignore[arg-type]
