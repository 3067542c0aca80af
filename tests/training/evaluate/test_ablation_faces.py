"""The face pair without its parts: what is left out has no say, and the rest is the pair."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from restorecli import weights
from restorecli.networks.face_vae import FaceVAEPair
from tests.support.tiny import FACE_PAIR
from training.evaluate import ablation_faces
from training.evaluate.ablation_faces import PARTS, Without


def pair() -> FaceVAEPair:
    torch.manual_seed(0)
    made = FaceVAEPair(FACE_PAIR)
    torch.nn.init.normal_(made.mapping.leave.weight)
    return made.eval().requires_grad_(False)


def without(left_out: str) -> Without:
    ablated = Without(FACE_PAIR, tuple(left_out.split()))
    ablated.load_state_dict(pair().state_dict())
    return ablated.eval().requires_grad_(False)


@pytest.fixture
def crops() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    one, other = torch.rand(2, 2, 3, 32, 32, generator=draw)
    return one, other


def test_the_whole_is_the_pair(crops: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert torch.equal(without("")(*crops, 0.3).face, pair()(*crops, 0.3).face)


@pytest.mark.parametrize("left_out", [part for part in PARTS if part])
def test_every_part_counts(left_out: str, crops: tuple[torch.Tensor, torch.Tensor]) -> None:
    whole, less = pair()(*crops, 0.3).face, without(left_out)(*crops, 0.3).face
    assert less.isfinite().all()
    assert not torch.equal(less, whole)


def test_what_is_left_out_has_no_say(crops: tuple[torch.Tensor, torch.Tensor]) -> None:
    evidence, source = crops
    blind = without("look")
    assert torch.equal(blind(evidence, source, 0.3).face, blind(evidence, 1 - source, 0.3).face)
    for part, module in (("A", "degraded_decoder"), ("B", "clean_decoder"), ("mapping", "mapping")):
        ablated = without(part)
        before = ablated(*crops, 0.3).face
        for value in ablated.get_submodule(module).parameters():
            torch.nn.init.constant_(value, torch.nan)
        assert torch.equal(ablated(*crops, 0.3).face, before)


def test_without_a_correction_the_picture_lies_between_the_three(
    crops: tuple[torch.Tensor, torch.Tensor],
) -> None:
    prior = without("correction").predict(*crops)
    pictures = torch.stack((prior.degraded, prior.clean, prior.second))
    assert (prior.picture >= pictures.amin(0) - 1e-6).all()
    assert (prior.picture <= pictures.amax(0) + 1e-6).all()


def test_the_command_trains_and_scores_every_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights.save(pair(), "face_vae", tmp_path / "face_vae.safetensors", {})
    rng = np.random.default_rng(0)
    for part in ("train-000", "held-out-000"):
        crops = [rng.integers(0, 256, (3, 3, 32, 32), dtype=np.uint8) for _ in range(3)]
        np.savez(
            tmp_path / part, degraded=crops[0], source=crops[1], clean=crops[2],
            domain=np.arange(3) % 2,
        )  # fmt: skip
    recipe = tmp_path / "short.toml"
    text = ablation_faces.RECIPE.read_text("utf-8")
    for long, short in (
        ("steps = 100", "steps = 1"),
        ("size = 96", "size = 32"),
        ("batch = 8", "batch = 2"),
    ):
        assert long in text
        text = text.replace(long, short)
    recipe.write_text(text, "utf-8")
    monkeypatch.setattr(ablation_faces, "RECIPE", recipe)
    monkeypatch.setattr(ablation_faces, "PARTS", ("", "A"))
    words = ["--crops", str(tmp_path), "--out", str(tmp_path / "out"), "--weights", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["ablation_faces", *words])
    ablation_faces.main()
    lines = capsys.readouterr().out.splitlines()
    names = [
        line.split(":")[0] for line in lines if "worst third" in line and "training" not in line
    ]
    assert names[1:] == [
        "whole, fidelity 0.5", "whole, fidelity 0.0",
        "without A, fidelity 0.5", "without A, fidelity 0.0",
    ]  # fmt: skip
    assert "before faces" in names[0]
