"""What each part of the pair of VAEs is worth: variants trained alike, `docs/ablation.md`.

`python -m training.evaluate.ablation_face_vae --photos photos --faces photos/faces.json --prior P
--embedder E --out runs/pair_ablation` trains every variant for the same steps from each seed, on
that seed's samples. VAE A is the shipped one and stays as it is, but where it learns alone. What
was trained before is read, so several processes can have a seed each.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from restorecli import weights
from restorecli.networks.face_vae import FaceVAEPair, Latent
from training.arguments import open_photos, use_threads
from training.data.photo_pool import PhotoPool
from training.engine.adversary import Judged
from training.engine.recipe import Recipe, read_recipe
from training.evaluate import ablation_denoiser
from training.tasks.face_vae import FaceVAETask

RECIPE = Path(__file__).parents[1] / "recipes" / "ablation/face_vae.toml"
SEEDS = (94, 95)
CERTAIN = -10.0  # log-variance of a latent that is as good as its mean


class Unmapped(nn.Module):
    """A's latent in place of B's."""

    def forward(self, latent: Latent) -> tuple[Latent, Latent]:
        """Mean and log-variance."""
        return latent, torch.full_like(latent, CERTAIN)


def without_mapping(pair: FaceVAEPair) -> None:
    """Decoder B draws from A's own latent."""
    pair.mapping = Unmapped()  # type: ignore[assignment]


def without_knowledge(pair: FaceVAEPair) -> None:
    """Decoder B has never seen a clean face alone."""
    pair.prior = type(pair.prior)(pair.config).requires_grad_(True)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One row of the table.

    Attributes:
        name: As the table has it.
        change: What is done to the pair before it is trained.
        alone: VAE A learns alone, and ORSNet enlarges what it draws.
        options: Of the recipe that differ.
    """

    name: str
    change: Callable[[FaceVAEPair], None] = lambda pair: None
    alone: bool = False
    options: Mapping[str, float]


VARIANTS = (
    Variant(name="whole", options={}),
    Variant(name="without decoder B", alone=True, options={}),
    Variant(name="without the mapping", change=without_mapping, options={"mapped": 0.0}),
    Variant(name="without clean faces first", change=without_knowledge, options={"mapped": 0.0}),
)


@dataclass(frozen=True, kw_only=True)
class Folders:
    """Where weights and labels are: of the shipped networks, the prior, the embedder; the faces."""

    shipped: Path
    prior: Path
    embedder: Path
    faces: Path


class VariantTask(FaceVAETask):
    """The pair's task with a variant of it."""

    def __init__(self, variant: Variant, recipe: Recipe, pool: PhotoPool, at: Folders) -> None:
        options = recipe.options | dict(variant.options)
        if variant.alone:
            options |= {"tuned": ["first"], "alone": True}
        own = replace(recipe, options=options)
        super().__init__(own, pool, at.faces, at.shipped, at.prior, at.embedder)
        self.variant = variant
        shipped = weights.load(FaceVAEPair, "face_vae", folder=at.shipped)
        pair = self.pair()
        pair.first.load_state_dict(shipped.first.state_dict())
        variant.change(pair)

    def pair(self) -> FaceVAEPair:
        """The network within the one that is trained."""
        assert isinstance(self.network, Judged)
        assert isinstance(self.network.shipped, FaceVAEPair)
        return self.network.shipped

    def score(self, network: nn.Module) -> dict[str, float]:
        """SSIM at both sizes, and at twice the crop's the gradient's and the embedder's measure."""
        scores = super().score(network)
        drawn = "first" if self.variant.alone else "fused"
        return {
            "x1": scores[f"ssim_{drawn}_1"],
            "x2": scores[f"ssim_{drawn}_2"],
            "gradient": scores[f"steep_{drawn}_2"],
            "distance": scores[f"far_{drawn}_2"],
        }


def table(results: Mapping[str, list[dict[str, float]]]) -> str:
    """The results as Markdown, each seed's beside the other's, and what the whole has more."""
    return "\n".join([
        "| variant | SSIM at x1 | SSIM at x2 | worse than whole | gradient of the clean face's | "
        "distance | of the whole's |",
        "|---|---|---|---|---|---|---|",
        *_rows(results),
    ])  # fmt: skip


def _rows(results: Mapping[str, list[dict[str, float]]]) -> Iterator[str]:
    whole = results["whole"]
    for name, seeds in results.items():
        pairs = list(zip(seeds, whole, strict=True))
        columns = (
            ", ".join(f"{row['x1']:.4f}" for row in seeds),
            ", ".join(f"{row['x2']:.4f}" for row in seeds),
            ", ".join(f"{other['x2'] - row['x2']:+.4f}" for row, other in pairs),
            ", ".join(f"{row['gradient']:.3f}" for row in seeds),
            ", ".join(f"{row['distance']:.4f}" for row in seeds),
            ", ".join(f"{row['distance'] / other['distance'] - 1:+.1%}" for row, other in pairs),
        )
        yield f"| {name} | {' | '.join(columns)} |"


def main() -> None:
    """Train what is missing, and print the table of all seeds that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, parents=[ablation_denoiser.variant_options(RECIPE)]
    )
    parser.add_argument("--faces", type=Path, required=True, help="faces.json of the photos")
    parser.add_argument("--shipped", type=Path, default=Path("weights"), help="folder of weights")
    parser.add_argument("--prior", type=Path, required=True, help="folder of face_prior's weights")
    parser.add_argument("--embedder", type=Path, required=True, help="folder of the embedder's")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    arguments = parser.parse_args()
    use_threads(arguments)
    recipe, pool = read_recipe(arguments.recipe), open_photos(arguments, torch.device("cpu"))
    at = Folders(
        shipped=arguments.shipped,
        prior=arguments.prior,
        embedder=arguments.embedder,
        faces=arguments.faces,
    )
    results: dict[str, list[dict[str, float]]] = {variant.name: [] for variant in VARIANTS}
    for seed in arguments.seeds:
        own = replace(recipe, seed=seed)
        for variant in VARIANTS:
            out = arguments.out / f"{variant.name.replace(' ', '-')}-{seed}"
            make = partial(VariantTask, variant, own, pool, at)
            results[variant.name].append(ablation_denoiser.trained(make, own, out))
            print(variant.name, seed, results[variant.name][-1], flush=True)
    print(table(results))


if __name__ == "__main__":
    main()
