"""Training of the pair of VAEs in three stages, each a run of `training.loop`.

1. `autoencode`: VAE A on faces as step 1 leaves them, VAE B on clean faces, from different halves
   of the photos. For the first `common` steps there is one VAE for both, so that the two latents
   nearly agree when they part.
2. `map`: the latent mapping, on pairs, both VAEs frozen.
3. `fuse`: the fusion, with the parts that the recipe names tuned along, on what the user will see.

What run time does not need lives here: sampling, encoder B, the two discriminators. They are one
network with the pair, so one optimiser and one checkpoint hold everything.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from restorecli import weights
from restorecli.metrics import psnr, ssim_per_image
from restorecli.networks.face_vae import (
    FaceDecoder,
    FaceEncoder,
    FaceVAEPair,
    FaceVAEPairConfig,
)
from training.face_crops import FacePairs
from training.losses import picture_loss
from training.recipe import Phase, Recipe

Crops = Float[Tensor, "n 3 s s"]
HELD_OUT = 40  # crops that scores are taken on


class PatchDiscriminator(nn.Module):
    """Says of each patch of 22 px whether it is of a photo: trained to 1, of a decoder: to 0."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 3, padding=1),
        )

    def forward(self, image: Crops) -> Float[Tensor, "n 1 h w"]:
        """From sRGB in [0, 1] to one unbounded answer for each place."""
        answer: Tensor = self.body(image * 2 - 1)
        return answer


class FaceTraining(nn.Module):
    """The pair with everything that only training needs.

    Attributes:
        pair: What will be shipped.
        clean_encoder: Encoder of VAE B.
        judges: Discriminators of domain A and of domain B.
        steps: Batches seen, part of the checkpoint.
    """

    config_class = FaceVAEPairConfig

    def __init__(self, config: FaceVAEPairConfig) -> None:
        super().__init__()
        self.config = config
        self.pair = FaceVAEPair(config)
        self.clean_encoder = FaceEncoder(config)
        self.judges = nn.ModuleList([PatchDiscriminator(), PatchDiscriminator()])
        self.steps: Tensor
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def part(self) -> None:
        """Start VAE B from VAE A's weights, and both judges from one."""
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


def judged(judge: nn.Module, real: Crops, drawn: Crops) -> tuple[Tensor, Tensor]:
    """Least-squares adversary (Mao et al. 2017): the decoder's loss and the judge's own.

    The first sends no gradient to the judge, the second none to the decoder.
    """
    frozen = {name: value.detach() for name, value in judge.named_parameters()}
    fooled = torch.func.functional_call(judge, frozen, (drawn,))
    own = ((judge(real) - 1) ** 2).mean() + (judge(drawn.detach()) ** 2).mean()
    return ((fooled - 1) ** 2).mean(), 0.5 * own


