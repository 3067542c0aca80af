"""The one training loop: batches by step number, EMA, cosine, checkpoints, a CSV and its plot.

A task brings the network, the loss of a step and a validation score; the loop brings everything
else. All randomness of a step comes from (recipe seed, sample index), so a run that was stopped
goes on with the batches it would have had.
"""

import copy
import csv
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from restorecli import weights
from training.engine import plot
from training.engine.distributed import ProcessGroup
from training.engine.optimizer import Optimizer
from training.engine.recipe import Phase, Recipe

MOST_SKIPPED = 20  # steps of a call of `Run.go` that may be not finite


class Task(Protocol):
    """What the loop asks of a task."""

    @property
    def network(self) -> nn.Module:
        """What is trained."""
        ...

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Weighted loss terms of one batch; `seeds` has one int64 for each sample."""
        ...

    def score(self, network: nn.Module) -> dict[str, float]:
        """Validation scores of the averaged network, a few seconds' work."""
        ...


def sample_seeds(recipe: Recipe, step: int, batch: int, device: torch.device) -> Tensor:
    """Seeds of the samples of a step, the same whatever came before."""
    first = step * 4096 + recipe.seed * 0x5DEECE66D
    return torch.arange(first, first + batch, device=device, dtype=torch.int64)


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, the peak, then a cosine down to a hundredth of it."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    falling = max(1, round((recipe.steps - recipe.warmup) * recipe.cooldown))
    done = min(max(0.0, 1 - (recipe.steps - step) / falling), 1.0)
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Take numbers below 1e-38 for 0: gradients are full of them, and a CPU is slow with them."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class Run:
    """A training run in a folder: `checkpoint.pt` (restart), `log.csv`, `log.svg`, weights.

    Attributes:
        network: Being trained, on the device.
        average: Its exponential moving average, which is what gets exported.
        step: Optimiser steps done.
        processes: The processes that share the run; the first alone scores and writes.
    """

    def __init__(self, task: Task, recipe: Recipe, out: Path, device: torch.device) -> None:
        self.task, self.recipe, self.out, self.device = task, recipe, out, device
        self.network = task.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizer = Optimizer(self.network, recipe.optimizer, weight_decay=recipe.weight_decay)
        self.step = 0
        self.processes = ProcessGroup()
        self._skipped = 0
        out.mkdir(parents=True, exist_ok=True)
        self._resume()

    def go(self, *, minutes: float = math.inf, every: int = 500) -> bool:
        """Train until the recipe's end or for some minutes; True at the end.

        Args:
            minutes: Wall-clock bound of this call; a checkpoint is written when it is reached.
            every: Steps between validations, exports and checkpoints.
        """
        with denormals_flushed():
            self._go(minutes, every)
        return self.step >= self.recipe.steps

    def _go(self, minutes: float, every: int) -> None:
        start = last = time.monotonic()
        sums: dict[str, float] = {}
        while self.step < self.recipe.steps:
            for name, value in self._one_step().items():
                sums[name] = sums.get(name, 0.0) + float(value)
            self.step += 1
            late = self.processes.any_rank(time.monotonic() - start > minutes * 60)
            if self.step % every == 0 or self.step == self.recipe.steps or late:
                if self.processes.rank == 0:
                    count = (self.step - 1) % every + 1
                    seconds = (time.monotonic() - last) / count
                    means = {name: value / count for name, value in sums.items()}
                    self._report({**means, **self.task.score(self.average), "seconds": seconds})
                    self.save()
                sums, last = {}, time.monotonic()
            if late:
                break

    def export(self) -> Path:
        """Write the averaged network, or its part `shipped`, as a weights file."""
        path = self.out / f"{self.recipe.network}.safetensors"
        shipped = getattr(self.average, "shipped", self.average)
        weights.save(shipped, self.recipe.network, path, self.recipe.as_dict())
        return path

    def save(self) -> None:
        """Write the checkpoint and the weights file, each whole or not at all."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        temporary = self.out / "checkpoint.tmp"
        torch.save(state, temporary)
        temporary.replace(self.out / "checkpoint.pt")
        self.export()

    def _resume(self) -> None:
        path = self.out / "checkpoint.pt"
        if path.exists():
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]

    def _one_step(self) -> dict[str, Tensor]:
        phase = self.recipe.phase(self.step)
        seeds = sample_seeds(self.recipe, self.step, phase.batch, self.device)
        seeds = self.processes.share(seeds)
        low = self.recipe.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=low):
            losses = self.task.losses(self.network, seeds, phase)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        self.processes.average_gradients(self.network)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        if not norm.isfinite():  # one broken batch must not cost the run
            self._skip(seeds)
            return {}
        self.optimizer.step(learning_rate(self.recipe, self.step))
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(
                self.average.parameters(), self.network.parameters(), strict=True
            ):
                mean.lerp_(value, 1 - decay)
        return {name: value.detach() for name, value in losses.items()}

    def _skip(self, seeds: Tensor) -> None:
        """Learn nothing from a batch whose gradient is not finite, and say so.

        Raises:
            FloatingPointError: It happens too often.
        """
        self.network.zero_grad(set_to_none=True)
        self._skipped += 1
        print(f"step {self.step}: not finite, skipped; seeds {seeds.tolist()}", flush=True)
        if self._skipped > MOST_SKIPPED:
            raise FloatingPointError(f"{self._skipped} steps were not finite")

    def _report(self, row: dict[str, float]) -> None:
        path = self.out / "log.csv"
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(["step", *row])
            writer.writerow([self.step, *(f"{value:.6g}" for value in row.values())])
        plot.draw([path], self.out / "log.svg")
        print(self.step, " ".join(f"{k} {v:.4f}" for k, v in row.items()), flush=True)
