"""Training on an NVIDIA card: runs start, stop and go on, their data stay on the card."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training import train
from training.data.photo_pool import PhotoPool
from training.engine.loop import Run
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


def test_photos_are_measured_where_they_are(pool: PhotoPool) -> None:
    assert pool.pixels.device.type == torch.device(DEVICE).type
    assert len(pool.softness) == 4
