"""Weights of all that the face pair's training stands on, as small as they can be."""

from pathlib import Path
from typing import Any

import torch

from restorecli import weights
from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from restorecli.networks.guided_denoiser import GuidedDenoiser
from restorecli.networks.orsnet import ORSNet, ORSNetConfig
from training.networks.embedder import Embedder, EmbedderConfig
from training.networks.face_prior import FacePrior, FacePriorConfig

LOOK: dict[str, Any] = {
    "widths": (4, 8, 8, 8), "encoder_blocks": (1, 1, 1, 1), "decoder_blocks": (1, 1, 1),
    "gates": (4, 4, 0, 0),
}  # fmt: skip
PRIOR: dict[str, Any] = {
    "canvas": 64, "latent": 4, "widths": (8, 8, 8), "blocks": (1, 1, 1), "heads": 2,
}  # fmt: skip
PAIR: dict[str, Any] = (
    PRIOR | {"mapping_widths": (8, 8)} | {f"look_{name}": value for name, value in LOOK.items()}
)
PARTS = ("latent", "mapping", "prior", "gates", "fuse_small", "fuse_large")
PAIR_OPTIONS: dict[str, Any] = {
    "tuned": list(PARTS), "first": 0.0, "prior": 0.2, "mapped": 1e-3, "divergence": 1e-4,
    "identity": 0.1, "adversary": 0.2,
}  # fmt: skip


def save_pair_steps(folder: Path) -> None:
    """Write denoiser, second_look, orsnet, face_prior and embedder; equal at every call."""
    torch.manual_seed(0)
    look = GuidedDenoiser(DenoiserConfig(**LOOK))
    torch.nn.init.normal_(look.hint.weight, std=0.1)
    networks = {
        "denoiser": Denoiser(DenoiserConfig(**LOOK)),
        "second_look": look,
        "orsnet": ORSNet(ORSNetConfig(width=8, blocks=(1,))),
        "face_prior": FacePrior(FacePriorConfig(**PRIOR)),
        "embedder": Embedder(EmbedderConfig(side=32, widths=(8, 8), dimensions=8)),
    }
    for name, network in networks.items():
        weights.save(network, name, folder / f"{name}.safetensors", {})
