"""How long photos of several sizes take, by stage, beside classical filters, on this machine.

Each photo is restored as a user does it, by the command in a process of its own, so what is
measured includes what starting up costs and what reading and writing hold in memory. The unit is
one 3×3 convolution of 64 channels, which compares machines and networks better than seconds do.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from restorecli import weights
from restorecli.bench.baselines import BASELINES
from restorecli.bench.table import align
from restorecli.errors import DeviceError
from restorecli.options import RunOptions
from restorecli.photo import Photo
from restorecli.tiling.strips import bands

SIZES = ((512, 512), (1152, 1728), (3000, 4000), (5000, 7000))  # height, width: 0.26 to 35 Mpx
ENLARGED = 2_000_000  # pixels up to which x2 is timed as well
REPEATED = 2_000_000  # pixels up to which the median of several runs is taken
RUNS = 3
FILTERED = 2_000_000  # pixels up to which the classical filters are timed
UNIT_SIDE = 512
PERIOD, ANGLE, CONTRAST = 6.5, 0.4, 0.3  # of the lines that the photo is made of: px, radians


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What one photo took.

    Attributes:
        method: `"restore"`, or a filter of `baselines`.
        height: In pixels.
        width: In pixels.
        scale: Of the result.
        seconds: Of computing, without reading and writing.
        wall: Of the whole command; None for filters, which are no commands.
        units: `seconds` over that of the unit on as many pixels.
        peak_bytes: Most memory that the command held; None where the system does not say.
        stage_seconds: As in the JSON record.
    """

    method: str
    height: int
    width: int
    scale: int
    seconds: float
    wall: float | None
    units: float
    peak_bytes: int | None
    stage_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def megapixels(self) -> float:
        """Of the photo."""
        return self.height * self.width / 1e6


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the times hold for.

    Attributes:
        processor: Its name.
        threads: That PyTorch computes with.
        device: Of the networks.
        precision: Likewise.
        torch: Version.
        weights: Hash of the set.
        unit_seconds: Of the unit at 512×512.
    """

    processor: str
    threads: int
    device: str
    precision: str
    torch: str
    weights: str
    unit_seconds: float


def measure_speed(
    run: RunOptions, *, sizes: int | None = None, tell: Callable[[str], None] = lambda _: None
) -> tuple[Machine, tuple[Speed, ...]]:
    """Time the command and the classical filters.

    Args:
        run: Its device and precision count.
        sizes: So many of `SIZES`, from the smallest; None takes all, the last of which takes
            minutes.
        tell: Called with what is timed next.

    Raises:
        DeviceError: A restoration failed; the message is the command's.
    """
    unit = _unit_seconds()
    speeds: list[Speed] = []
    chosen = SIZES[:sizes]
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for height, width in chosen:
            picture = Path(folder) / f"{width}x{height}.png"
            photo = striped(height, width)
            photo.write(picture)
            for scale in (1, 2) if height * width <= ENLARGED else (1,):
                tell(f"{width}×{height} at x{scale}")
                speed, record = _restored(picture, height, width, scale, run, unit)
                speeds.append(speed)
            if height * width <= FILTERED:
                tell(f"{width}×{height}, classical filters")
                speeds += _filtered(photo, unit)
    unit = (unit + _unit_seconds()) / 2
    machine = Machine(
        processor=processor_name(),
        threads=torch.get_num_threads(),
        device=record["device"],
        precision=record["precision"],
        torch=torch.__version__,
        weights=weights.set_hash(),
        unit_seconds=unit,
    )
    return machine, tuple(speeds)


def to_text(machine: Machine, speeds: Sequence[Speed]) -> str:
    """A table for people."""
    head = ["", "Mpx", "scale", "s", "s/Mpx", "units", "whole command", "peak memory"]
    lines = [
        [
            speed.method,
            f"{speed.megapixels:.2f}",
            f"x{speed.scale}",
            f"{speed.seconds:.2f}",
            f"{speed.seconds / speed.megapixels:.2f}",
            f"{speed.units:.1f}",
            "" if speed.wall is None else f"{speed.wall:.2f} s",
            "" if speed.peak_bytes is None else f"{speed.peak_bytes / 2**20:.0f} MiB",
        ]
        for speed in speeds
    ]
    ours = [speed for speed in speeds if speed.stage_seconds]
    stages = list(dict.fromkeys(stage for speed in ours for stage in speed.stage_seconds))
    by_stage = [["seconds by stage", "Mpx", "scale", *stages]]
    by_stage += [
        [
            speed.method,
            f"{speed.megapixels:.2f}",
            f"x{speed.scale}",
            *(f"{speed.stage_seconds.get(stage, 0):.2f}" for stage in stages),
        ]
        for speed in ours
    ]
    notes = (
        f"{machine.processor}, {machine.threads} threads, {machine.device}, {machine.precision}, "
        f"torch {machine.torch}, weights {machine.weights}\n"
        f"unit: a 3×3 convolution of 64 channels over as many pixels, "
        f"{machine.unit_seconds:.3f} s at 512×512 in float32"
    )
    return "\n\n".join([align([head, *lines]), align(by_stage), notes]) + "\n"


def to_json(machine: Machine, speeds: Sequence[Speed]) -> str:
    """The same for programs."""
    rows = [{**asdict(speed), "megapixels": speed.megapixels} for speed in speeds]
    return json.dumps({"machine": asdict(machine), "speeds": rows}) + "\n"


def striped(height: int, width: int) -> Photo:
    """A smooth picture under lines that are plain to see, equal on every machine.

    It is made in strips: what this process has held is counted as its child's memory, too.
    """
    pixels = np.empty((height, width, 3), np.uint8)
    tints = np.array([1.0, 0.9, 0.8], np.float32)
    for top, bottom in bands(height, width):
        y, x = np.mgrid[top:bottom, :width].astype(np.float32)
        smooth = 0.5 + 0.2 * np.sin(x / 97) * np.cos(y / 131)
        waves = np.sin(2 * np.pi / PERIOD * (x * np.cos(ANGLE) + y * np.sin(ANGLE)))
        grey = np.clip(smooth + CONTRAST * waves, 0, 1)
        pixels[top:bottom] = np.rint(grey[..., None] * tints * 255)
    return Photo(pixels=pixels)


def processor_name() -> str:
    """The processor as the system calls it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return name.group(1) if name else platform.processor() or platform.machine()


