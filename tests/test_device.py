"""The choice of device and precision, every branch forced: no GPU is needed."""

import contextlib
from pathlib import Path

import cv2
import pytest
import torch

from restorecli import device as devices
from restorecli.device import memory_told
from restorecli.errors import DeviceError
from restorecli.tiling.networks import Stopwatch

CPU = torch.device("cpu")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend to be a machine without GPU, with a torch for the CPU only."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)


@pytest.fixture
def two_gpus(plain: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Card {device.index}")
    monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(torch.version, "cuda", "12.6")


@pytest.fixture
def apple(plain: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: True)


def pretend_features(monkeypatch: pytest.MonkeyPatch, **features: object) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)


@pytest.mark.usefixtures("plain")
def test_auto_without_gpu_is_the_cpu() -> None:
    choice = devices.explain()
    assert choice.device == CPU
    assert choice.reason == "torch finds no GPU (this build of torch: CPU only)"


@pytest.mark.usefixtures("two_gpus")
def test_auto_prefers_the_first_nvidia_card() -> None:
    choice = devices.explain()
    assert choice.device == torch.device("cuda:0")
    assert choice.reason == "the fastest device here: Card 0"
    assert choice.precision == torch.bfloat16
    assert choice.precision_reason == "native to this GPU"


@pytest.mark.usefixtures("apple")
def test_auto_prefers_apples_gpu_to_the_cpu() -> None:
    choice = devices.explain()
    assert choice.device == torch.device("mps")
    assert choice.reason == "the fastest device here"
    assert choice.precision == torch.float32
    assert choice.precision_reason == "bf16 is not trusted on Apple GPUs"


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1")],
)
def test_named_devices_are_taken(name: str, expected: str) -> None:
    assert devices.choose_device(name) == torch.device(expected)
    assert devices.explain(name).reason.startswith("asked for")


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", ["cuda", "cuda:7", "mps"])
def test_absent_devices_are_refused_and_the_build_is_named(name: str) -> None:
    message = rf"^{name}: not on this machine \(this build of torch: CPU only\)\. .*one of: cpu\.$"
    with pytest.raises(DeviceError, match=message):
        devices.choose_device(name)


@pytest.mark.usefixtures("two_gpus")
def test_absent_cards_are_refused_and_what_exists_is_named() -> None:
    with pytest.raises(DeviceError, match=r"cuda:7: not on .*CUDA 12\.6.*: cuda:0, cuda:1, cpu\."):
        devices.choose_device("cuda:7")


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:x", "CPU", "meta"])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(DeviceError, match="not the name of a device"):
        devices.choose_device(name)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "CPU only"),
        ({"cuda": "12.6"}, "CUDA 12.6"),
        ({"hip": "6.2"}, "ROCm 6.2"),
    ],
)
def test_torch_builds_are_told_apart(
    changes: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in changes.items():
        monkeypatch.setattr(torch.version, name, version)
    assert devices.torch_build() == expected


@pytest.mark.usefixtures("apple")
def test_a_build_for_apples_gpu_says_so() -> None:
    assert devices.torch_build() == "Metal and CPU"


@pytest.mark.parametrize("device", ["cpu", "cuda:0", "mps"])
def test_a_named_precision_is_taken_as_it_is(device: str) -> None:
    assert devices.choose_precision("fp32", torch.device(device)) == torch.float32
    assert devices.choose_precision("bf16", torch.device(device)) == torch.bfloat16


@pytest.mark.parametrize("name", ["fp16", "", "float32"])
def test_unknown_precisions_are_refused(name: str) -> None:
    with pytest.raises(DeviceError, match=r"not a precision\. Use auto, fp32 or bf16\."):
        devices.choose_precision(name, CPU)


@pytest.mark.usefixtures("two_gpus")
def test_a_card_that_emulates_bf16_gets_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation
    )
    assert devices.choose_precision("auto", torch.device("cuda:1")) == torch.float32
    assert devices.explain().precision_reason == "this GPU only emulates bf16"


def test_a_processor_with_matrix_units_for_bf16_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_features(monkeypatch, avx2=True, avx512_bf16=True, amx_bf16=True)
    assert devices.choose_precision("auto", CPU) == torch.bfloat16
    assert devices.explain("cpu").precision_reason == "fast on this processor (amx_bf16)"


def test_vector_instructions_for_bf16_alone_are_not_worth_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend_features(monkeypatch, avx512_bf16=True)
    assert devices.choose_precision("auto", CPU) == torch.float32
    reason = devices.explain("cpu").precision_reason
    assert reason == "bf16 is slower on a processor with avx512_bf16 alone"


@pytest.mark.parametrize(
    "features", [{}, {"avx512_bf16": False, "avx2": True}, {"bf16": True, "neon": True}]
)
def test_a_processor_without_native_bf16_uses_float32(
    features: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_features(monkeypatch, **features)
    assert devices.choose_precision("auto", CPU) == torch.float32
    reason = devices.explain("cpu").precision_reason
    assert reason == "this processor has neither amx_bf16 nor avx512_bf16"


def test_a_torch_without_onednn_uses_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_features(monkeypatch, amx_bf16=True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert devices.choose_precision("auto", CPU) == torch.float32


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor : 0\nflags\t\t: fpu avx512f avx512_bf16\nbugs: x\n", "avx512_bf16"),
        ("processor : 0\nflags\t\t: fpu avx512f\n", None),
        ("processor : 0\nFeatures : asimd bf16\n", None),
        (None, None),
    ],
)
def test_an_older_torch_asks_the_kernel(
    cpuinfo: str | None, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_features(monkeypatch)
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    monkeypatch.setattr(devices, "_CPUINFO", tmp_path / "cpuinfo")
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert devices.native_bf16() == expected


def test_free_memory_of_the_cpu_is_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "free_host_memory", lambda: 123)
    assert devices.free_memory(CPU) == 123


def test_free_memory_of_a_card_counts_what_torch_holds_unused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 10)
    assert devices.free_memory(torch.device("cuda:0")) == 120


@pytest.mark.parametrize(("host", "expected"), [(1000, 60), (50, 50)])
def test_free_memory_of_apples_gpu_is_shared_with_the_host(
    host: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 100)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 40)
    monkeypatch.setattr(devices, "free_host_memory", lambda: host)
    assert devices.free_memory(torch.device("mps")) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
        (cv2.error("(-4:Insufficient memory) Failed to allocate 48000000 bytes"), True),
        (cv2.error("(-215:Assertion failed) !ssize.empty() in function 'resize'"), False),
    ],
)
def test_running_out_of_memory_is_recognised(error: Exception, expected: bool) -> None:
    assert devices.is_out_of_memory(error) is expected


@pytest.mark.parametrize(("device", "waits"), [("cpu", 0), ("cuda:0", 1), ("mps", 1)])
def test_clocks_wait_for_what_a_gpu_was_asked_for(
    device: str, waits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    clock = Stopwatch(torch.device(device))
    with clock("refine"):
        pass
    assert waited == [torch.device(device)] * waits
    assert list(clock.seconds) == ["refine"]


def test_memory_that_runs_out_is_told_and_bugs_are_not_hidden() -> None:
    device = torch.device("cpu")
    with pytest.raises(DeviceError, match=r"^cpu: out of memory\. Close"), memory_told(device):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(DeviceError, match="even on a tile"), memory_told(device):
        raise DeviceError("cpu: out of memory even on a tile of 64 px.")
    with pytest.raises(ZeroDivisionError), memory_told(device):
        raise ZeroDivisionError
