"""What the brightness network is trained on, and that a step of training lowers its loss."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restorecli.networks.relighter import Relighting, knots
from training.data.photo_pool import PhotoPool
from training.engine.loop import Run
from training.engine.recipe import Phase, Recipe
from training.tasks.relighter import (
    SIDE,
    RelighterTask,
    Scenes,
    apply_curves,
    luminance,
    relight_loss,
    scenes,
    small_photos,
)


@pytest.fixture
def photos() -> torch.Tensor:
    return torch.rand(5, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def test_dimmed_photos_are_darker_and_others_stay(photos: torch.Tensor) -> None:
    batch = scenes(photos, torch.arange(200))
    before, after = luminance(batch.target).mean((1, 2)), luminance(batch.thumbnail).mean((1, 2))
    dark = batch.dark == 1
    assert 60 < int(dark.sum()) < 140
    assert (before[dark] / after[dark]).median() > 2.5
    still = (batch.dark == 0) & (batch.certain == 1)
    assert (before[still] - after[still]).abs().median() < 0.01


def test_a_scene_does_not_depend_on_its_batch(photos: torch.Tensor) -> None:
    together = scenes(photos, torch.arange(6)).thumbnail
    alone = scenes(photos, torch.tensor([4])).thumbnail
    torch.testing.assert_close(together[4:5], alone)


def test_the_identity_curve_changes_nothing(photos: torch.Tensor) -> None:
    values = luminance(photos)
    same = apply_curves(values, knots(32).expand(len(values), -1))
    torch.testing.assert_close(same, values, atol=1e-5, rtol=0)


def test_the_right_answer_costs_nothing(photos: torch.Tensor) -> None:
    still = Scenes(photos, photos, torch.zeros(5), torch.ones(5))
    right = Relighting(torch.full((5,), -20.0), knots(32).expand(5, -1))
    assert sum(relight_loss(still, right).values()) < 1e-4
    wrong = Relighting(torch.full((5,), 20.0), knots(32).sqrt().expand(5, -1))
    assert sum(relight_loss(still, wrong).values()) > 1


def test_it_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.tasks.relighter.SCORED", 24)
    rng = np.random.default_rng(0)
    for number in range(120):  # enough that the hash holds some out
        pixels = rng.integers(0, 256, (20, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    pool = PhotoPool.open(tmp_path, tmp_path / "pool", torch.device("cpu"))
    recipe = Recipe(
        network="relighter", config={"width": 4}, steps=4, warmup=1, precision="fp32",
        phases=(Phase(until=1.0, size=64, batch=4),),
    )  # fmt: skip
    run = Run(
        RelighterTask(recipe, pool, tmp_path / "small"),
        recipe,
        tmp_path / "out",
        torch.device("cpu"),
    )
    before = run.task.score(run.network)["error"]
    assert run.go(every=4)
    assert run.task.score(run.network)["error"] < before
    again = small_photos(pool, tmp_path / "small", held_out=True)
    assert again.shape[1:] == (3, SIDE, SIDE)
