"""The task of ORSNet: small photos in, the sharp crops that they were made of out."""

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli import weights
from restorecli.degrade import FAMILIES, TRUTHS, DegradeConfig, degrade
from restorecli.degrade.corruption import jpeg
from restorecli.degrade.rng import Draws
from restorecli.metrics import psnr_y, ssim_per_image
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.guided_denoiser import GuidedDenoiser
from restorecli.networks.orsnet import ORSNet, ORSNetConfig, bicubic
from training.data.everyday import published
from training.data.photo_pool import PhotoPool
from training.data.samples import CROP, Samples
from training.engine.feed import TURNS, Batch
from training.engine.losses import picture_loss
from training.engine.recipe import Phase, Recipe

Image = Float[Tensor, "n 3 h w"]
FIRST_HELD_OUT = 10**9  # seed of the first crop that is scored
X4 = 0.5  # weight of the crops made small four times over those made small twice
X2_OF_SMALL = 0.25  # likewise of x2 on these
KERNELS = ("bicubic", "area", "bicubic", "lanczos")  # in turn


class ORSNetTask:
    """Trains `ORSNet`; a frozen `Denoiser` and second look make what it sees of patterned photos.

    Half of each batch is made small twice, half four times; these teach x2 as well, by the crop
    made small twice. A recipe's sources say how often each group of photos is drawn, and the share
    of its samples that stay clean.

    Options of the recipe:
        sharp_below: Photos with a `soft_psnr2x` below this many decibels are learnt from.
        clean_phases: Phases, from the first, in which every sample is clean.
        patterned: Share of the others that are seen after these two, under a pattern; the rest is
            worn as small photos are.
        structure_under: Weight of 1 − SSIM of what was under a pattern, beside the losses of all;
            none if left out.
    """

    symmetries = TURNS

    def __init__(self, recipe: Recipe, pool: PhotoPool, denoiser_folder: Path) -> None:
        self.recipe, self.pool = recipe, pool
        torch.manual_seed(recipe.seed)
        self.network = ORSNet(ORSNetConfig(**recipe.config))
        self.denoiser = weights.load(Denoiser, "denoiser", folder=denoiser_folder)
        self.second_look = weights.load(GuidedDenoiser, "second_look", folder=denoiser_folder)
        for network in (self.denoiser, self.second_look):
            network.to(pool.pixels.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        config = DegradeConfig(**recipe.degrade)
        in_colour = tuple(name for name in config.families if name not in TRUTHS)
        self.degradation = replace(config, families=in_colour or FAMILIES, clean=0.0, dimmed=0.0)
        bound = float(recipe.options["sharp_below"])
        self.groups = [
            replace(
                group,
                train=pool.sharper_than(bound, group.train),
                held_out=pool.sharper_than(bound, group.held_out),
            )
            for group in Samples(recipe, pool).groups
        ]

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Loss terms of one batch, the sums over both scales."""
        return self.losses_on(network, self.batch(seeds, phase))

    def batch(self, seeds: Tensor, phase: Phase) -> Batch:
        """For both scales `clean2`, what is `seen2` of it, how it `came2`; `middle` of x4.

        `under2` says which came under a pattern.
        """
        may_be_worn = self.recipe.phases.index(phase) >= self.recipe.options.get("clean_phases", 0)
        clean, spared = self._crops(seeds, phase.size)
        if not may_be_worn:
            spared = torch.ones_like(spared)
        batch: Batch = {}
        for scale, rows in ((2, slice(None, None, 2)), (4, slice(1, None, 2))):
            if not len(seeds[rows]):
                continue
            parts = self._seen(clean[rows], scale, seeds[rows], spared[rows])
            names = (f"{name}{scale}" for name in ("seen", "came", "under"))
            batch |= {f"clean{scale}": clean[rows], **dict(zip(names, parts, strict=True))}
            if scale == 4:
                batch["middle"] = reduce(clean[rows], 2, seeds)
        return batch

    def losses_on(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Loss terms of a `batch`, the sums over both scales."""
        assert isinstance(network, ORSNet)
        totals: dict[str, Tensor] = {}
        asked = float(self.recipe.options.get("structure_under", 0.0))
        for scale in (2, 4):
            if f"clean{scale}" not in batch:
                continue
            composed = batch[f"seen{scale}"]
            features = network.features(composed, batch[f"came{scale}"])
            pairs = [(scale, batch[f"clean{scale}"], X4 if scale == 4 else 1.0)]
            if scale == 4:
                pairs.append((2, batch["middle"], X2_OF_SMALL))
            for size, target, weight in pairs:
                image = network.enlarged(features, composed, size)
                with torch.autocast(composed.device.type, enabled=False):
                    terms = picture_loss(image, target, self.recipe.losses)
                    if asked:
                        terms["structure"] = asked * lacking(image, target, batch[f"under{scale}"])
                    for name, value in terms.items():
                        totals[name] = totals.get(name, 0.0) + weight * value
        return totals

    def _crops(
        self, seeds: Int[Tensor, " n"], size: int
    ) -> tuple[Float[Tensor, "n 3 s s"], Bool[Tensor, " n"]]:
        """Sharp crops, and which of them stay clean."""
        draws = Draws(seeds, stream=41)
        number, fate = draws.uniform(), draws.uniform()
        crops = torch.empty(len(seeds), 3, size, size, device=seeds.device)
        spared, low = torch.zeros_like(fate, dtype=torch.bool), 0.0
        for group in self.groups:
            rows = torch.nonzero((number >= low) & (number < group.bound))[:, 0]
            low = group.bound
            if len(rows):
                crops[rows] = self.pool.crops(seeds[rows], size, group.train)
                spared[rows] = fate[rows] < group.config.clean
        return crops, spared

    @torch.no_grad()
    def _seen(
        self, clean: Image, scale: int, seeds: Int[Tensor, " n"], spared: Bool[Tensor, " n"]
    ) -> tuple[Image, Image, Bool[Tensor, " n"]]:
        """The picture so far, the photo as it came and whether patterned, of crops made small."""
        with torch.autocast(seeds.device.type, enabled=False):
            small = (reduce(clean, scale, seeds) * 255).round() / 255
            worn = torch.where(spared.view(-1, 1, 1, 1), small, published(small, seeds))
        composed, degraded = worn, worn.clone()
        share = float(self.recipe.options.get("patterned", 0.0))
        patterned = ~spared & Draws(seeds, stream=57).chance(share)
        under = torch.nonzero(patterned)[:, 0]
        if len(under):
            with torch.autocast(seeds.device.type, enabled=False):
                pair = degrade(small[under], seeds[under], self.degradation)
            image = pair.image.contiguous(memory_format=torch.channels_last)
            denoised = self.denoiser.picture(image).float().clamp(0, 1)
            faces = with_better_faces(denoised, pair.target, seeds[under])
            composed = composed.clone()
            composed[under] = self.second_look.look(image, faces).float().clamp(0, 1)
            degraded[under] = pair.image
        return composed, degraded, patterned

    def score(self, network: nn.Module) -> dict[str, float]:
        """Scores on held-out sharp photos.

        Returns:
            Gains over bicubic, PSNR-Y in dB, on crops made small by bicubic: `x2_0`, `x4_0` of the
            first source and so on, and `jpeg_x2_0` of the same behind JPEG of quality 75.
        """
        scores = {}
        with torch.inference_mode():
            for index, group in enumerate(self.groups):
                if not group.held_out:
                    continue
                count = max(1, self.recipe.validation // len(self.groups))
                seeds = torch.arange(count, device=self.pool.pixels.device) + FIRST_HELD_OUT
                clean = self.pool.crops(seeds, CROP, group.held_out)
                for scale in self.network.config.scales:
                    small = (reduce(clean, scale, torch.zeros(1)) * 255).round() / 255
                    scores[f"x{scale}_{index}"] = gain(network, small, clean, scale)
                small = (reduce(clean, 2, torch.zeros(1)) * 255).round() / 255
                quality = torch.full((count,), 75.0, device=clean.device)
                worn = jpeg(small, quality, quality > 0)
                scores[f"jpeg_x2_{index}"] = gain(network, worn, clean, 2)
        return scores


def deepened(shallow: dict[str, Tensor], network: ORSNet) -> dict[str, Tensor]:
    """Weights for a network of more pairs of convolutions; what is new begins at nothing."""
    state = network.state_dict()
    fresh = {name for name in state if name.endswith((".second.weight", ".second.bias"))}
    empty = {name: torch.zeros_like(state[name]) for name in fresh - shallow.keys()}
    return {**state, **empty, **shallow}


def lacking(image: Image, target: Image, under: Bool[Tensor, " n"]) -> Tensor:
    """Mean over all pictures of 1 − SSIM, which counts as 0 but for those `under` a pattern."""
    lacks = 1 - ssim_per_image(image[under], target[under])
    return lacks.sum() / len(image)


def gain(network: nn.Module, small: Image, clean: Image, scale: int) -> float:
    """Mean PSNR-Y in dB over bicubic of small photos enlarged as they are."""
    image, plain = network(small, small, scale).clamp(0, 1), bicubic(small, scale).clamp(0, 1)
    gains = [
        psnr_y(one[None], truth[None]) - psnr_y(other[None], truth[None])
        for one, other, truth in zip(image, plain, clean, strict=True)
    ]
    return sum(gains) / len(gains)


def reduce(clean: Image, scale: int, seeds: Tensor) -> Image:
    """Make crops smaller by a kernel that the batch's first seed chooses."""
    if scale == 1:
        return clean
    height, width = clean.shape[-2] // scale, clean.shape[-1] // scale
    kernel = KERNELS[int(seeds[0]) // 4096 % len(KERNELS)]
    if kernel == "area":
        return F.interpolate(clean, (height, width), mode="area")
    if kernel == "bicubic":
        return F.interpolate(clean, (height, width), mode="bicubic", antialias=True).clamp(0, 1)
    rows, columns = (lanczos(side, scale, clean.device) for side in (height, width))
    return (rows @ clean @ columns.T).clamp(0, 1)


def lanczos(side: int, scale: int, device: torch.device) -> Float[Tensor, "side scaled"]:
    """The matrix that makes `side` samples of `scale` times as many, by three lobes of a sinc."""
    centre = (torch.arange(side, device=device) + 0.5)[:, None] * scale - 0.5
    away = (torch.arange(side * scale, device=device) - centre) / scale
    weights = torch.where(away.abs() < 3, torch.sinc(away) * torch.sinc(away / 3), 0.0)
    return weights / weights.sum(1, keepdim=True)


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
