"""The inspector's task: that it learns at all, and says what it missed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from restorecli import weights
from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from restorecli.networks.inspector import Inspector, InspectorConfig, ResidualInspector
from training.data.everyday import untouched
from training.data.photo_pool import PhotoPool
from training.engine.loop import Run, sample_seeds
from training.engine.recipe import Phase, Recipe, SampleSource
from training.tasks.inspector import InspectorTask, ResidualInspectorTask

CPU = torch.device("cpu")
STEPS = 60
CONFIG = {"side": 32, "widths": (4, 4, 8, 8), "spectral_widths": (4, 4, 8, 8), "hidden": 8}


def recipe(steps: int) -> Recipe:
    return Recipe(
        network="inspector", config=CONFIG, steps=steps, warmup=5, validation=8,
        learning_rate=3e-2, optimizer="muon",
        phases=(Phase(until=1, size=64, batch=16),), precision="fp32",
        degrade={"families": ("sine", "lines"), "mild": 0.0}, sources=(SampleSource(clean=0.4),),
        options={"kept": 4000},
    )  # fmt: skip


def test_it_learns_to_see_patterns(soft_pool: PhotoPool, tmp_path: Path) -> None:
    task = InspectorTask(recipe(STEPS), soft_pool)
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


def test_small_pictures_with_nothing_over_them_may_count_more(soft_pool: PhotoPool) -> None:
    plain = recipe(1)
    doubting = replace(plain, options={**plain.options, "benefit_of_doubt": 3.0})
    seeds = sample_seeds(plain, 0, 8, CPU)
    losses = []
    for chosen in (plain, doubting):
        task = InspectorTask(chosen, soft_pool)
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a denoiser that takes what is fine away, and of an inspector."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    sizes = DenoiserConfig(widths=(4, 8), encoder_blocks=(1, 1), decoder_blocks=(1,), gates=(4, 4))
    for name, network in (
        ("denoiser", Denoiser(sizes)),
        ("inspector", Inspector(InspectorConfig(**CONFIG))),  # type: ignore[arg-type]
    ):
        weights.save(network, name, folder / f"{name}.safetensors", {})
    return folder


def test_the_second_inspector_begins_as_the_first_and_sees_what_is_taken_away(
    soft_pool: PhotoPool, folder: Path
) -> None:
    task = ResidualInspectorTask(recipe(1), soft_pool, folder)
    first = weights.load(Inspector, "inspector", folder=folder).state_dict()
    for summary in (task.network.photo, task.network.residual):
        known = summary.state_dict()
        assert known
        assert all(torch.equal(value, first[name]) for name, value in known.items())
    seeds, phase = sample_seeds(recipe(1), 0, 16, CPU), Phase(until=1, size=64, batch=16)
    with torch.no_grad():
        before = task.losses(task.network, seeds, phase)
        assert task.losses(task.network, seeds, phase) == before  # what is kept is what was made
        for parameter in task.network.residual.join.parameters():
            parameter.mul_(3)
        assert task.losses(task.network, seeds, phase)["pattern"] != before["pattern"]


def test_the_second_inspector_learns_too(
    soft_pool: PhotoPool, folder: Path, tmp_path: Path
) -> None:
    doubled = replace(recipe(STEPS), network="residual_inspector")
    task = ResidualInspectorTask(doubled, soft_pool, folder)
    run = Run(task, doubled, tmp_path, CPU)
    seeds, phase = sample_seeds(doubled, 10**6, 64, CPU), Phase(until=1, size=64, batch=64)
    with torch.no_grad():
        before = float(task.losses(run.network, seeds, phase)["pattern"])
    run.go(every=STEPS)
    with torch.no_grad():
        after = float(task.losses(run.network, seeds, phase)["pattern"])
    assert after < before - 0.05
    assert weights.load(ResidualInspector, "residual_inspector", folder=tmp_path).config == (
        task.network.config
    )


def test_nobody_is_asked_to_see_what_the_denoiser_leaves(
    soft_pool: PhotoPool, folder: Path
) -> None:
    task = ResidualInspectorTask(recipe(1), soft_pool, folder)
    pair = task.samples.batch(torch.arange(40), 64)
    laid = ~untouched(pair)
    seen = {
        "nothing": torch.cat((pair.image, pair.image), 1),
        "all": torch.cat((pair.image, pair.target), 1),
    }
    known = {name: task._truth(pair, pictures)[:, 3:] for name, pictures in seen.items()}
    plain = InspectorTask(recipe(1), soft_pool)._truth(pair, pair.image)[:, 3:]
    assert torch.equal(known["all"], plain)
    assert known["nothing"][laid, 0].sum() < plain[laid, 0].sum()
    assert torch.equal(known["nothing"][~laid], plain[~laid])
