"""Which device the networks run on, in which precision, how much memory there is, and why.

The only place that asks torch what the machine has. Reasons are data, so that `restore doctor` and
verbose output can say them.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from restorecli.errors import DeviceError, RestoreError, means_no_memory
from restorecli.host import free_host_memory

_CPUINFO = Path("/proc/cpuinfo")
_FAST_BF16 = "amx_bf16"
_NATIVE_BF16 = (_FAST_BF16, "avx512_bf16")
_PHOTO_MEMORY = 2**30  # bytes that each photo needs at least beside the others
_PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class DeviceChoice:
    """A device and a precision, each with the reason why it was chosen.

    Attributes:
        device: Where networks and tiles are put.
        reason: Why this device, in a phrase.
        precision: `torch.float32` or `torch.bfloat16`, what networks compute in.
        precision_reason: Why this precision, in a phrase.
    """

    device: torch.device
    reason: str
    precision: torch.dtype
    precision_reason: str


def explain(device: str = "auto", precision: str = "auto") -> DeviceChoice:
    """Choose a device and a precision, and say why.

    Args:
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.
        precision: `"auto"`, `"fp32"` or `"bf16"`.

    Raises:
        DeviceError: There is no such device or precision; the message says what there is.
    """
    torch_device, reason = _explain_device(device)
    dtype, dtype_reason = _explain_precision(precision, torch_device)
    return DeviceChoice(
        device=torch_device, reason=reason, precision=dtype, precision_reason=dtype_reason
    )


def choose_device(name: str) -> torch.device:
    """Turn a device's name into the device; arguments and errors as in `explain`."""
    return _explain_device(name)[0]


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Turn a precision's name into a type; `"auto"` is bfloat16 only where it is faster.

    That is on GPUs that have it natively and on processors with matrix units for it (AMX). On one
    that only has the vector instructions of AVX-512, convolutions were measured to run at two
    thirds of their speed in float32. Features are asked rather than timed, so that equal machines
    give equal pictures.
    """
    return _explain_precision(name, device)[0]


def free_memory(device: torch.device) -> int:
    """Give the bytes that can still be allocated on a device, within the limits of a container."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    if device.type == "mps":
        left = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return max(0, min(left, free_host_memory()))
    return free_host_memory()


def photos_at_once(device: torch.device) -> int:
    """How many photos to compute at once: on a CPU as many as it has threads and memory for."""
    if device.type != "cpu":
        return 1
    return max(1, min(torch.get_num_threads(), free_memory(device) // _PHOTO_MEMORY))


def wait_for(device: torch.device) -> None:
    """Wait until a device has computed what it was asked for; a GPU is asked and left to work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out, on whichever device."""
    return isinstance(error, torch.OutOfMemoryError) or means_no_memory(error)


@contextmanager
def memory_told(device: torch.device) -> Iterator[None]:
    """Have memory that runs out within end as a sentence.

    Raises:
        DeviceError: It ran out.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, RestoreError) or not is_out_of_memory(error):
            raise
        raise DeviceError(
            f"{device}: out of memory. Close other programs, or use another --device."
        ) from error


def torch_build() -> str:
    """Say what this build of torch can run on, e.g. `"CPU only"` or `"CUDA 12.6"`."""
    if torch.version.hip:
        return f"ROCm {torch.version.hip}"
    if torch.version.cuda:
        return f"CUDA {torch.version.cuda}"
    return "Metal and CPU" if torch.backends.mps.is_built() else "CPU only"


def available_devices() -> list[str]:
    """List the names that `choose_device` accepts here, best first, without `"auto"`."""
    gpus = [f"cuda:{index}" for index in range(_cuda_count())]
    return [*gpus, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]


def native_bf16() -> str | None:
    """Name the processor's bfloat16 instructions that torch's convolutions use, if it has any.

    Asks `torch.cpu.get_capabilities`, or the kernel where torch is too old to have it. ARM's
    instructions are left out: nobody has measured that they pay.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    features = _cpu_features()
    return next((name for name in _NATIVE_BF16 if name in features), None)


def _explain_device(name: str) -> tuple[torch.device, str]:
    available = available_devices()
    if name == "auto":
        device = torch.device(available[0])
        if device.type == "cpu":
            return device, f"torch finds no GPU (this build of torch: {torch_build()})"
        return device, f"the fastest device here{_gpu_name(device)}"
    if name == "cuda" and available[0] != "cuda:0":
        raise _no_such_device(name, available)
    full_name = "cuda:0" if name == "cuda" else name
    if full_name not in available:
        raise _no_such_device(name, available)
    device = torch.device(full_name)
    return device, f"asked for{_gpu_name(device)}"


def _no_such_device(name: str, available: list[str]) -> DeviceError:
    known = re.fullmatch(r"cuda(:\d+)?|mps", name)
    fact = "not on this machine" if known else "not the name of a device"
    return DeviceError(
        f"{name}: {fact} (this build of torch: {torch_build()}). "
        f"Use auto or one of: {', '.join(available)}."
    )


def _explain_precision(name: str, device: torch.device) -> tuple[torch.dtype, str]:
    if name in _PRECISIONS:
        return _PRECISIONS[name], "asked for"
    if name != "auto":
        raise DeviceError(f"{name}: not a precision. Use auto, fp32 or bf16.")
    if device.type == "cuda":
        with torch.cuda.device(device):
            if torch.cuda.is_bf16_supported(including_emulation=False):
                return torch.bfloat16, "native to this GPU"
        return torch.float32, "this GPU only emulates bf16"
    if device.type == "mps":
        return torch.float32, "bf16 is not trusted on Apple GPUs"
    feature = native_bf16()
    if feature == _FAST_BF16:
        return torch.bfloat16, f"fast on this processor ({feature})"
    if feature:
        return torch.float32, f"bf16 is slower on a processor with {feature} alone"
    return torch.float32, f"this processor has neither {' nor '.join(_NATIVE_BF16)}"


def _cpu_features() -> set[str]:
    ask = getattr(torch.cpu, "get_capabilities", None)
    if ask is not None:
        return {name for name, present in ask().items() if present is True}
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(flags.group(1).split()) if flags else set()


def _cuda_count() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _gpu_name(device: torch.device) -> str:
    return f": {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
