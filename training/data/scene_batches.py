"""Batches of made scenes, as the face detector and the face refiner see them in training.

Lit, degraded, or as relight and denoise leave them. The scenes themselves are made by
`training.data.scenes`.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from restorecli import weights
from restorecli.colour import luma
from restorecli.degrade import DegradeConfig, degrade
from restorecli.degrade.corruption import gaussian_blur
from restorecli.degrade.rng import Draws
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.relighter import Relighter
from restorecli.relight import estimate, lit
from restorecli.tiling.sources import TensorSource, whole
from training.data.denoised_scenes import DenoisedScenes, denoised_scenes
from training.data.photo_pool import PhotoPool
from training.data.scenes import FacePhotos, Scene
from training.engine.recipe import Recipe
from training.tasks.multibox import NOTHING, Truth

HELD_OUT_BATCH = 16
HELD_OUT_SCENES = 4 * HELD_OUT_BATCH
HELD_OUT_SEEDS = 10**9
Image = Float[Tensor, "n 3 h w"]


class SceneBatches:
    """Draws scenes of pasted portraits.

    Args:
        recipe: `degrade` is DegradeConfig's; `options` may say how many `denoised_scenes` to make
            (0), of what side (`denoised_side`, 256), and what share of the samples is drawn from
            them (`denoised_share`, 0).
        pool: Photos.
        labels: `faces.json` of the pool's photos.
        steps_folder: Of the denoiser's and relighter's weights, which make the denoised scenes.
        cache: Beside it these are kept, `<cache>-train.npz` and `<cache>-held-out.npz`.
    """

    def __init__(
        self, recipe: Recipe, pool: PhotoPool, labels: Path, steps_folder: Path, cache: Path
    ) -> None:
        self.recipe = recipe
        self.degradation = DegradeConfig(**recipe.degrade)
        self.train = FacePhotos.read(pool, labels, held_out=False)
        self.held_out = FacePhotos.read(pool, labels, held_out=True)
        self._painters = ThreadPoolExecutor(torch.get_num_threads())
        self._denoised: dict[FacePhotos, DenoisedScenes] = {}
        count = int(recipe.options.get("denoised_scenes", 0))
        if count:
            self._keep_denoised(count, steps_folder, cache, pool.pixels.device)

    def _keep_denoised(
        self, count: int, steps_folder: Path, cache: Path, device: torch.device
    ) -> None:
        denoiser = weights.load(Denoiser, "denoiser", folder=steps_folder).to(device)
        relighter = weights.load(Relighter, "relighter", folder=steps_folder).to(device)

        def denoise(image: Image) -> Image:
            came = [TensorSource(one) for one in image.chunk(len(image))]
            light = [whole(lit(one, estimate(one, relighter, "auto"))) for one in came]
            image = torch.cat(light).contiguous(memory_format=torch.channels_last)
            return denoiser(image)[0].clamp(0, 1)  # type: ignore[no-any-return]

        parts = {"train": (self.train, count), "held-out": (self.held_out, HELD_OUT_SCENES)}
        for part, (stock, number) in parts.items():
            make = partial(
                denoised_scenes,
                stock,
                denoise,
                self.degradation,
                count=number,
                size=int(self.recipe.options.get("denoised_side", 256)),
                device=device,
            )
            path = cache.with_name(f"{cache.name}-{part}.npz")
            self._denoised[stock] = DenoisedScenes.open(path, make)

    def batch(self, stock: FacePhotos, seeds: Int[Tensor, " n"], size: int) -> tuple[Image, Truth]:
        """Scenes of some seeds, badly lit, degraded or denoised, on the seeds' device."""
        share = float(self.recipe.options.get("denoised_share", 0)) if self._denoised else 0.0
        denoised = Draws(seeds, stream=25).chance(share)

        def paint(seed: int, kept: bool) -> Scene:
            return self._denoised[stock].scene(seed, size) if kept else stock.scene(seed, size)

        scenes = list(self._painters.map(paint, seeds.tolist(), denoised.tolist()))
        pixels = np.stack([scene.pixels for scene in scenes]).transpose(0, 3, 1, 2)
        image = torch.from_numpy(np.ascontiguousarray(pixels)).to(seeds.device).float() / 255
        image = light(image, seeds)
        fresh = torch.nonzero(~denoised)[:, 0]
        if len(fresh):
            spoilt = spoil(image[fresh], seeds[fresh], self.degradation)
            image = image.index_copy(0, fresh, spoilt)
        return image, padded(scenes, seeds.device)

    def held_out_batches(
        self, stock: FacePhotos, count: int, device: torch.device
    ) -> list[tuple[Image, Truth]]:
        """The same batches every time, of the size that training ends with."""
        first = torch.arange(HELD_OUT_BATCH, device=device) + HELD_OUT_SEEDS
        size = self.recipe.phases[-1].size
        return [self.batch(stock, first + HELD_OUT_BATCH * i, size) for i in range(count)]


