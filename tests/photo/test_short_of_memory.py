"""Too little memory for a decoder: it is said, and no whole file is called damaged or too large."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from restorecli.photo import Photo
from tests.support.photo_samples import saved

pytest.importorskip("resource", reason="limits of a process are POSIX")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")

DECODE = """
import os, resource, sys
from pathlib import Path
from restorecli import host
from restorecli.errors import RestoreError
from restorecli.photo import Photo

def end(path):
    try:
        Photo.read(path)
    except RestoreError as error:
        return f"{type(error).__name__} {error.exit_code} {error}"
    return "read"

paths = [Path(name) for name in sys.argv[1:]]
assert [end(path) for path in paths] == ["read"] * len(paths)  # and every library is loaded
host.give_back()
for path in paths:
    for room in (0, 1, 2, 4, 8, 32):
        sys.stdout.flush()
        child = os.fork()
        if not child:
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + room * 2**20,) * 2)
            print(path.name, end(path), flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, (path, room)
"""


def test_a_decoder_without_memory_ends_with_code_4(tmp_path: Path) -> None:
    import cv2
    import numpy as np
    from PIL import Image

    ramp = (np.arange(600 * 800 * 3, dtype=np.uint32) >> 6).reshape(600, 800, 3)
    picture = Image.fromarray(ramp.astype(np.uint8))
    names = ["photo.heic"]
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "JPEG2000", "TGA", "PPM"):
        names.append(f"photo.{kind.lower()}")
        (tmp_path / names[-1]).write_bytes(saved(picture, kind))
    (tmp_path / "photo.heic").write_bytes(Photo(pixels=np.asarray(picture)).encode("heic"))
    for name in ("deep.png", "deep.tiff"):
        names.append(name)
        assert cv2.imwrite(str(tmp_path / name), ramp.astype(np.uint16))
    command = [sys.executable, "-c", DECODE, *names]
    tight = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}  # nothing kept back
    environment = os.environ | tight
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert len(lines) == 6 * len(names)
    for line in lines:
        name, end = line.split(" ", 1)
        told = f"DeviceError 4 {name}: not enough memory to decode it ("
        assert end == "read" or end.startswith(told), line
    assert any(" read" in line for line in lines)
    assert {line.split()[0] for line in lines if "DeviceError" in line} == set(names)
