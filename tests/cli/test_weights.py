"""Tests of `restore weights` and `doctor`: what they print and exit with."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from restorecli import weights
from restorecli.cli import diagnosis, main
from restorecli.faces import import_retinaface
from restorecli.manifest import WeightsFile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of weights with a file that no manifest lists."""
    weights.save(Tiny(TinyConfig()), "orsnet", tmp_path / "orsnet.safetensors", {"steps": 3})
    return tmp_path


@dataclass(frozen=True, kw_only=True)
class TinyConfig:
    """Config of `Tiny`."""

    width: int = 2


class Tiny(torch.nn.Module):
    """The least network."""

    config_class: ClassVar[type[TinyConfig]] = TinyConfig

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.config = config
        self.layer = torch.nn.Linear(config.width, 1)


def test_weights_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "--folder", str(folder)]) == 3
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ["inspector", "missing"]
    assert lines[-1].startswith("orsnet")
    assert lines[-1].endswith("unlisted")
    others = [name for name in weights.NETWORKS if name != "orsnet"]
    assert (
        err
        == f"restore: {', '.join(others)}: missing, changed or damaged. Reinstall the package.\n"
    )


def damage_one_of_each(folder: Path) -> None:
    """One file as the manifest says, one changed, one that nothing lists and holds no network."""
    good = folder / "orsnet.safetensors"
    tables = [
        f'[{name}]\nsha256 = "{weights.sha256(good)}"\nbytes = {good.stat().st_size}\n'
        for name in ("orsnet", "denoiser")
    ]
    (folder / "manifest.toml").write_text("".join(tables))
    (folder / "denoiser.safetensors").write_bytes(b"cut off")
    (folder / "relighter.safetensors").write_bytes(b"cut off")


@pytest.mark.parametrize("as_json", [False, True])
def test_weights_list_goes_past_what_is_damaged(
    as_json: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage_one_of_each(folder)
    assert main(["weights", "list", "--folder", str(folder), *["--json"] * as_json]) == 3
    out, err = capsys.readouterr()
    if as_json:
        found = [(record["name"], record["status"]) for record in map(json.loads, out.splitlines())]
    else:
        found = [(line.split()[0], line.split()[-1]) for line in out.splitlines()]
    known = {"denoiser": "changed", "relighter": "unlisted", "orsnet": "ok"}
    assert found == [(name, known.get(name, "missing")) for name in weights.NETWORKS]
    assert err.count("\n") == 1


def test_list_and_verify_say_the_same_of_every_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage_one_of_each(folder)
    (folder / "stray.safetensors").write_bytes(b"none at all")
    told = []
    for command in ("list", "verify"):
        main(["weights", command, "--folder", str(folder)])
        out, err = capsys.readouterr()
        statuses = {"ok", "changed", "missing", "damaged", "unlisted"}
        told.append([statuses & set(line.split()) for line in out.splitlines()] + [err])
    assert told[0] == told[1]
    assert "stray" not in told[0][-1]


@pytest.mark.parametrize("command", ["list", "verify"])
def test_weights_that_cannot_be_opened(
    command: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Forced, since permissions do not bind root."""

    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("restorecli.manifest.sha256", refuse)
    assert main(["weights", command, "--folder", str(folder)]) == 3
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].split()[:2] == ["orsnet", "damaged"]
    assert "orsnet: " in err


@pytest.mark.parametrize("command", ["list", "verify"])
def test_names_are_apart_from_what_is_said_of_them(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["weights", command, "--folder", str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(weights.NETWORKS)


def test_weights_list_in_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "--folder", str(folder), "--json"]) == 3
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert records[0]["status"] == "missing"
    assert records[0]["parameters"] is None
    assert (records[-1]["parameters"], records[-1]["config"]) == (3, {"width": 2})


def test_weights_verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "verify", "--folder", str(folder)]) == 3
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == len(weights.NETWORKS)
    others = [name for name in weights.NETWORKS if name != "orsnet"]
    assert err.startswith(f"restore: {', '.join(others)}: missing, changed or damaged.")


def test_weights_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    good = WeightsFile(name="denoiser", path=Path(), bytes=1, sha256="0" * 64, status="ok")
    monkeypatch.setattr(weights, "verify", lambda folder: [good])
    assert main(["weights", "verify"]) == 0


def test_weights_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path))
    assert main(["weights", "path"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}\n"
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path / "gone"))
    assert main(["weights", "path"]) == 3


def test_weights_import(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        import_retinaface, "import_checkpoint", lambda path, folder: folder / path.name
    )
    assert main(["weights", "import", "a.pth", "-o", "mine"]) == 0
    assert Path(capsys.readouterr().out.strip()) == Path("mine/a.pth")


def test_weights_import_of_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.pth"
    bad.write_bytes(b"no checkpoint")
    assert main(["weights", "import", str(bad), "-o", str(tmp_path)]) == 3
    assert capsys.readouterr().err.startswith(f"restore: {bad}: ")


@pytest.mark.parametrize(("problems", "code"), [([], 0), (["denoiser: missing."], 1)])
def test_doctor(
    problems: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts = {"versions": {"restore": "1"}, "problems": problems}
    monkeypatch.setattr(diagnosis, "report", lambda device, precision: facts)
    monkeypatch.setattr(diagnosis, "render", lambda facts: "all I know")
    assert main(["doctor"]) == code
    assert main(["doctor", "--json", "--device", "cpu"]) == code
    first, second = capsys.readouterr().out.splitlines()
    assert first == "all I know"
    assert json.loads(second) == facts
