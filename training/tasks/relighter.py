"""Training of the brightness step's network: dimmed photos against the photos they were.

Here: the pool of small photos, how they are dimmed or made dark on purpose, and the loss. The loop
is `training.engine.loop`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.degrade import DegradeConfig, degrade
from restorecli.degrade.rng import Draws
from restorecli.networks.relighter import (
    LUMINANCE,
    Relighter,
    RelighterConfig,
    Relighting,
    knots,
)
from training.data.photo_pool import PhotoPool
from training.engine.recipe import Phase, Recipe

SIDE = 96  # px of the small photos, so that a window of at least two thirds fills a thumbnail
SCORED = 600  # held-out scenes that scores are taken on
THRESHOLD = RelighterConfig().threshold
Image = Float[Tensor, "n 3 h w"]


@dataclass(frozen=True, eq=False)
class Scenes:
    """A batch to train the relighter on.

    Attributes:
        thumbnail: What the network sees, some of it too dark.
        target: The same before it was dimmed.
        dark: (n,) 1 where the photo was dimmed enough to be called dark, 0 where it must stay.
        certain: (n,) 0 where the dimming is between the two and the answer is nobody's.
    """

    thumbnail: Image
    target: Image
    dark: Float[Tensor, " n"]
    certain: Float[Tensor, " n"]


def small_photos(pool: PhotoPool, cache: Path, *, held_out: bool) -> Float[Tensor, "n 3 s s"]:
    """Every photo of one part of the pool as `SIDE` px squares, mean over each pixel's area.

    Args:
        pool: Clean photos.
        cache: File that keeps them between runs; its name is given the part's.
        held_out: Which part.

    Returns:
        In [0, 1], on the device of the pool.
    """
    path = cache.with_name(f"{cache.name}-{'held-out' if held_out else 'train'}.npy")
    if not path.exists():
        rows = [
            F.adaptive_avg_pool2d(pool.photo(number), SIDE).mul(255).round().byte().cpu()
            for number in pool.split(held_out=held_out)
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, torch.cat(rows).numpy())
    return torch.from_numpy(np.load(path)).to(pool.pixels.device).float() / 255


def scenes(
    photos: Float[Tensor, "m 3 s s"], seeds: Int[Tensor, " n"], thumbnail: int = 64
) -> Scenes:
    """Draw photos and dim some of them, each by its own seed.

    Of every ten, five are dimmed by 2.6 to 9 times (in sRGB or in linear light, some with a steeper
    tone curve too), one by 1.4 to 2.6, and four must stay: as they are, with a dark surround as in
    a low-key portrait, or as a night with lamps. Over half of all lies what the denoiser may leave
    of a pattern: a share of it.
    """
    draws = Draws(seeds, stream=11)
    clean = _windows(photos, draws, thumbnail)
    kind = draws.uniform()
    factor = torch.where(kind < 0.5, draws.log_uniform(2.6, 9), draws.log_uniform(1.4, 2.6))
    dimmed = _dim(clean, factor, draws)
    untouched = _kept(clean, draws)
    target = torch.where(_wide(kind < 0.6), clean, untouched)
    input_image = torch.where(_wide(kind < 0.6), dimmed, untouched)
    sigma = draws.uniform(-0.01, 0.03).clamp(min=0)
    noisy = input_image + _wide(sigma) * draws.normal_field(3, thumbnail, thumbnail)
    noisy = _leftover(torch.round(noisy.clamp(0, 1) * 255) / 255, seeds, draws)
    certain = (kind < 0.5) | (kind >= 0.6)
    return Scenes(noisy, target, (kind < 0.5).float(), certain.float())


def relight_loss(batch: Scenes, answer: Relighting) -> dict[str, Tensor]:
    """Terms to be lowered: the decision, the brightness reached, and a gentle curve.

    A photo that must stay asks for the identity curve, so `--relight on` does it little harm.
    """
    decision = F.binary_cross_entropy_with_logits(answer.darkness, batch.dark, reduction="none")
    reached = apply_curves(luminance(batch.thumbnail), answer.curve)
    error = (reached - luminance(batch.target)).abs()
    slopes = (
        answer.curve.diff(dim=1).clamp(min=1e-6).log()
        - knots(answer.curve.shape[1] - 1, answer.curve.device).diff().log()
    )
    return {
        "decision": 0.3 * (decision * batch.certain).mean(),
        "luminance": error.mean(),
        "exposure": 0.5 * (reached - luminance(batch.target)).mean((1, 2)).abs().mean(),
        "bends": 3e-3 * slopes.diff(dim=1).abs().mean(),
    }


def luminance(image: Image) -> Float[Tensor, "n h w"]:
    """Luminance in [0, 1] as the network and `restorecli.relight` have it."""
    return (image * image.new_tensor(LUMINANCE).view(1, 3, 1, 1)).sum(1).clamp(0, 1)


def apply_curves(
    values: Float[Tensor, "n h w"], curves: Float[Tensor, "n knots"]
) -> Float[Tensor, "n h w"]:
    """Look luminances up in one curve each, with gradients to the curves."""
    segments = curves.shape[1] - 1
    place = values.sqrt().flatten(1) * segments
    left = place.long().clamp(max=segments - 1)
    grid = knots(segments, values.device)
    share = (values.flatten(1) - grid[left]) / (grid[left + 1] - grid[left])
    start, end = curves.gather(1, left), curves.gather(1, left + 1)
    return torch.lerp(start, end, share).view_as(values)


def _wide(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def _windows(photos: Tensor, draws: Draws, side: int) -> Image:
    """Random photos, cut to at least two thirds, mirrored at times, at the thumbnail's size."""
    which = draws.integers(0, len(photos))
    mirrored = draws.chance(0.5)
    height = torch.where(draws.chance(0.4), 1.0, draws.uniform(0.66, 1.0))
    width = torch.where(draws.chance(0.4), 1.0, draws.uniform(0.66, 1.0))
    place_y, place_x = draws.uniform(-1, 1) * (1 - height), draws.uniform(-1, 1) * (1 - width)
    zero = torch.zeros_like(height)
    across = torch.where(mirrored, -width, width)
    rows = torch.stack((across, zero, place_x, zero, height, place_y), 1).view(-1, 2, 3)
    grid = F.affine_grid(rows, [len(which), 3, side, side], align_corners=False)
    return F.grid_sample(photos[which], grid, padding_mode="border", align_corners=False)


