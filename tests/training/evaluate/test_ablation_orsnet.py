"""The ablation of ORSNet: every variant enlarges and learns, results are kept and told."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from restorecli import weights
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.guided_denoiser import GuidedDenoiser
from restorecli.networks.orsnet import ORSNetConfig
from tests.networks.conftest import wake
from tests.support.tiny import DENOISER, ORSNET
from training.data.photo_pool import PhotoPool
from training.engine.recipe import Phase, read_recipe
from training.evaluate import ablation_denoiser, ablation_orsnet
from training.evaluate.ablation_orsnet import VARIANTS, Variant, VariantTask, cost, table

RECIPE = read_recipe(ablation_orsnet.RECIPE)
SMALL = replace(
    RECIPE,
    config={"width": ORSNET.width, "blocks": (1, 1)},
    steps=2,
    validation=1,
    phases=(Phase(until=1, size=32, batch=2),),
    options={"sharp_below": 99.0},
)


@pytest.fixture(autouse=True)
def _small_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation_denoiser, "SIDE", 32)
    monkeypatch.setattr(ablation_denoiser, "ROUNDS", 1)
    monkeypatch.setattr("training.data.photo_pool.is_held_out", lambda name: "two" in name)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_enlarges_and_learns_everywhere(variant: Variant) -> None:
    network = variant.make(ORSNetConfig(width=4))
    wake(network)
    picture = torch.rand(1, 3, 16, 16)
    pictures = [network(picture, 1 - picture, scale) for scale in (2, 4)]
    assert [enlarged.shape[-1] for enlarged in pictures] == [32, 64]
    torch.stack([enlarged.square().mean() for enlarged in pictures]).sum().backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert set(variant.without) <= set(RECIPE.losses)


def test_variants_differ_in_their_cost() -> None:
    costs = {variant.name: cost(variant, ORSNetConfig())["kmacs"] for variant in VARIANTS}
    shipped = costs["shipped design"]
    assert costs["48 channels"] < shipped < costs["96 channels"]
    assert costs["half as many convolutions"] < shipped < costs["gates between the blocks"]
    assert costs["without the luma term"] == shipped


def test_a_variant_is_scored_without_what_it_leaves_out(pool: PhotoPool, tmp_path: Path) -> None:
    for name, network in (("denoiser", Denoiser), ("second_look", GuidedDenoiser)):
        weights.save(network(DENOISER), name, tmp_path / f"{name}.safetensors", {})
    variant = next(variant for variant in VARIANTS if variant.without)
    make = partial(VariantTask, variant, SMALL, pool, tmp_path)
    first = ablation_denoiser.trained(make, SMALL, tmp_path / "run")
    assert set(first) == {"x2", "x4", "ssim", "energy", "steps"}
    assert first["energy"] > 0
    header = (tmp_path / "run" / "log.csv").read_text("utf-8").splitlines()[0]
    assert variant.without[0] not in header


def test_the_command_tells_all(
    pool: PhotoPool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = {"x2": 1.5, "x4": -0.25, "ssim": 0.87654, "energy": 1.25}
    monkeypatch.setattr(ablation_denoiser, "trained", lambda *arguments: dict(row))
    arguments = ["ablation_orsnet", "--photos", str(tmp_path / "photos"), "--threads", "1"]
    arguments += ["--cache", str(tmp_path / "pool"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", arguments)
    ablation_orsnet.main()
    out = capsys.readouterr().out
    assert all(
        f"| {variant.name} | +1.50 dB | -0.25 dB | 0.8765 | 1.25 |" in out for variant in VARIANTS
    )
    assert table({}).count("\n") == 1
