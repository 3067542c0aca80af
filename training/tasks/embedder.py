"""The task of the face embedder: two views of each photo's face are the same, all others not."""

from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.degrade import degrade
from restorecli.degrade.rng import combine
from restorecli.faces.alignment import align
from restorecli.tiling.sources import TensorSource
from training.data.face_views import STRONG, FaceViews
from training.data.labelled_faces import labelled_faces
from training.data.photo_pool import PhotoPool
from training.engine.recipe import Phase, Recipe
from training.networks.embedder import Embedder, EmbedderConfig, distance, rank_one, roc_area

HELD_OUT_SEED = 10**9
SCORED_AT_ONCE = 16


class EmbedderTask:
    """Trains `Embedder` on faces of photos (NT-Xent, Chen et al. 2020).

    Options of the recipe:
        kept: Degraded windows of each face.
        temperature: Of the cosines.
    """

    def __init__(self, recipe: Recipe, pool: PhotoPool, labels: Path) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.network = Embedder(EmbedderConfig(**recipe.config))
        kept = int(recipe.options["kept"])
        faces = labelled_faces(pool, labels, held_out=False)
        self.views = FaceViews(pool, faces, kept)
        self.held_out = FaceViews(pool, labelled_faces(pool, labels, held_out=True), kept)

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """The contrast between a batch's faces; `phase.size` is the side of the crops."""
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            which = combine(seeds, 59).remainder(len(self.views.faces))
            pair = [self.views.batch(which, combine(seeds, n), phase.size) for n in (1, 2)]
        vectors = network(torch.cat(pair))
        with torch.autocast(seeds.device.type, enabled=False):
            return {"contrast": contrast(vectors, which, float(self.recipe.options["temperature"]))}

    def score(self, network: nn.Module) -> dict[str, float]:
        """Of held-out faces under strong patterns, against the clean ones of other crops."""
        views, side = self.held_out, self.network.config.side
        total = min(len(views.faces), self.recipe.validation)
        vectors: list[tuple[Tensor, Tensor]] = []
        with torch.inference_mode():
            for start in range(0, total, SCORED_AT_ONCE):
                which = range(start, min(start + SCORED_AT_ONCE, total))
                seeds = torch.arange(which.start, which.stop) + HELD_OUT_SEED
                other, marks = views.windows(which, seeds)
                degraded = degrade(other, seeds, STRONG).image
                clean, clean_marks = views.windows(which, seeds + HELD_OUT_SEED)
                pictures = (degraded, marks), (clean, clean_marks)
                vectors.append(tuple(network(aligned(*p, side)) for p in pictures))
        probes, gallery = (torch.cat(column) for column in zip(*vectors, strict=True))
        return {
            "rank_one": rank_one(probes, gallery),
            "roc_area": roc_area(probes, gallery),
            "distance": float(distance(probes, gallery).mean()),
        }


def aligned(
    images: Float[Tensor, "n 3 h w"], landmarks: Float[Tensor, "n 5 2"], side: int
) -> Float[Tensor, "n 3 s s"]:
    """One face of each picture, cut for the embedder."""
    return torch.cat(
        [
            align(TensorSource(image[None]), marks, side)[0]
            for image, marks in zip(images, landmarks, strict=True)
        ]
    )


def contrast(
    vectors: Float[Tensor, "2n d"], which: Int[Tensor, " n"], temperature: float
) -> Tensor:
    """Cross-entropy of finding each view's other view among all views of the batch.

    Args:
        vectors: Unit vectors: the first views of all faces, then the second ones.
        which: Faces; further views of the same face are neither same nor other.
        temperature: Cosines are divided by it.
    """
    count = len(which)
    faces = which.repeat(2)
    partner = torch.arange(2 * count, device=vectors.device).roll(count)
    ignored = faces[:, None] == faces
    ignored[torch.arange(2 * count), partner] = False
    logits = (vectors @ vectors.T / temperature).masked_fill(ignored, float("-inf"))
    return F.cross_entropy(logits, partner)
