"""The task of the face detector: made scenes in, scores, boxes and landmarks out."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from restorecli.faces import anchors
from restorecli.networks.retinaface import RetinaFace, RetinaFaceConfig
from training.data.photo_pool import PhotoPool
from training.data.scene_batches import Image, SceneBatches
from training.engine.recipe import Phase, Recipe
from training.tasks.multibox import Truth, multibox_loss

SETTLING_BATCHES = 8
VALIDATION_BATCHES = 4


class DetectorTask:
    """Trains `RetinaFace` on scenes of pasted portraits.

    Args:
        recipe: `losses` weighs score, box and landmarks; the rest is for `SceneBatches`.
        pool: Photos.
        labels: `faces.json` of the pool's photos.
        steps_folder: Of the denoiser's and relighter's weights.
        cache: Where denoised scenes are kept.
    """

    def __init__(
        self, recipe: Recipe, pool: PhotoPool, labels: Path, steps_folder: Path, cache: Path
    ) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.network: nn.Module = RetinaFace(RetinaFaceConfig(**recipe.config))
        self.scenes = SceneBatches(recipe, pool, labels, steps_folder, cache)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Weighted loss terms of one batch of fresh scenes."""
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            image, truth = self.scenes.batch(self.scenes.train, seeds, phase.size)
        return self._terms(network, image, truth)

    def score(self, network: nn.Module) -> dict[str, float]:
        """The losses on scenes of held-out portraits.

        Before that the averaged network gets batch statistics of its own: averaging weights does
        not average what they make of a batch.
        """
        device = next(network.parameters()).device
        scenes = self.scenes
        with torch.no_grad():
            settling = scenes.held_out_batches(scenes.train, SETTLING_BATCHES, device)
            update_bn(settling, network)
            network.eval()
            rows = [
                self._terms(network, image, truth)
                for image, truth in scenes.held_out_batches(
                    scenes.held_out, VALIDATION_BATCHES, device
                )
            ]
        return {f"held_out_{k}": float(torch.stack([r[k] for r in rows]).mean()) for k in rows[0]}

    def _terms(self, network: nn.Module, image: Image, truth: Truth) -> dict[str, Tensor]:
        predictions = network(image.contiguous(memory_format=torch.channels_last))
        grid = anchors.grid(image.shape[-2], image.shape[-1], image.device)
        with torch.autocast(image.device.type, enabled=False):
            terms = multibox_loss(predictions, truth, grid)
        return {name: term * self.recipe.losses.get(name, 1.0) for name, term in terms.items()}
