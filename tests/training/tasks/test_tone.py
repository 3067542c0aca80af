"""The tone inspector's task: what it is told is right, and that it learns it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli import weights
from restorecli.degrade import Degraded
from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from restorecli.networks.tone_inspector import ToneInspector, ToneInspectorConfig
from training.data.photo_pool import PhotoPool
from training.engine.loop import Run, sample_seeds
from training.engine.recipe import Phase, Recipe, SampleSource
from training.tasks.tone import (
    NAMES,
    SHARES,
    STANDARD,
    ToneInspectorTask,
    expected_error,
    tone_errors,
    truths,
)

CPU = torch.device("cpu")
CONFIG = {"hidden": 16}
STEPS = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a denoiser."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    sizes = DenoiserConfig(widths=(4, 8), encoder_blocks=(1, 1), decoder_blocks=(1,), gates=(4, 4))
    weights.save(Denoiser(sizes), "denoiser", folder / "denoiser.safetensors", {})
    return folder


def recipe(steps: int) -> Recipe:
    return Recipe(
        network="tone_inspector", config=CONFIG, steps=steps, warmup=5, validation=8,
        learning_rate=1e-2,
        phases=(Phase(until=1, size=64, batch=16),), precision="fp32",
        degrade={"families": ("silk", "lines"), "mild": 0.0}, sources=(SampleSource(clean=0.1),),
        options={"kept": 240, "family": 0.3},
    )  # fmt: skip


def darkening(_: Denoiser, image: torch.Tensor) -> torch.Tensor:
    """A step 1 that takes nothing away and changes the tone of everything."""
    return image * 0.7


def test_it_begins_with_statistics_of_its_samples(soft_pool: PhotoPool, folder: Path) -> None:
    task = ToneInspectorTask(recipe(1), soft_pool, folder)
    told, _ = task._samples(torch.arange(STANDARD), 64)
    scaled = (told - task.network.shipped.middle) / task.network.shipped.spread
    assert scaled.mean(0).abs().max() < 0.01
    assert (
        (scaled.std(0) - 1).abs() < 0.01
    ).float().mean() > 0.9  # but for what is always the same
    assert scaled.std(0).max() < 1.01


def test_a_sample_is_made_once_and_held_out_photos_are_others(
    soft_pool: PhotoPool, folder: Path
) -> None:
    task = ToneInspectorTask(recipe(1), soft_pool, folder)
    made = task._made(torch.arange(3), 64)
    kept = task._samples(torch.arange(3), 64)
    for one, other in zip(made, kept, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
    asked = list[bool]()
    batch = task.samples.batch

    def watched(seeds: torch.Tensor, size: int, *, held_out: bool) -> Degraded:
        asked.append(held_out)
        return batch(seeds, size, held_out=held_out)

    task.samples.batch = watched  # type: ignore[method-assign, assignment]
    task._samples(torch.arange(3), 64)
    task.losses(task.network, torch.arange(240, 243), Phase(until=1, size=64, batch=3))
    assert asked == []
    scores = task.score(task.network)
    assert asked == [True]
    assert task.score(task.network) == scores  # nothing is dropped there


def test_it_learns_whose_tone_was_changed(
    soft_pool: PhotoPool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Denoiser, "picture", darkening)
    task = ToneInspectorTask(recipe(STEPS), soft_pool, folder)
    run = Run(task, recipe(STEPS), tmp_path, CPU)
    seeds = sample_seeds(recipe(STEPS), 10**6, 64, CPU)
    phase = Phase(until=1, size=64, batch=64)
    with torch.no_grad():
        before = task.losses(run.network, seeds, phase)
    run.go(every=STEPS)
    with torch.no_grad():
        after = task.losses(run.network, seeds, phase)
    assert after["right"] < 0.8 * before["right"]
    assert after["family"] < before["family"]
    header = (tmp_path / "log.csv").read_text("utf-8").split("\n")[0].split(",")
    assert {f"colour_{name}" for name in ("none", "all", "believed", "better")} <= set(header)
    shipped = weights.load(ToneInspector, "tone_inspector", folder=tmp_path)
    assert shipped.config == ToneInspectorConfig(**CONFIG)


def test_the_truth_is_the_error_of_each_share_and_the_family(
    soft_pool: PhotoPool, folder: Path
) -> None:
    asked = recipe(1)
    plain = replace(asked, degrade={"plain": 0.0}, sources=(SampleSource(clean=1.0),))
    for chosen, clean in ((asked, False), (plain, True)):
        task = ToneInspectorTask(chosen, soft_pool, folder)
        pair = task.samples.batch(torch.arange(6), 64)
        truth = truths(pair, pair.image, pair.image * 0.8)
        assert truth.shape == (6, len(SHARES) + 1)
        assert [NAMES[int(number)] for number in truth[:, -1]] == list(pair.family)
        if clean:
            assert truth[:, 0].max() == 0
            assert (truth[:, 1:-1] > truth[:, :-2]).all()


@settings(max_examples=20, deadline=None)
@given(slope=st.floats(0.5, 1.5), offset=st.floats(-0.2, 0.2), seed=st.integers(0, 99))
def test_what_step_1_gave_back_is_right_or_wrong(slope: float, offset: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    clean = (
        torch.rand(3, 3, 3, generator=generator).repeat_interleave(64, 1).repeat_interleave(64, 2)
    )
    toned = clean * slope + offset
    found, undone = tone_errors(toned, clean, clean), tone_errors(clean, toned, clean)
    torch.testing.assert_close(found, found[0] * (1 - SHARES), atol=4e-3, rtol=0)
    torch.testing.assert_close(undone, undone[-1] * SHARES, atol=4e-3, rtol=0)


@settings(max_examples=50, deadline=None)
@given(share=st.floats(0, 1, width=32), seed=st.integers(0, 99))
def test_errors_between_known_shares_lie_on_lines(share: float, seed: int) -> None:
    errors = torch.rand(1, len(SHARES), generator=torch.Generator().manual_seed(seed))
    expected = np.interp(share, SHARES.numpy(), errors[0].numpy())
    got = float(expected_error(errors, torch.tensor([share])))
    assert got == pytest.approx(float(expected), abs=1e-5)
