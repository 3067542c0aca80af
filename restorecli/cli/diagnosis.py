"""Everything about an installation that a bug report needs, as data and as text.

Nothing here raises for what it finds: a damaged weights file or a missing library is what the
report is for, and is listed under its `problems`.
"""

import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import PIL
import pillow_heif
import torch
import torch.nn.functional as F
from PIL import features

from restorecli import device as devices
from restorecli import host, weights
from restorecli.errors import RestoreError
from restorecli.manifest import BAD, WEIGHTS_VARIABLE, weights_folder
from restorecli.pipeline import BYTES_PER_PIXEL
from restorecli.tiling.tiles import choose_tile

_GIB = 2**30


def report(device: str = "auto", precision: str = "auto") -> dict[str, Any]:
    """Look at the installation and the machine.

    Args:
        device: As in `device.explain`; what would be chosen for it is reported.
        precision: As in `device.explain`.

    Returns:
        JSON-like: `versions`, `formats`, `device`, `memory`, `weights`, and `problems`, a list of
        sentences, empty if all is well. `device` or `weights` is None if it is such a problem.
    """
    problems: list[str] = []
    facts: dict[str, Any] = {"versions": _versions(), "formats": _formats()}
    facts["device"] = facts["memory"] = facts["weights"] = None
    try:
        choice = devices.explain(device, precision)
        facts["device"] = _device(choice)
        facts["memory"] = _memory(choice.device)
    except RestoreError as error:
        problems.append(str(error))
    try:
        facts["weights"] = _weights(weights_folder())
        problems += [
            f"{file['name']}: {file['status']}. Reinstall the package."
            for file in facts["weights"]["files"]
            if file["status"] in BAD
        ]
    except RestoreError as error:
        problems.append(str(error))
    problems += [
        f"{name}: cannot be read or written here. Reinstall pillow and pillow-heif."
        for name, works in facts["formats"].items()
        if not works
    ]
    facts["problems"] = problems
    return facts


def render(facts: dict[str, Any]) -> str:
    """Write a report as lines of text, for people."""
    rows = list(facts["versions"].items())
    rows.append(("formats", ", ".join(name for name, works in facts["formats"].items() if works)))
    if facts["device"]:
        rows += _device_rows(facts["device"])
        rows += _memory_rows(facts["memory"])
    if facts["weights"]:
        rows.append(("weights", f"{facts['weights']['folder']} ({facts['weights']['set_hash']})"))
        rows += [(f"  {file['name']}", _describe_file(file)) for file in facts["weights"]["files"]]
    width = max(len(name) for name, _ in rows) + 2
    lines = [f"{name:<{width}}{value}" for name, value in rows]
    lines += [f"problem: {problem}" for problem in facts["problems"]] or ["no problems found"]
    return "\n".join(lines)


def bf16_speedup() -> float:
    """Time a 3×3 convolution of 32 channels in float32 and in bfloat16 on the CPU.

    Returns:
        Seconds in float32 over seconds in bfloat16, best of three; above 1, bfloat16 pays. Takes
        some 10 ms. Only reported: the choice of a precision does not hang on a stopwatch.
    """
    image, kernel = torch.ones(1, 32, 128, 128), torch.ones(32, 32, 3, 3)
    return _seconds(image, kernel) / _seconds(image.bfloat16(), kernel.bfloat16())


def _seconds(image: torch.Tensor, kernel: torch.Tensor) -> float:
    best = float("inf")
    with torch.inference_mode():
        F.conv2d(image, kernel, padding=1)  # prepares the convolution
        for _ in range(3):
            start = time.perf_counter()
            F.conv2d(image, kernel, padding=1)
            best = min(best, time.perf_counter() - start)
    return best


def _versions() -> dict[str, str]:
    return {
        "restore": _installed("restorecli"),
        "python": f"{platform.python_version()} on {platform.platform()}",
        "torch": f"{torch.__version__} ({devices.torch_build()})",
        "pillow": PIL.__version__,
        "pillow-heif": pillow_heif.__version__,
        "opencv": cv2.__version__,
        "safetensors": _installed("safetensors"),
    }


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _formats() -> dict[str, bool]:
    libraries = {"jpeg": "jpg", "png": "zlib", "tiff": "libtiff", "webp": "webp", "avif": "avif"}
    built_in = {name: bool(features.check(library)) for name, library in libraries.items()}
    built_in["heic"] = bool(pillow_heif.libheif_info()["decoders"])
    return built_in


def _device(choice: devices.DeviceChoice) -> dict[str, Any]:
    return {
        "chosen": str(choice.device),
        "reason": choice.reason,
        "available": devices.available_devices(),
        "precision": str(choice.precision).removeprefix("torch."),
        "precision_reason": choice.precision_reason,
        "native_bf16": devices.native_bf16(),
        "bf16_speedup": round(bf16_speedup(), 2),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "processor_quota": host.processor_quota(),
        "wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "spin_count": os.environ.get("GOMP_SPINCOUNT"),
    }


def _memory(device: torch.device) -> dict[str, int]:
    free = devices.free_memory(device)
    return {"free_bytes": free, "tile": choose_tile(free, BYTES_PER_PIXEL)}


def _weights(folder: Path) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "from_variable": bool(os.environ.get(WEIGHTS_VARIABLE)),
        "set_hash": weights.set_hash(folder),
        "files": [
            {
                "name": file.name,
                "status": file.status,
                "bytes": file.bytes,
                "sha256": file.sha256,
            }
            for file in weights.verify(folder)
        ],
    }


def _device_rows(device: dict[str, Any]) -> list[tuple[str, str]]:
    native = device["native_bf16"] or "no"
    return [
        ("device", f"{device['chosen']}: {device['reason']}"),
        ("  available", ", ".join(device["available"])),
        ("  precision", f"{device['precision']}: {device['precision_reason']}"),
        (
            "  bf16 on the CPU",
            f"native: {native}; a convolution runs {device['bf16_speedup']:g} times as fast as in "
            f"float32",
        ),
        ("  threads", _describe_threads(device)),
    ]


def _describe_threads(device: dict[str, Any]) -> str:
    quota, policy = device["processor_quota"], device["wait_policy"]
    limit = f"; time for {quota:g} by quota" if quota is not None else ""
    spins = f" after {device['spin_count']} spins" if device["spin_count"] else ""
    waiting = f"waiting: {policy or 'default'}{spins}"
    return f"{device['threads']} of {device['cores']} cores{limit}; {waiting}"


def _memory_rows(memory: dict[str, int]) -> list[tuple[str, str]]:
    return [
        ("  free memory", f"{memory['free_bytes'] / _GIB:.1f} GiB"),
        ("  tile", f"{memory['tile']} px"),
    ]


def _describe_file(file: dict[str, Any]) -> str:
    if not file["sha256"]:
        return str(file["status"])
    return f"{file['status']}, {file['bytes'] / 1e6:.1f} MB, sha256 {file['sha256'][:12]}"
