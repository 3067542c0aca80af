"""Training of refine: what it starts from, what it is shown, and that it learns."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from restorecli import weights
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.guided_denoiser import GuidedDenoiser
from tests.support.tiny import DENOISER
from training import train
from training.data.photo_pool import PhotoPool
from training.engine.loop import Run
from training.engine.recipe import Phase, Recipe, read_recipe
from training.tasks.guided_denoiser import SecondLookTask

CPU = torch.device("cpu")
RECIPES = Path(train.__file__).parent / "recipes" / "second_look"


def recipe(**changes: object) -> Recipe:
    settings: dict[str, object] = {
        "network": "second_look",
        "steps": 3,
        "warmup": 1,
        "validation": 1,
        "precision": "fp32",
        "phases": (Phase(until=1, size=32, batch=2),),
        "losses": {"charbonnier": 1.0, "structure": 0.5},
        "options": {"drop_source": 0.0},
    }
    return Recipe(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_recipes_name_the_options_that_are_read(path: Path) -> None:
    options = set(read_recipe(path).options)
    assert {"drop_source"} <= options <= {"drop_source", "again"}


@pytest.fixture
def denoiser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Denoiser:
    monkeypatch.setattr("training.data.photo_pool.is_held_out", lambda name: "empty" in name)
    torch.manual_seed(0)
    network = Denoiser(DENOISER)
    weights.save(network, "denoiser", tmp_path / "denoiser.safetensors", {})
    return network


def test_it_begins_as_step_1_and_learns(
    pool: PhotoPool, denoiser: Denoiser, tmp_path: Path
) -> None:
    task = train.make_task(recipe(), pool, tmp_path)
    begun = {name: value.clone() for name, value in task.network.state_dict().items()}
    for name, value in denoiser.state_dict().items():
        assert torch.equal(begun[name], value)
    assert not begun["hint.weight"].any()
    assert Run(task, recipe(), tmp_path / "out", CPU).go()
    learned = weights.load(GuidedDenoiser, "second_look", folder=tmp_path / "out")
    assert learned.hint.weight.any()
    assert not torch.equal(learned.enter.weight, begun["enter.weight"])
    after = weights.load(Denoiser, "denoiser", folder=tmp_path).state_dict()
    assert isinstance(task, SecondLookTask)
    assert all(
        torch.equal(after[name], value) for name, value in task.denoiser.state_dict().items()
    )


@pytest.mark.parametrize("drop_source", [0.0, 1.0])
def test_a_lost_photo_is_replaced_by_the_picture_so_far(
    pool: PhotoPool, denoiser: Denoiser, tmp_path: Path, drop_source: float
) -> None:
    task = train.make_task(recipe(options={"drop_source": drop_source}), pool, tmp_path)
    inputs: list[tuple[Tensor, Tensor]] = []

    class Noting(GuidedDenoiser):
        def look(self, source: Tensor, evidence: Tensor) -> Tensor:
            inputs.append((source, evidence))
            return super().look(source, evidence)

    losses = task.losses(Noting(DENOISER), torch.arange(4), Phase(until=1, size=32, batch=4))
    assert set(losses) == {"charbonnier", "structure"}
    assert torch.equal(*inputs[0]) == (drop_source == 1)


def test_it_looks_again_at_what_it_made_of_a_share_of_the_crops(
    pool: PhotoPool, denoiser: Denoiser, tmp_path: Path
) -> None:
    options = {"drop_source": 0.0, "again": 0.5}
    task = train.make_task(recipe(options=options), pool, tmp_path)
    inputs, made = list[tuple[Tensor, Tensor]](), list[Tensor]()

    class Noting(GuidedDenoiser):
        def look(self, source: Tensor, evidence: Tensor) -> Tensor:
            inputs.append((source, evidence))
            made.append(super().look(source, evidence))
            return made[-1]

    task.losses(Noting(DENOISER), torch.arange(4), Phase(until=1, size=32, batch=4))
    (first, before), (source, evidence) = inputs
    assert torch.equal(first, source[:2])
    assert torch.equal(evidence[:2], made[0].clamp(0, 1))
    assert not torch.equal(evidence[:2], before)
    assert not made[0].requires_grad
    assert made[1].requires_grad
    task.score(Noting(DENOISER))
    assert len(inputs) >= 4
    for (source, _), (same, evidence), seen in zip(
        inputs[2::2], inputs[3::2], made[2::2], strict=True
    ):
        assert torch.equal(same, source)
        assert torch.equal(evidence, seen.clamp(0, 1))


def test_it_begins_as_the_weights_that_are_named(
    pool: PhotoPool,
    denoiser: Denoiser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(3)
    look = GuidedDenoiser(DENOISER)
    weights.save(look, "second_look", tmp_path / "second_look.safetensors", {})
    text = 'network = "second_look"\nstart_from = "second_look"\nsteps = 1\nvalidation = 1\n'
    text += 'learning_rate = 0.0\nweight_decay = 0.0\nprecision = "fp32"\n'
    text += "[options]\ndrop_source = 0.0\n[losses]\ncharbonnier = 1.0\n"
    text += "[[phases]]\nuntil = 1.0\nsize = 32\nbatch = 2\n"
    (tmp_path / "r.toml").write_text(text, "utf-8")
    arguments = ["train", str(tmp_path / "r.toml"), "--photos", str(tmp_path / "photos")]
    arguments += ["--cache", str(tmp_path / "pool"), "--out", str(tmp_path / "out")]
    arguments += ["--denoiser", str(tmp_path), "--start", str(tmp_path)]
    monkeypatch.setattr("sys.argv", arguments)
    train.main()
    learned = weights.load(GuidedDenoiser, "second_look", folder=tmp_path / "out")
    for name, value in look.state_dict().items():
        assert torch.equal(learned.state_dict()[name], value)
