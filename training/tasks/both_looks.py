"""The task of step 1 and the second look at once: what the one leaves, the other takes away."""

from pathlib import Path

import torch
from torch import Tensor, nn

from restorecli import weights
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.guided_denoiser import GuidedDenoiser
from training.data.photo_pool import PhotoPool
from training.engine.feed import Batch
from training.engine.losses import picture_loss
from training.engine.recipe import Recipe
from training.tasks.guided_denoiser import SecondLookTask


class BothLooks(nn.Module):
    """Step 1 and the second look, of which each is shipped by itself."""

    def __init__(self, denoiser: Denoiser, second_look: GuidedDenoiser) -> None:
        super().__init__()
        self.denoiser, self.second_look = denoiser, second_look

    @property
    def parts(self) -> dict[str, nn.Module]:
        """What is shipped, by the name of its weights file."""
        return {"denoiser": self.denoiser, "second_look": self.second_look}


class BothLooksTask(SecondLookTask):
    """Trains a `Denoiser` and the `GuidedDenoiser` behind it, begun from the weights of both.

    The loss of what the second look gives reaches step 1 through the picture that it is shown.

    Options of the recipe:
        drop_source: As `SecondLookTask` has it.
        first: Weight of the loss of step 1's own picture.
    """

    def __init__(self, recipe: Recipe, pool: PhotoPool, folder: Path) -> None:
        super().__init__(recipe, pool, folder)
        second_look = weights.load(GuidedDenoiser, "second_look", folder=folder)
        self.network = BothLooks(self.denoiser, second_look).requires_grad_(True).train()

    def losses_on(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Loss terms of a `batch`, each of both pictures."""
        assert isinstance(network, BothLooks)
        degraded = batch["image"].contiguous(memory_format=torch.channels_last)
        denoised = network.denoiser.picture(degraded).float()
        source, evidence = self.shown(denoised.clamp(0, 1), degraded, batch)
        image = network.second_look.look(source, evidence)
        with torch.autocast(image.device.type, enabled=False):
            last = picture_loss(image, batch["target"], self.recipe.losses)
            first = picture_loss(denoised, batch["target"], self.recipe.losses)
        share = float(self.recipe.options["first"])
        return {name: value + share * first[name] for name, value in last.items()}

    def score(self, network: nn.Module) -> dict[str, float]:
        """Scores of both at x1, as `Samples.score` has them."""
        assert isinstance(network, BothLooks)
        return self.score_both(network.denoiser, network.second_look)
