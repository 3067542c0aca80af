"""A batch that is killed at random moments and taken up again: what is there after each.

    python -m tests.reliability.killed FOLDER COUNT SEED

runs `restore batch FOLDER/in -o FOLDER/out` in children forked from here, so that PyTorch is
loaded once. A moment is a call of some function: of any thread, or, for every other kill, of the
threads that write. A line of JSON a kill goes to standard output.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from PIL import Image

from restorecli.cli import main
from tests.reliability.commands import SMALL, tree, use_tiny_networks


class Moment:
    """Counts the calls of all threads, and kills the process at the one that was chosen."""

    def __init__(self, *, calls: int = -1, writing: int = -1) -> None:
        self.left = [calls, writing]
        self.seen = [0, 0]

    def __call__(self, _frame: FrameType, event: str, _argument: object) -> None:
        if event not in ("call", "c_call"):
            return
        writes = threading.current_thread().name.startswith("write")
        for which in (0, 1) if writes else (0,):
            self.seen[which] += 1
            if self.seen[which] == self.left[which]:
                os.kill(os.getpid(), signal.SIGKILL)


def batch(folder: Path, out: str, *words: str) -> int:
    """Run the batch in this process, without a word on standard output."""
    place = ["batch", str(folder / "in"), "-o", str(folder / out), "--jobs", "2", "--quiet"]
    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
        return main([*place, *SMALL, *words])


def run(folder: Path, moment: Moment | None, *words: str) -> tuple[int, list[int]]:
    """Run the batch in a child; give its wait status, and how many calls there were."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if moment is not None:
            threading.setprofile(moment)
            sys.setprofile(moment)
        code = batch(folder, "out", *words)
        sys.setprofile(None)
        os.write(writing, json.dumps(moment.seen if moment else [0, 0]).encode())
        os._exit(code)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as answer:
        return status, json.loads(answer.read() or b"[0, 0]")


def whole(folder: Path) -> bool:
    """Whether every photo that has its name decodes to the end."""
    for path in folder.rglob("*.png"):
        with Image.open(path) as image:
            image.load()
    return True


def killed(folder: Path, count: int, seed: int) -> None:
    """Kill the batch `count` times, each time from the start, and take it up again."""
    out, chance = folder / "out", random.Random(seed)
    batch(folder, "warm")  # whatever is imported late is imported now, not in each child
    status, (calls, writing) = run(folder, Moment())
    assert status == 0, status
    expected = tree(out)
    for number in range(count):
        shutil.rmtree(out)
        share = chance.random() * 0.9
        moment = (
            Moment(writing=1 + int(share * writing))
            if number % 2
            else Moment(calls=1 + int(share * calls))
        )
        status, _ = run(folder, moment, "--overwrite")
        left = tree(out) if out.exists() else {}
        done = {name for name in left if expected.get(name) == left[name]}
        again, _ = run(folder, None, "--skip-existing")
        facts = {
            "signal": os.WTERMSIG(status),
            "done": len(done),
            "unfinished": sum(Path(name).name.startswith(".") for name in left),
            "whole": all(name in done or Path(name).name.startswith(".") for name in left)
            and whole(out),
            "code": os.WEXITSTATUS(again),
            "equal": tree(out) == expected,
        }
        sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    use_tiny_networks()
    killed(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
