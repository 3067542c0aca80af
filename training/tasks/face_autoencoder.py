"""Training of the pair of VAEs, stage 1: each VAE learns to draw the faces of its domain.

First one VAE learns both domains, so that the latents nearly agree when the two part; from there
VAE A sees faces as the denoiser leaves them, VAE B clean faces, of different halves of the photos.
These are two runs: the averaged weights must part too. The later stages are in `face_fusion`.

What run time does not need lives here: sampling, encoder B, the two discriminators. They are one
network with the pair, so one optimiser and one checkpoint hold everything.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from restorecli import weights
from restorecli.metrics import psnr
from restorecli.networks.face_vae import (
    FaceDecoder,
    FaceEncoder,
    FaceVAEPair,
    FaceVAEPairConfig,
)
from training.data.face_crops import FacePairs
from training.engine.adversary import PatchDiscriminator, least_squares
from training.engine.losses import picture_loss
from training.engine.recipe import Phase, Recipe

Crops = Float[Tensor, "n 3 s s"]
HELD_OUT = 40  # crops that scores are taken on


class FaceTraining(nn.Module):
    """The pair with everything that only training needs.

    Attributes:
        pair: What will be shipped.
        clean_encoder: Encoder of VAE B.
        judges: Discriminators of domain A and of domain B.
    """

    config_class = FaceVAEPairConfig

    def __init__(self, config: FaceVAEPairConfig) -> None:
        super().__init__()
        self.config = config
        self.pair = FaceVAEPair(config)
        self.clean_encoder = FaceEncoder(config)
        self.judges = nn.ModuleList([PatchDiscriminator(), PatchDiscriminator()])

    def initialise_clean_vae(self) -> None:
        """Start VAE B from VAE A's weights."""
        self.clean_encoder.load_state_dict(self.pair.degraded_encoder.state_dict())
        self.pair.clean_decoder.load_state_dict(self.pair.degraded_decoder.state_dict())


def autoencode(
    encoder: FaceEncoder, decoder: FaceDecoder, image: Crops, weight: float
) -> tuple[Crops, Tensor]:
    """Sample a latent and decode it; returns the picture and the weighted KL divergence.

    The divergence from the standard normal is a mean over the latent's elements, not their sum.
    """
    mean, log_variance = encoder(image)
    sampled = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
    return decoder(sampled), weight * divergence


class CommonTask:
    """Stage 0: VAE A draws faces of both domains. Option: `divergence`, its weight."""

    def __init__(self, recipe: Recipe, crops: Path, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.network: nn.Module = FaceTraining(FaceVAEPairConfig(**recipe.config))
        self._pairs = FacePairs.open(crops, "train", device)
        self._held_out = FacePairs.open(crops, "held-out", device)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Half of the batch degraded, half clean, of different photos."""
        assert isinstance(network, FaceTraining)
        image = torch.cat(both_domains(self._pairs, seeds, phase.size))
        pair = network.pair
        decoded, divergence = autoencode(
            pair.degraded_encoder, pair.degraded_decoder, image, self.recipe.options["divergence"]
        )
        return {**picture_loss(decoded, image, self.recipe.losses), "divergence": divergence}

    def score(self, network: nn.Module) -> dict[str, float]:
        """PSNR of what A draws of held-out crops of both domains, from the latents' means."""
        assert isinstance(network, FaceTraining)
        vae = (network.pair.degraded_encoder, network.pair.degraded_decoder)
        return _scores(vae, vae, self._held_out)


class AutoencodeTask:
    """Stage 1. Options: `divergence` and `adversary`, their weights."""

    def __init__(self, recipe: Recipe, crops: Path, start: Path, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        network = weights.load(FaceTraining, recipe.start_from, folder=start)
        network.initialise_clean_vae()
        network.requires_grad_(True)
        network.pair.mapping.requires_grad_(False)
        network.pair.fusion.requires_grad_(False)
        self.network: nn.Module = network
        self._pairs = FacePairs.open(crops, "train", device)
        self._held_out = FacePairs.open(crops, "held-out", device)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Half of the batch degraded, half clean, of different photos."""
        assert isinstance(network, FaceTraining)
        options, pair = self.recipe.options, network.pair
        degraded, clean = both_domains(self._pairs, seeds, phase.size)
        drawn_a, divergence_a = autoencode(
            pair.degraded_encoder, pair.degraded_decoder, degraded, options["divergence"]
        )
        drawn_b, divergence_b = autoencode(
            network.clean_encoder, pair.clean_decoder, clean, options["divergence"]
        )
        generator_loss_a, discriminator_loss_a = least_squares(network.judges[0], degraded, drawn_a)
        generator_loss_b, discriminator_loss_b = least_squares(network.judges[1], clean, drawn_b)
        decoded, target = torch.cat((drawn_a, drawn_b)), torch.cat((degraded, clean))
        return {
            **picture_loss(decoded, target, self.recipe.losses),
            "divergence": (divergence_a + divergence_b) / 2,
            "adversary": options["adversary"] * (generator_loss_a + generator_loss_b) / 2,
            "discriminators": (discriminator_loss_a + discriminator_loss_b) / 2,
        }

    def score(self, network: nn.Module) -> dict[str, float]:
        """PSNR of what A and B draw of held-out crops of their domains, from the latents' means."""
        assert isinstance(network, FaceTraining)
        vae_a = (network.pair.degraded_encoder, network.pair.degraded_decoder)
        vae_b = (network.clean_encoder, network.pair.clean_decoder)
        return _scores(vae_a, vae_b, self._held_out)


def both_domains(pairs: FacePairs, seeds: Tensor, size: int) -> tuple[Crops, Crops]:
    """Degraded crops of one half of the photos and clean crops of the other.

    The first seed also seeds the sampling of latents that follows.
    """
    torch.manual_seed(int(seeds[0]) % 2**31)
    half = len(seeds) // 2
    degraded, _, _ = pairs.draw(seeds[:half], size, domain=0)
    _, _, clean = pairs.draw(seeds[half:], size, domain=1)
    return fast(degraded), fast(clean)


def _scores(
    vae_a: tuple[FaceEncoder, FaceDecoder],
    vae_b: tuple[FaceEncoder, FaceDecoder],
    held_out: FacePairs,
) -> dict[str, float]:
    degraded, clean = (p[:HELD_OUT].float() / 255 for p in (held_out.degraded, held_out.clean))
    with torch.inference_mode():
        drawn_a, drawn_b = vae_a[1](vae_a[0](degraded)[0]), vae_b[1](vae_b[0](clean)[0])
    return {"psnr_a": mean_psnr(drawn_a, degraded), "psnr_b": mean_psnr(drawn_b, clean)}


def fast(crops: Crops) -> Crops:
    """The same crops in the memory order that convolutions like."""
    return crops.contiguous(memory_format=torch.channels_last)


def mean_psnr(decoded: Crops, target: Crops) -> float:
    """Mean over the crops of their PSNR in dB."""
    rows = [psnr(a[None].clamp(0, 1), b[None]) for a, b in zip(decoded, target, strict=True)]
    return sum(rows) / len(rows)
