"""Memory: what a photo takes on the way through the shipped networks, and that it stays bounded."""

import subprocess
import sys

import pytest

MEASURE = """
import resource, sys
import numpy as np
from restorecli.cli.process import keep_memory
from restorecli.options import Options
from restorecli.photo import Metadata, Photo
from restorecli.pipeline import Restorer

keep_memory()  # as the command does
side = int(sys.argv[1])
row = (np.arange(side) * 7 % 256).astype(np.uint8)
pixels = np.repeat((row[:, None] // 2 + row[None] // 2)[..., None], 3, 2)
pixels[..., 1] //= 2
photo = Photo(pixels=pixels, alpha=None, metadata=Metadata(), name="made.png")
Restorer.load(device="cpu").restore(photo, Options(scale=1))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
GIB = 2**30


def peak_bytes(side: int) -> int:
    """Peak resident memory of a process that restores a square photo at scale 1."""
    command = [sys.executable, "-c", MEASURE, str(side)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
def test_a_hundred_megapixels_would_fit_into_two_gibibytes() -> None:
    """The peak is a straight line over the megapixels, drawn through 4 and 16 of them."""
    small, large = peak_bytes(2000), peak_bytes(4000)
    slope = (large - small) / 12e6  # bytes a pixel
    assert small + slope * 96e6 < 2 * GIB, f"{small / GIB:.2f} GiB, {slope:.1f} bytes a pixel"
