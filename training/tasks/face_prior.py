"""The task of VAE B: to draw clean faces, and to know what one looks like."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.metrics import psnr, ssim_per_image
from restorecli.networks.face_prior import PriorPictures
from restorecli.networks.face_vae import drawn as drawn_from
from training.data.face_canvases import FaceCanvases
from training.data.photo_pool import PhotoPool
from training.engine.adversary import Judged, balance, least_squares
from training.engine.feed import MIRROR, Batch
from training.engine.losses import divergence, picture_loss
from training.engine.recipe import Phase, Recipe
from training.evaluate.faces import gradient
from training.networks.face_prior import FacePrior, FacePriorConfig

HALF = 0.5  # weight of the picture at half the side
HELD_OUT_SEED = 10**9
SCORED_AT_ONCE = 8


class FacePriorTask:
    """Trains `FacePrior` on clean faces alone.

    Options of the recipe:
        divergence: Weight of the Kullback-Leibler divergence from the standard normal, a mean over
            the latent's elements.
        adversary: Share of the reconstruction's pull on the last layer that the adversary has.
        gentle_phases: Phases, from the first, without an adversary.
    """

    symmetries = MIRROR

    def __init__(self, recipe: Recipe, pool: PhotoPool, labels: Path) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.network: nn.Module = Judged(FacePrior(FacePriorConfig(**recipe.config)))
        side = max(phase.size for phase in recipe.phases)
        self.canvases = FaceCanvases(pool, labels, side, held_out=False)
        self.held_out = FaceCanvases(pool, labels, side, held_out=True)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Loss terms of one batch of fresh canvases."""
        torch.manual_seed(int(seeds[0]) % 2**31)
        return self.losses_on(network, self.batch(seeds, phase))

    def batch(self, seeds: Tensor, phase: Phase) -> Batch:
        """Canvases, `clean`; and whether they are `judged` by the adversary, 0 or 1 each."""
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            clean = self.canvases.batch(seeds, phase.size)
        judged = self.recipe.phases.index(phase) >= self.recipe.options["gentle_phases"]
        return {"clean": clean, "judged": clean.new_full((len(seeds),), float(judged))}

    def losses_on(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Loss terms of a `batch`."""
        assert isinstance(network, Judged)
        prior, options = network.shipped, self.recipe.options
        assert isinstance(prior, FacePrior)
        target = batch["clean"].contiguous(memory_format=torch.channels_last)
        latent = prior.encoder(target)
        drawn = prior.decoder(drawn_from(latent, True))
        losses = both_sizes(drawn, target, self.recipe.losses)
        truth = torch.stack(list(losses.values())).sum()
        losses["divergence"] = float(options["divergence"]) * divergence(latent)
        judged = batch["judged"].mean()
        fooled, judgement = least_squares(network.judge, target, drawn.full)
        pull = balance(truth, fooled, prior.decoder.large_picture.weight)
        losses["adversary"] = float(options["adversary"]) * judged * pull * fooled
        losses["judge"] = judged * judgement
        return losses

    def score(self, network: nn.Module) -> dict[str, float]:
        """Of held-out canvases drawn from their latents' means: PSNR, SSIM, gradients' ratio."""
        assert isinstance(network, Judged)
        prior, side = network.shipped, self.recipe.phases[-1].size
        totals = {"psnr": 0.0, "ssim": 0.0, "steepness": 0.0}
        count = self.recipe.validation
        for start in range(0, count, SCORED_AT_ONCE):
            stop = min(start + SCORED_AT_ONCE, count)
            clean = self.held_out.batch(torch.arange(start, stop) + HELD_OUT_SEED, side)
            with torch.inference_mode():
                drawn = prior(clean).full.float().clamp(0, 1)
                totals["ssim"] += float(ssim_per_image(drawn, clean).sum())
                for one, two in zip(drawn, clean, strict=True):
                    totals["psnr"] += psnr(one[None], two[None])
                    slopes = (gradient(part[None]).mean() for part in (one, two))
                    totals["steepness"] += float(next(slopes) / next(slopes))
        return {name: total / count for name, total in totals.items()}


def both_sizes(
    drawn: PriorPictures, target: Tensor, weights: dict[str, float]
) -> dict[str, Tensor]:
    """`picture_loss` of the full picture and, weighed by `HALF`, of that at half its side."""
    with torch.autocast(target.device.type, enabled=False):
        small = F.interpolate(target, scale_factor=0.5, mode="bicubic", antialias=True).clamp(0, 1)
        full = picture_loss(drawn.full, target, weights)
        half = picture_loss(drawn.half, small, weights)
        return {name: full[name] + HALF * half[name] for name in weights}
