"""Training of the pair of VAEs, stages 2 to 4: from one latent to the other, and the fusion.

2. `map`: the latent mapping, on pairs of latents, both VAEs frozen. The encoders run once over all
   crops; an epoch then costs a third of what it would with them.
3. `fuse`: the fusion, with the parts that the recipe names tuned along, on what the user will see.
4. `fuse` again, from a finished pair, with an adversary.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from restorecli import weights
from restorecli.degrade.rng import Draws
from restorecli.metrics import ssim_per_image
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.face_fusion import Fusion
from restorecli.networks.face_vae import FaceEncoder, FaceVAEPair
from training.data.face_crops import FacePairs
from training.engine.adversary import PatchDiscriminator, least_squares
from training.engine.losses import picture_loss
from training.engine.recipe import Phase, Recipe
from training.tasks.face_autoencoder import (
    HELD_OUT,
    AutoencodeTask,
    CommonTask,
    FaceTraining,
    fast,
    mean_psnr,
)

FIRST_LOGITS = (-0.5, -2.0, 0.0, 2.0)  # two fifths of the prior, most of it the second look's


class MapTask:
    """Stage 2: mapped latents against encoder B's."""

    def __init__(self, recipe: Recipe, crops: Path, start: Path, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        loaded = weights.load(FaceTraining, recipe.start_from, folder=start).to(device)
        loaded.pair.mapping.requires_grad_(True)
        self.network: nn.Module = loaded
        pairs = FacePairs.open(crops, "train", device)
        self._degraded = latents(loaded.pair.degraded_encoder, pairs.degraded)
        self._clean = latents(loaded.clean_encoder, pairs.clean)
        self._held_out = FacePairs.open(crops, "held-out", device)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """One batch of latents; the phase's size has no meaning here."""
        assert isinstance(network, FaceTraining)
        which = Draws(seeds, stream=31).integers(0, len(self._clean))
        mapped = network.pair.mapping(self._degraded[which].float())
        return {"latent": log_error(mapped, self._clean[which].float())}

    def score(self, network: nn.Module) -> dict[str, float]:
        """SSIM and PSNR of held-out crops: as they come, and as decoder B draws them."""
        assert isinstance(network, FaceTraining)
        return pair_scores(network.pair, self._held_out)


class FuseTraining(nn.Module):
    """A pair and the adversary that judges what it fuses.

    Attributes:
        shipped: The pair.
        judge: Says whether a face is a photo's.
    """

    def __init__(self, pair: FaceVAEPair) -> None:
        super().__init__()
        self.shipped, self.judge = pair, PatchDiscriminator()


class FuseTask:
    """Stage 3, and stage 4 where the recipe starts from a finished pair ("face_vae").

    Options: `tune` (names of the parts trained), `drop_source` (share of crops without their
    source), `decibels` (weight of the error's logarithm), `picture` (weight of the prior's picture,
    all that fidelity 0 shows), `prior` (of decoder B's and of the second look's alone, which starve
    where the fusion does not trust them) and `adversary` (weight of the least-squares adversary; 0
    is without).
    """

    def __init__(
        self, recipe: Recipe, crops: Path, start: Path | None, device: torch.device,
        denoiser: Path | None = None,
    ) -> None:  # fmt: skip
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        if recipe.start_from == "face_vae":
            pair = weights.load(FaceVAEPair, "face_vae", folder=start)
        else:
            pair = weights.load(FaceTraining, recipe.start_from, folder=start).pair
            start_fusion(pair.fusion)
            first = weights.load(Denoiser, "denoiser", folder=denoiser).state_dict()
            pair.second_look.load_state_dict({**pair.second_look.state_dict(), **first})
        for part in recipe.options["tune"]:
            pair.get_submodule(part).requires_grad_(True)
        self.network: nn.Module = FuseTraining(pair)
        self._pairs = FacePairs.open(crops, "train", device)
        self._held_out = FacePairs.open(crops, "held-out", device)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Of the face fused at fidelity 0.5, of the prior's picture, and of decoder B's alone."""
        assert isinstance(network, FuseTraining)
        options, terms = self.recipe.options, self.recipe.losses
        crops = self._pairs.draw(seeds, phase.size, drop_source=options["drop_source"])
        degraded, source, clean = (fast(part) for part in crops)
        prior = network.shipped.predict(degraded, source)
        fused = torch.lerp(degraded, prior.picture, torch.sigmoid(prior.logit))
        quick = {name: weight for name, weight in terms.items() if name != "structure"}
        nothing = torch.zeros(()).to(clean)
        losses = {
            **picture_loss(fused, clean, terms),
            "decibels": options["decibels"] * log_error(fused, clean),
        }
        pictures = (("picture", prior.picture), ("prior", prior.clean), ("second", prior.second))
        for name, picture in pictures:
            alone = sum(picture_loss(picture, clean, quick).values(), nothing)
            losses[name] = options["picture" if name == "picture" else "prior"] * alone
        if options["adversary"]:
            generator_loss, discriminator_loss = least_squares(network.judge, clean, fused)
            losses |= {
                "adversary": options["adversary"] * generator_loss,
                "discriminator": discriminator_loss,
            }
        return losses

    def score(self, network: nn.Module) -> dict[str, float]:
        """SSIM and PSNR of held-out crops: as they come, B's, the prior's, fused at 0.5."""
        assert isinstance(network, FuseTraining)
        return pair_scores(network.shipped, self._held_out)


def make_face_task(
    recipe: Recipe, crops: Path, start: Path, device: torch.device, denoiser: Path | None = None
) -> CommonTask | AutoencodeTask | MapTask | FuseTask:
    """The task of the stage that a recipe names.

    Args:
        recipe: Its option `stage` is "common", "autoencode", "map" or "fuse".
        crops: Folder that `training.data.face_crops` wrote.
        start: Folder of the earlier stage's weights file, named in `start_from`.
        device: Of the training.
        denoiser: Folder of the weights that the second look starts from; None: the shipped.

    Raises:
        ValueError: There is no such stage.
    """
    stage = recipe.options.get("stage")
    if stage == "common":
        return CommonTask(recipe, crops, device)
    if stage == "autoencode":
        return AutoencodeTask(recipe, crops, start, device)
    if stage == "map":
        return MapTask(recipe, crops, start, device)
    if stage == "fuse":
        return FuseTask(recipe, crops, start, device, denoiser)
    raise ValueError(f"stage {stage!r}: not one of common, autoencode, map, fuse")


def log_error(image: Float[Tensor, "n c h w"], target: Float[Tensor, "n c h w"]) -> Tensor:
    """Mean over the batch of the logarithm of the mean square error.

    What PSNR averages: a face that is nearly right counts as much as one that is beyond help.
    """
    return ((image - target) ** 2).mean((1, 2, 3)).add(1e-5).log().mean()


def latents(encoder: FaceEncoder, crops: Tensor) -> Float[Tensor, "m c h4 w4"]:
    """Mean latents of uint8 crops and of their mirror images, in half precision."""
    rows = []
    with torch.no_grad():
        for mirrored in (False, True):
            for start in range(0, len(crops), 16):
                part = crops[start : start + 16].float() / 255
                rows.append(encoder(fast(part.flip(3) if mirrored else part))[0].half())
    return torch.cat(rows)


def start_fusion(fusion: Fusion) -> None:
    """Let a fusion answer `FIRST_LOGITS` everywhere and correct nothing, for a start."""
    last = fusion.leave[-2]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.zero_()
        last.bias[:16] = torch.tensor(FIRST_LOGITS).repeat_interleave(4)


def pair_scores(pair: FaceVAEPair, held_out: FacePairs) -> dict[str, float]:
    """Mean SSIM and PSNR of held-out crops: as they come, B's, the prior's, fused at 0.5."""
    totals: dict[str, float] = {}
    count = min(HELD_OUT, len(held_out.clean))
    for start in range(0, count, 10):
        rows = slice(start, min(start + 10, count))
        crops = (held_out.degraded, held_out.source, held_out.clean)
        degraded, source, clean = (part[rows].float() / 255 for part in crops)
        with torch.inference_mode():
            prior = pair.predict(degraded, source)
            fused = torch.lerp(degraded, prior.picture.clamp(0, 1), torch.sigmoid(prior.logit))
            pictures = {
                "in": degraded, "b": prior.clean, "second": prior.second, "prior": prior.picture,
                "fused": fused,
            }  # fmt: skip
            for name, picture in pictures.items():
                share = len(picture) / count
                quality = share * float(ssim_per_image(picture.clamp(0, 1), clean).mean())
                totals[f"ssim_{name}"] = totals.get(f"ssim_{name}", 0) + quality
                decibels = share * mean_psnr(picture, clean)
                totals[f"psnr_{name}"] = totals.get(f"psnr_{name}", 0) + decibels
    return totals
