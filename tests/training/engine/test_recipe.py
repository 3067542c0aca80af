"""Recipes are strict: what is unknown, impossible or leads nowhere is refused."""

import itertools
from pathlib import Path

import pytest

from training.engine.recipe import Phase, Recipe, read_recipe

RECIPES = Path(__file__).parents[3] / "training" / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*/*.toml")), ids=lambda path: path.stem)
def test_the_shipped_recipes_can_be_read(path: Path) -> None:
    of = path.stem if path.parent.name == "ablation" else path.parent.name
    assert read_recipe(path).network.startswith(of)


def test_a_recipe_refuses_unknown_keys_and_gaps(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('network = "denoiser"\nstepps = 5\n', "utf-8")
    with pytest.raises(ValueError, match="stepps"):
        read_recipe(tmp_path / "r.toml")
    with pytest.raises(ValueError, match="rise to 1"):
        Recipe(network="denoiser", steps=1, phases=(Phase(until=0.5, size=32, batch=1),))


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        (Phase(until=0.0, size=32, batch=1), "rise to 1"),
        (Phase(until=0.5, size=0, batch=1), "at least 1, not 0 and 1"),
        (Phase(until=1.0, size=32, batch=0), "at least 1, not 32 and 0"),
    ],
)
def test_a_recipe_refuses_a_phase_that_trains_on_nothing(phase: Phase, message: str) -> None:
    last = Phase(until=1.0, size=32, batch=1)
    with pytest.raises(ValueError, match=message):
        Recipe(network="denoiser", steps=1, phases=(phase, last))


def test_phases_of_one_stretch_take_turns() -> None:
    first = Phase(until=0.4, size=32, batch=8)
    sizes = tuple(Phase(until=1.0, size=size, batch=1) for size in (64, 96, 128))
    mixed = Recipe(network="denoiser", steps=10, phases=(first, *sizes))
    seen = [mixed.phase(step) for step in range(10)]
    assert seen[:4] == [first] * 4
    assert [seen[4:].count(phase) for phase in sizes] == [2, 2, 2]
    assert all(one != other for one, other in itertools.pairwise(seen[4:]))
