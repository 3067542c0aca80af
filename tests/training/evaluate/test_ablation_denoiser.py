"""The ablation: every variant is a denoiser, results are kept, the table says what was measured."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restorecli.networks.denoiser import DenoiserConfig
from training.data.photo_pool import PhotoPool
from training.engine.loop import Run
from training.engine.recipe import Phase, Recipe, read_recipe
from training.evaluate import ablation_denoiser
from training.evaluate.ablation_denoiser import (
    MPRNET,
    VARIANTS,
    AblationTask,
    Variant,
    cost,
    table,
    trained,
)

RECIPE = read_recipe(ablation_denoiser.RECIPE)
SMALL = replace(RECIPE, steps=2, validation=1, phases=(Phase(until=1, size=32, batch=1),))


@pytest.fixture(scope="module")
def training_pool(tmp_path_factory: pytest.TempPathFactory) -> PhotoPool:
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for number in (0, 1, 96):  # the last is held out by the hash of its name
        pixels = generator.integers(0, 256, (220, 200, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return PhotoPool.open(folder, folder / "cache" / "pool", torch.device("cpu"))


@pytest.fixture(autouse=True)
def _small_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation_denoiser, "SIDE", 64)
    monkeypatch.setattr(ablation_denoiser, "ROUNDS", 1)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_is_a_step_one_that_learns_everywhere(variant: Variant) -> None:
    torch.manual_seed(0)
    network = variant.make(DenoiserConfig(**RECIPE.config))
    for name, parameter in network.named_parameters():
        if name.endswith("leave.weight"):  # zero at first, which stops gradients to the gate
            torch.nn.init.normal_(parameter, std=0.1)
    image, features = network(torch.rand(1, 3, 64, 64))
    assert image.shape == (1, 3, 64, 64)
    assert features.shape[-2:] == (64, 64)
    (image.square().mean() + features.square().mean()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_variants_differ_in_their_cost() -> None:
    config = DenoiserConfig(**RECIPE.config)
    costs = {variant.name: cost(variant, config) for variant in VARIANTS[:4]}
    shipped, ungated, mprnet = (costs[name] for name in ("shipped design", "no gates", MPRNET))
    assert 65 < ungated["kmacs"] < shipped["kmacs"] < 80
    assert ungated["parameters"] < shipped["parameters"] < mprnet["parameters"]
    assert mprnet["kmacs"] > 10 * shipped["kmacs"]
    assert all(row["convolutions"] > 0 for row in costs.values())


@pytest.mark.parametrize("name", ["shipped design", MPRNET])
def test_a_variant_is_trained_once_and_then_read(
    name: str, training_pool: PhotoPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = next(variant for variant in VARIANTS if variant.name == name)
    make = partial(AblationTask, SMALL, training_pool, variant)
    first = trained(make, SMALL, tmp_path)
    assert first["steps"] == 2
    assert 0 < first["ssim"] < 1
    monkeypatch.delattr(Run, "go")
    assert trained(make, SMALL, tmp_path) == first


def test_the_same_time_is_fewer_steps_of_a_slower_network(
    training_pool: PhotoPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ablation_denoiser.seconds_a_step(VARIANTS[0], SMALL, training_pool) > 0
    mprnet = next(variant for variant in VARIANTS if variant.equal_time)
    taken = {VARIANTS[0].name: 0.5, mprnet.name: 7.5}
    monkeypatch.setattr(
        ablation_denoiser, "seconds_a_step", lambda variant, *_: taken[variant.name]
    )
    recipe = replace(SMALL, steps=100)
    assert ablation_denoiser.steps_in_equal_time(mprnet, recipe, training_pool) == 7
    assert ablation_denoiser.steps_in_equal_time(mprnet, SMALL, training_pool) == 1


def test_the_command_prints_a_row_a_variant(
    training_pool: PhotoPool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipes: list[Recipe] = []

    def remembered(make: object, recipe: Recipe, out: Path) -> dict[str, float]:
        recipes.append(recipe)
        return {"ssim": 0.5 + len(recipes) / 100, "steps": recipe.steps}

    monkeypatch.setattr(ablation_denoiser, "trained", remembered)
    monkeypatch.setattr(ablation_denoiser, "steps_in_equal_time", lambda *_: 7)
    costs = {"parameters": 1000, "kmacs": 70.0, "convolutions": 8.0}
    monkeypatch.setattr(ablation_denoiser, "cost", lambda *_: costs)
    monkeypatch.setattr(PhotoPool, "open", lambda *_: training_pool)
    command = ["ablation", "--photos", "none", "--out", str(tmp_path), "--threads", "1"]
    monkeypatch.setattr("sys.argv", command)
    ablation_denoiser.main()
    printed = capsys.readouterr().out
    assert [recipe.steps for recipe in recipes].count(7) == 1
    for variant in VARIANTS:
        assert f"| {variant.name} |" in printed


def test_the_table_compares_errors() -> None:
    row = {"steps": 300, "parameters": 1000, "kmacs": 70.0, "convolutions": 8.0}
    rows = {"shipped design": {**row, "ssim": 0.7}, "other": {**row, "ssim": 0.4}}
    printed = table(json.loads(json.dumps(rows)))
    assert "| shipped design | 0.700 | 1.00 | 300 |" in printed
    assert "| other | 0.400 | 0.50 | 300 |" in printed
