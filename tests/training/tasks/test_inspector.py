"""The inspector's task: labels, wear that needs no restoring, and that it learns at all."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restorecli.degrade import DegradeConfig, degrade
from training.data.photo_pool import PhotoPool
from training.engine.loop import Run, sample_seeds
from training.engine.recipe import Phase, Recipe, Source
from training.tasks.inspector import InspectorTask, untouched, wear

CPU = torch.device("cpu")
STEPS = 240
CONFIG = {"side": 32, "widths": (4, 4, 8, 8), "spectral_widths": (4, 4, 8, 8), "hidden": 8}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> PhotoPool:
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for number in (*range(20), 96, 198, 209):  # the last three are held out by their hashes
        coarse = generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        large = Image.fromarray(coarse).resize((160, 160), Image.Resampling.BICUBIC)
        large.save(folder / f"{number}.png")
    return PhotoPool.open(folder, folder / "pool", CPU)


def recipe(steps: int) -> Recipe:
    return Recipe(
        network="inspector", config=CONFIG, steps=steps, warmup=5, validation=8,
        learning_rate=1e-2, optimizer="muon",
        phases=(Phase(until=1, size=64, batch=8),), precision="fp32",
        degrade={"families": ("sine", "lines"), "mild": 0.0}, sources=(Source(clean=0.4),),
        options={"kept": 4000},
    )  # fmt: skip


def test_it_learns_to_see_patterns(pool: PhotoPool, tmp_path: Path) -> None:
    task = InspectorTask(recipe(STEPS), pool)
    run = Run(task, recipe(STEPS), tmp_path, CPU)
    seeds = sample_seeds(recipe(STEPS), 10**6, 64, CPU)
    phase = Phase(until=1, size=64, batch=64)
    with torch.no_grad():
        before = float(task.losses(run.network, seeds, phase)["pattern"])
    run.go(every=STEPS)
    with torch.no_grad():
        after = float(task.losses(run.network, seeds, phase)["pattern"])
    assert after < before - 0.05
    header = (tmp_path / "log.csv").read_text("utf-8").split("\n")[0]
    assert {"false_alarms", "missed", "held_out_pattern"} <= set(header.split(","))


def test_wear_touches_only_what_it_may_and_is_mild() -> None:
    image = torch.rand(12, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    where = torch.arange(12) < 6
    worn = wear(image, torch.arange(12), where)
    assert torch.equal(worn[6:], image[6:])
    assert not torch.equal(worn[:6], image[:6])
    assert float(worn.min()) >= 0
    assert float(worn.max()) <= 1


def test_untouched_samples_are_those_without_pattern_and_noise() -> None:
    clean = torch.rand(16, 3, 32, 32)
    seeds = torch.arange(16)
    assert bool(untouched(degrade(clean, seeds, DegradeConfig(clean=1.0))).all())
    assert not bool(untouched(degrade(clean, seeds, DegradeConfig(clean=0.0))).any())
