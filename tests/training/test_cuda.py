"""Training on an NVIDIA card: runs start, stop and go on, their data stay on the card."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from restorecli.faces.alignment import TEMPLATE
from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from tests.support.tiny_pair import LOOK, PAIR, PAIR_OPTIONS, PRIOR, save_pair_steps
from training import train
from training.data.photo_pool import PhotoPool
from training.engine import losses
from training.engine.captured import CapturedStep
from training.engine.loop import Run
from training.engine.optimizer import Optimizer
from training.engine.recipe import Phase, Recipe, SampleSource

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

DEVICE = "cuda"
PRECISIONS = ("fp32", "bf16")
DENOISER = {"widths": (4, 8), "encoder_blocks": (1, 1), "decoder_blocks": (1,), "gates": (4, 4)}
INSPECTOR = {
    "side": 32, "widths": (4, 4, 4, 4), "spectral_widths": (4, 4, 4, 4), "hidden": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> PhotoPool:
    """Four photos; the last is held out by its hash."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for number in (0, 1, 2, 96):
        coarse = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((220, 200), Image.Resampling.BICUBIC).save(
            folder / f"{number}.png"
        )
    return PhotoPool.open(folder, folder / "pool", torch.device(DEVICE))


def recipe(network: str, precision: str, optimizer: str) -> Recipe:
    plain = Recipe(
        network=network,
        optimizer=optimizer,
        precision=precision,
        config=DENOISER,
        steps=3,
        warmup=1,
        validation=1,
        phases=(Phase(until=1, size=48, batch=4),),
        losses={"charbonnier": 1.0, "structure": 0.1, "spectrum": 0.1, "gradient": 0.1},
    )
    if network == "denoiser":
        return plain
    sources = (SampleSource(clean=0.4),)
    return replace(
        plain, config=INSPECTOR, losses={}, validation=8, sources=sources, options={"kept": 100}
    )


@pytest.mark.parametrize("network", ["denoiser", "inspector"])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_run_trains_stops_and_goes_on(
    precision: str, optimizer: str, network: str, pool: PhotoPool, tmp_path: Path
) -> None:
    chosen, device = recipe(network, precision, optimizer), torch.device(DEVICE)

    def begun() -> Run:
        return Run(train.make_task(chosen, pool, tmp_path), chosen, tmp_path, device)

    assert not begun().go(minutes=0)
    run = begun()
    assert run.step == 1
    assert run.go(every=1)
    for weight in run.network.parameters():
        assert weight.device.type == device.type
        assert weight.isfinite().all()
    assert (tmp_path / f"{network}.safetensors").exists()
    assert len((tmp_path / "log.csv").read_text("utf-8").splitlines()) == 4


def tiny_denoiser() -> Denoiser:
    torch.manual_seed(0)
    network = Denoiser(DenoiserConfig(**DENOISER))  # type: ignore[arg-type]
    network.to(DEVICE, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_captured_step_is_that_of_plain_operations(precision: str, optimizer: str) -> None:
    """A changed shape is captured anew; a batch that is not finite leaves the weights alone."""
    ways = []
    for captures in (True, False):
        network = tiny_denoiser()
        average = copy.deepcopy(network)
        step = CapturedStep(
            network,
            average,
            Optimizer(network, optimizer, weight_decay=0.1),
            lambda network, batch: losses.picture_loss(
                network(batch["image"])[0], batch["target"], dict.fromkeys(losses.TERMS, 1.0)
            ),
            low=precision == "bf16",
        )
        step._captures = captures
        for number, size in enumerate((48, 48, 32, 32)):
            torch.manual_seed(number)
            image = torch.rand(4, 3, size, size, device=DEVICE)
            if number == 1:
                image[0, 0, 0, 0] = torch.nan
            before = [weight.clone() for weight in network.parameters()]
            terms = step({"image": image, "target": image.flip(3)}, 1e-3, 0.5)
            still = [torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True)]
            assert all(still) == (number == 1)
            assert (float(terms["charbonnier"]) == 0) == (number == 1)
        assert step._captures == captures
        assert step.skipped == 1
        ways.append(nn.utils.parameters_to_vector([*network.parameters(), *average.parameters()]))
    begun = tiny_denoiser()
    start = nn.utils.parameters_to_vector([*begun.parameters(), *begun.parameters()])
    captured, plain = ways
    # cuDNN may choose other kernels for a graph, and small gradients then change their sign
    assert (captured - plain).norm() < 0.2 * (plain - start).norm()


@pytest.mark.parametrize("network", train.STREAMED)
def test_every_streamed_task_is_captured(
    network: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With workers, from the command to the weights; a run of plain steps goes on from it."""
    generator = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    names = [f"{number}.png" for number in (0, 1, 2, 96)]
    for name in names:
        pixels = generator.integers(0, 256, (220, 220, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
    marks = [(90 + 136 * x - 0.5, 60 + 136 * y - 0.5) for x, y in TEMPLATE]
    face = {"box": [80, 80, 160, 180], "landmarks": marks, "score": 0.99}
    faces = tmp_path / "faces.json"
    faces.write_text(json.dumps([{"name": name, "faces": [face]} for name in names]), "utf-8")
    save_pair_steps(tmp_path)
    configs = {
        "orsnet": {"width": 4, "blocks": [1]},
        "face_prior": PRIOR | {"encoder_widths": (8, 8, 8)},
        "face_vae": PAIR,
    }
    config = configs.get(network, LOOK)
    text = f'network = "{network}"\noptimizer = "muon"\nsteps = 4\nvalidation = 1\n'
    text += "[config]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in config.items())
    text += "[losses]\ncharbonnier = 1.0\nluma = 1.0\nstructure = 1.0\n"
    text += "[options]\nsharp_below = 99.0\ndrop_source = 0.5\npatterned = 0.5\n"
    text += "gentle_phases = 1\n"
    text += "".join(f"{k} = {json.dumps(v)}\n" for k, v in PAIR_OPTIONS.items())
    text += "[[phases]]\nuntil = 0.5\nsize = 32\nbatch = 4\n"
    text += "[[phases]]\nuntil = 1.0\nsize = 64\nbatch = 4\n"
    (tmp_path / "r.toml").write_text(text, "utf-8")
    command = ["train", str(tmp_path / "r.toml"), "--photos", str(tmp_path / "photos")]
    command += ["--cache", str(tmp_path / "pool"), "--out", str(tmp_path / "out")]
    command += ["--denoiser", str(tmp_path), "--device", DEVICE, "--faces", str(faces)]
    command += ["--prior", str(tmp_path), "--embedder", str(tmp_path)]
    for steps, more in ((4, ["--workers", "1"]), (5, [])):
        (tmp_path / "r.toml").write_text(text.replace("steps = 4", f"steps = {steps}"), "utf-8")
        monkeypatch.setattr("sys.argv", [*command, *more])
        train.main()
    assert "no CUDA graph" not in capsys.readouterr().out
    assert len((tmp_path / "out" / "log.csv").read_text("utf-8").splitlines()) == 3


def test_photos_are_measured_where_they_are(pool: PhotoPool) -> None:
    assert pool.pixels.device.type == torch.device(DEVICE).type
    assert len(pool.softness) == 4