def padded(scenes: list[Scene], device: torch.device) -> Truth:
    """The faces of all scenes in rows of equal length, at least one."""
    longest = max(1, *(len(scene.kinds) for scene in scenes))
    boxes = torch.zeros(len(scenes), longest, 4)
    landmarks = torch.zeros(len(scenes), longest, 5, 2)
    kinds = torch.full((len(scenes), longest), NOTHING)
    for row, scene in enumerate(scenes):
        count = len(scene.kinds)
        boxes[row, :count] = torch.from_numpy(scene.boxes).float()
        landmarks[row, :count] = torch.from_numpy(scene.landmarks).float()
        kinds[row, :count] = torch.from_numpy(scene.kinds)
    return Truth(boxes.to(device), landmarks.to(device), kinds.to(device))


def light(image: Image, seeds: Int[Tensor, " n"]) -> Image:
    """Grey, tinted, dark, flat or steep versions of the scenes."""
    draws = Draws(seeds, stream=21)

    def some(share: float, values: Tensor, otherwise: float = 1.0) -> Tensor:
        return torch.where(draws.chance(share), values, otherwise).view(-1, 1, 1, 1)

    grey = luma(image)
    saturation = some(0.4, draws.uniform(0, 1.5))
    saturation = torch.where(draws.chance(0.12).view(-1, 1, 1, 1), 0.0, saturation)
    tint = torch.stack([draws.uniform(0.8, 1.2) for _ in range(3)], 1).view(-1, 3, 1, 1)
    tint = torch.where(draws.chance(0.25).view(-1, 1, 1, 1), tint, 1.0)
    image = ((grey + (image - grey) * saturation) * tint).clamp(0, 1)
    image = image ** some(0.35, draws.log_uniform(0.6, 1.8))
    image = (image - 0.5) * some(0.35, draws.uniform(0.5, 1.4)) + 0.5
    return (image.clamp(0, 1) * some(0.25, draws.log_uniform(0.1, 1))).clamp(0, 1)


def spoil(image: Image, seeds: Int[Tensor, " n"], config: DegradeConfig) -> Image:
    """Degrade half of the scenes, in full or by what a denoiser may leave: faint and blurred."""
    draws = Draws(seeds, stream=22)
    share = torch.where(draws.chance(0.55), 1.0, draws.uniform(0.03, 0.5)).view(-1, 1, 1, 1)
    rows = torch.nonzero(draws.chance(0.5))[:, 0]
    if len(rows):
        pair = degrade(image[rows], seeds[rows], config)
        left = pair.target + (pair.image - pair.target) * share[rows]
        image = image.index_copy(0, rows, left)
    sigma = draws.log_uniform(0.4, 2.5)
    rows = torch.nonzero(draws.chance(0.25))[:, 0]
    if len(rows):
        image = image.index_copy(0, rows, gaussian_blur(image[rows], sigma[rows]))
    return (image * 255).round() / 255
