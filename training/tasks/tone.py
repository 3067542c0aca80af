"""The task of the tone inspector: how far to believe the denoiser's change of tone."""

from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli import weights
from restorecli.colour_correction import large_scale, toned
from restorecli.degrade import FAMILIES, Degraded
from restorecli.inspection.tone import share_of
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.tone_inspector import ToneInspector, ToneInspectorConfig, statistics
from restorecli.tiling.sources import TensorSource
from training.data.everyday import untouched, wear
from training.data.photo_pool import PhotoPool
from training.data.samples import Samples
from training.engine.recipe import Phase, Recipe
from training.tasks.inspector import HELD_OUT_SEEDS

NAMES = (*FAMILIES, "none")
SHARES = torch.linspace(0, 1, 11)  # of the change of tone, of which the error is known
TYPICAL, MOST = 4 / 255, 3.0  # gain or loss that counts once, and how often one may count
STANDARD = 128  # samples whose statistics stand for those of all
Told = Float[Tensor, "n 82"]
Truth = Float[Tensor, "n t"]


class ToneAndFamily(nn.Module):
    """The tone inspector, and a layer that says what lies over a photo.

    To say that teaches it what to look for; the layer is not shipped.
    """

    def __init__(self, config: ToneInspectorConfig) -> None:
        super().__init__()
        self.shipped = ToneInspector(config)
        self.family = nn.Linear(config.hidden, len(NAMES))

    def forward(self, told: Told) -> tuple[Float[Tensor, " n"], Float[Tensor, "n f"]]:
        """Log odds that the change of tone is right, and of each of `NAMES`."""
        seen = self.shipped.features(told)
        return self.shipped.decide(seen)[:, 0].float(), self.family(seen).float()


class ToneInspectorTask:
    """Trains `ToneInspector` on degraded pictures and what a frozen `Denoiser` makes of them.

    The loss is the cross-entropy of whether large-scale colour is nearer the clean picture's with
    the change or without, each sample weighted by how much nearer. Samples take long to make and
    their statistics little room, so they are kept and seen again.

    Options of the recipe:
        kept: How many samples there are. The numbers of a step's samples begin at multiples of
            4096; an odd multiple of the batch lets all of them be seen, and of several processes
            each make its own.
        family: Weight of the cross-entropy of what lies over a picture.
    """

    def __init__(self, recipe: Recipe, pool: PhotoPool, folder: Path) -> None:
        """Prepare to train.

        Args:
            recipe: Options as above.
            pool: Photos.
            folder: Of the denoiser's weights.
        """
        self.recipe, self.samples = recipe, Samples(recipe, pool)
        self._kept: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        device = pool.pixels.device
        self.denoiser = weights.load(Denoiser, "denoiser", folder=folder)
        self.denoiser.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        torch.manual_seed(recipe.seed)
        self.network = ToneAndFamily(ToneInspectorConfig(**recipe.config))
        first = torch.arange(STANDARD, device=device)
        self.network.shipped.standardise(self._samples(first, recipe.phases[0].size)[0])

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Weighted cross-entropies of whether the change is right, and of the family."""
        options = self.recipe.options
        told, truth = self._samples(seeds % int(options["kept"]), phase.size)
        odds, family = network(told)
        gain = truth[:, 0] - truth[:, -2]  # by all of the change over none
        matters = (gain.abs() / TYPICAL).clamp(max=MOST)
        right = F.binary_cross_entropy_with_logits(odds, (gain > 0).float(), matters)
        named = F.cross_entropy(family, truth[:, -1].long())
        return {"right": right, "family": options.get("family", 0.0) * named}

    def score(self, network: nn.Module) -> dict[str, float]:
        """On held-out photos, mean errors of large-scale colour, of 255.

        Of no change of tone, of all of it, of what the network believes, and of the better of the
        first two.
        """
        device = self.samples.pool.pixels.device
        seeds = torch.arange(self.recipe.validation, device=device) + HELD_OUT_SEEDS
        told, truth = self._samples(seeds, self.recipe.phases[-1].size)
        errors, ends = truth[:, :-1], truth[:, [0, -2]]
        network.eval()
        with torch.inference_mode():
            believed = expected_error(errors, share_of(network(told)[0]))
        means = {
            "none": ends[:, 0],
            "all": ends[:, 1],
            "believed": believed,
            "better": ends.amin(1),
        }
        return {f"colour_{name}": float(error.mean()) * 255 for name, error in means.items()}

    def _samples(self, seeds: Tensor, size: int) -> tuple[Told, Truth]:
        """Statistics and truths; each sample is kept from its first use on."""
        missing = [seed for seed in dict.fromkeys(seeds.tolist()) if (size, seed) not in self._kept]
        for start in range(0, len(missing), 8):
            some = missing[start : start + 8]
            made = self._made(torch.tensor(some, device=seeds.device), size)
            for seed, told, truth in zip(some, *made, strict=True):
                self._kept[size, seed] = told, truth
        kept = [self._kept[size, seed] for seed in seeds.tolist()]
        return torch.stack([told for told, _ in kept]), torch.stack([truth for _, truth in kept])

    def _made(self, seeds: Tensor, size: int) -> tuple[Told, Truth]:
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            held_out = bool(seeds[0] >= HELD_OUT_SEEDS)
            pair = self.samples.batch(seeds, size, held_out=held_out)
            photo = wear(pair.image, seeds, untouched(pair))
            denoised = self.denoiser.picture(photo).float().clamp(0, 1)
            return statistics(photo, denoised), truths(pair, photo, denoised)


def truths(
    pair: Degraded, photo: Float[Tensor, "n 3 h w"], denoised: Float[Tensor, "n 3 h w"]
) -> Truth:
    """Error of large-scale colour with each of `SHARES`, in [0, 1]; number of the family."""
    numbers = torch.tensor([NAMES.index(name) for name in pair.family])
    errors = [tone_errors(*one) for one in zip(photo, denoised, pair.target, strict=True)]
    return torch.cat((torch.stack(errors), numbers[:, None]), 1).to(photo.device)


def tone_errors(
    photo: Float[Tensor, "3 h w"], denoised: Float[Tensor, "3 h w"], clean: Float[Tensor, "3 h w"]
) -> Float[Tensor, " shares"]:
    """Mean distance from the clean large-scale colour with each of `SHARES`, on the CPU."""
    came, left, goal = (large_scale(TensorSource(one[None])) for one in (photo, denoised, clean))
    change = toned(came, left) - came
    return (came + SHARES.view(-1, 1, 1, 1) * change - goal).abs().mean((1, 2, 3))


def expected_error(
    errors: Float[Tensor, "n shares"], share: Float[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Errors at shares between `SHARES`, along straight lines."""
    place = share * (len(SHARES) - 1)
    below: Int[Tensor, " n"] = place.floor().clamp(max=len(SHARES) - 2).long()
    low, high = (errors.gather(1, (below + step)[:, None])[:, 0] for step in (0, 1))
    return torch.lerp(low, high, place - below)
