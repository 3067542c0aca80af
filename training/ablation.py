"""What each part of step 1 is worth: variants trained on equal batches, `docs/ablation.md`.

`python -m training.ablation --photos photos --out runs/ablation` trains every variant for the same
steps, from the same seed, on the same samples; a run that was stopped goes on. MPRNet's first
stage gets the time instead of the steps that the shipped design took.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from restorecli.networks.blocks import ChannelAttentionBlock, SpectralGate, SupervisedAttention
from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from restorecli.networks.windows import Windows
from training.denoiser import DenoiserTask
from training.loop import Run, denormals_flushed, sample_seeds
from training.photos import PhotoPool
from training.recipe import Recipe, read_recipe

SIDE = 512  # px of the picture that time and multiplications are taken on
ROUNDS = 5
RECIPE = Path(__file__).with_name("recipes") / "denoiser_ablation.toml"
MPRNET = "first stage of MPRNet for the same time"
WHOLE = Windows(side=1 << 20, overlap=0)


class FourierConvolution(SpectralGate):
    """1×1 convolutions over real and imaginary parts instead of a gate (Chi et al. 2020)."""

    def __init__(self, width: int, hidden: int, windows: Windows) -> None:
        super().__init__(width, hidden, windows)
        self.gate = nn.Sequential(
            nn.Conv2d(2 * hidden, 2 * hidden, 1),
            nn.PReLU(2 * hidden),
            nn.Conv2d(2 * hidden, 2 * hidden, 1),
        )

    def _filtered(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        spectrum = torch.fft.rfft2(x.float(), norm="ortho")
        real, imaginary = self.gate(torch.cat((spectrum.real, spectrum.imag), 1)).chunk(2, 1)
        turned = torch.complex(real.float(), imaginary.float())
        back: Tensor = torch.fft.irfft2(turned, s=x.shape[-2:], norm="ortho")
        return back


class GateWithoutContrast(SpectralGate):
    """A gate that sees magnitudes, but not how far they stand out of their neighbours."""

    def __init__(self, width: int, hidden: int, windows: Windows) -> None:
        super().__init__(width, hidden, windows)
        self.gate[0] = nn.Conv2d(hidden, hidden, 3, padding=1)

    def _filtered(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        spectrum = torch.fft.rfft2(x.float(), norm="ortho")
        gate = torch.sigmoid(self.gate(torch.log1p(spectrum.abs())))
        back: Tensor = torch.fft.irfft2(spectrum * gate, s=x.shape[-2:], norm="ortho")
        return back


class MPRNetFirstStage(nn.Module):
    """The first stage of MPRNet for denoising (Zamir et al. 2021), without patches.

    Three levels of 80, 128 and 176 channels, two channel-attention blocks each on the way down and
    up, one on each skip connection, bilinear resampling, supervised attention. No gates.
    """

    def __init__(self, widths: tuple[int, ...] = (80, 128, 176)) -> None:
        super().__init__()

        def blocks(width: int, count: int) -> nn.Sequential:
            return nn.Sequential(*[ChannelAttentionBlock(width, WHOLE) for _ in range(count)])

        pairs = list(pairwise(widths))
        self.enter = nn.Sequential(nn.Conv2d(3, widths[0], 3, padding=1), blocks(widths[0], 1))
        self.encoder = nn.ModuleList(blocks(width, 2) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 1) for fine, coarse in pairs)
        self.skip = nn.ModuleList(blocks(width, 1) for width in widths[:-1])
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairs)
        self.decoder = nn.ModuleList(blocks(width, 2) for width in widths)
        self.attention = SupervisedAttention(widths[0])

    def forward(
        self, degraded: Float[Tensor, "n 3 h w"]
    ) -> tuple[Float[Tensor, "n 3 h w"], Float[Tensor, "n c h w"]]:
        """The restored pictures and the features for a next stage."""
        x = self.enter(degraded)
        skips = []
        for level, down in enumerate(self.down):
            x = self.encoder[level](x)
            skips.append(x)
            x = down(F.interpolate(x, scale_factor=0.5, mode="bilinear"))
        x = self.decoder[-1](self.encoder[-1](x))
        for level in reversed(range(len(self.up))):
            x = F.interpolate(self.up[level](x), scale_factor=2.0, mode="bilinear")
            x = self.decoder[level](x + self.skip[level](skips[level]))
        image, features = self.attention(x, degraded)
        return image, features


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One row of the table.

    Attributes:
        name: As the table has it.
        make: Gives the network for the shipped config.
        equal_time: Train for the shipped design's time instead of for its steps.
    """

    name: str
    make: Callable[[DenoiserConfig], nn.Module]
    equal_time: bool = False


