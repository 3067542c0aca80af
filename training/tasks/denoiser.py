"""The task of step 1: degraded crops in, clean crops out."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from restorecli.degrade import DegradeConfig, degrade
from restorecli.metrics import ssim_per_image
from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from training.data.photo_pool import PhotoPool
from training.engine.losses import picture_loss
from training.engine.recipe import Phase, Recipe

VALIDATION = DegradeConfig(clean=0, plain=0, mild=0, dimmed=0)


class DenoiserTask:
    """Trains `Denoiser` on crops degraded on the fly."""

    def __init__(self, recipe: Recipe, pool: PhotoPool) -> None:
        self.recipe, self.pool = recipe, pool
        torch.manual_seed(recipe.seed)
        self.network = Denoiser(DenoiserConfig(**recipe.config))
        self.degradation = DegradeConfig(**recipe.degrade)
        self._train, self._held_out = pool.split(held_out=False), pool.split(held_out=True)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Loss terms of one batch of fresh crops."""
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            clean = self.pool.crops(seeds, phase.size, self._train)
            pair = degrade(clean, seeds, self.degradation)
        image, _ = network(pair.image.contiguous(memory_format=torch.channels_last))
        with torch.autocast(seeds.device.type, enabled=False):
            return picture_loss(image, pair.target, self.recipe.losses)

    def score(self, network: nn.Module) -> dict[str, float]:
        """Mean SSIM on strongly degraded crops of held-out photos, before and after."""
        with torch.inference_mode():
            return score_strong(
                self.pool, self._held_out, self.recipe.validation, lambda x: network(x)[0]
            )


def score_strong(
    pool: PhotoPool, among: list[int], count: int, restore: Callable[[Tensor], Tensor]
) -> dict[str, float]:
    """Mean SSIM of a function of degraded batches, on fixed, strongly degraded 192² crops."""
    before, after = [], []
    for start in range(0, count, 8):
        first = 10**9 + start
        seeds = torch.arange(first, min(first + 8, 10**9 + count), device=pool.pixels.device)
        pair = degrade(pool.crops(seeds, 192, among), seeds, VALIDATION)
        before.append(ssim_per_image(pair.image, pair.target))
        after.append(ssim_per_image(restore(pair.image).float().clamp(0, 1), pair.target))
    return {"ssim_in": float(torch.cat(before).mean()), "ssim": float(torch.cat(after).mean())}
