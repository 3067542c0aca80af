"""Training of step 1 and the second look at once: who learns of what, and what is written."""

from pathlib import Path

import pytest
import torch

from restorecli import weights
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.guided_denoiser import GuidedDenoiser
from tests.support.tiny import DENOISER
from training import train
from training.data.photo_pool import PhotoPool
from training.engine.loop import Run
from training.engine.recipe import Phase, Recipe, read_recipe
from training.tasks.both_looks import BothLooks, BothLooksTask

RECIPES = Path(train.__file__).parent / "recipes" / "both_looks"
PHASE = Phase(until=1, size=32, batch=2)
SEEDS = torch.arange(2)


def recipe(**options: float) -> Recipe:
    return Recipe(
        network="both_looks",
        steps=2,
        warmup=1,
        validation=1,
        precision="fp32",
        phases=(PHASE,),
        losses={"charbonnier": 1.0, "structure": 0.5},
        options={"drop_source": 0.0, "first": 0.5} | options,
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("training.data.photo_pool.is_held_out", lambda name: "empty" in name)
    torch.manual_seed(0)
    second_look = GuidedDenoiser(DENOISER)
    torch.nn.init.normal_(second_look.hint.weight)
    weights.save(Denoiser(DENOISER), "denoiser", tmp_path / "denoiser.safetensors", {})
    weights.save(second_look, "second_look", tmp_path / "second_look.safetensors", {})
    return tmp_path


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_recipes_name_the_options_that_are_read(path: Path) -> None:
    assert set(read_recipe(path).options) == {"drop_source", "first"}


def test_it_begins_from_both_weights_and_writes_both(pool: PhotoPool, folder: Path) -> None:
    task = train.make_task(recipe(), pool, folder)
    begun = {name: value.clone() for name, value in task.network.state_dict().items()}
    assert Run(task, recipe(), folder / "out", torch.device("cpu")).go()
    for name, kind in (("denoiser", Denoiser), ("second_look", GuidedDenoiser)):
        before = weights.load(kind, name, folder=folder).state_dict()
        after = weights.load(kind, name, folder=folder / "out").state_dict()
        for key, value in before.items():
            assert torch.equal(begun[f"{name}.{key}"], value)
        assert any(not torch.equal(after[key], value) for key, value in before.items())
    assert not (folder / "out" / "both_looks.safetensors").exists()


@pytest.mark.parametrize("drop_source", [0.0, 1.0])
def test_step_1_learns_of_what_the_second_look_gives(
    pool: PhotoPool, folder: Path, drop_source: float
) -> None:
    task = train.make_task(recipe(first=0.0, drop_source=drop_source), pool, folder)
    assert isinstance(task.network, BothLooks)
    loss = torch.stack(list(task.losses(task.network, SEEDS, PHASE).values())).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    for part in task.network.parts.values():
        gradients = [value.grad for value in part.parameters() if value.grad is not None]
        assert any(bool(gradient.any()) for gradient in gradients)


def test_its_own_picture_counts_by_its_share(pool: PhotoPool, folder: Path) -> None:
    def loss(share: float) -> torch.Tensor:
        task = train.make_task(recipe(first=share), pool, folder)
        return task.losses(task.network, SEEDS, PHASE)["charbonnier"].detach()

    task = train.make_task(recipe(), pool, folder)
    assert isinstance(task, BothLooksTask)
    batch = task.batch(SEEDS, PHASE)
    own = weights.load(Denoiser, "denoiser", folder=folder).picture(batch["image"])
    error = ((own - batch["target"]) ** 2 + 1e-6).sqrt().mean()
    torch.testing.assert_close(loss(2.0) - loss(0.0), 2 * error)


def test_it_is_scored_by_what_both_give(pool: PhotoPool, folder: Path) -> None:
    task = train.make_task(recipe(), pool, folder)
    other = recipe().as_dict() | {"network": "second_look", "phases": (PHASE,), "sources": ()}
    alone = train.make_task(Recipe(**other), pool, folder)
    look = weights.load(GuidedDenoiser, "second_look", folder=folder)
    assert task.score(task.network) == alone.score(look)
