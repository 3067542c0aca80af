"""The task of ORSNet: denoised crops in, sharp crops of the same or a larger size out."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli import weights
from restorecli.degrade import DegradeConfig, degrade
from restorecli.degrade.rng import Draws
from restorecli.metrics import psnr
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.orsnet import ORSNet, ORSNetConfig
from training.data.everyday import untouched, wear
from training.data.photo_pool import PhotoPool
from training.data.samples import score_strong
from training.engine.losses import picture_loss
from training.engine.recipe import Phase, Recipe

Image = Float[Tensor, "n 3 h w"]
SCALES = (1, 2, 1, 4)


class ORSNetTask:
    """Trains `ORSNet` on top of a frozen `Denoiser`.

    Options of the recipe:
        sharp_below: Photos with a `soft_psnr2x` below this many decibels serve x2 and x4.
        scales: Scale of the steps in turn; (1, 2, 1, 4).
        worn: Whether small photos that were not degraded are worn as ordinary photos are.
        as_it_came: Share of the undegraded ones whose picture so far is the photo itself, as where
            no pattern is found.
    """

    def __init__(self, recipe: Recipe, pool: PhotoPool, denoiser_folder: Path) -> None:
        self.recipe, self.pool = recipe, pool
        torch.manual_seed(recipe.seed)
        self.network = ORSNet(ORSNetConfig(**recipe.config))
        self.denoiser = weights.load(Denoiser, "denoiser", folder=denoiser_folder)
        self.denoiser.to(pool.pixels.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.degradation = DegradeConfig(**recipe.degrade)
        self._train, self._held_out = pool.split(held_out=False), pool.split(held_out=True)
        self._sharp = pool.sharper_than(recipe.options["sharp_below"], self._train)
        self._sharp_held_out = pool.sharper_than(recipe.options["sharp_below"], self._held_out)
        self._worn = bool(recipe.options.get("worn", False))
        self._as_it_came = float(recipe.options.get("as_it_came", 0.0))

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Loss terms of one batch, all of it at the scale whose turn it is."""
        scales = self.recipe.options.get("scales", SCALES)
        scale = scales[int(seeds[0]) // 4096 % len(scales)]
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            among = self._train if scale == 1 else self._sharp
            clean = self.pool.crops(seeds, phase.size * min(scale, 2), among)
            pair = degrade(reduce(clean, scale, seeds), seeds, self.degradation)
            target = clean if scale > 1 else pair.target
            if scale > 1:  # where the degradation dimmed the small photo, dim the large one too
                share = pair.target.mean((1, 2, 3)) / reduce(clean, scale, seeds).mean((1, 2, 3))
                target = clean * share.view(-1, 1, 1, 1)
            free = untouched(pair)
            image = wear(pair.image, seeds, free & self._worn)
            degraded = image.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            denoised, features = self.denoiser(degraded)
            composed = with_better_faces(denoised.float().clamp(0, 1), pair.target, seeds)
            same = free & Draws(seeds, stream=57).chance(self._as_it_came)
            composed = torch.where(same.view(-1, 1, 1, 1), degraded, composed)
        image = network(composed, degraded, features, scale)
        with torch.autocast(seeds.device.type, enabled=False):
            return picture_loss(image, target, self.recipe.losses)

    def score(self, network: nn.Module) -> dict[str, float]:
        """Scores on held-out photos.

        Returns:
            Where x1 is trained, the mean SSIM of denoise and refine, as `DenoiserTask.score` has it
            for the denoiser; for each larger scale the gain in dB over bicubic enlarging on clean,
            sharp photos that were made small.
        """

        def both(degraded: Tensor) -> Tensor:
            denoised, features = self.denoiser(degraded)
            result: Tensor = network(denoised.clamp(0, 1), degraded, features, 1)
            return result

        scales = set(self.recipe.options.get("scales", SCALES))
        scores: dict[str, float] = {}
        with torch.inference_mode():
            if 1 in scales:
                count = self.recipe.validation
                scores |= score_strong(self.pool, self._held_out, count, both)
            for scale in sorted(scales - {1}):
                scores[f"psnr_gain_x{scale}"] = self._gain(network, scale)
        return scores

    def _gain(self, network: nn.Module, scale: int) -> float:
        gains = []
        for start in range(0, self.recipe.validation, 8):
            seeds = torch.arange(start, start + 8, device=self.pool.pixels.device) + 10**9
            clean = self.pool.crops(seeds, 192, self._sharp_held_out)
            small = F.interpolate(clean, 192 // scale, mode="bicubic", antialias=True).clamp(0, 1)
            plain = F.interpolate(small, scale_factor=float(scale), mode="bicubic").clamp(0, 1)
            _, features = self.denoiser(small)
            image = network(small, small, features, scale).clamp(0, 1)
            gains += [
                psnr(one[None], truth[None]) - psnr(bicubic[None], truth[None])
                for one, bicubic, truth in zip(image, plain, clean, strict=True)
            ]
        return sum(gains) / len(gains)


def reduce(clean: Image, scale: int, seeds: Tensor) -> Image:
    """Make crops smaller by one of three kernels, chosen by the batch's first seed."""
    if scale == 1:
        return clean
    size = (clean.shape[-2] // scale, clean.shape[-1] // scale)
    mode = ("bicubic", "bilinear", "area")[int(seeds[0]) // 16384 % 3]
    if mode == "area":
        return F.interpolate(clean, size, mode="area")
    return F.interpolate(clean, size, mode=mode, antialias=True).clamp(0, 1)


def with_better_faces(denoised: Image, clean: Image, seeds: Tensor) -> Image:
    """Make a soft ellipse of every other crop cleaner, as the face step will a face.

    So the network learns to keep what it finds improved.
    """
    draws = Draws(seeds, stream=11)
    height, width = denoised.shape[-2:]
    y = torch.arange(height, device=denoised.device).view(1, -1, 1) / height
    x = torch.arange(width, device=denoised.device).view(1, 1, -1) / width
    centre_y, centre_x = draws.uniform(0.2, 0.8), draws.uniform(0.2, 0.8)
    radius = draws.uniform(0.15, 0.45).view(-1, 1, 1)
    distance = ((y - centre_y.view(-1, 1, 1)) ** 2 + (x - centre_x.view(-1, 1, 1)) ** 2).sqrt()
    mask = ((1 - distance / radius) * 4).clamp(0, 1)
    share = draws.uniform(0.2, 0.9) * draws.chance(0.5)
    return torch.lerp(denoised, clean, (mask * share.view(-1, 1, 1)).unsqueeze(1))
