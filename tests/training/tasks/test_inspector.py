"""The inspector's task: that it learns at all, and says what it missed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.data.photo_pool import PhotoPool
from training.engine.loop import Run, sample_seeds
from training.engine.recipe import Phase, Recipe, SampleSource
from training.tasks.inspector import InspectorTask

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
        degrade={"families": ("sine", "lines"), "mild": 0.0}, sources=(SampleSource(clean=0.4),),
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


def test_small_pictures_with_nothing_over_them_may_count_more(pool: PhotoPool) -> None:
    plain = recipe(1)
    doubting = replace(plain, options={**plain.options, "benefit_of_doubt": 3.0})
    seeds = sample_seeds(plain, 0, 8, CPU)
    losses = []
    for chosen in (plain, doubting):
        task = InspectorTask(chosen, pool)
        with torch.no_grad():
            list(task.network.decide.parameters())[-1].fill_(9.0)  # sure of all
            losses.append(
                [
                    float(
                        task.losses(task.network, seeds, Phase(until=1, size=size, batch=8))[name]
                    )
                    for size in (64, 384)
                    for name in ("pattern", "noise")
                ]
            )
    assert all(more > less for more, less in zip(losses[1][:2], losses[0][:2], strict=True))
    assert losses[1][2:] == losses[0][2:]
