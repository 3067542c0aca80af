"""The task of step 3 at x1: the photo and what the earlier steps made of it in, clean crops out."""

from pathlib import Path

import torch
from torch import Tensor, nn

from restorecli import weights
from restorecli.degrade.rng import Draws
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.face_vae import FaceVAEPair
from restorecli.networks.guided_denoiser import SecondLook
from training.data.photo_pool import PhotoPool
from training.data.samples import Samples
from training.engine.losses import picture_loss
from training.engine.recipe import Phase, Recipe
from training.tasks.orsnet import with_better_faces


class SecondLookTask:
    """Trains `SecondLook` for whole photos on top of a frozen `Denoiser`, begun from its weights.

    Options of the recipe:
        lost: Share of the crops whose photo is given as the picture so far, as after relighting.
    """

    def __init__(self, recipe: Recipe, pool: PhotoPool, denoiser_folder: Path) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.denoiser = weights.load(Denoiser, "denoiser", folder=denoiser_folder)
        self.denoiser.to(pool.pixels.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = SecondLook(self.denoiser.config)
        self.network.load_state_dict(self.denoiser.state_dict(), strict=False)
        self.samples = Samples(recipe, pool)

    def start_from_faces(self, folder: Path) -> None:
        """Begin with the second look of a finished face pair instead.

        Raises:
            WeightsError: The pair's file is missing, broken or of another network.
        """
        pair = weights.load(FaceVAEPair, "face_vae", folder=folder)
        self.network.load_state_dict(pair.second_look.state_dict())

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Loss terms of one batch of fresh crops."""
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            pair = self.samples.batch(seeds, phase.size)
            degraded = pair.image.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            denoised = self.denoiser(degraded)[0].float().clamp(0, 1)
            composed = with_better_faces(denoised, pair.target, seeds)
            lost = Draws(seeds, stream=37).chance(self.recipe.options["lost"])
            degraded = torch.where(lost.view(-1, 1, 1, 1), composed, degraded)
        image = network.look(degraded, composed)  # type: ignore[operator]
        with torch.autocast(seeds.device.type, enabled=False):
            return picture_loss(image, pair.target, self.recipe.losses)

    def score(self, network: nn.Module) -> dict[str, float]:
        """Scores of steps 1 + 3 at x1, as `Samples.score` has them."""

        def both(degraded: Tensor) -> Tensor:
            denoised = self.denoiser(degraded)[0].clamp(0, 1)
            image: Tensor = network.look(degraded, denoised)  # type: ignore[operator]
            return image

        with torch.inference_mode():
            return self.samples.score(both)