def _dim(clean: Image, factor: Float[Tensor, " n"], draws: Draws) -> Image:
    """Divide by a factor: sRGB values, or the light behind them, or after a steeper tone curve."""
    kind = _wide(draws.uniform())
    steeper = clean ** _wide(draws.uniform(1.0, 1.5))
    plain = clean / _wide(factor)
    light = (clean**2.2 / _wide(factor) ** 1.7) ** (1 / 2.2)
    return torch.where(kind < 0.6, plain, torch.where(kind < 0.8, light, steeper / _wide(factor)))


def _leftover(image: Image, seeds: Int[Tensor, " n"], draws: Draws) -> Image:
    """Lay a pattern over half of the photos at twice their size, and take most of it off again."""
    share = draws.uniform(-0.5, 0.5).clamp(min=0)
    where = torch.nonzero(share)[:, 0]
    if not len(where):
        return image
    large = F.interpolate(image[where], scale_factor=2.0, mode="bilinear", align_corners=False)
    pattern = F.avg_pool2d(degrade(large, seeds[where], _PATTERN).image, 2)
    return image.index_copy(0, where, torch.lerp(image[where], pattern, _wide(share[where])))


_PATTERN = DegradeConfig(clean=0, plain=0, dimmed=0, soften=0, jpeg=0, presses=0)


def _kept(clean: Image, draws: Draws) -> Image:
    """Photos that must stay: untouched, low-key, with a dark surround, or a night with lamps."""
    side = clean.shape[-1]
    axis = torch.linspace(-1, 1, side, device=clean.device)
    y, x = axis.view(1, 1, -1, 1), axis.view(1, 1, 1, -1)
    offset_y, offset_x = _wide(draws.uniform(-0.4, 0.4)), _wide(draws.uniform(-0.4, 0.4))
    distance = torch.sqrt((y - offset_y) ** 2 + (x - offset_x) ** 2)
    light = torch.sigmoid((_wide(draws.uniform(0.25, 0.7)) - distance) * 10)
    surround = clean * (light + (1 - light) * _wide(draws.uniform(0.0, 0.25)))
    low_key = clean ** _wide(draws.uniform(1.4, 3.0))
    lamps = torch.zeros_like(clean)
    for _ in range(4):
        centre_y, centre_x = _wide(draws.uniform(-1, 1)), _wide(draws.uniform(-1, 1))
        radius = _wide(draws.log_uniform(0.04, 0.2))
        tint = torch.stack([draws.uniform(0.7, 1.0) for _ in range(3)], 1)[..., None, None]
        spot = torch.exp(-((((y - centre_y) ** 2 + (x - centre_x) ** 2) / radius**2) ** 2))
        lamps = torch.maximum(lamps, spot * tint)
    night = torch.maximum(clean / _wide(draws.log_uniform(2, 8)), lamps)
    kind = _wide(draws.uniform())
    dark = torch.where(kind < 0.65, surround, torch.where(kind < 0.8, low_key, night))
    return torch.where(kind < 0.45, clean, dark)


class RelighterTask:
    """Trains `Relighter` for `training.engine.loop`.

    Attributes:
        network: What is trained.
    """

    def __init__(self, recipe: Recipe, pool: PhotoPool, cache: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.network: nn.Module = Relighter(RelighterConfig(**recipe.config))
        self._train = small_photos(pool, cache, held_out=False)
        self._held_out = small_photos(pool, cache, held_out=True)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Loss terms of one batch of fresh scenes; `phase.size` is the thumbnail's side."""
        with torch.autocast(seeds.device.type, enabled=False):
            batch = scenes(self._train, seeds, phase.size)
            return relight_loss(batch, network(batch.thumbnail))

    def score(self, network: nn.Module) -> dict[str, float]:
        """Error of the mean luminance on held-out photos, and how often the network is wrong.

        `missed` is the share of the dimmed photos it would leave, `false` that of the others it
        would change, `plain` that of the photos as they are.
        """
        device = self._held_out.device
        seeds = torch.arange(10**9, 10**9 + SCORED, device=device)
        with torch.inference_mode():
            batch = scenes(self._held_out, seeds)
            darkness, curve = network(batch.thumbnail)
            small = F.adaptive_avg_pool2d(self._held_out, batch.thumbnail.shape[-1])
            plain = torch.sigmoid(network(small).darkness) >= THRESHOLD
        fires = torch.sigmoid(darkness) >= THRESHOLD
        dark, still = batch.dark == 1, (batch.dark == 0) & (batch.certain == 1)
        after = apply_curves(luminance(batch.thumbnail), curve)
        target = luminance(batch.target)
        error = (after - target).mean((1, 2)).abs()[dark].mean()
        before = (luminance(batch.thumbnail) - target).mean((1, 2)).abs()[dark].mean()
        return {
            "error_in": float(before),
            "error": float(error),
            "missed": float((~fires[dark]).float().mean()),
            "false": float(fires[still].float().mean()),
            "plain": float(plain.float().mean()),
        }
