"""The pair: what it starts as, what its crops are, and that it learns."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from restorecli import weights
from restorecli.networks.face_vae import FaceVAEPair, FaceVAEPairConfig
from restorecli.networks.guided_denoiser import GuidedDenoiser
from restorecli.networks.orsnet import bicubic
from tests.support.tiny_pair import PAIR, PAIR_OPTIONS, PARTS, save_pair_steps
from training.data.photo_pool import PhotoPool
from training.engine.adversary import Judged
from training.engine.loop import Run, StreamedTask
from training.engine.recipe import Phase, Recipe
from training.tasks.face_vae import FaceVAETask
from training.train import make_task, take_first

CPU = torch.device("cpu")
SIDE = 32
TERMS = {"charbonnier": 1.0, "structure": 0.1}


@pytest.fixture(autouse=True)
def small_faces_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.labelled_faces.MIN_EYE_DISTANCE", 10)
    monkeypatch.setattr("training.data.photo_pool.is_held_out", lambda name: "two" in name)


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    """A folder of all the weights that the pair's training stands on."""
    save_pair_steps(tmp_path / "steps")
    return tmp_path / "steps"


def recipe(**options: object) -> Recipe:
    return Recipe(
        network="face_vae", config=PAIR, steps=2, warmup=1, validation=3, precision="fp32",
        losses=TERMS, phases=(Phase(until=1, size=SIDE, batch=2),),
        options=PAIR_OPTIONS | {"drop_source": 0.5} | options,
        degrade={"dimmed": 0.0, "families": ("sine", "lines")},
    )  # fmt: skip


def task_of(chosen: Recipe, pool: PhotoPool, labels: Path, steps: Path) -> FaceVAETask:
    task = make_task(chosen, pool, steps, faces=labels, prior=steps, embedder=steps)
    assert isinstance(task, FaceVAETask)
    return task


def shipped(task: FaceVAETask) -> FaceVAEPair:
    assert isinstance(task.network, Judged)
    assert isinstance(task.network.shipped, FaceVAEPair)
    return task.network.shipped


def test_it_starts_as_the_second_look(pool: PhotoPool, labels: Path, steps: Path) -> None:
    """Before it learns nothing is mixed in but a little of what B draws, the same at all fates."""
    task = task_of(recipe(), pool, labels, steps)
    pair, look = shipped(task), weights.load(GuidedDenoiser, "second_look", folder=steps)
    source, degraded = torch.rand(2, 2, 3, SIDE, SIDE)
    with torch.inference_mode():
        drawing, seen = pair.draw(degraded, source), look.look(source, degraded)
    assert torch.equal(drawing.first, seen)
    share = torch.sigmoid(torch.tensor(-2.0))
    for fusion, picture in ((drawing.small, seen), (drawing.large, bicubic(seen, 2))):
        mixed = torch.lerp(picture, fusion.prior, share)
        assert torch.allclose(fusion.over(picture), mixed, atol=1e-6)
        assert torch.equal(fusion.logit, torch.full_like(fusion.logit, 2.0))


def test_only_what_is_named_is_trained(
    pool: PhotoPool, labels: Path, steps: Path, tmp_path: Path
) -> None:
    chosen = recipe()
    task = task_of(chosen, pool, labels, steps)
    before = {name: value.clone() for name, value in shipped(task).state_dict().items()}
    assert Run(task, chosen, tmp_path / "run", CPU).go(every=2)
    after = shipped(task).state_dict()
    changed = {name.split(".")[0] for name, value in after.items()
               if not torch.equal(value, before[name])}  # fmt: skip
    assert changed == set(PARTS)
    header = (tmp_path / "run" / "log.csv").read_text("utf-8").split("\n")[0].split(",")
    assert {"ssim_first_2", "ssim_fused_2", "far_fused_2", "identity", "judge"} <= set(header)
    again = weights.load(FaceVAEPair, "face_vae", folder=tmp_path / "run")
    assert again.config == shipped(task).config


def test_vae_a_learns_alone_and_is_handed_to_a_pair(
    pool: PhotoPool, labels: Path, steps: Path, tmp_path: Path
) -> None:
    """As `face_vae/6-alone` and `7-over` have it."""
    chosen = recipe(alone=True, tuned=["first"])
    task = task_of(chosen, pool, labels, steps)
    batch = task.batch(torch.arange(2), chosen.phases[0])
    assert set(task.losses_on(task.network, batch)) == set(TERMS)
    before = {name: value.clone() for name, value in shipped(task).state_dict().items()}
    assert Run(task, chosen, tmp_path / "run", CPU).go(every=2)
    learnt = weights.load(FaceVAEPair, "face_vae", folder=tmp_path / "run").state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], learnt[name])}
    assert changed == {"first"}
    other = task_of(recipe(), pool, labels, steps)
    parts = {name: value.clone() for name, value in shipped(other).state_dict().items()}
    take_first(other, tmp_path / "run")
    for name, value in shipped(other).state_dict().items():
        assert torch.equal(value, (learnt if name.startswith("first.") else parts)[name])


def test_a_drawing_does_not_change_with_its_company_or_its_size(steps: Path) -> None:
    torch.manual_seed(0)
    pair = FaceVAEPair(FaceVAEPairConfig(**PAIR)).requires_grad_(False)
    source, degraded = torch.rand(2, 2, 3, 40, 48)
    together, alone = pair.draw(degraded, source), pair.draw(degraded[:1], source[:1])
    assert torch.allclose(together.large.correction[:1], alone.large.correction, atol=1e-5)
    assert alone.small.prior.shape == (1, 3, 40, 48)
    assert alone.large.prior.shape == (1, 3, 80, 96)
    assert alone.mapped[0].shape == alone.latent[0].shape == (1, 4, 10, 12)


def test_crops_lie_over_each_other(pool: PhotoPool, labels: Path, steps: Path) -> None:
    task = task_of(recipe(), pool, labels, steps)
    batch = task.batch(torch.arange(4), recipe().phases[0])
    assert batch["came"].shape == (4, 3, 40, 40)
    assert batch["clean"].shape == (4, 3, 80, 80)
    still = {"came": batch["clean"][..., ::2, ::2], "clean": batch["clean"]}
    degraded, source, small, large = task.crops(still | {"seeds": batch["seeds"]})
    assert degraded.shape == source.shape == small.shape == (4, 3, 32, 32)
    assert large.shape == (4, 3, 64, 64)
    assert torch.equal(source, large[..., ::2, ::2])
    assert float((small - source).abs().mean()) < 0.05


def test_it_streams(pool: PhotoPool, labels: Path, steps: Path) -> None:
    task = task_of(recipe(identity=0.0, adversary=0.0), pool, labels, steps)
    assert isinstance(task, StreamedTask)
    phase = replace(recipe().phases[0], batch=3)
    losses = task.losses_on(task.network, task.batch(torch.arange(3), phase))
    assert set(losses) == {*TERMS, "prior", "mapped", "divergence"}
    assert all(bool(value.isfinite()) for value in losses.values())
