"""Degraded and clean crops as a recipe asks for them, and the scores of what restores them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from restorecli.degrade import DegradeConfig, Degraded, degrade
from restorecli.degrade.rng import Draws
from restorecli.metrics import psnr, ssim_per_image
from training.data.colours import recolour
from training.data.photo_pool import PhotoPool
from training.engine.recipe import Recipe, SampleSource

VALIDATION = DegradeConfig(clean=0, plain=0, mild=0, dimmed=0)
UNTOUCHED = DegradeConfig(clean=1)
CROP = 192  # px, of the crops that are scored


@dataclass(frozen=True, eq=False)
class _Group:
    """A source of the recipe with its photos.

    Attributes:
        bound: Samples whose number in [0, 1) is below it, and not below the last group's, are its.
        config: How its photos are degraded.
        train: Photos to learn from.
        held_out: Photos to be scored on.
    """

    bound: float
    config: DegradeConfig
    train: list[int]
    held_out: list[int]


class Samples:
    """Degraded and clean crops as a recipe's `sources`, `degrade` and shares ask for.

    Args:
        recipe: Of any network that learns on degraded crops.
        pool: Photos.

    Raises:
        ValueError: A source has no photo.
    """

    def __init__(self, recipe: Recipe, pool: PhotoPool) -> None:
        self.recipe, self.pool = recipe, pool
        self.config = DegradeConfig(**recipe.degrade)
        sources = recipe.sources or (SampleSource(clean=self.config.clean),)
        total, bound = sum(source.share for source in sources), 0.0
        named = {name for source in sources for name in source.sets}
        every = {name.split("/", 1)[0] for name in pool.names}
        self.groups: list[_Group] = []
        for source in sources:
            bound += source.share / total
            sets = source.sets or every - named
            train, held_out = (
                pool.of_sets(sets, pool.split(held_out=held)) for held in (False, True)
            )
            if not train:
                raise ValueError(f"no photos to train on in the sets {', '.join(sorted(sets))}")
            self.groups.append(
                _Group(bound, replace(self.config, clean=source.clean), train, held_out)
            )
        self.groups[-1] = replace(self.groups[-1], bound=1.0)

    def batch(self, seeds: Int[Tensor, " n"], size: int, *, held_out: bool = False) -> Degraded:
        """Fresh crops of `size`², each depending on its seed alone.

        Args:
            seeds: One a sample.
            size: Side in pixels.
            held_out: Take photos that are not learnt from.
        """
        number = Draws(seeds, stream=41).uniform()
        places, parts, low = [], [], 0.0
        for group in self.groups:
            rows = torch.nonzero((number >= low) & (number < group.bound))[:, 0]
            low = group.bound
            if len(rows):
                places += rows.tolist()
                among = group.held_out if held_out else group.train
                parts.append(self._degraded(seeds[rows], size, among, group.config))
        return _in_order(parts, places)

    def _degraded(
        self, seeds: Int[Tensor, " n"], size: int, among: list[int], config: DegradeConfig
    ) -> Degraded:
        shares = {"enlarged": self.recipe.enlarged, "reduced": self.recipe.reduced}
        clean = self.pool.crops(seeds, size, among, **shares)
        if self.recipe.recoloured:
            clean = recolour(clean, seeds, self.recipe.recoloured)
        return degrade(clean, seeds, config)

    def score(self, restore: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Scores of a function of degraded batches on fixed crops of held-out photos.

        Returns:
            `ssim_in` and `ssim`, strongly degraded, over all groups; where the recipe has sources
            also `ssim_0`, … for each group, and `clean_0`, …, the PSNR in dB of crops that were not
            degraded.
        """
        count, pool = self.recipe.validation, self.pool
        held_out = sorted(number for group in self.groups for number in group.held_out)
        scores = score_strong(pool, held_out, count, restore)
        if self.recipe.sources:
            for index, group in enumerate(self.groups):
                if group.held_out:
                    strong = score_strong(pool, group.held_out, count // 2, restore)
                    scores[f"ssim_{index}"] = strong["ssim"]
                    scores[f"clean_{index}"] = _score_clean(
                        pool, group.held_out, count // 2, restore
                    )
        return scores


def _in_order(parts: list[Degraded], places: list[int]) -> Degraded:
    """Join batches; the sample that comes `i`-th in them belongs at `places[i]`."""
    order = sorted(range(len(places)), key=places.__getitem__)

    def tensors(name: str) -> Tensor:
        return torch.cat([getattr(part, name) for part in parts])[order]

    def words(name: str) -> tuple[str, ...]:
        joined = [word for part in parts for word in getattr(part, name)]
        return tuple(joined[place] for place in order)

    return Degraded(
        image=tensors("image"),
        target=tensors("target"),
        family=words("family"),
        mode=words("mode"),
        sigma=tensors("sigma"),
        contrast=tensors("contrast"),
    )


def score_strong(
    pool: PhotoPool, among: list[int], count: int, restore: Callable[[Tensor], Tensor]
) -> dict[str, float]:
    """Mean SSIM of a function of degraded batches, on fixed, strongly degraded 192² crops."""
    before, after = [], []
    for pair in _scored(pool, among, count, VALIDATION):
        before.append(ssim_per_image(pair.image, pair.target))
        after.append(ssim_per_image(restore(pair.image).float().clamp(0, 1), pair.target))
    return {"ssim_in": float(torch.cat(before).mean()), "ssim": float(torch.cat(after).mean())}


def _score_clean(
    pool: PhotoPool, among: list[int], count: int, restore: Callable[[Tensor], Tensor]
) -> float:
    """Mean PSNR in dB, at most 60 a crop, of fixed crops that nothing was done to."""
    values = []
    for pair in _scored(pool, among, count, UNTOUCHED):
        restored = restore(pair.image).float().clamp(0, 1)
        values += [
            min(psnr(one, clean), 60.0)
            for one, clean in zip(restored[:, None], pair.target[:, None], strict=True)
        ]
    return sum(values) / len(values)


def _scored(pool: PhotoPool, among: list[int], count: int, config: DegradeConfig) -> list[Degraded]:
    pairs = []
    for start in range(0, count, 8):
        first = 10**9 + start
        seeds = torch.arange(first, min(first + 8, 10**9 + count), device=pool.pixels.device)
        pairs.append(degrade(pool.crops(seeds, CROP, among), seeds, config))
    return pairs
