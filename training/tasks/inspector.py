"""The task of the inspector: degraded and clean pictures in, what lies over them out."""

from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli import weights
from restorecli.degrade import Degraded
from restorecli.degrade.rng import Draws
from restorecli.inspection.presence import LITTLE_SIDE
from restorecli.inspection.residual import judge, patches
from restorecli.inspection.windows import windows
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.inspector import (
    Inspector,
    InspectorConfig,
    ResidualInspector,
    residual_picture,
)
from training.data.everyday import untouched, wear
from training.data.photo_pool import PhotoPool
from training.data.samples import Samples
from training.engine.recipe import Phase, Recipe

PRINTED = ("halftone", "dither", "newsprint", "process", "mezzotint", "stochastic")
LEAST_CHANGE = 0.008  # mean absolute change by a pattern below which nobody is asked to see it
LEAST_GAIN = 0.9  # times its error: so much must be left at most for the denoiser to have helped
LEAST_SIGMA = 0.012  # standard deviation of noise that must be seen
HELD_OUT_SEEDS = 10**9
DIMMED = 0.15  # of the photos with nothing over them
Image = Float[Tensor, "n 3 h w"]
Seen = Float[Tensor, "n c h w"]


class InspectorTask:
    """Trains `Inspector` on the samples that the denoiser learns from.

    Making a sample takes longer than learning from it, so they may be kept and seen again, mirrored
    or turned.

    Options of the recipe:
        kept: How many samples of each size there are; each is new if it is left out. The numbers of
            a step's samples begin at multiples of 4096, so an odd number lets all of them be seen.
        benefit_of_doubt: How much a picture below `LITTLE_SIDE` counts that has nothing over it; 1
            if left out. The more, the surer the network must be to speak of a small photo.
    """

    def __init__(self, recipe: Recipe, pool: PhotoPool) -> None:
        self.recipe = recipe
        self._kept: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        torch.manual_seed(recipe.seed)
        self.network = Inspector(InspectorConfig(**recipe.config))
        self.samples = Samples(recipe, pool)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Cross-entropy of each finding, over the samples of which it is known."""
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            kept = self.recipe.options.get("kept")
            if kept is None:
                seen, truth = self._made(seeds, phase.size)
            else:
                seen, truth = self._samples(seeds % int(kept), phase.size)
            draws = Draws(seeds, stream=53)
            seen = torch.where(draws.chance(0.5).view(-1, 1, 1, 1), seen.flip(3), seen)
            seen = torch.where(draws.chance(0.5).view(-1, 1, 1, 1), seen.mT, seen)
        doubt = self.recipe.options.get("benefit_of_doubt", 1.0)
        weight = doubt if phase.size < LITTLE_SIDE else 1.0
        return _cross_entropies(self._asked(network, seen), truth, untouched_weight=weight)

    def _samples(self, seeds: Tensor, size: int) -> tuple[Seen, Float[Tensor, "n 6"]]:
        """As `_made`; each is kept in half precision from its first use on."""
        missing = [seed for seed in set(seeds.tolist()) if (size, seed) not in self._kept]
        if missing:
            seen, truths = self._made(torch.tensor(missing, device=seeds.device), size)
            for seed, picture, truth in zip(missing, seen, truths, strict=True):
                self._kept[size, seed] = picture.half(), truth.clone()
        samples = [self._kept[size, seed] for seed in seeds.tolist()]
        return torch.stack([p for p, _ in samples]).float(), torch.stack([t for _, t in samples])

    def _made(self, seeds: Tensor, size: int) -> tuple[Seen, Float[Tensor, "n 6"]]:
        """What is seen of pictures and what is true of them, as `_truth`."""
        pair = self.samples.batch(seeds, size)
        seen = self._seen(wear(pair.image, seeds, untouched(pair), dimmed=DIMMED))
        return seen, self._truth(pair, seen)

    def score(self, network: nn.Module) -> dict[str, float]:
        """On held-out photos: the losses, clean ones taken for patterned, patterns not seen."""
        size, totals = self.recipe.phases[-1].size, dict[str, float]()
        wrong, missed, clean, patterned = 0, 0, 0, 0
        device = self.samples.pool.pixels.device
        with torch.inference_mode():
            for start in range(0, self.recipe.validation, 8):
                seeds = torch.arange(start, start + 8, device=device) + HELD_OUT_SEEDS
                pair = self.samples.batch(seeds, size, held_out=True)
                free = untouched(pair)
                seen = self._seen(wear(pair.image, seeds, free, dimmed=DIMMED))
                answer = self._asked(network, seen)
                truth = self._truth(pair, seen)
                for name, value in _cross_entropies(answer, truth).items():
                    totals[name] = totals.get(name, 0.0) + float(value)
                detected = torch.maximum(answer[0], answer[1]) > 0
                there = (truth[:, 0] * truth[:, 3]).bool()
                wrong, clean = wrong + int((detected & free).sum()), clean + int(free.sum())
                missed += int((~detected & there).sum())
                patterned += int(there.sum())
        batches = self.recipe.validation / 8
        scores = {f"held_out_{name}": value / batches for name, value in totals.items()}
        return scores | {
            "false_alarms": wrong / max(clean, 1),
            "missed": missed / max(patterned, 1),
        }

    def _seen(self, image: Image) -> Seen:
        """What the network is shown of pictures, in [0, 1]."""
        return image

    def _truth(self, pair: Degraded, seen: Seen) -> Float[Tensor, "n 6"]:
        """For pattern, noise and printed: whether it is so, and whether that is known."""
        del seen
        return _laid_over(pair)

    def _asked(self, network: nn.Module, seen: Seen) -> tuple[Tensor, Tensor, Tensor]:
        config = self.network.config
        answer: tuple[Tensor, Tensor, Tensor] = network(windows(seen, config.side, config.levels))
        return answer


class ResidualInspectorTask(InspectorTask):
    """Trains `ResidualInspector` on the same samples, each denoised once by a frozen `Denoiser`."""

    network: ResidualInspector  # type: ignore[assignment]

    def __init__(self, recipe: Recipe, pool: PhotoPool, folder: Path) -> None:
        """Begin both its summaries with the weights of the inspector in `folder`.

        Args:
            recipe: Options as of `InspectorTask`.
            pool: Photos.
            folder: Of the weights of the denoiser and of the inspector.
        """
        super().__init__(recipe, pool)
        self.denoiser = weights.load(Denoiser, "denoiser", folder=folder)
        self.denoiser.to(pool.pixels.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = ResidualInspector(InspectorConfig(**recipe.config))
        known = weights.load(Inspector, "inspector", folder=folder).state_dict()
        for summary in (self.network.photo, self.network.residual):
            summary.load_state_dict(known, strict=False)

    def _seen(self, image: Image) -> Seen:
        with torch.no_grad():
            denoised = self.denoiser.picture(image).float().clamp(0, 1)
        return torch.cat((image, denoised), 1)

    def _truth(self, pair: Degraded, seen: Seen) -> Float[Tensor, "n 6"]:
        """Likewise; nobody is asked to see what the denoiser takes nothing of."""
        photo, denoised = ((part - pair.target).abs().mean((1, 2, 3)) for part in seen.chunk(2, 1))
        truth = _laid_over(pair)
        helps = (denoised < LEAST_GAIN * photo)[:, None] | (truth[:, :3] == 0)
        truth[:, 3:] *= helps
        return truth

    def _asked(self, network: nn.Module, seen: Seen) -> tuple[Tensor, Tensor, Tensor]:
        photo, denoised = seen.chunk(2, 1)
        boxes = patches(*seen.shape[-2:])
        shown, residual = (
            [part[..., top:bottom, left:right] for top, left, bottom, right in boxes]
            for part in (photo, residual_picture(photo, denoised))
        )
        return judge(network, shown, residual)  # type: ignore[arg-type]


def _visible(pair: Degraded) -> Bool[Tensor, " n"]:
    laid = torch.tensor([name != "none" for name in pair.family], device=pair.sigma.device)
    return laid & ((pair.image - pair.target).abs().mean((1, 2, 3)) >= LEAST_CHANGE)


def _laid_over(pair: Degraded) -> Float[Tensor, "n 6"]:
    """For pattern, noise and printed: whether it is so, and whether nobody can miss it."""
    laid = torch.tensor([name != "none" for name in pair.family], device=pair.sigma.device)
    press = torch.tensor([name in PRINTED for name in pair.family], device=pair.sigma.device)
    visible, noisy = _visible(pair), pair.sigma > 0
    known = visible | ~laid, ~noisy | (pair.sigma >= LEAST_SIGMA), visible
    return torch.stack((laid, noisy, press, *known), 1).float()


def _cross_entropies(
    answer: tuple[Tensor, Tensor, Tensor],
    truth: Float[Tensor, "n 6"],
    *,
    untouched_weight: float = 1.0,
) -> dict[str, Tensor]:
    true, known = truth[:, :3], truth[:, 3:]
    free = (true[:, 0] == 0) & (true[:, 1] == 0)
    known = known * torch.where(free, untouched_weight, 1.0)[:, None]
    names = (("pattern", 1.0), ("noise", 0.3), ("printed", 0.3))
    return {
        name: weight * _known(logit, true[:, column], known[:, column])
        for column, ((name, weight), logit) in enumerate(zip(names, answer, strict=True))
    }


def _known(logit: Tensor, truth: Float[Tensor, " n"], known: Float[Tensor, " n"]) -> Tensor:
    """Mean cross-entropy over the samples by how much each counts; 0 if none does."""
    each = F.binary_cross_entropy_with_logits(logit, truth, reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)
