"""The stages of the face pair's training, each for two tiny steps."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from restorecli import weights
from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from restorecli.networks.face_vae import FaceVAEPair, FaceVAEPairConfig
from training import train
from training.data.face_crops import FacePairs
from training.engine.loop import Run
from training.engine.recipe import Phase, Recipe
from training.tasks.face_autoencoder import FaceTraining
from training.tasks.face_fusion import FuseTraining, latents, make_face_task

TINY: dict[str, Any] = {
    "size": 32, "latent": 4, "widths": (8, 8), "blocks": 1,
    "mapping_widths": (8, 8), "heads": 2,
    "fusion_widths": (8, 8, 8), "fusion_blocks": (1, 1, 1),
    "look_widths": (4, 8), "look_encoder_blocks": (1, 1), "look_decoder_blocks": (1,),
    "look_gates": (4, 4),
}  # fmt: skip
FUSE = {"drop_source": 0.1, "picture": 0.5, "prior": 0.3, "decibels": 0.02, "adversary": 0}
CPU = torch.device("cpu")


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part in ("train-000", "train-001", "held-out-000"):
        clean = rng.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
        noise = rng.integers(-9, 10, clean.shape)
        degraded = np.clip(clean.astype(int) + noise, 0, 255).astype(np.uint8)
        source = rng.integers(0, 256, clean.shape, dtype=np.uint8)
        np.savez(
            tmp_path / part, degraded=degraded, source=source, clean=clean, domain=np.arange(6) % 2
        )
    return tmp_path


def recipe(stage: str, **options: object) -> Recipe:
    names = {
        "common": "face_vae_common",
        "autoencode": "face_vae_autoencode",
        "map": "face_vae_map",
        "fuse": "face_vae",
    }
    order = ["", *names.values()]
    name = names[stage]
    return Recipe(
        network=name,
        config=TINY if stage == "common" else {},
        start_from=order[order.index(name) - 1],
        steps=2,
        warmup=1,
        precision="fp32",
        phases=(Phase(until=1.0, size=32 if stage in ("map", "fuse") else 16, batch=2),),
        losses={"charbonnier": 1.0, "gradient": 0.5, "structure": 0.1},
        options={"stage": stage, **options},
    )


def test_the_stages_end_in_a_pair(crops: Path, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three", "none")]
    common = recipe("common", divergence=1e-4)
    assert Run(make_face_task(common, crops, tmp_path, CPU), common, folders[3], CPU).go()
    coding = recipe("autoencode", divergence=1e-4, adversary=0.01)
    assert Run(make_face_task(coding, crops, folders[3], CPU), coding, folders[0], CPU).go()
    first = weights.load(FaceTraining, "face_vae_autoencode", folder=folders[0])

    mapping = recipe("map")
    assert Run(make_face_task(mapping, crops, folders[0], CPU), mapping, folders[1], CPU).go()
    second = weights.load(FaceTraining, "face_vae_map", folder=folders[1])
    assert equal(first.pair.degraded_encoder, second.pair.degraded_encoder)
    assert equal(first.pair.clean_decoder, second.pair.clean_decoder)
    assert not equal(first.pair.mapping, second.pair.mapping)

    fusing = recipe("fuse", tune=["fusion"], **FUSE)
    config = DenoiserConfig(widths=(4, 8), encoder_blocks=(1, 1), decoder_blocks=(1,), gates=(4, 4))
    denoiser = Denoiser(config)
    weights.save(denoiser, "denoiser", tmp_path / "denoiser.safetensors", {})
    task = make_face_task(fusing, crops, folders[1], CPU, tmp_path)
    assert isinstance(task.network, FuseTraining)
    assert equal(task.network.shipped.second_look.enter, denoiser.enter)
    assert Run(task, fusing, folders[2], CPU).go()
    pair = weights.load(FaceVAEPair, "face_vae", folder=folders[2])
    assert equal(second.pair.mapping, pair.mapping)
    assert not equal(second.pair.fusion, pair.fusion)
    assert "ssim_fused" in (folders[2] / "log.csv").read_text("utf-8")


def test_a_finished_pair_goes_on_with_an_adversary(crops: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    pair = FaceVAEPair(FaceVAEPairConfig(**TINY))
    torch.nn.init.normal_(pair.fusion.gate.leave.weight)
    weights.save(pair, "face_vae", tmp_path / "face_vae.safetensors", {})
    going_on = recipe("fuse", tune=["fusion"], **FUSE | {"adversary": 0.1})
    going_on = replace(going_on, start_from="face_vae")
    task = make_face_task(going_on, crops, tmp_path, CPU)
    assert isinstance(task.network, FuseTraining)
    assert equal(task.network.shipped, pair)
    discriminator = copy.deepcopy(task.network.judge)
    run = Run(task, going_on, tmp_path / "on", CPU)
    assert run.go()
    assert isinstance(run.network, FuseTraining)
    assert not equal(run.network.judge, discriminator)
    after = weights.load(FaceVAEPair, "face_vae", folder=tmp_path / "on")
    assert equal(after.clean_decoder, pair.clean_decoder)
    assert not equal(after.fusion, pair.fusion)
    head = (tmp_path / "on" / "log.csv").read_text("utf-8").splitlines()[0]
    assert "adversary,discriminator" in head


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_unknown_stage(crops: Path) -> None:
    made = Recipe(network="face_vae", steps=1, phases=(Phase(until=1.0, size=8, batch=1),))
    with pytest.raises(ValueError, match="not one of common"):
        make_face_task(made, crops, crops, CPU)


def test_vae_b_starts_as_vae_a() -> None:
    torch.manual_seed(0)
    network = FaceTraining(FaceVAEPairConfig(**TINY))
    assert not equal(network.clean_encoder, network.pair.degraded_encoder)
    network.initialise_clean_vae()
    assert equal(network.clean_encoder, network.pair.degraded_encoder)
    assert equal(network.pair.clean_decoder, network.pair.degraded_decoder)


def test_a_pair_does_not_depend_on_its_batch(crops: Path) -> None:
    pairs = FacePairs.open(crops, "train", CPU)
    assert pairs.clean.shape == (12, 3, 32, 32)
    degraded, source, clean = pairs.draw(torch.arange(5), 16)
    assert degraded.shape == source.shape == clean.shape == (5, 3, 16, 16)
    assert (degraded - clean).abs().max() <= 9 / 255 + 1e-6
    alone, _, _ = pairs.draw(torch.tensor([3]), 16)
    assert torch.equal(alone[0], degraded[3])


def test_a_lost_source_is_what_the_denoiser_made_of_it(crops: Path) -> None:
    pairs = FacePairs.open(crops, "train", CPU)
    degraded, source, _ = pairs.draw(torch.arange(64), 32, drop_source=0.5)
    drop_source = [torch.equal(one, other) for one, other in zip(degraded, source, strict=True)]
    assert 20 <= sum(drop_source) <= 44
    degraded, source, _ = pairs.draw(torch.arange(64), 32)
    assert not any(torch.equal(one, other) for one, other in zip(degraded, source, strict=True))


def test_domains_share_no_crop(crops: Path) -> None:
    pairs = FacePairs.open(crops, "train", CPU)
    sums = [
        {round(float(crop.sum()), 3) for crop in pairs.draw(torch.arange(80), 32, domain=domain)[2]}
        for domain in (0, 1)
    ]
    assert not sums[0] & sums[1]


def test_the_command_trains_on_crops(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "read_recipe", lambda path: recipe("common", divergence=1e-4))
    arguments = ["train", "r.toml", "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit):
        train.main()
    assert "face_vae_common needs --crops" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", [*arguments, "--crops", str(crops)])
    train.main()
    assert (tmp_path / "out" / "face_vae_common.safetensors").exists()


def test_no_crops(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="face_crops"):
        FacePairs.open(tmp_path, "train", CPU)


def test_latents_of_mirror_images_come_second(crops: Path) -> None:
    torch.manual_seed(0)
    encoder = FaceTraining(FaceVAEPairConfig(**TINY)).clean_encoder
    clean = FacePairs.open(crops, "train", CPU).clean
    both = latents(encoder, clean)
    assert both.shape == (24, 4, 8, 8)
    assert torch.equal(both[12:], latents(encoder, clean.flip(3))[:12])
