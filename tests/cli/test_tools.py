"""Tests of `restore bench`, `degrade`, `weights` and `doctor`: what they print and exit with."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from restorecli import import_retinaface, weights
from restorecli.bench import make_dataset
from restorecli.bench import measure as engine
from restorecli.bench.make_dataset import MadeSet
from restorecli.cli import diagnosis as examination
from restorecli.cli import main
from restorecli.options import STAGES
from restorecli.pipeline import Restorer
from tests.support.fake_restorer import Untouching, picture


@pytest.fixture
def restorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Untouching:
    """A restorer that does nothing, and a labelled set of two pairs."""
    fake = Untouching()
    monkeypatch.setattr(Restorer, "load", lambda **chosen: fake)
    monkeypatch.setattr(weights, "set_hash", lambda: "0123456789ab")
    monkeypatch.chdir(tmp_path)
    for name in ("clean/a.png", "clean/b.png", "degraded/a.png", "degraded/b.png"):
        picture(Path("set", name), height=20, width=24)
    return fake


def test_bench_prints_a_table(restorer: Untouching, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "set", "--metric", "ssim", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("set: 2 pairs")
    assert "0123456789ab" in out
    assert "PSNR" not in out
    assert err == ""
    assert {options.stages for options in restorer.options} == {STAGES}


def test_bench_in_json_with_an_ablation(
    restorer: Untouching, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--stages", "denoise", "--stages", "faces,denoise", "--limit", "1", "--json"]
    assert main(["bench", "set", *words, "--fidelity", "1", "--tile", "64"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["methods"])[:2] == ["denoise", "denoise+faces"]
    assert found["pairs"] == 1
    assert found["methods"]["denoise"]["ssim"]["mean"] == pytest.approx(1)
    assert {(options.fidelity, options.tile) for options in restorer.options} == {(1.0, 64)}


def test_bench_writes_csv_once(
    restorer: Untouching, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "set", "--csv", "scores.csv", "--metric", "psnr"]
    assert main(words) == 0
    lines = Path("scores.csv").read_text("utf-8").splitlines()
    assert lines[0].startswith("name,family,method,scale,psnr,")
    assert lines[1].startswith("a,")
    done = len(restorer.options)
    assert main(words) == 1
    assert "scores.csv: exists already" in capsys.readouterr().err
    assert main(["bench", "set", "--csv", "none/scores.csv"]) == 1
    assert "there is no folder none" in capsys.readouterr().err
    assert len(restorer.options) == done
    assert main([*words, "--overwrite"]) == 0


def test_bench_without_a_set_takes_the_examples(
    restorer: Untouching, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("restorecli.manifest.example_pairs_folder", lambda: Path("set"))
    assert main(["bench", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "SSIM" in out
    assert "PSNR" in out


@pytest.mark.parametrize(
    ("words", "code", "fact"),
    [
        (["set", "--metric", "lpips"], 2, "metric lpips: unknown."),
        (["set", "--stages", "polish"], 2, "stage polish: unknown."),
        (["none"], 1, "none: "),
    ],
)
def test_bench_refuses(
    words: list[str],
    code: int,
    fact: str,
    restorer: Untouching,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", *words]) == code
    assert capsys.readouterr().err.startswith(f"restore: {fact}")


def test_bench_with_a_bad_pair_exits_with_1(
    restorer: Untouching, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("set/degraded/b.png").write_bytes(b"")
    assert main(["bench", "set"]) == 1
    assert "b" in capsys.readouterr().out


def test_options_of_bench_reach_the_engine(
    restorer: Untouching, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[engine.Setting] = []
    run: Callable[..., engine.Bench] = engine.run

    def note(dataset: Path, restore: engine.Restore, **given: object) -> engine.Bench:
        assert isinstance(given["setting"], engine.Setting)
        seen.append(given["setting"])
        return run(dataset, restore, **given)

    monkeypatch.setattr(engine, "run", note)
    assert main(["bench", "set", "--quiet"]) == 0
    assert seen == [engine.Setting(weights="0123456789ab", device="cpu", precision="fp32")]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, object]]:
    """What `make_dataset.make` was asked for; it makes nothing, and fails for one photo."""
    seen: list[Mapping[str, object]] = []

    def make(clean: Path, target: Path, **given: object) -> MadeSet:
        progress = given.pop("progress")
        assert callable(progress)
        assert list(progress([clean, target])) == [clean, target]
        seen.append({"clean": clean, "target": target} | given)
        return MadeSet(labels=(), failures=(("b.png", "b.png: is bad."),))

    monkeypatch.setattr(make_dataset, "make", make)
    return seen


def test_degrade_says_what_it_made(
    calls: list[Mapping[str, object]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--seed", "7", "--max-ssim", "0.25", "--limit", "3", "--overwrite", "-q"]
    assert main(["degrade", "clean", "-o", "set", *words]) == 1
    assert calls == [
        {
            "clean": Path("clean"),
            "target": Path("set"),
            "seed": 7,
            "max_ssim": 0.25,
            "count": 3,
            "overwrite": True,
        }
    ]
    out, err = capsys.readouterr()
    assert out == "set: 0 pairs, 1 failed\n"
    assert err == "restore: b.png: is bad.\n"


def test_degrade_makes_a_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture(tmp_path / "in" / "a.png", height=48, width=48)
    words = ["degrade", str(tmp_path / "in"), "-o", str(tmp_path / "set"), "--max-ssim", "0.9"]
    assert main(words) == 0
    assert (tmp_path / "set" / "degraded" / "a.png").is_file()
    assert capsys.readouterr().out == f"{tmp_path / 'set'}: 1 pairs, 0 failed\n"
    assert main(words) == 1
    assert main([*words, "--max-ssim", "0"]) == 2


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
    assert main(["weights", "list", "--folder", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["denoiser", "missing"]
    assert lines[6].startswith("orsnet")
    assert lines[6].endswith("unlisted")


@pytest.mark.parametrize("command", ["list", "verify"])
def test_names_are_apart_from_what_is_said_of_them(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["weights", command, "--folder", str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(weights.NETWORKS)


def test_weights_list_in_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "--folder", str(folder), "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert records[0]["status"] == "missing"
    assert records[0]["parameters"] is None
    assert (records[6]["parameters"], records[6]["config"]) == (3, {"width": 2})


def test_weights_verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "verify", "--folder", str(folder)]) == 3
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 7
    assert err.startswith(
        "restore: denoiser, relighter, retinaface, face_refiner, face_vae, second_look: "
        "not as the manifest"
    )


def test_weights_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    good = SimpleNamespace(name="denoiser", status="ok", sha256="0" * 64)
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
    found = {"versions": {"restore": "1"}, "problems": problems}
    monkeypatch.setattr(examination, "report", lambda device, precision: found)
    monkeypatch.setattr(examination, "render", lambda found: "all I know")
    assert main(["doctor"]) == code
    assert main(["doctor", "--json", "--device", "cpu"]) == code
    first, second = capsys.readouterr().out.splitlines()
    assert first == "all I know"
    assert json.loads(second) == found
