"""What the command tells glibc about memory."""

import os
import platform
import subprocess
import sys

import pytest

THRESHOLD = "MALLOC_MMAP_THRESHOLD_"
FAULTS = """
import resource
from restorecli.cli.process import keep_memory

keep_memory()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    size = 2**26
    b"x" * size
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have no mallopt")
@pytest.mark.parametrize(("own", "reused"), [({}, True), ({THRESHOLD: "65536"}, False)])
def test_memory_of_a_tensor_serves_the_next(own: dict[str, str], reused: bool) -> None:
    """64 MiB anew are 16,384 pages to be zeroed; a threshold that the user has set stays."""
    inherited = {name: value for name, value in os.environ.items() if name != THRESHOLD}
    ended = subprocess.run(
        [sys.executable, "-c", FAULTS],
        env=inherited | own,
        check=True,
        capture_output=True,
        text=True,
    )
    assert (int(ended.stdout) < 1000) == reused
