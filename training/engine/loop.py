"""The one training loop: batches by step number, EMA, cosine, checkpoints, a CSV and its plot.

A task brings the network, the loss of a step and a validation score; the loop brings everything
else. All randomness of a step comes from (recipe seed, sample index), so a run that was stopped
goes on with the batches it would have had; not so where workers make the samples.
"""

import copy
import csv
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from restorecli import weights
from training.engine import plot
from training.engine.captured import CapturedStep
from training.engine.distributed import ProcessGroup
from training.engine.feed import Batch, Feed, Symmetry
from training.engine.optimizer import Optimizer
from training.engine.recipe import Phase, Recipe

MOST_SKIPPED = 20  # steps of a call of `Run.go` that may be not finite
AHEAD = 200  # steps before a phase begins from which workers make its samples


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


@runtime_checkable
class StreamedTask(Task, Protocol):
    """A task whose samples can be made apart from the network: `losses` is `losses_on(batch)`."""

    @property
    def symmetries(self) -> frozenset[Symmetry]:
        """What may be done to samples."""
        ...

    def batch(self, seeds: Tensor, phase: Phase) -> Batch:
        """Samples, rows of tensors: as many rows of each, in proportion to the seeds."""
        ...

    def losses_on(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Weighted loss terms; on a GPU without a word to the host, which a graph may not hold."""
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

    def go(self, *, minutes: float = math.inf, every: int = 500, feed: Feed | None = None) -> bool:
        """Train until the recipe's end or for some minutes; True at the end.

        Args:
            minutes: Wall-clock bound of this call; a checkpoint is written when it is reached.
            every: Steps between validations, exports and checkpoints.
            feed: Where the batches of a `StreamedTask` come from, in place of `losses`; on a GPU
                a step is then a CUDA graph.

        Raises:
            FloatingPointError: More than `MOST_SKIPPED` steps were not finite.
            ValueError: A feed, but several processes share the run.
        """
        if feed is not None and self.processes.size > 1:
            raise ValueError("workers feed a run of one process, not of several")
        with denormals_flushed():
            self._go(minutes, every, self._streamed(feed) if feed else self._one_step)
        return self.step >= self.recipe.steps

    def _go(self, minutes: float, every: int, one_step: Callable[[], dict[str, Tensor]]) -> None:
        start = last = time.monotonic()
        sums, first = dict[str, float | Tensor](), self.step
        while self.step < self.recipe.steps:
            for name, value in one_step().items():
                sums[name] = sums.get(name, 0.0) + value.double()
            self.step += 1
            late = self.processes.any_rank(time.monotonic() - start > minutes * 60)
            if self.step % every == 0 or self.step == self.recipe.steps or late:
                if self.processes.rank == 0:
                    count = self.step - first
                    means = {name: float(value) / count for name, value in sums.items()}
                    seconds = (time.monotonic() - last) / count
                    self._report({**means, **self.task.score(self.average), "seconds": seconds})
                    self.save()
                sums, first, last = {}, self.step, time.monotonic()
            if late:
                break

    def export(self) -> None:
        """Write weights files: the averaged network, or its part `shipped`, or each of `parts`."""
        shipped = getattr(self.average, "shipped", self.average)
        parts = getattr(self.average, "parts", {self.recipe.network: shipped})
        for name, part in parts.items():
            weights.save(part, name, self.out / f"{name}.safetensors", self.recipe.as_dict())

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
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._low):
            losses = self.task.losses(self.network, seeds, phase)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        self.processes.average_gradients(self.network)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        if not norm.isfinite():  # one broken batch must not cost the run
            self._skip(seeds)
            return {}
        self.optimizer.step(learning_rate(self.recipe, self.step))
        share = self._share
        with torch.no_grad():
            for mean, value in zip(
                self.average.parameters(), self.network.parameters(), strict=True
            ):
                mean.lerp_(value, share)
        return {name: value.detach() for name, value in losses.items()}

    def _streamed(self, feed: Feed) -> Callable[[], dict[str, Tensor]]:
        """A step on a batch of a feed, on the device from end to end."""
        task = self.task
        assert isinstance(task, StreamedTask)
        phases = self.recipe.phases
        captured = CapturedStep(
            self.network, self.average, self.optimizer, task.losses_on, low=self._low
        )

        def step() -> dict[str, Tensor]:
            number = phases.index(self.recipe.phase(self.step))
            batch = feed.take(number)
            feed.want(min(number + 1, phases.index(self.recipe.phase(self.step + AHEAD))))
            terms = captured(batch, learning_rate(self.recipe, self.step), self._share)
            if self.step % MOST_SKIPPED == 0 and captured.skipped > MOST_SKIPPED:
                raise FloatingPointError(f"{captured.skipped} steps were not finite")
            return terms

        return step

    @property
    def _low(self) -> bool:
        return self.recipe.precision == "bf16"

    @property
    def _share(self) -> float:
        """Of the new weights in the average."""
        return 1 - min(self.recipe.ema, (1 + self.step) / (10 + self.step))

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
