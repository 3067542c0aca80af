"""Weights that were tampered with: every command that meets them says so in one line."""

import io
import json
import pickle
import random
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from restorecli import weights
from restorecli.cli import main
from restorecli.errors import WeightsError
from restorecli.manifest import MANIFEST, weights_folder
from restorecli.networks.retinaface import RetinaFace
from tests.support.fake_restorer import picture

NAME = "relighter.safetensors"  # the smallest of them
TERABYTE = 10**12


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 0x10
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def announce(path: Path) -> None:
    """Say that the header has a terabyte."""
    path.write_bytes(struct.pack("<Q", TERABYTE) + path.read_bytes()[8:])


def poison(path: Path) -> None:
    """Put one value that is no number into one tensor."""
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    tensors = load_file(path)
    next(iter(tensors.values())).flatten()[0] = float("nan")
    save_file(tensors, path, header["__metadata__"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped weights, which every command reads from now on."""
    monkeypatch.chdir(tmp_path)
    picture(Path("in/a.png"), height=32, width=32)
    copy = tmp_path / "weights"
    shutil.copytree(weights_folder(), copy)
    monkeypatch.setenv("RESTORE_WEIGHTS", str(copy))
    return copy


@pytest.mark.parametrize(
    ("damage", "listed"),
    [(damage, True) for damage in (flip, cut, announce, poison)]
    + [(damage, False) for damage in (cut, announce, poison)],
)
def test_tampered_weights_are_refused_in_one_line(
    damage: Callable[[Path], None], listed: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By their hash where a manifest lists them; by what is in them where none does.

    A flipped bit in a file that nothing lists is one of many possible weights.
    """
    damage(folder / NAME)
    if not listed:
        (folder / MANIFEST).unlink()
    for words in (
        ["in/a.png", "-o", "b.png"],
        ["batch", "in", "-o", "out"],
        ["bench", "--limit", "1"],
    ):
        assert main(words) == 3
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert captured.err.startswith(f"restore: {folder / NAME}: ")
    assert not Path("b.png").exists()
    assert not Path("out").exists()


@pytest.mark.parametrize("damage", [flip, cut, announce, poison])
def test_verify_and_doctor_name_what_was_tampered_with(
    damage: Callable[[Path], None], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(folder / NAME)
    assert main(["weights", "verify"]) == 3
    assert capsys.readouterr().err.startswith("restore: relighter: missing, changed or damaged.")
    assert main(["doctor"]) == 1
    assert "relighter" in capsys.readouterr().out
    assert main(["weights", "list"]) == 3
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("content", [b"not = [toml", b"\xff\xfe", b"[relighter]\nbytes = 3\n"])
def test_a_damaged_manifest(
    content: bytes, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / MANIFEST).write_bytes(content)
    for words in (["in/a.png"], ["weights", "verify"], ["weights", "list"]):
        assert main(words) == 3
        captured = capsys.readouterr()
        assert captured.err.startswith(f"restore: {folder / MANIFEST}: ")
        assert captured.err.count("\n") == 1


def test_a_manifest_that_cannot_be_opened(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).mkdir()
    assert main(["weights", "verify"]) == 3
    assert capsys.readouterr().err.startswith(f"restore: {folder / MANIFEST}: cannot be read")


class Bomb:
    """Would make a file if it were unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, ("exploded", "w"))


def plain_pickle() -> bytes:
    return pickle.dumps({"body.conv1.weight": Bomb()})


def torch_file(*, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save({"x": Bomb()}, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def zip_of_torch_file() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.pth", torch_file(zipped=False))
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [plain_pickle(), torch_file(zipped=False), torch_file(zipped=True), zip_of_torch_file()],
    ids=["pickle", "torch's old kind", "torch's new kind", "in a zip"],
)
def test_a_pickle_that_would_run_something_is_refused(
    content: bytes, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bomb.pth").write_bytes(content)
    assert main(["weights", "import", "bomb.pth", "-o", "imported"]) == 3
    captured = capsys.readouterr()
    assert captured.err.startswith("restore: bomb.pth: holds more than tensors, or is damaged.")
    assert captured.err.count("\n") == 1
    assert not Path("exploded").exists()
    assert not Path("imported").exists()


def test_mutated_weights_load_or_are_refused(tmp_path: Path) -> None:
    """Three hundred files with changes in their headers, seeded."""
    chance, path = random.Random(11), tmp_path / "retinaface.safetensors"
    whole = (weights_folder() / path.name).read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    refused: list[str] = []
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            content[chance.randrange(chance.choice((16, 400, header)))] = chance.choice(
                (0, 255, 34, 57, 91, 123, 125, chance.randrange(256))
            )
        if chance.random() < 0.2:
            del content[chance.randrange(len(content)) :]
        path.write_bytes(content)
        try:
            weights.load(RetinaFace, "retinaface", folder=tmp_path)
        except WeightsError as error:
            refused.append(str(error))
    assert len(refused) > 200
    assert not any("\n" in line for line in refused)
