"""Workers make samples, the ring keeps the newest; what goes wrong in a worker is said."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.engine import feed as feeds
from training.engine.feed import (
    CHUNK,
    FLIPS,
    MIRROR,
    TURNS,
    Batch,
    Feed,
    Make,
    Symmetry,
    _Ring,
)
from training.engine.recipe import Phase

CPU = torch.device("cpu")
PHASES = (Phase(until=0.5, size=4, batch=8), Phase(until=1, size=6, batch=4))
ROOT = Path(__file__).parents[3]


def halves(seeds: Tensor, phase: Phase) -> Batch:
    """Half as many rows as seeds; each column of a picture has its own value."""
    columns = torch.linspace(0, 1, phase.size).expand(len(seeds) // 2, 3, phase.size, -1)
    return {"image": columns, "seeds": seeds[::2]}


def broken(seeds: Tensor, phase: Phase) -> Batch:
    raise LookupError("no photo has 40 pixels")


def killed(seeds: Tensor, phase: Phase) -> Batch:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def opened(make: Make) -> Make:
    return make


def feed(make: Make) -> Feed:
    return Feed(partial(opened, make), PHASES, CPU, workers=1, seed=(1,))


def test_batches_come_from_workers_phase_after_phase() -> None:
    with feed(halves) as begun:
        first = begun.take(0)
        assert first["image"].shape == (4, 3, 4, 4)
        assert first["image"].dtype == torch.float32
        assert first["seeds"].dtype == torch.int64
        mirrored = [bool(begun.take(0)["image"][0, 0, 0, 0] > 0.5) for _ in range(30)]
        assert len(set(mirrored)) == 2
        begun.want(1)
        assert begun.take(0)["image"].shape == (4, 3, 4, 4)
        assert begun.take(1)["image"].shape == (2, 3, 6, 6)
        begun.want(0)
        assert begun.take(1)["image"].shape == (2, 3, 6, 6)
        folder = begun._folder
        assert folder.exists()
    assert not folder.exists()


def test_what_a_worker_raises_is_raised_here() -> None:
    with feed(broken) as begun, pytest.raises(LookupError, match="40 pixels"):
        begun.take(0)
    assert not begun._folder.exists()


def test_a_killed_worker_ends_the_run() -> None:
    with feed(killed) as begun, pytest.raises(BrokenProcessPool):
        begun.take(0)


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks into /proc")
def test_workers_end_with_a_killed_parent() -> None:
    script = (
        "import os, signal\n"
        "from tests.training.engine.test_feed import feed, halves\n"
        "if __name__ == '__main__':\n"
        "    begun = feed(halves)\n"
        "    begun.take(0)\n"
        "    print(*begun._pool._processes, begun._folder, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert result.returncode == -signal.SIGKILL, result.stderr
    worker, folder = result.stdout.split()
    deadline = time.monotonic() + 30
    while Path(folder).exists() or Path("/proc", worker).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ring(monkeypatch: pytest.MonkeyPatch, chunks: int) -> _Ring:
    """A ring that holds so many chunks."""
    chunk = {"number": torch.zeros(CHUNK, dtype=torch.int64)}
    monkeypatch.setattr(feeds, "RING_ON_CPU", chunks * chunk["number"].nbytes)
    return _Ring(chunk, CPU)


def test_a_ring_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ring(monkeypatch, 3)
    for number in range(5):
        kept.put({"number": torch.full((CHUNK,), number)})
    assert set(kept.draw(500)["number"].tolist()) == {2, 3, 4}


def test_a_ring_waits_for_samples_that_were_not_seen_too_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = ring(monkeypatch, 8)
    assert not kept.ready(6, more=True)
    for _ in range(2):
        kept.put({"number": torch.zeros(CHUNK, dtype=torch.int64)})
    assert kept.ready(6, more=True)
    assert not kept.ready(7, more=True)
    drawn = int(feeds.MOST_SEEN * kept.made)
    kept.draw(drawn)
    assert not kept.ready(6, more=True)
    assert kept.ready(6, more=False)
    assert kept.ready(0, more=True)


@pytest.mark.parametrize("symmetries", [frozenset(), MIRROR, FLIPS, TURNS])
def test_nothing_is_done_to_a_batch_but_what_may_be(symmetries: frozenset[Symmetry]) -> None:
    image = torch.arange(4.0).reshape(1, 1, 2, 2)
    batch = {"image": image, "seeds": torch.arange(4)}
    still = Feed.__new__(Feed)
    still._symmetries = symmetries
    views = {
        tuple(view.flatten().tolist())
        for across in ([False, True] if Symmetry.ACROSS in symmetries else [False])
        for down in ([False, True] if Symmetry.DOWN in symmetries else [False])
        for turned in ([False, True] if Symmetry.TURNED in symmetries else [False])
        for view in [image.flip(3) if across else image]
        for view in [view.flip(2) if down else view]
        for view in [view.mT if turned else view]
    }
    changed = [still._mirrored(batch) for _ in range(120)]
    assert {tuple(one["image"].flatten().tolist()) for one in changed} == views
    assert all(torch.equal(one["seeds"], batch["seeds"]) for one in changed)
