"""The task of the denoiser: degraded crops in, clean crops out."""

import torch
from torch import Tensor, nn

from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from training.data.photo_pool import PhotoPool
from training.data.samples import Samples
from training.engine.feed import FLIPS, Batch
from training.engine.losses import picture_loss
from training.engine.recipe import Phase, Recipe


class DenoiserTask:
    """Trains `Denoiser` on crops degraded on the fly."""

    symmetries = FLIPS  # not turned: scan lines lie

    def __init__(self, recipe: Recipe, pool: PhotoPool) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.network = Denoiser(DenoiserConfig(**recipe.config))
        self.samples = Samples(recipe, pool)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Loss terms of one batch of fresh crops."""
        return self.losses_on(network, self.batch(seeds, phase))

    def batch(self, seeds: Tensor, phase: Phase) -> Batch:
        """Crops, degraded and clean: `image` and `target`."""
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            pair = self.samples.batch(seeds, phase.size)
        return {"image": pair.image, "target": pair.target}

    def losses_on(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Loss terms of a `batch`."""
        degraded = batch["image"].contiguous(memory_format=torch.channels_last)
        if isinstance(network, Denoiser):
            image = network.picture(degraded)
        else:
            image, _ = network(degraded)
        with torch.autocast(image.device.type, enabled=False):
            return picture_loss(image, batch["target"], self.recipe.losses)

    def score(self, network: nn.Module) -> dict[str, float]:
        """As `Samples.score`."""
        with torch.inference_mode():
            return self.samples.score(lambda degraded: network(degraded)[0])
