"""What each part of the denoiser is worth: variants trained on equal batches, `docs/ablation.md`.

`python -m training.evaluate.ablation_denoiser --photos photos --out runs/ablation` trains every
variant for the same steps, from the same seed, on the same samples; a run that was stopped goes on.
MPRNet's first stage gets the time instead of the steps that the shipped design took.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from restorecli.networks.blocks import SpectralGate
from restorecli.networks.denoiser import Denoiser, DenoiserConfig
from restorecli.networks.windows import Windows
from training.arguments import open_photos, photo_options, thread_options, use_threads
from training.data.photo_pool import PhotoPool
from training.engine.loop import Run, Task, denormals_flushed, sample_seeds
from training.engine.recipe import Recipe, read_recipe
from training.evaluate.ablation_networks import (
    FourierConvolution,
    GateWithoutContrast,
    MPRNetConfig,
    MPRNetFirstStage,
)
from training.tasks.denoiser import DenoiserTask

SIDE = 512  # px of the picture that time and multiplications are taken on
ROUNDS = 5
RECIPE = Path(__file__).parents[1] / "recipes" / "ablation/denoiser.toml"
MPRNET = "first stage of MPRNet for the same time"


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
    Variant(name=MPRNET, make=lambda config: MPRNetFirstStage(MPRNetConfig()), equal_time=True),
    Variant(name="gates without contrast", make=with_gates(GateWithoutContrast)),
    Variant(name="gates in the decoder too", make=with_gates_on_the_way_up),
    *(Variant(name=name, make=changed(**sizes)) for name, sizes in SIZES.items()),
)


class AblationTask(DenoiserTask):
    """The denoiser's task with a variant for a network."""

    def __init__(self, recipe: Recipe, pool: PhotoPool, variant: Variant) -> None:
        super().__init__(recipe, pool)
        torch.manual_seed(recipe.seed)
        self.network = variant.make(DenoiserConfig(**recipe.config))  # type: ignore[assignment]


def cost(variant: Variant, config: DenoiserConfig) -> dict[str, float]:
    """What a variant costs at `SIDE`², as `measured`."""
    return measured(variant.make(config), torch.rand(1, 3, SIDE, SIDE))


def measured(network: nn.Module, *inputs: Tensor) -> dict[str, float]:
    """What a network costs.

    Args:
        network: Any.
        inputs: Of its forward pass; pictures of `SIDE`².

    Returns:
        `parameters`; `kmacs`, thousands of multiply-adds a pixel; `convolutions`, the time of a
        forward pass over that of a 3×3 convolution of 64 channels timed in turn with it (median of
        `ROUNDS`).
    """
    network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pictures = [picture.contiguous(memory_format=torch.channels_last) for picture in inputs]
    wide = torch.rand(1, 64, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    unit = nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ratios = []
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            network(*pictures)
        unit(wide)
        for _ in range(ROUNDS):
            start = time.perf_counter()
            unit(wide)
            between = time.perf_counter()
            network(*pictures)
            ratios.append((time.perf_counter() - between) / (between - start))
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "kmacs": counter.get_total_flops() / 2 / SIDE**2 / 1000,
        "convolutions": median(ratios),
    }


def trained(make_task: Callable[[], Task], recipe: Recipe, out: Path) -> dict[str, float]:
    """Train a task to the recipe's end and score it; read what was scored before.

    Returns:
        The task's scores, and `steps`.
    """
    path = out / "result.json"
    if path.exists():
        result: dict[str, float] = json.loads(path.read_text("utf-8"))
        return result
    task = make_task()
    run = Run(task, recipe, out, torch.device("cpu"))
    run.go(every=recipe.steps)
    result = task.score(run.average) | {"steps": recipe.steps}
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


def variant_options(recipe: Path) -> argparse.ArgumentParser:
    """What every ablation asks: photos, threads, `--recipe` and `--out`."""
    parser = argparse.ArgumentParser(add_help=False, parents=[photo_options(), thread_options()])
    parser.add_argument("--recipe", type=Path, default=recipe, help="TOML file of all variants")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    return parser


def main() -> None:
    """Train what is missing, measure what all cost, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[variant_options(RECIPE)])
    arguments = parser.parse_args()
    use_threads(arguments)
    recipe, pool = read_recipe(arguments.recipe), open_photos(arguments, torch.device("cpu"))
    results = {}
    for variant in VARIANTS:
        out, own = arguments.out / variant.name.replace(" ", "-"), recipe
        if variant.equal_time and not (out / "result.json").exists():
            own = replace(recipe, steps=steps_in_equal_time(variant, recipe, pool))
        results[variant.name] = trained(partial(AblationTask, own, pool, variant), own, out)
        print(variant.name, results[variant.name], flush=True)
    for variant in VARIANTS:  # in one go, so that they can be compared
        results[variant.name] |= cost(variant, DenoiserConfig(**recipe.config))
    print(table(results))


if __name__ == "__main__":
    main()