def _restored(
    picture: Path, height: int, width: int, scale: int, run: RunOptions, unit: float
) -> tuple[Speed, dict[str, Any]]:
    """Run the command, three times for a small photo; the run of the median time."""
    count = RUNS if height * width <= REPEATED else 1
    results = [_command(picture, scale, run) for _ in range(count)]
    record, wall, peak = sorted(results, key=lambda one: one[0]["seconds"])[count // 2]
    speed = Speed(
        method="restore",
        height=height,
        width=width,
        scale=scale,
        seconds=record["seconds"],
        wall=wall,
        units=_units(record["seconds"], height, width, unit),
        peak_bytes=peak,
        stage_seconds=record["stage_seconds"],
    )
    return speed, record


def _command(
    picture: Path, scale: int, run: RunOptions
) -> tuple[dict[str, Any], float, int | None]:
    """Restore a file by the command; its record, its seconds and its peak memory in bytes."""
    target = picture.with_suffix(f".x{scale}.png")
    words = ["photo", str(picture), "-o", str(target), "--scale", str(scale), "--json"]
    words += ["--denoise", "on", "--device", run.device, "--precision", run.precision]
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "restorecli", *words], stdout=out, stderr=err
        )
        peak = _wait(process)
        wall = time.perf_counter() - start
        out.seek(0)
        err.seek(0)
        said, complaint = out.read().decode(), err.read().decode(errors="replace").strip()
    if process.returncode:
        raise DeviceError(complaint.removeprefix("restore: ") or f"{picture}: failed.")
    target.unlink()
    record: dict[str, Any] = json.loads(said)
    return record, wall, peak


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """Wait for a process to end; its peak memory in bytes, where the system says it."""
    if not hasattr(os, "wait4"):
        process.wait()
        return None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return int(usage.ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def _filtered(photo: Photo, unit: float) -> Iterator[Speed]:
    """Time the classical filters, once to warm up and once for the clock."""
    image = photo.image()
    for name, filtered in BASELINES.items():
        if name == "untouched":
            continue
        filtered(image[..., :64, :64])
        start = time.perf_counter()
        filtered(image)
        seconds = time.perf_counter() - start
        yield Speed(
            method=name,
            height=photo.height,
            width=photo.width,
            scale=1,
            seconds=seconds,
            wall=None,
            units=_units(seconds, photo.height, photo.width, unit),
            peak_bytes=None,
        )


def _units(seconds: float, height: int, width: int, unit: float) -> float:
    return seconds / unit * UNIT_SIDE**2 / (height * width)


def _unit_seconds() -> float:
    """Seconds of the unit: the best of five after one to warm up."""
    convolution = nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = torch.ones(1, 64, UNIT_SIDE, UNIT_SIDE).contiguous(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(6):
            start = time.perf_counter()
            convolution(image)
            times.append(time.perf_counter() - start)
    return min(times[1:])
