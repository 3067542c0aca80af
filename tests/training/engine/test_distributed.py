"""Processes that share a run: their steps are those of one process."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from training.engine.distributed import ProcessGroup

SCRIPT = '''
import sys
from pathlib import Path
import torch
from torch import nn
from training.engine.loop import Run
from training.engine.recipe import Phase, Recipe

class Fit:
    """A line through noisy points; the loss is a mean over the samples."""

    def __init__(self):
        torch.manual_seed(0)
        self.network = nn.Conv2d(1, 1, 1)

    def losses(self, network, seeds, phase):
        x = (seeds % 7).float().view(-1, 1, 1, 1) / 7
        return {"square": ((network(x) - 3 * x + 1) ** 2).mean()}

    def score(self, network):
        return {"weight": float(network.weight)}

class Kept(Run):
    def export(self):
        return self.out

recipe = Recipe(network="fit", steps=9, warmup=1, precision="fp32", learning_rate=0.1,
                phases=(Phase(until=1.0, size=8, batch=6),))
run = Kept(Fit(), recipe, Path(sys.argv[1]), torch.device("cpu"))
run.go(every=4, minutes=float(sys.argv[2]))
print("rank", run.processes.rank, "step", run.step)
'''


def train(folder: Path, *, processes: int, minutes: str = "inf") -> tuple[str, dict[str, Any]]:
    script = folder.with_suffix(".py")
    script.write_text(SCRIPT, "utf-8")
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [
        sys.executable,
        *(launcher if processes > 1 else []),
        str(script),
        str(folder),
        minutes,
    ]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, torch.load(folder / "checkpoint.pt", weights_only=True)


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    _, alone = train(tmp_path / "one", processes=1)
    spoken, together = train(tmp_path / "two", processes=2)
    assert "rank 0 step 9" in spoken
    assert "rank 1 step 9" in spoken
    assert spoken.count("square") == 3  # only the first reports: at steps 4, 8 and 9
    for name, value in alone["network"].items():
        torch.testing.assert_close(together["network"][name], value, atol=1e-5, rtol=0)
    stopped, _ = train(tmp_path / "short", processes=2, minutes="0")
    assert "rank 0 step 1" in stopped
    assert "rank 1 step 1" in stopped


def test_one_process_is_a_crew_of_one() -> None:
    processes = ProcessGroup()
    seeds = torch.arange(5)
    assert (processes.rank, processes.size) == (0, 1)
    assert torch.equal(processes.share(seeds), seeds)
    assert processes.any_rank(True)
    assert not processes.any_rank(False)


def test_a_batch_that_does_not_divide() -> None:
    processes = ProcessGroup()
    processes.size, processes.rank = 2, 1
    assert processes.share(torch.arange(4)).tolist() == [1, 3]
    with pytest.raises(ValueError, match="a batch of 5 does not divide by 2"):
        processes.share(torch.arange(5))
