"""What each part of ORSNet is worth: variants trained on equal batches, `docs/ablation.md`.

`python -m training.evaluate.ablation_orsnet --photos photos --out runs/orsnet_ablation` trains
every variant for the same steps, from the same seed, on the same samples; the shipped denoiser
makes what they see of photos under patterns. What was trained before is read.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from restorecli.degrade import degrade
from restorecli.metrics import ssim
from restorecli.networks.blocks import SpectralGate
from restorecli.networks.orsnet import ORSNet, ORSNetConfig, bicubic
from restorecli.networks.windows import Windows
from training.arguments import open_photos, use_threads
from training.data.photo_pool import PhotoPool
from training.data.samples import CROP, VALIDATION
from training.engine.recipe import Recipe, read_recipe
from training.evaluate import ablation_denoiser
from training.tasks.orsnet import FIRST_HELD_OUT, ORSNetTask, gain, reduce

RECIPE = Path(__file__).parents[1] / "recipes" / "ablation/orsnet.toml"
Image = Float[Tensor, "1 3 h w"]


def with_gates(config: ORSNetConfig) -> ORSNet:
    """A spectral gate before each block but the first."""
    network = ORSNet(config)
    windows = Windows(side=config.window, overlap=config.window_overlap).coarser(2)
    for number, block in enumerate(network.blocks):
        if number:
            gate = SpectralGate(config.width, config.width, windows)
            network.blocks[number] = nn.Sequential(gate, block)
    return network


def sized(**changes: object) -> Callable[[ORSNetConfig], ORSNet]:
    """The shipped design with another config."""
    return lambda config: ORSNet(replace(config, **changes))  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One row of the table.

    Attributes:
        name: As the table has it.
        make: Gives the network for the shipped config.
        without: Terms of the loss that are left out.
    """

    name: str
    make: Callable[[ORSNetConfig], ORSNet] = ORSNet
    without: tuple[str, ...] = ()


VARIANTS = (
    Variant(name="shipped design"),
    Variant(name="gates between the blocks", make=with_gates),
    Variant(name="48 channels", make=sized(width=48)),
    Variant(name="96 channels", make=sized(width=96)),
    Variant(name="half as many convolutions", make=sized(blocks=(1, 1, 1))),
    Variant(name="without the luma term", without=("luma",)),
)


class VariantTask(ORSNetTask):
    """Upscale's task with a variant for a network."""

    def __init__(self, variant: Variant, recipe: Recipe, pool: PhotoPool, folder: Path) -> None:
        losses = {name: w for name, w in recipe.losses.items() if name not in variant.without}
        super().__init__(replace(recipe, losses=losses), pool, folder)
        torch.manual_seed(recipe.seed)
        self.network = variant.make(self.network.config)

    def score(self, network: nn.Module) -> dict[str, float]:
        """Scores on held-out sharp photos.

        Returns:
            `x2` and `x4`, PSNR-Y in dB over bicubic of clean photos made small by bicubic; of small
            photos degraded strongly, at x2, `ssim` against the clean one, and `energy`, the
            gradient energy over that of bicubic after denoise.
        """
        sharp = sorted(number for group in self.groups for number in group.held_out)
        seeds = torch.arange(FIRST_HELD_OUT, FIRST_HELD_OUT + self.recipe.validation)
        with torch.inference_mode():
            crops = self.pool.crops(seeds, CROP, sharp)
            rows = [self._score(network, c[None], s) for c, s in zip(crops, seeds, strict=True)]
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def _score(self, network: nn.Module, clean: Image, seed: Tensor) -> dict[str, float]:
        row = {}
        for scale in (2, 4):
            small = reduce(clean, scale, torch.zeros(1))
            row[f"x{scale}"] = gain(network, small, clean, scale)
        pair = degrade(reduce(clean, 2, torch.zeros(1)), seed[None], VALIDATION)
        denoised = self.denoiser(pair.image)[0].float().clamp(0, 1)
        ours = network(denoised, pair.image, 2).clamp(0, 1)
        plain = bicubic(denoised, 2).clamp(0, 1)
        return row | {"ssim": ssim(ours, clean), "energy": _energy(ours) / _energy(plain)}


def _energy(image: Image) -> float:
    grey = image.mean(1)
    return float(grey.diff(dim=1).square().mean() + grey.diff(dim=2).square().mean())


def cost(variant: Variant, config: ORSNetConfig) -> dict[str, float]:
    """What a variant costs at x2, as `ablation.measured`."""
    network = variant.make(config)
    network.forward = partial(network.forward, scale=2)  # type: ignore[method-assign]
    picture = torch.rand(1, 3, ablation_denoiser.SIDE, ablation_denoiser.SIDE)
    return ablation_denoiser.measured(network, picture, picture)


def table(results: dict[str, dict[str, float]]) -> str:
    """The results as Markdown."""
    rows = [
        "| variant | x2, PSNR-Y over bicubic | x4 | degraded, x2: SSIM | gradient energy over "
        "bicubic | parameters | time of 512² in 64-channel convolutions |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {row['x2']:+.2f} dB | {row['x4']:+.2f} dB | {row['ssim']:.4f} | "
        f"{row['energy']:.2f} | {row['parameters']:,.0f} | {row['convolutions']:.1f} |"
        for name, row in results.items()
    ]
    return "\n".join(rows)


def main() -> None:
    """Train what is missing, measure what all cost, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, parents=[ablation_denoiser.variant_options(RECIPE)]
    )
    parser.add_argument(
        "--denoiser", type=Path, default=Path("weights"), help="folder of the denoiser's weights"
    )
    arguments = parser.parse_args()
    use_threads(arguments)
    recipe, pool = read_recipe(arguments.recipe), open_photos(arguments, torch.device("cpu"))
    results = {}
    for variant in VARIANTS:
        out = arguments.out / variant.name.replace(" ", "-")
        make = partial(VariantTask, variant, recipe, pool, arguments.denoiser)
        results[variant.name] = ablation_denoiser.trained(make, recipe, out)
        print(variant.name, results[variant.name], flush=True)
    for variant in VARIANTS:  # in one go, so that they can be compared
        results[variant.name] |= cost(variant, ORSNetConfig(**recipe.config))
    print(table(results))


if __name__ == "__main__":
    main()
