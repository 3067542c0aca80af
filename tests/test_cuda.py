"""What runs on an NVIDIA card, against the same on the CPU: the shipped weights, small photos.

It needs neither pillow-heif nor imagecodecs, so that a bare machine with PyTorch can run it.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from restorecli import device as devices
from restorecli.bench.speed import striped
from restorecli.cli import main
from restorecli.degrade import FAMILIES, DegradeConfig, degrade
from restorecli.errors import DeviceError
from restorecli.metrics import psnr
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.orsnet import bicubic
from restorecli.options import Options, Stage
from restorecli.photo import Photo
from restorecli.pipeline import BYTES_PER_PIXEL, Restorer
from restorecli.tiling import tiles as tiling
from restorecli.tiling.grid import TILE_OF_SEVERAL

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

DEVICE = "cuda"
NAME = "cuda:0"
PAIRS = Path(__file__).parents[1] / "examples" / "pairs"
FACE = PAIRS / "degraded" / "portrait-1.jpg"
PRECISIONS = ("fp32", "bf16")
LEAST_PSNR = {"fp32": 50.0, "bf16": 35.0}  # dB against the CPU in fp32
LEAST_OF_TILES = 25.0  # dB of the striped photo between sides of tiles; 33 on a CPU
TILED: tuple[Stage, ...] = ("denoise", "refine")


@pytest.fixture(scope="module")
def restorers() -> dict[str, Restorer]:
    """On the card in either precision, and `cpu`, in float32."""
    loaded = {name: Restorer.load(device=DEVICE, precision=name) for name in PRECISIONS}
    return loaded | {"cpu": Restorer.load(device="cpu", precision="fp32")}


@contextlib.contextmanager
def little_memory(spare: int) -> Iterator[None]:
    """Let this process have so many bytes of the card beside what it holds."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + spare) / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def peak_bytes(restorer: Restorer, photo: Photo, options: Options) -> int:
    """Most memory of the card that a restoration holds beside what is held before."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    restorer.restore(photo, options)
    return torch.cuda.max_memory_allocated() - before


def tell(fact: str) -> None:
    """Say what was measured; `pytest -s` shows it."""
    print(fact)  # noqa: T201


def likeness(one: Photo, other: Photo) -> float:
    """PSNR in dB of two photos of one size."""
    assert one.pixels.shape == other.pixels.shape
    return psnr(one.image(), other.image())


def fill_the_card() -> None:
    """Raise what a full card raises."""
    torch.empty(2**46, dtype=torch.uint8, device=DEVICE)


def test_the_card_is_chosen_and_can_compute() -> None:
    choice = devices.explain()
    assert str(choice.device) == NAME
    assert devices.free_memory(choice.device) > 0
    assert devices.photos_at_once(choice.device) == 1
    assert float(torch.ones(2, device=choice.device, dtype=choice.precision).sum()) == 2
    assert NAME in devices.available_devices()
    beyond = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(DeviceError, match="not on this machine"):
        devices.choose_device(beyond)


def test_held_but_unused_memory_is_free() -> None:
    device = devices.choose_device(DEVICE)
    before = devices.free_memory(device)
    block = torch.empty(2**28, dtype=torch.uint8, device=device)
    assert devices.free_memory(device) <= before - 2**27
    del block
    assert devices.free_memory(device) >= before - 2**26


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_face_photo_is_restored_as_on_the_cpu(
    precision: str, scale: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = []
    for name, device, numbers in (("there", DEVICE, precision), ("here", "cpu", "fp32")):
        words = ["photo", str(FACE), "-o", str(tmp_path / f"{name}.png"), "--json", "--quiet"]
        words += [
            "--scale",
            str(scale),
            "--device",
            device,
            "--precision",
            numbers,
            "--tile",
            "512",
        ]
        assert main(words) == 0
        records.append(json.loads(capsys.readouterr().out))
    there, here = records
    assert (there["device"], there["precision"]) == (NAME, precision)
    assert [face["status"] for face in there["faces"]] == ["restored"]
    assert {"denoise", "faces", "refine"} <= there["stage_seconds"].keys()
    assert there["notices"] == here["notices"] == []
    assert there["peaks"] == here["peaks"]
    assert np.allclose(there["faces"][0]["box"], here["faces"][0]["box"], atol=0.5)
    alike = likeness(*(Photo.read(tmp_path / f"{name}.png") for name in ("there", "here")))
    tell(f"{precision} x{scale}: {alike:.2f} dB against the CPU in fp32")
    assert alike >= LEAST_PSNR[precision]


def test_the_command_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    words = ["photo", str(FACE), "-o", str(tmp_path / "out.png"), "--scale", "1", "--json"]
    ran = subprocess.run(
        [sys.executable, "-m", "restorecli", *words, "--device", DEVICE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["device"] == NAME
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_photo_of_many_tiles_is_restored_as_on_the_cpu(
    precision: str, restorers: dict[str, Restorer]
) -> None:
    photo = striped(384, 600)
    options = Options(scale=1, denoise="on", tile=256, best=True)
    there, here = (restorers[name].restore(photo, options) for name in (precision, "cpu"))
    assert there.notices == ()
    alike = likeness(there.photo, here.photo)
    tell(f"{precision}, tiles: {alike:.2f} dB against the CPU in fp32")
    assert alike >= LEAST_PSNR[precision]


def test_sixteen_bits_are_enlarged_exactly() -> None:
    image = torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    for scale in (2, 4):
        there = bicubic(image.to(DEVICE), scale).cpu()
        assert torch.allclose(there, bicubic(image, scale), rtol=0, atol=4e-6)


def test_a_dark_photo_is_brightened_as_on_the_cpu(restorers: dict[str, Restorer]) -> None:
    photo = Photo.read(PAIRS.parent / "photos" / "dark.jpg")
    there, here = (
        restorers[name].restore(photo, Options(scale=1, relight="on")) for name in ("fp32", "cpu")
    )
    assert there.relit
    assert likeness(there.photo, here.photo) >= LEAST_PSNR["fp32"]


def test_seconds_by_stage_are_those_of_the_card(
    restorers: dict[str, Restorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer = restorers["fp32"]
    look = restorer.second_look.look

    def slow(source: Tensor, evidence: Tensor) -> Tensor:
        # cycles of the card: 0.2 s, which nobody here waits for
        torch.cuda._sleep(4 * 10**8)  # type: ignore[no-untyped-call]
        return look(source, evidence)

    monkeypatch.setattr(restorer.second_look, "look", slow)
    restoration = restorer.restore(striped(256, 256), Options(scale=2, denoise="on"))
    assert restoration.stage_seconds["refine"] > 0.1
    assert sum(restoration.stage_seconds.values()) <= restoration.seconds


def test_a_batch_restores_what_it_can_and_as_a_single_photo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in (1, 2, 3):
        picture = PAIRS / "degraded" / f"portrait-{number}.jpg"
        (source / picture.name).write_bytes(picture.read_bytes())
    (source / "broken.jpg").write_bytes(FACE.read_bytes()[:300])
    given = ["--scale", "1", "--device", DEVICE, "--precision", "fp32", "--json"]
    assert main(["batch", str(source), "-o", str(out), "--ext", "png", *given]) == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    statuses = {
        Path(record["source"]).name: record["status"] for record in records if "source" in record
    }
    assert statuses.pop("broken.jpg") == "failed"
    assert set(statuses.values()) == {"restored"}
    results = sorted(out.glob("*.png"))
    assert len(results) == 3
    for result in results:
        alone = tmp_path / result.name
        assert main(["photo", str(source / f"{result.stem}.jpg"), "-o", str(alone), *given]) == 0
        step = np.abs(Photo.read(alone).pixels.astype(int) - Photo.read(result).pixels)
        assert step.max() <= 1


def test_photos_can_be_computed_at_once(tmp_path: Path) -> None:
    given = ["--scale", "1", "--device", DEVICE, "--precision", "fp32", "--quiet"]
    for count in ("1", "3"):
        words = ["batch", str(PAIRS / "degraded"), "-o", str(tmp_path / count), "--ext", "png"]
        assert main([*words, *given, "--parallel", count]) == 0
    for one in (tmp_path / "1").glob("*.png"):
        alike = likeness(Photo.read(one), Photo.read(tmp_path / "3" / one.name))
        assert alike >= 55


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_tile_too_large_for_the_card_is_halved(
    precision: str, restorers: dict[str, Restorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[int] = []
    halve = tiling._Runner._halve

    def noted(runner: tiling._Runner, side: int) -> None:
        sides.append(side)
        halve(runner, side)

    monkeypatch.setattr(tiling._Runner, "_halve", noted)
    photo, options = striped(1100, 1500), Options(scale=1, stages=TILED, denoise="on", tile=1024)
    plenty = restorers[precision].restore(photo, options)
    assert sides == []
    with little_memory(64 * 2**20):  # less than two layers of a whole tile
        scarce = restorers[precision].restore(photo, options)
    tell(f"{precision}: halved at {sides}")
    assert sides
    assert likeness(scarce.photo, plenty.photo) >= LEAST_OF_TILES


def test_a_card_that_is_full_once_costs_a_smaller_tile_only(
    restorers: dict[str, Restorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer, photo = restorers["fp32"], striped(600, 800)
    options = Options(scale=1, stages=TILED, denoise="on", tile=512)
    plenty = restorer.restore(photo, options)
    picture, calls = Denoiser.picture, []

    def full_once(network: Denoiser, degraded: Tensor) -> Tensor:
        calls.append(tuple(degraded.shape[-2:]))
        if len(calls) == 1:
            fill_the_card()
        return picture(network, degraded)

    monkeypatch.setattr(Denoiser, "picture", full_once)
    assert likeness(restorer.restore(photo, options).photo, plenty.photo) >= LEAST_OF_TILES
    assert max(calls[1]) < max(calls[0])


def test_a_card_that_stays_full_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Denoiser, "picture", lambda network, degraded: fill_the_card())
    words = ["photo", str(FACE), "-o", str(tmp_path / "out.png"), "--scale", "1"]
    assert main([*words, "--denoise", "on", "--quiet", "--device", DEVICE]) == 4
    message = capsys.readouterr().err
    assert message.startswith(f"restore: {NAME}: out of memory even on a tile of ")
    assert message.count("\n") == 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_working_memory_is_bounded_by_the_tile(
    precision: str, restorers: dict[str, Restorer]
) -> None:
    restorer, side = restorers[precision], TILE_OF_SEVERAL
    small, large = striped(side, side), striped(2 * side, 2 * side)
    options = Options(scale=4, denoise="on", tile=side)
    peaks = [peak_bytes(restorer, photo, options) for photo in (small, large)]
    tell(f"{precision}: {[round(peak / side**2) for peak in peaks]} bytes a pixel of a tile")
    assert peaks[1] <= 1.25 * peaks[0]
    assert max(peaks) <= 2 * BYTES_PER_PIXEL * side**2  # a tile takes half of what is free


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_that_of_the_cpu(family: str) -> None:
    only = DegradeConfig(clean=0, plain=0, mild=0, second=0, dimmed=0, families=(family,))
    compare_degraded(only, torch.arange(8))


def test_the_degradations_of_training_are_those_of_the_cpu() -> None:
    compare_degraded(DegradeConfig(), torch.arange(48))


def compare_degraded(config: DegradeConfig, seeds: Tensor) -> None:
    y, x = torch.linspace(0, 1, 72).view(-1, 1), torch.linspace(0, 1, 64).view(1, -1)
    photo = torch.stack([0.2 + 0.6 * x * y, 0.3 + 0.4 * y * x**2, 0.7 - 0.5 * y * x**0])
    clean = photo.expand(len(seeds), -1, -1, -1)
    here, there = degrade(clean, seeds, config), degrade(clean.to(DEVICE), seeds.to(DEVICE), config)
    assert there.image.device.type == torch.device(DEVICE).type
    assert (there.family, there.mode) == (here.family, here.mode)
    for name in ("sigma", "contrast", "target"):
        one, other = getattr(here, name), getattr(there, name).cpu()
        assert float((one - other).abs().mean()) < 1e-4, name
    apart = (here.image - there.image.cpu()).abs().mean((1, 2, 3))
    tell(f"{config.families[0]}: {float(apart.mean()):.6f} on average, {float(apart.max()):.6f}")
    assert float(apart.mean()) < 1 / 255
    assert float(apart.max()) < 4 / 255


def test_inspect_and_doctor_name_the_card(capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for device in (DEVICE, "cpu"):
        assert main(["inspect", str(FACE), "--json", "--device", device]) == 0
        said.append(json.loads(capsys.readouterr().out))
    assert said[0] == said[1]
    pytest.importorskip("pillow_heif")
    assert main(["doctor", "--json", "--device", DEVICE]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["device"]["chosen"] == NAME
    assert facts["device"]["reason"].startswith("asked for")
    assert facts["memory"]["tile"] > 0


def test_the_bench_scores_as_on_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    scores = []
    for device in (DEVICE, "cpu"):
        words = ["bench", str(PAIRS), "--json", "--quiet", "--limit", "2"]
        assert main([*words, "--device", device, "--precision", "fp32"]) == 0
        scores.append(json.loads(capsys.readouterr().out))
    assert scores[0]["device"] == NAME
