"""The task of the pair: degraded faces in, clean ones at their size and at twice that out."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli import weights
from restorecli.degrade import DegradeConfig, degrade
from restorecli.degrade.rng import Draws
from restorecli.metrics import ssim_per_image
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.face_vae import FaceVAEPair, FaceVAEPairConfig, Fusion
from restorecli.networks.guided_denoiser import GuidedDenoiser
from restorecli.networks.orsnet import ORSNet
from training.data.face_canvases import FaceCanvases
from training.data.photo_pool import PhotoPool
from training.engine.adversary import Judged, balance, least_squares
from training.engine.feed import MIRROR, Batch
from training.engine.losses import divergence, picture_loss
from training.engine.recipe import Phase, Recipe
from training.evaluate.faces import gradient
from training.networks.embedder import Embedder, distance
from training.networks.face_prior import FacePrior, PriorEncoder

AROUND = 4 / 3  # how much wider is what step 1 sees than the crop: it works on the whole photo
STEP = 8  # px; sides and places of crops are multiples of it
HELD_OUT_SEED = 2 * 10**9
SCORED_AT_ONCE = 4
SCORES = ("ssim", "steep_first_2", "steep_fused_2", "far_first_2", "far_fused_2")
Image = Tensor
NetworkT = TypeVar("NetworkT", bound=nn.Module)


class FaceVAETask:
    """Trains `FaceVAEPair`; a frozen `Denoiser` makes what it sees.

    VAE A starts from the second look for whole photos, decoder B from the finished prior.

    Options of the recipe:
        tuned: Parts that are trained, by name; "" stands for all.
        prior: Weight of decoder B's picture alone.
        first: Of decoder A's picture alone.
        mapped: Of the divergence of encoder B's posterior of the clean face from the mapping's.
        divergence: Of A's latent from the standard normal.
        identity: Of the distance on the embedder's sphere, squared and halved.
        adversary: Share of the reconstruction's pull on the last layer that the adversary has.
        alone: Whether A learns alone, from its picture's losses; not if left out.
        drop_source: Share of the crops whose source is what step 1 left, as after relighting.

    Args:
        recipe: `phases` give the crop's side at the source's size; twice that is written.
        pool: Photos.
        labels: `faces.json` of the photos.
        steps_folder: Of the weights of the denoiser, the second look and ORSNet.
        prior: Folder of the prior's weights.
        embedder: Folder of the embedder's weights.
    """

    symmetries = MIRROR

    def __init__(
        self,
        recipe: Recipe,
        pool: PhotoPool,
        labels: Path,
        steps_folder: Path,
        prior: Path,
        embedder: Path,
    ) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        device = pool.pixels.device
        pair = FaceVAEPair(FaceVAEPairConfig(**recipe.config))
        network = Judged(pair)
        knows = weights.load(FacePrior, "face_prior", folder=prior)
        pair.prior.load_state_dict(knows.decoder.state_dict())
        second = weights.load(GuidedDenoiser, "second_look", folder=steps_folder)
        pair.first.load_state_dict(second.state_dict())
        network.requires_grad_(False)
        network.judge.requires_grad_(True)
        for part in recipe.options["tuned"]:
            pair.get_submodule(part).requires_grad_(True)
        self.network: nn.Module = network
        self.encoder: PriorEncoder = _there(knows.encoder, device)
        self.denoiser = _there(weights.load(Denoiser, "denoiser", folder=steps_folder), device)
        self.orsnet = _there(weights.load(ORSNet, "orsnet", folder=steps_folder), device)
        self.embedder = _there(weights.load(Embedder, "embedder", folder=embedder), device)
        self.canvases = {
            phase.size: self._canvases(pool, labels, phase.size, held_out=False)
            for phase in recipe.phases
        }
        self.held_out = self._canvases(pool, labels, recipe.phases[-1].size, held_out=True)
        self.degradation = DegradeConfig(**recipe.degrade)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Loss terms of one batch of fresh faces."""
        torch.manual_seed(int(seeds[0]) % 2**31)
        return self.losses_on(network, self.batch(seeds, phase))

    def batch(self, seeds: Tensor, phase: Phase) -> Batch:
        """Surroundings of faces, as they `came`, and clean at twice the size; their `seeds`."""
        return self._degraded(self.canvases[phase.size], seeds, phase.size)

    def losses_on(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Loss terms of a `batch`."""
        assert isinstance(network, Judged)
        options, terms, pair = self.recipe.options, self.recipe.losses, network.shipped
        assert isinstance(pair, FaceVAEPair)
        degraded, source, small, large = self.crops(batch)
        if options.get("alone"):
            first = pair.first.look(source, degraded)
            with torch.autocast(large.device.type, enabled=False):
                return picture_loss(first.float(), small, terms)
        dropped = Draws(batch["seeds"], stream=73).chance(options["drop_source"])
        source = torch.where(dropped.view(-1, 1, 1, 1), degraded, source)
        drawing = pair.draw(degraded, source, sample=True)
        with torch.no_grad():
            truth = self.encoder(large)
            enlarged = self.orsnet(drawing.first.detach(), source, 2).clamp(0, 1)
        with torch.autocast(large.device.type, enabled=False):
            there = (degraded, drawing.first), (enlarged, enlarged)
            shown = [shown_over(fusion, *pictures) for fusion, pictures in
                     zip((drawing.small, drawing.large), there, strict=True)]  # fmt: skip
            pairs = ((shown[0], small), (shown[1], large))
            losses = _sum(picture_loss(*pair, terms) for pair in pairs)
            quick = {name: weight for name, weight in terms.items() if name != "structure"}
            alone = {
                "first": ((drawing.first, small),),
                "prior": ((drawing.small.prior, small), (drawing.large.prior, large)),
            }
            for name, drawn in alone.items():
                if options[name]:
                    parts = _sum(picture_loss(*pair, quick) for pair in drawn)
                    losses[name] = options[name] * torch.stack(list(parts.values())).sum()
            losses["mapped"] = options["mapped"] * divergence(truth, drawing.mapped)
            losses["divergence"] = options["divergence"] * divergence(drawing.latent)
        if options["identity"]:
            losses["identity"] = options["identity"] * self._apart(shown[1], large)
        if options["adversary"]:
            fooled, judged = least_squares(network.judge, large, shown[1])
            truthful = torch.stack([losses[name] for name in terms]).sum()
            pull = balance(truthful, fooled, pair.fuse_large.weight)
            losses |= {"adversary": options["adversary"] * pull * fooled, "judge": judged}
        return losses

    @torch.no_grad()
    def crops(self, batch: Batch) -> tuple[Image, Image, Image, Image]:
        """The middles of a batch: after step 1, as they came, clean, clean at twice the size."""
        came, clean = (_fast(batch[name]) for name in ("came", "clean"))
        denoised = self.denoiser.picture(came).float().clamp(0, 1)
        side = came.shape[-1]
        size = round(side / AROUND / STEP) * STEP
        low = (side - size) // 2
        with torch.autocast(came.device.type, enabled=False):
            small = F.interpolate(clean, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        inner = ..., slice(low, low + size), slice(low, low + size)
        outer = ..., slice(2 * low, 2 * (low + size)), slice(2 * low, 2 * (low + size))
        return _fast(denoised[inner]), _fast(came[inner]), small[inner], _fast(clean[outer])

    def score(self, network: nn.Module) -> dict[str, float]:
        """Of held-out faces at both sizes: SSIM, steepness, distance; and of decoder A alone.

        At twice the size decoder A's picture is enlarged by ORSNet: what is written without B.
        """
        assert isinstance(network, Judged)
        assert isinstance(network.shipped, FaceVAEPair)
        count, size = self.recipe.validation, self.recipe.phases[-1].size
        totals: dict[str, float] = {}
        for start in range(0, count, SCORED_AT_ONCE):
            seeds = torch.arange(start, min(start + SCORED_AT_ONCE, count)) + HELD_OUT_SEED
            with torch.inference_mode():
                batch = self._degraded(self.held_out, seeds, size)
                degraded, source, small, large = self.crops(batch)
                drawing = network.shipped.draw(degraded, source)
                first = drawing.first.clamp(0, 1)
                enlarged = self.orsnet(first, source, 2).clamp(0, 1)
                pictures = {
                    "in_1": (degraded, small),
                    "first_1": (first, small),
                    "fused_1": (shown_over(drawing.small, degraded, first).clamp(0, 1), small),
                    "first_2": (enlarged, large),
                    "prior_2": (drawing.large.prior.clamp(0, 1), large),
                    "fused_2": (shown_over(drawing.large, enlarged, enlarged).clamp(0, 1), large),
                }
                for name, (picture, target) in pictures.items():
                    for key, value in self._measured(picture, target).items():
                        totals[f"{key}_{name}"] = totals.get(f"{key}_{name}", 0.0) + value / count
        return {name: value for name, value in totals.items() if name.startswith(SCORES)}

    def _canvases(
        self, pool: PhotoPool, labels: Path, size: int, *, held_out: bool
    ) -> FaceCanvases:
        """Faces that are large and sharp enough to be twice a crop's size."""
        return FaceCanvases(pool, labels, 2 * _window(size), held_out=held_out, around=AROUND)

    def _measured(self, picture: Image, target: Image) -> dict[str, float]:
        """Sums over a batch."""
        pairs = [(one[None], two[None]) for one, two in zip(picture, target, strict=True)]
        return {
            "ssim": float(ssim_per_image(picture, target).sum()),
            "steep": sum(float(gradient(one).mean() / gradient(two).mean()) for one, two in pairs),
            "far": float(distance(*(self._embedded(p) for p in (picture, target))).sum()),
        }

    def _apart(self, picture: Image, target: Image) -> Tensor:
        """1 − cosine of faces on the embedder's sphere."""
        with torch.no_grad():
            there = self._embedded(target)
        return 1 - (self._embedded(picture) * there).sum(1).mean()

    def _embedded(self, faces: Image) -> Tensor:
        side = self.embedder.config.side
        small = F.interpolate(faces, (side, side), mode="bilinear", antialias=True)
        vectors: Tensor = self.embedder(small)
        return vectors

    def _degraded(self, canvases: FaceCanvases, seeds: Tensor, size: int) -> Batch:
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            side = _window(size)
            clean = canvases.batch(seeds, 2 * side)
            small = F.interpolate(clean, (side, side), mode="bicubic", antialias=True)
            small = (small.clamp(0, 1) * 255).round() / 255
            came = degrade(small, seeds, self.degradation).image
        return {"came": came, "clean": clean, "seeds": seeds}


def shown_over(fusion: Fusion, evidence: Image, picture: Image) -> Image:
    """What is shown at fidelity 0.5: the fusion over a picture, as far as it outweighs evidence."""
    return torch.lerp(evidence, fusion.over(picture), torch.sigmoid(fusion.logit))


def _sum(terms: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Of equal terms of several pictures."""
    totals: dict[str, Tensor] = {}
    for each in terms:
        totals = {name: totals.get(name, 0) + value for name, value in each.items()}
    return totals


def _window(size: int) -> int:
    """Side of what step 1 sees around a crop of a side."""
    return round(size * AROUND / STEP) * STEP


def _fast(image: Image) -> Image:
    return image.contiguous(memory_format=torch.channels_last)


def _there(network: NetworkT, device: torch.device) -> NetworkT:
    """Frozen, on a device."""
    network.requires_grad_(False)
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
