"""The task of the second look: the photo and its denoised picture in, clean crops out."""

from pathlib import Path

import torch
from torch import Tensor, nn

from restorecli import weights
from restorecli.degrade.rng import Draws
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.guided_denoiser import GuidedDenoiser
from training.data.photo_pool import PhotoPool
from training.data.samples import Samples
from training.engine.feed import FLIPS, Batch
from training.engine.losses import picture_loss
from training.engine.recipe import Phase, Recipe
from training.tasks.orsnet import with_better_faces


class SecondLookTask:
    """Trains `GuidedDenoiser` for whole photos on a frozen `Denoiser`, begun from its weights.

    Options of the recipe:
        drop_source: Share of the crops whose photo is the picture so far, as after relighting.
        again: Share of the crops at which it looks a second time, at what it made of them itself.
    """

    symmetries = FLIPS

    def __init__(self, recipe: Recipe, pool: PhotoPool, denoiser_folder: Path) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.denoiser = weights.load(Denoiser, "denoiser", folder=denoiser_folder)
        self.denoiser.to(pool.pixels.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network: nn.Module = GuidedDenoiser(self.denoiser.config)
        self.network.load_state_dict(self.denoiser.state_dict(), strict=False)
        self.samples = Samples(recipe, pool)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Loss terms of one batch of fresh crops."""
        return self.losses_on(network, self.batch(seeds, phase))

    def batch(self, seeds: Tensor, phase: Phase) -> Batch:
        """Crops, degraded and clean: `image` and `target`; and their `seeds`."""
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            pair = self.samples.batch(seeds, phase.size)
        return {"image": pair.image, "target": pair.target, "seeds": seeds}

    def losses_on(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Loss terms of a `batch`."""
        degraded = batch["image"].contiguous(memory_format=torch.channels_last)
        target = batch["target"]
        with torch.no_grad():
            denoised = self.denoiser.picture(degraded).float().clamp(0, 1)
            source, evidence = self.shown(denoised, degraded, batch)
            again = round(self.recipe.options.get("again", 0.0) * len(target))
            if again:
                seen: Tensor = network.look(source[:again], evidence[:again])  # type: ignore[operator]
                evidence = torch.cat((seen.float().clamp(0, 1), evidence[again:]))
        image = network.look(source, evidence)  # type: ignore[operator]
        with torch.autocast(image.device.type, enabled=False):
            return picture_loss(image, target, self.recipe.losses)

    def shown(self, denoised: Tensor, degraded: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The photos and the pictures so far, as the second look is shown them."""
        seeds = batch["seeds"]
        composed = with_better_faces(denoised, batch["target"], seeds)
        drop_source = Draws(seeds, stream=37).chance(self.recipe.options["drop_source"])
        return torch.where(drop_source.view(-1, 1, 1, 1), composed, degraded), composed

    def score(self, network: nn.Module) -> dict[str, float]:
        """Scores of denoise and refine at x1, as `Samples.score` has them; `again` looks twice."""
        return self.score_both(self.denoiser, network)

    def score_both(self, denoiser: Denoiser, network: nn.Module) -> dict[str, float]:
        """As `score`, behind any denoiser."""

        def both(degraded: Tensor) -> Tensor:
            image = denoiser.picture(degraded).clamp(0, 1)
            for _ in range(2 if self.recipe.options.get("again") else 1):
                image = network.look(degraded, image).clamp(0, 1)  # type: ignore[operator]
            return image

        with torch.inference_mode():
            return self.samples.score(both)