def with_gates(gate: type[SpectralGate]) -> Callable[[DenoiserConfig], nn.Module]:
    """The shipped network with other modules in place of its gates."""

    def make(config: DenoiserConfig) -> nn.Module:
        network = Denoiser(config)
        for level, width in enumerate(config.widths):
            windows = network.encoder[level][0].windows  # type: ignore[index]
            network.encoder[level][0] = gate(width, config.gates[level], windows)  # type: ignore[operator]
        return network

    return make


def with_gates_on_the_way_up(config: DenoiserConfig) -> nn.Module:
    """The shipped network with a gate before the blocks of each decoder level as well."""
    network = Denoiser(config)
    finest = Windows(side=config.window, overlap=config.window_overlap)
    for level, blocks in enumerate(network.decoder):
        gate = SpectralGate(config.widths[level], config.gates[level], finest.coarser(2**level))
        network.decoder[level] = nn.Sequential(gate, *blocks)  # type: ignore[misc]
    return network


def changed(**changes: object) -> Callable[[DenoiserConfig], nn.Module]:
    """The shipped design with another config."""
    return lambda config: Denoiser(replace(config, **changes))  # type: ignore[arg-type]


SIZES: dict[str, dict[str, object]] = {
    "windows of 64 px": {"window": 64, "window_overlap": 16},
    "windows of 32 px": {"window": 32, "window_overlap": 8},
    "three quarters of the width": {"widths": (12, 24, 48, 96), "gates": (12, 12, 24, 48)},
    "one and a half times the width": {"widths": (24, 48, 96, 192), "gates": (24, 24, 48, 96)},
    "one block a level": {"encoder_blocks": (1, 1, 1, 1), "decoder_blocks": (1, 1, 1)},
    "one block more a level": {"encoder_blocks": (2, 3, 3, 3), "decoder_blocks": (3, 3, 3)},
    "three levels instead of four": {
        "widths": (16, 32, 64),
        "encoder_blocks": (1, 2, 2),
        "decoder_blocks": (2, 2),
        "gates": (16, 16, 32),
    },
}
VARIANTS = (
    Variant(name="shipped design", make=Denoiser),
    Variant(name="no gates", make=changed(gates=(0, 0, 0, 0))),
    Variant(name="Fourier convolutions instead of gates", make=with_gates(FourierConvolution)),
    Variant(name=MPRNET, make=lambda config: MPRNetFirstStage(), equal_time=True),
    Variant(name="gates without contrast", make=with_gates(GateWithoutContrast)),
    Variant(name="gates in the decoder too", make=with_gates_on_the_way_up),
    *(Variant(name=name, make=changed(**sizes)) for name, sizes in SIZES.items()),
)


class AblationTask(DenoiserTask):
    """Step 1's task with a variant for a network."""

    def __init__(self, recipe: Recipe, pool: PhotoPool, variant: Variant) -> None:
        super().__init__(recipe, pool)
        torch.manual_seed(recipe.seed)
        self.network = variant.make(DenoiserConfig(**recipe.config))  # type: ignore[assignment]


