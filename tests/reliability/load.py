"""Many small photos in one run with the shipped weights: memory and open files on the way.

    python -m tests.reliability.load FOLDER COUNT STEP

makes the photos, of every format and of sizes that vary, restores them as the command does, and
prints a line of JSON after each STEP photos.
"""

import contextlib
import json
import os
import random
import sys
import threading
import time
from pathlib import Path

from PIL import Image

from restorecli.batch import local, plan
from restorecli.options import Options, RunOptions, SaveOptions
from restorecli.pipeline import Restorer
from tests.support.photo_samples import noise

SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".bmp", ".avif", ".gif")


def made(folder: Path, count: int) -> None:
    """Write small photos, hundreds to a folder, a few of them damaged."""
    chance = random.Random(5)
    for index in range(count):
        path = folder / f"{index // 500}" / f"{index:05d}{SUFFIXES[index % len(SUFFIXES)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (chance.randrange(24, 49), chance.randrange(24, 49))
        Image.fromarray(noise(*size, seed=index)).save(path)
        if index % 50 == 49:
            path.write_bytes(path.read_bytes()[:40])


def open_files(folder: Path) -> int:
    """Files that are open, but for photos, of which one or two are read or written at any time."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            count += not link.readlink().is_relative_to(folder)
    return count


def measured(folder: Path, done: int, failed: int, began: float) -> str:
    """Resident bytes, open files and threads of this process, as a line of JSON."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    facts = {
        "done": done,
        "failed": failed,
        "resident": pages * os.sysconf("SC_PAGE_SIZE"),
        "files": open_files(folder),
        "threads": threading.active_count(),
        "seconds": round(time.perf_counter() - began, 1),
    }
    return json.dumps(facts) + "\n"


def run(folder: Path, count: int, step: int) -> None:
    """Restore them all."""
    made(folder / "in", count)
    work = plan.make([str(folder / "in")], folder / "out")
    restorer, failed, began = Restorer.load(device="cpu"), 0, time.perf_counter()
    outcomes = local.restore_tasks(
        work.tasks, restorer, Options(scale=1), SaveOptions(), RunOptions()
    )
    for done, outcome in enumerate(outcomes, start=1):
        failed += outcome.status == "failed"
        if done % step == 0:
            sys.stdout.write(measured(folder, done, failed, began))
            sys.stdout.flush()


if __name__ == "__main__":
    run(Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3]))