class AutoencodeTask:
    """Stage 1. Options: `common` (steps of one VAE for both), `divergence`, `adversary`."""

    def __init__(self, recipe: Recipe, crops: Path, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.network: nn.Module = FaceTraining(FaceVAEPairConfig(**recipe.config))
        self._pairs = FacePairs.open(crops, "train", device)
        self._held_out = FacePairs.open(crops, "held-out", device)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Half of the batch degraded, half clean, of different photos."""
        assert isinstance(network, FaceTraining)
        options, pair = self.recipe.options, network.pair
        half = len(seeds) // 2
        degraded = _fast(self._pairs.draw(seeds[:half], phase.size, domain=0)[0])
        clean = _fast(self._pairs.draw(seeds[half:], phase.size, domain=1)[1])
        step = int(network.steps)
        network.steps += 1
        torch.manual_seed(int(seeds[0]) % 2**31)
        if step < options["common"]:
            both = torch.cat((degraded, clean))
            drawn, divergence = autoencode(
                pair.degraded_encoder, pair.degraded_decoder, both, options["divergence"]
            )
            return {**picture_loss(drawn, both, self.recipe.losses), "divergence": divergence}
        if step == options["common"]:
            network.part()
        drawn_a, divergence_a = autoencode(
            pair.degraded_encoder, pair.degraded_decoder, degraded, options["divergence"]
        )
        drawn_b, divergence_b = autoencode(
            network.clean_encoder, pair.clean_decoder, clean, options["divergence"]
        )
        fooled_a, own_a = judged(network.judges[0], degraded, drawn_a)
        fooled_b, own_b = judged(network.judges[1], clean, drawn_b)
        drawn, wanted = torch.cat((drawn_a, drawn_b)), torch.cat((degraded, clean))
        return {
            **picture_loss(drawn, wanted, self.recipe.losses),
            "divergence": (divergence_a + divergence_b) / 2,
            "adversary": options["adversary"] * (fooled_a + fooled_b) / 2,
            "judges": (own_a + own_b) / 2,
        }

    def score(self, network: nn.Module) -> dict[str, float]:
        """PSNR of what A and B draw of held-out crops of their domains, from the latents' means."""
        assert isinstance(network, FaceTraining)
        degraded, clean = (part[:HELD_OUT].float() / 255 for part in _crops(self._held_out))
        pair = network.pair
        common = int(network.steps) < self.recipe.options["common"]
        encoder_b = pair.degraded_encoder if common else network.clean_encoder
        decoder_b = pair.degraded_decoder if common else pair.clean_decoder
        with torch.inference_mode():
            drawn_a = pair.degraded_decoder(pair.degraded_encoder(degraded)[0])
            drawn_b = decoder_b(encoder_b(clean)[0])
        return {"psnr_a": _psnr(drawn_a, degraded), "psnr_b": _psnr(drawn_b, clean)}


class MapTask:
    """Stage 2. Options: `latent` and `adversary`, the weights of those terms."""

    def __init__(self, recipe: Recipe, crops: Path, start: Path, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        loaded = weights.load(FaceTraining, recipe.start_from, folder=start)
        loaded.pair.mapping.requires_grad_(True)
        loaded.judges[1].requires_grad_(True)
        self.network: nn.Module = loaded
        self._pairs = FacePairs.open(crops, "train", device)
        self._held_out = FacePairs.open(crops, "held-out", device)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Mapped latents against encoder B's, and what decoder B draws of them."""
        assert isinstance(network, FaceTraining)
        degraded, clean = (_fast(part) for part in self._pairs.draw(seeds, phase.size))
        with torch.no_grad():
            mean, _ = network.pair.degraded_encoder(degraded)
            wanted, _ = network.clean_encoder(clean)
        mapped = network.pair.mapping(mean)
        drawn = network.pair.clean_decoder(mapped)
        fooled, own = judged(network.judges[1], clean, drawn)
        return {
            **picture_loss(drawn, clean, self.recipe.losses),
            "latent": self.recipe.options["latent"] * (mapped - wanted).abs().mean(),
            "adversary": self.recipe.options["adversary"] * fooled,
            "judges": own,
        }

    def score(self, network: nn.Module) -> dict[str, float]:
        """SSIM and PSNR of held-out crops: as they come, and as decoder B draws them."""
        assert isinstance(network, FaceTraining)
        return _pair_scores(network.pair, self._held_out)


class FuseTask:
    """Stage 3. Options: `tune` (names of the parts trained), `prior` (weight of B's own loss)."""

    def __init__(self, recipe: Recipe, crops: Path, start: Path, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        pair = weights.load(FaceTraining, recipe.start_from, folder=start).pair
        for part in recipe.options["tune"]:
            pair.get_submodule(part).requires_grad_(True)
        self.network: nn.Module = pair
        self._pairs = FacePairs.open(crops, "train", device)
        self._held_out = FacePairs.open(crops, "held-out", device)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """The fused face at fidelity 0.5, and decoder B's picture alone, against the clean face."""
        assert isinstance(network, FaceVAEPair)
        degraded, clean = (_fast(part) for part in self._pairs.draw(seeds, phase.size))
        prior = network.prior(degraded)
        fused = torch.lerp(degraded, prior.picture, torch.sigmoid(prior.logit))
        share = self.recipe.options["prior"]
        alone = picture_loss(prior.picture, clean, self.recipe.losses)
        return {
            **picture_loss(fused, clean, self.recipe.losses),
            "prior": share * torch.stack(list(alone.values())).sum(),
        }

    def score(self, network: nn.Module) -> dict[str, float]:
        """SSIM and PSNR of held-out crops: as they come, decoder B's, and fused at 0.5."""
        assert isinstance(network, FaceVAEPair)
        return _pair_scores(network, self._held_out)


def make_face_task(
    recipe: Recipe, crops: Path, start: Path, device: torch.device
) -> AutoencodeTask | MapTask | FuseTask:
    """The task of the stage that a recipe names.

    Args:
        recipe: Its option `stage` is "autoencode", "map" or "fuse".
        crops: Folder that `training.face_crops` wrote.
        start: Folder of the earlier stage's weights file, named in `start_from`.
        device: Of the training.

    Raises:
        ValueError: There is no such stage.
    """
    stage = recipe.options.get("stage")
    if stage == "autoencode":
        return AutoencodeTask(recipe, crops, device)
    if stage == "map":
        return MapTask(recipe, crops, start, device)
    if stage == "fuse":
        return FuseTask(recipe, crops, start, device)
    raise ValueError(f"stage {stage!r}: not one of autoencode, map, fuse")


def _fast(crops: Crops) -> Crops:
    return crops.contiguous(memory_format=torch.channels_last)


def _crops(pairs: FacePairs) -> tuple[Tensor, Tensor]:
    return pairs.degraded, pairs.clean


def _psnr(drawn: Crops, wanted: Crops) -> float:
    rows = [psnr(a[None].clamp(0, 1), b[None]) for a, b in zip(drawn, wanted, strict=True)]
    return sum(rows) / len(rows)


def _pair_scores(pair: FaceVAEPair, held_out: FacePairs) -> dict[str, float]:
    totals: dict[str, float] = {}
    count = min(HELD_OUT, len(held_out.clean))
    for start in range(0, count, 10):
        rows = slice(start, min(start + 10, count))
        degraded, clean = (part[rows].float() / 255 for part in _crops(held_out))
        with torch.inference_mode():
            prior = pair.prior(degraded)
            fused = torch.lerp(degraded, prior.picture.clamp(0, 1), torch.sigmoid(prior.logit))
            for name, crops in (("in", degraded), ("b", prior.clean), ("fused", fused)):
                share = len(crops) / count
                quality = ssim_per_image(crops.clamp(0, 1), clean).mean()
                totals[f"ssim_{name}"] = totals.get(f"ssim_{name}", 0) + share * float(quality)
                decibels = share * _psnr(crops, clean)
                totals[f"psnr_{name}"] = totals.get(f"psnr_{name}", 0) + decibels
    return totals