def cost(network: nn.Module) -> tuple[float, float]:
    """Multiplications of convolutions a pixel, and the time at 512² in wide convolutions.

    Returns:
        Thousands of multiply-adds a pixel, and the time of a forward pass over that of a 3×3
        convolution of 64 channels timed in turn with it (median of `ROUNDS`).
    """
    picture = torch.rand(1, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    wide = torch.rand(1, 64, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    unit = nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ratios = []
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            network(picture)
        unit(wide)
        for _ in range(ROUNDS):
            start = time.perf_counter()
            unit(wide)
            between = time.perf_counter()
            network(picture)
            ratios.append((time.perf_counter() - between) / (between - start))
    return counter.get_total_flops() / 2 / SIDE**2 / 1000, median(ratios)


def train_variant(variant: Variant, recipe: Recipe, pool: PhotoPool, out: Path) -> dict[str, float]:
    """Train one variant to the recipe's end and measure it; read what was measured before."""
    path = out / "result.json"
    if path.exists():
        result: dict[str, float] = json.loads(path.read_text("utf-8"))
        return result
    task = AblationTask(recipe, pool, variant)
    run = Run(task, recipe, out, torch.device("cpu"))
    run.go(every=recipe.steps)
    thousands, convolutions = cost(run.average)
    result = {
        "ssim": task.score(run.average)["ssim"],
        "steps": recipe.steps,
        "parameters": sum(parameter.numel() for parameter in run.average.parameters()),
        "kmacs": thousands,
        "convolutions": convolutions,
    }
    path.write_text(json.dumps(result), "utf-8")
    return result


def steps_in_equal_time(variant: Variant, recipe: Recipe, pool: PhotoPool) -> int:
    """How many steps of a variant take as long as the recipe's of the shipped design."""
    shipped, own = (seconds_a_step(one, recipe, pool) for one in (VARIANTS[0], variant))
    return max(1, round(recipe.steps * shipped / own))


def seconds_a_step(variant: Variant, recipe: Recipe, pool: PhotoPool) -> float:
    """Median time of batch, forward and backward."""
    task = AblationTask(recipe, pool, variant)
    network = task.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    phase = recipe.phase(0)
    seconds = []
    with denormals_flushed():
        for step in range(1 + ROUNDS):
            start = time.perf_counter()
            seeds = sample_seeds(recipe, step, phase.batch, torch.device("cpu"))
            terms = task.losses(network, seeds, phase)
            torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
            seconds.append(time.perf_counter() - start)
    return median(seconds[1:])


def table(results: dict[str, dict[str, float]]) -> str:
    """The results as Markdown."""
    rows = [
        "| variant | SSIM | error of the shipped design over its own | steps | parameters | "
        "k multiply-adds a pixel | time of 512² in 64-channel convolutions |",
        "|---|---|---|---|---|---|---|",
    ]
    first = 1 - results[VARIANTS[0].name]["ssim"]
    rows += [
        f"| {name} | {row['ssim']:.3f} | {first / (1 - row['ssim']):.2f} | {row['steps']:.0f} | "
        f"{row['parameters']:,} | {row['kmacs']:.0f} | {row['convolutions']:.1f} |"
        for name, row in results.items()
    ]
    return "\n".join(rows)


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="TOML file of all variants")
    parser.add_argument("--photos", type=Path, required=True, help="folder tree of clean photos")
    parser.add_argument("--cache", type=Path, default=Path("runs/pool"), help="decoded photos")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves the default")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    recipe = read_recipe(arguments.recipe)
    pool = PhotoPool.open(arguments.photos, arguments.cache, torch.device("cpu"))
    results = {}
    for variant in VARIANTS:
        out, own = arguments.out / variant.name.replace(" ", "-"), recipe
        if variant.equal_time and not (out / "result.json").exists():
            own = replace(recipe, steps=steps_in_equal_time(variant, recipe, pool))
        results[variant.name] = train_variant(variant, own, pool, out)
        print(variant.name, results[variant.name], flush=True)
    print(table(results))


if __name__ == "__main__":
    main()
