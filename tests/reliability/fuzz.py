"""Mutated photos through reading, a restorer that computes nothing, and writing.

    python -m tests.reliability.fuzz COUNT SEED FOLDER [strict]

Each file ends in a whole photo or in a `RestoreError` of one line, and leaves nothing else behind.
A file that takes more than ten seconds of computing, or two minutes by the clock, ends the process
with a traceback of every thread; so does anything else that escapes. It is FOLDER/in.bin then.
Pillow's warnings are silenced as the command does it; with `strict` the process's filters count.

A line of JSON at the end says how many were read and refused, the longest time of computing and
the peak of memory.
"""

import json
import random
import resource
import sys
import time
from collections import Counter
from pathlib import Path

from restorecli.cli.process import silence_pillow
from restorecli.errors import PhotoReadError, PhotoTooLargeError, PhotoWriteError
from restorecli.options import Options
from restorecli.photo import Photo
from restorecli.photo.formats import FORMATS
from tests.reliability.watchdog import watched
from tests.support.fake_restorer import FakeRestorer
from tests.support.mutated_photos import mutated, seeds

MEGAPIXELS = 4.0  # what a file may say it has; more takes memory and time, but is no fault
ANSWERS = (PhotoReadError, PhotoTooLargeError, PhotoWriteError)


def one(source: Path, target: Path) -> str:
    """Read, restore and write one file; say how it ended."""
    try:
        photo = Photo.read(source, max_megapixels=MEGAPIXELS)
        result = FakeRestorer().restore(photo, Options(scale=1)).photo
        result.write(target)
    except ANSWERS as error:
        message = str(error)
        assert message.count("\n") == 0, message
        assert message.startswith(str(source)) or message.startswith(str(target)), message
        assert not target.exists(), "an output was left behind"
        return type(error).__name__
    assert target.stat().st_size > 0
    target.unlink()
    return "read"


def fuzz(count: int, seed: int, folder: Path) -> None:
    """Try `count` files, in turn from every seed, each with a generator of its own."""
    whole, formats = seeds(), sorted(FORMATS)
    ends: Counter[str] = Counter()
    longest = 0.0
    source = folder / "in.bin"
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        source.write_bytes(mutated(whole[number % len(whole)], chance))
        target = folder / f"out.{chance.choice(formats)}"
        began = time.process_time()
        with watched():
            ends[one(source, target)] += 1
        longest = max(longest, time.process_time() - began)
        left = [path.name for path in folder.iterdir()]
        assert left == ["in.bin"], left
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    facts = {"seeds": len(whole), "longest_seconds": round(longest, 3), "peak_megabytes": peak}
    sys.stdout.write(json.dumps(dict(ends) | facts) + "\n")


if __name__ == "__main__":
    if "strict" not in sys.argv[4:]:
        silence_pillow()
    fuzz(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
