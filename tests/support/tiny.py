"""A whole restorer of tiny random networks: every path of the pipeline in milliseconds."""

from pathlib import Path

import numpy as np
import torch

from restorecli import weights
from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from restorecli.networks.face_refiner import FaceRefiner, FaceRefinerConfig
from restorecli.networks.face_vae import FaceVAEPair, FaceVAEPairConfig
from restorecli.networks.guided_denoiser import GuidedDenoiser
from restorecli.networks.inspector import Inspector, InspectorConfig, ResidualInspector
from restorecli.networks.orsnet import ORSNet, ORSNetConfig
from restorecli.networks.relighter import Relighter, RelighterConfig
from restorecli.networks.retinaface import RetinaFace, RetinaFaceConfig
from restorecli.networks.tone_inspector import ToneInspector, ToneInspectorConfig
from restorecli.photo import Photo
from restorecli.pipeline import Restorer

DENOISER = DenoiserConfig(widths=(4, 8), encoder_blocks=(1, 1), decoder_blocks=(1,), gates=(4, 4))
ORSNET = ORSNetConfig(width=4, blocks=(1, 1))
INSPECTOR = InspectorConfig(side=32, widths=(4, 4, 4, 4), spectral_widths=(4, 4, 4, 4), hidden=4)
REFINER = FaceRefinerConfig(size=16, widths=(4, 4, 4, 8), summary=8)
FACE_PAIR = FaceVAEPairConfig(
    smallest=32, largest=32, canvas=64, latent=4, widths=(8, 8, 8), blocks=(1, 1, 1), heads=2,
    mapping_widths=(8, 8), look_widths=(4, 8, 8, 8), look_encoder_blocks=(1, 1, 1, 1),
    look_decoder_blocks=(1, 1, 1), look_gates=(4, 4, 0, 0),
)  # fmt: skip


def tiny_restorer(*, precision: torch.dtype = torch.float32) -> Restorer:
    """Random networks that change a picture a little; equal at every call."""
    torch.manual_seed(0)
    inspector = Inspector(INSPECTOR)
    restorer = Restorer(
        inspector=inspector,
        denoiser=Denoiser(DENOISER),
        relighter=Relighter(RelighterConfig()),
        detector=RetinaFace(RetinaFaceConfig()),
        refiner=FaceRefiner(REFINER),
        face_pair=FaceVAEPair(FACE_PAIR),
        second_look=GuidedDenoiser(DENOISER),
        upscaler=ORSNet(ORSNET),
        residual_inspector=ResidualInspector(INSPECTOR),
        tone_inspector=ToneInspector(ToneInspectorConfig(hidden=4)),
        device=torch.device("cpu"),
        precision=precision,
    )
    for judge in (inspector, restorer.residual_inspector):  # there is something to restore
        torch.nn.init.constant_(judge.decide[-1].bias, 4.0)  # type: ignore[arg-type]
    torch.nn.init.constant_(restorer.tone_inspector.decide.bias, 9.0)  # its tone was changed
    fusions = (restorer.face_pair.fuse_small, restorer.face_pair.fuse_large)
    for head in (*restorer.upscaler.heads.values(), *fusions):
        torch.nn.init.normal_(head.weight, std=0.05)  # type: ignore[arg-type]
    for part in (
        "inspector",
        "residual_inspector",
        "tone_inspector",
        "denoiser",
        "relighter",
        "detector",
        "refiner",
        "face_pair",
        "second_look",
        "upscaler",
    ):
        getattr(restorer, part).eval().requires_grad_(False)
    return restorer


def save(restorer: Restorer, folder: Path) -> None:
    """Write the files of all networks, for what loads its own."""
    for name, network in (
        ("inspector", restorer.inspector),
        ("residual_inspector", restorer.residual_inspector),
        ("tone_inspector", restorer.tone_inspector),
        ("denoiser", restorer.denoiser),
        ("relighter", restorer.relighter),
        ("retinaface", restorer.detector),
        ("face_refiner", restorer.refiner),
        ("face_vae", restorer.face_pair),
        ("second_look", restorer.second_look),
        ("orsnet", restorer.upscaler),
    ):
        weights.save(network, name, folder / f"{name}.safetensors", {})


def certain_relighter(*, dark: bool, lift: float = 4.0) -> Relighter:
    """A network that calls every photo dark, or none, and answers with one steep curve."""
    torch.manual_seed(0)
    relighter = Relighter(RelighterConfig(width=4)).eval().requires_grad_(False)
    last = relighter.decide[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    last.bias[0] = 5.0 if dark else -5.0
    last.bias[1:16] = lift
    return relighter


def photo(height: int, width: int, *, bits: int = 8) -> Photo:
    """A smooth picture with a fine pattern over it."""
    y, x = np.mgrid[0:height, 0:width]
    grey = 0.4 + 0.2 * np.sin(x / 9 + y / 14) + 0.1 * np.cos(2.1 * x)
    rgb = np.stack([grey, grey * 0.9, grey * 0.8 + 0.1], 2)
    image = torch.from_numpy(rgb).permute(2, 0, 1)[None].float()
    made = Photo.from_image(image, "photo.png")
    if bits == 8:
        return made
    sixteen = (rgb * 65535).round().astype(np.uint16)
    return Photo(pixels=sixteen, alpha=None, metadata=made.metadata, name="photo.png")
