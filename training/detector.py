"""The task of the face detector: made scenes in, scores, boxes and landmarks out."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from restorecli import anchors, weights
from restorecli.degrade import DegradeConfig, degrade
from restorecli.degrade.corruption import gaussian_blur
from restorecli.degrade.rng import Draws
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.relighter import Relighter
from restorecli.networks.retinaface import RetinaFace, RetinaFaceConfig
from restorecli.relight import relight
from training.denoised_scenes import DenoisedScenes, denoised_scenes
from training.detector_scenes import Scene, Stock
from training.multibox import NOTHING, Truth, multibox_loss
from training.photos import PhotoPool
from training.recipe import Phase, Recipe

LUMINANCE = (0.299, 0.587, 0.114)
SETTLING_BATCHES = 8
VALIDATION_BATCHES = 4
BATCH = 16
HELD_OUT_SEEDS = 10**9
Image = Float[Tensor, "n 3 h w"]


class DetectorTask:
    """Trains `RetinaFace` on scenes of pasted portraits.

    Args:
        recipe: `losses` weighs score, box and landmarks; `degrade` is DegradeConfig's; `options`
            may say how many `denoised_scenes` to make (0), of what side (`denoised_side`, 256), and
            what share of the samples is drawn from them (`denoised_share`, 0).
        pool: Photos.
        labels: `faces.json` of the pool's photos.
        steps_folder: Of the weights of steps 1 and 1½, which make the denoised scenes.
        cache: Beside it these are kept, `<cache>-train.npz` and `<cache>-held-out.npz`.
    """

    def __init__(
        self,
        recipe: Recipe,
        pool: PhotoPool,
        labels: Path,
        steps_folder: Path,
        cache: Path,
    ) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.network: nn.Module = RetinaFace(RetinaFaceConfig(**recipe.config))
        self.degradation = self.degradation_of(recipe)
        self.train = Stock.read(pool, labels, held_out=False)
        self.held_out = Stock.read(pool, labels, held_out=True)
        self._painters = ThreadPoolExecutor(torch.get_num_threads())
        self._denoised: dict[Stock, DenoisedScenes] = {}
        count = int(recipe.options.get("denoised_scenes", 0))
        if count:
            self._keep_denoised(count, steps_folder, cache, pool.pixels.device)

    def _keep_denoised(
        self, count: int, steps_folder: Path, cache: Path, device: torch.device
    ) -> None:
        denoiser = weights.load(Denoiser, "denoiser", folder=steps_folder).to(device)
        relighter = weights.load(Relighter, "relighter", folder=steps_folder).to(device)

        def denoise(image: Image) -> Image:
            image = denoiser(image.contiguous(memory_format=torch.channels_last))[0].clamp(0, 1)
            return torch.cat(
                [relight(one, relighter, "auto")[0] for one in image.chunk(len(image))]
            )

        parts = {"train": (self.train, count), "held-out": (self.held_out, BATCH * 4)}
        for part, (stock, wanted) in parts.items():
            make = partial(
                denoised_scenes,
                stock,
                denoise,
                self.degradation,
                count=wanted,
                size=int(self.recipe.options.get("denoised_side", 256)),
                device=device,
            )
            path = cache.with_name(f"{cache.name}-{part}.npz")
            self._denoised[stock] = DenoisedScenes.open(path, make)

    @staticmethod
    def degradation_of(recipe: Recipe) -> DegradeConfig:
        """What the recipe says of patterns and noise."""
        return DegradeConfig(**recipe.degrade)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Weighted loss terms of one batch of fresh scenes."""
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            image, truth = self.batch(self.train, seeds, phase.size)
        return self._terms(network, image, truth)

    def score(self, network: nn.Module) -> dict[str, float]:
        """The losses on scenes of held-out portraits.

        Before that the averaged network gets batch statistics of its own: averaging weights does
        not average what they make of a batch.
        """
        device = next(network.parameters()).device
        size = self.recipe.phases[-1].size

        def images(stock: Stock, count: int) -> list[tuple[Image, Truth]]:
            first = torch.arange(BATCH, device=device) + HELD_OUT_SEEDS
            return [self.batch(stock, first + BATCH * i, size) for i in range(count)]

        with torch.no_grad():
            settle(network, [image for image, _ in images(self.train, SETTLING_BATCHES)])
            rows = [
                self._terms(network, image, truth)
                for image, truth in images(self.held_out, VALIDATION_BATCHES)
            ]
        return {f"held_out_{k}": float(torch.stack([r[k] for r in rows]).mean()) for k in rows[0]}

    def batch(self, stock: Stock, seeds: Int[Tensor, " n"], size: int) -> tuple[Image, Truth]:
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

    def _terms(self, network: nn.Module, image: Image, truth: Truth) -> dict[str, Tensor]:
        predictions = network(image.contiguous(memory_format=torch.channels_last))
        grid = anchors.priors(image.shape[-2], image.shape[-1], image.device)
        with torch.autocast(image.device.type, enabled=False):
            terms = multibox_loss(predictions, truth, grid)
        return {name: term * self.recipe.losses.get(name, 1.0) for name, term in terms.items()}


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

    weights = image.new_tensor(LUMINANCE).view(1, 3, 1, 1)
    grey = (image * weights).sum(1, keepdim=True)
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
    chosen = torch.nonzero(draws.chance(0.5))[:, 0]
    if len(chosen):
        pair = degrade(image[chosen], seeds[chosen], config)
        left = pair.target + (pair.image - pair.target) * share[chosen]
        image = image.index_copy(0, chosen, left)
    sigma = draws.log_uniform(0.4, 2.5)
    chosen = torch.nonzero(draws.chance(0.25))[:, 0]
    if len(chosen):
        image = image.index_copy(0, chosen, gaussian_blur(image[chosen], sigma[chosen]))
    return (image * 255).round() / 255


def settle(network: nn.Module, images: list[Image]) -> None:
    """Give every batch norm the mean statistics of some batches; leaves the network in eval."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    network.train()
    for image in images:
        network(image.contiguous(memory_format=torch.channels_last))
    network.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
