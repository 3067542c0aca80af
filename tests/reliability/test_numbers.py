"""Numbers and order: broken results are computed again and said; nothing depends on chance."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from restorecli.cli import main
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.guided_denoiser import GuidedDenoiser
from restorecli.networks.orsnet import ORSNet
from restorecli.options import Options
from restorecli.photo import Photo
from restorecli.pipeline import Restorer
from restorecli.tiling import tiles as tiling
from tests.reliability.commands import SMALL, completed, photos, tree
from tests.support.photo_samples import noise
from tests.support.tiny import tiny_restorer

NOTICE = "not finite or of one flat colour in bf16 and had to be computed again in fp32"


def autocast() -> bool:
    """Whether networks compute in bfloat16 just now."""
    return torch.is_autocast_enabled("cpu")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Restorer:
    """Tiny networks in bfloat16 for every command, and a folder with a photo."""
    monkeypatch.chdir(tmp_path)
    photos(Path("in"), 1)
    restorer = tiny_restorer(precision=torch.bfloat16)
    monkeypatch.setattr(Restorer, "load", lambda **_: restorer)
    return restorer


def break_low(
    monkeypatch: pytest.MonkeyPatch,
    network: type,
    change: Callable[[Tensor], Tensor],
    method: str,
) -> None:
    """Let a network give broken results, in bfloat16 only."""
    forward = getattr(network, method)

    def broken(self: object, *tiles: object) -> object:
        result = forward(self, *tiles)
        return change(result) if autocast() else result

    monkeypatch.setattr(network, method, broken)


def infinite(result: Tensor) -> Tensor:
    return result + float("inf")


def undefined(result: Tensor) -> Tensor:
    return result * float("nan")


def infinite_somewhere(result: Tensor) -> Tensor:
    return result.index_fill(3, torch.tensor([1]), float("inf"))


@pytest.mark.parametrize(
    "change", [infinite, infinite_somewhere, undefined, torch.zeros_like, torch.ones_like]
)
@pytest.mark.parametrize(
    ("network", "method", "scale"),
    [(Denoiser, "picture", "1"), (GuidedDenoiser, "look", "1"), (ORSNet, "forward", "2")],
)
def test_broken_tiles_are_computed_again_in_float32_and_said(
    network: type,
    method: str,
    scale: str,
    change: Callable[[Tensor], Tensor],
    tiny: Restorer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    break_low(monkeypatch, network, change, method)
    size = [*SMALL, "--scale", scale]
    assert main(["in/0/0000.png", "-o", "a.png", "--json", *size]) == 0
    output, messages = capsys.readouterr()
    (notice,) = json.loads(output)["notices"]
    assert notice == f"a tile came out {NOTICE}"
    assert f"in/0/0000.png: a tile came out {NOTICE}\n" in messages
    pixels = Photo.read("a.png").pixels
    assert len(set(pixels.flatten().tolist())) > 10
    assert main(["batch", "in", "-o", "out", *size]) == 0
    assert NOTICE in capsys.readouterr().err


def test_what_is_repaired_is_what_float32_gives(
    tiny: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, options = Photo(pixels=noise(40, 48)), Options(scale=1, stages=("denoise",))
    exact = tiny_restorer().restore(photo, options)
    assert exact.notices == ()
    break_low(monkeypatch, Denoiser, undefined, "picture")
    repaired = tiny.restore(photo, options)
    assert len(repaired.notices) == 1
    assert (repaired.photo.pixels == exact.photo.pixels).all()


def test_several_tiles_are_counted(tiny: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    break_low(monkeypatch, Denoiser, undefined, "picture")
    photo = Photo(pixels=noise(96, 150))
    restoration = tiny.restore(photo, Options(scale=1, stages=("denoise",), tile=96))
    (notice,) = restoration.notices
    assert re.fullmatch(rf"\d tiles came out {NOTICE}", notice)


def test_a_network_that_stays_broken_is_an_error(
    tiny: Restorer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Denoiser, "picture", lambda _, image: image * float("nan"))
    assert main(["in/0/0000.png", "-o", "a.png"]) == 4
    message = capsys.readouterr().err
    assert "not finite, in full precision too" in message
    assert message.count("\n") == 1
    assert not Path("a.png").exists()


def limited(monkeypatch: pytest.MonkeyPatch, side: int) -> list[int]:
    """Let the denoiser lack memory for tiles above a side, as torch's allocator says it."""
    picture, sides = Denoiser.picture, []

    def allocate(self: Denoiser, image: Tensor) -> Tensor:
        sides.append(max(image.shape[-2:]))
        if sides[-1] > side:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")
        return picture(self, image)

    monkeypatch.setattr(Denoiser, "picture", allocate)
    return sides


def test_out_of_memory_halves_the_tile_of_a_photo(
    tiny: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = limited(monkeypatch, 100)
    photos(Path("large"), 1, side=160)
    assert main(["large/0/0000.png", "-o", "a.png", *SMALL]) == 0
    assert max(sides) > 100
    assert min(sides) >= tiling.SMALLEST_TILE
    assert Photo.read("a.png").height == 160


def test_no_memory_at_the_smallest_tile_is_an_error_with_a_remedy(
    tiny: Restorer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limited(monkeypatch, 4)
    assert main(["in/0/0000.png", "-o", "a.png"]) == 4
    message = capsys.readouterr().err
    assert "out of memory even on a tile of" in message
    assert "--device" in message
    assert main(["batch", "in", "-o", "out"]) == 1
    assert not Path("a.png").exists()


def test_jobs_and_the_order_of_files_change_nothing(tiny: Restorer) -> None:
    """In bfloat16 with faces looked for, as by default."""
    paths = [str(path) for path in photos(Path("in"), 6)]
    runs = {
        "one": ["in", "--jobs", "1"],
        "two": ["in", "--jobs", "2"],
        "many": ["in", "--jobs", "8"],
        "again": ["in", "--jobs", "2"],
    }
    for name, words in runs.items():
        assert main(["batch", *words, "-o", name]) == 0
    assert main(["batch", *reversed(paths), "-o", "backwards", "--jobs", "3"]) == 0
    expected = tree(Path("one"))
    assert len(expected) == 6
    assert all(tree(Path(name)) == expected for name in runs)
    flat = {Path(name).name: content for name, content in expected.items()}
    assert tree(Path("backwards")) == flat


def test_two_processes_with_the_shipped_weights_give_equal_bytes(tmp_path: Path) -> None:
    photos(tmp_path / "in", 2)
    for name in ("one", "two"):
        run = completed("restorecli", ["batch", "in", "-o", name], cwd=tmp_path)
        assert run.returncode == 0, run.stderr
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert len(tree(tmp_path / "one")) == 2
