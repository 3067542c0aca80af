"""Samples that processes beside the training make, and the ring they wait in.

On a GPU a step is over long before one CPU thread has made its samples. Here workers make chunks of
them, which go through files of a temporary folder into a ring on the training device; a batch is
drawn from the ring at random and mirrored, so a sample is seen a few times, each time in other
company. Which batches a run has depends on how fast the workers are.
"""

import concurrent.futures as futures
import enum
import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from training.engine.recipe import Phase

Batch = dict[str, Tensor]
Make = Callable[[Tensor, Phase], Batch]

CHUNK = 24  # seeds that a worker makes samples of at once
CHUNKS_AHEAD = 3  # of each worker, being made or waiting
DRAINED = 8  # chunks that go into the ring before one batch
LEAST_BATCHES = 8  # in the ring before the first is drawn
MOST_SEEN = 4.0  # times that a sample is drawn, in the mean
RING_SHARE = 10  # a GPU's memory over that of the samples of one phase
RING_ON_CPU = 2**29  # bytes, likewise


class Symmetry(enum.Enum):
    """What may be done to a picture that stays as true as it was.

    Mirrored left to right, upside down, rows and columns exchanged.
    """

    ACROSS = enum.auto()
    DOWN = enum.auto()
    TURNED = enum.auto()


MIRROR = frozenset({Symmetry.ACROSS})
FLIPS = MIRROR | {Symmetry.DOWN}
TURNS = FLIPS | {Symmetry.TURNED}


class Feed:
    """Batches for a run, from `workers` processes; a context manager that ends them.

    Args:
        open_make: Called once in each worker, so it must be picklable; what it gives makes the
            samples of some seeds, rows of tensors. Floats travel as float16.
        phases: Of the recipe.
        device: Where batches are wanted.
        workers: Processes.
        seed: Of the samples; a run that goes on should name another.
        symmetries: What may be done to a batch, each to every other one.
    """

    def __init__(
        self,
        open_make: Callable[[], Make],
        phases: Sequence[Phase],
        device: torch.device,
        *,
        workers: int,
        seed: Sequence[int],
        symmetries: frozenset[Symmetry] = FLIPS,
    ) -> None:
        self._phases, self._device, self._symmetries = phases, device, symmetries
        self._random = np.random.default_rng(seed)
        self._folder = Path(tempfile.mkdtemp(prefix="samples-"))
        self._pool = futures.ProcessPoolExecutor(
            workers,
            multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(open_make, self._folder),
        )
        self._ahead = workers * CHUNKS_AHEAD
        self._pending: list[futures.Future[tuple[int, Path]]] = []
        self._rings: dict[int, _Ring] = {}
        self._taken = self._wanted = 0  # numbers of phases

    def __enter__(self) -> "Feed":
        """The feed itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the workers and remove what they left."""
        self._pool.shutdown(cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def want(self, phase: int) -> None:
        """Have the workers make the samples of a phase, by its number, from now on."""
        self._wanted = max(self._wanted, phase)

    def take(self, phase: int) -> Batch:
        """A batch of a phase, float32; earlier phases' samples are given up.

        Waits where too few samples are there, or all have been seen `MOST_SEEN` times.

        Raises:
            Exception: What a worker raised, with its traceback.
            BrokenProcessPool: A worker was killed.
        """
        self.want(phase)
        self._taken = phase
        for early in [number for number in self._rings if number < phase]:
            del self._rings[early]
        self._drain()
        while not self._ready(phase):
            futures.wait(self._pending, return_when=futures.FIRST_COMPLETED)
            self._drain()
        ring = self._rings[phase]
        return self._mirrored(ring.draw(self._phases[phase].batch * ring.rows // CHUNK))

    def _ready(self, phase: int) -> bool:
        if (ring := self._rings.get(phase)) is None:
            return False
        count = self._phases[phase].batch * ring.rows // CHUNK
        return ring.ready(count, more=self._wanted == phase)

    def _drain(self) -> None:
        """Move finished chunks into the rings, and have as many begun."""
        done = [future for future in self._pending if future.done()][:DRAINED]
        for future in done:
            phase, path = future.result()
            self._pending.remove(future)
            if phase >= self._taken:
                chunk: Batch = torch.load(path, mmap=True, weights_only=True)
                if phase not in self._rings:
                    self._rings[phase] = _Ring(chunk, self._device)
                self._rings[phase].put(chunk)
            path.unlink()
        while len(self._pending) < self._ahead:
            seeds = self._random.integers(0, 2**31, CHUNK).tolist()
            phase = self._wanted
            self._pending.append(self._pool.submit(_chunk, phase, self._phases[phase], seeds))

    def _mirrored(self, batch: Batch) -> Batch:
        done = {
            symmetry
            for symmetry, chosen in zip(Symmetry, torch.rand(len(Symmetry)).lt(0.5), strict=True)
            if chosen and symmetry in self._symmetries
        }

        def change(values: Tensor) -> Tensor:
            if values.ndim < 4:
                return values
            values = values.flip(3) if Symmetry.ACROSS in done else values
            values = values.flip(2) if Symmetry.DOWN in done else values
            values = values.mT if Symmetry.TURNED in done else values
            return values.contiguous(memory_format=torch.channels_last)

        return {name: change(values) for name, values in batch.items()}


class _Ring:
    """The newest samples of a phase, on the training device.

    Attributes:
        rows: Of a chunk.
        made: Rows that were put in.
    """

    def __init__(self, chunk: Batch, device: torch.device) -> None:
        self.rows = len(next(iter(chunk.values())))
        self.made = self._drawn = 0
        chunk_bytes = sum(values.nbytes for values in chunk.values())
        self._capacity = max(1, _ring_bytes(device) // chunk_bytes) * self.rows
        self._values = {
            name: torch.empty(self._capacity, *values.shape[1:], dtype=values.dtype, device=device)
            for name, values in chunk.items()
        }
        self._side = (
            torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            if device.type == "cuda"
            else None
        )

    def ready(self, count: int, *, more: bool) -> bool:
        """Whether a batch of so many rows can be drawn; `more` says that samples still come."""
        fresh = self._drawn + count <= MOST_SEEN * self.made or not more
        return fresh and self.made >= min(LEAST_BATCHES * count, self._capacity)

    def put(self, chunk: Batch) -> None:
        """Take a chunk in, in place of the oldest."""
        place = self.made % self._capacity
        for name, values in self._moved(chunk):
            self._values[name][place : place + self.rows] = values
        self.made += self.rows

    def draw(self, count: int) -> Batch:
        """Rows at random, floats as float32."""
        self._drawn += count
        device = next(iter(self._values.values())).device
        rows = torch.randint(min(self.made, self._capacity), (count,), device=device)
        return {
            name: values[rows].float() if values.is_floating_point() else values[rows]
            for name, values in self._values.items()
        }

    def _moved(self, chunk: Batch) -> Iterator[tuple[str, Tensor]]:
        """Copy to the device beside its work, not behind it."""
        if self._side is None:
            yield from chunk.items()
            return
        for name, values in chunk.items():
            with torch.cuda.stream(self._side):
                there = values.to(self._side.device)
            torch.cuda.current_stream().wait_stream(self._side)
            there.record_stream(torch.cuda.current_stream())
            yield name, there


def _ring_bytes(device: torch.device) -> int:
    if device.type != "cuda":
        return RING_ON_CPU
    _, total = torch.cuda.mem_get_info(device)
    return int(total // RING_SHARE)


_worker: tuple[Callable[[], Make], Path]
_make: Make | None = None


def _begin(open_make: Callable[[], Make], folder: Path) -> None:
    """Set a worker up; it ends with its parent, however that ends."""
    global _worker
    _worker = open_make, folder
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    shutil.rmtree(_worker[1], ignore_errors=True)
    os._exit(1)


def _chunk(number: int, phase: Phase, seeds: list[int]) -> tuple[int, Path]:
    """In a worker: make samples and leave them in a file."""
    global _make
    open_make, folder = _worker
    if _make is None:
        _make = open_make()
    with torch.no_grad():
        made = _make(torch.tensor(seeds), phase)
    handle, name = tempfile.mkstemp(suffix=".pt", dir=folder)
    os.close(handle)
    narrow = {
        key: (values.half() if values.is_floating_point() else values).contiguous()
        for key, values in made.items()
    }
    torch.save(narrow, name)
    return number, Path(name)
