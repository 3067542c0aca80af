"""Tests of `restore bench`: what it prints and exits with."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from restorecli import weights
from restorecli.bench import measure as engine
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
    parsed = json.loads(capsys.readouterr().out)
    assert list(parsed["methods"])[:2] == ["denoise", "denoise+faces"]
    assert parsed["pairs"] == 1
    assert parsed["methods"]["denoise"]["ssim"]["mean"] == pytest.approx(1)
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
    assert main(["bench", "set", "--csv", "p.html", "--report", "p.html"]) == 2
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


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["set"], "DATASET set"),
        (["--metric", "ssim", "--metric", "psnr"], "--metric ssim psnr"),
        (["--stages", "denoise"], "--stages denoise"),
        (["--csv", "a.csv"], "--csv a.csv"),
        (["--overwrite"], "--overwrite"),
        (["--report", "a.html"], "--report a.html"),
        (["--fidelity", "0.5"], "--fidelity 0.5"),
        (["--tile", "64"], "--tile 64"),
    ],
)
def test_speed_refuses_what_it_does_not_heed(
    words: list[str],
    named: str,
    restorer: Untouching,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("restorecli.bench.speed.measure_speed", None)
    assert main(["bench", "--speed", *words]) == 2
    said = f"restore: --speed and {named} contradict each other. Use one.\n"
    assert capsys.readouterr() == ("", said)


def test_fidelity_needs_a_row_with_faces(
    restorer: Untouching, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "set", "--fidelity", "0.3", "--stages", "denoise"]
    assert main(words) == 2
    said = "restore: --fidelity 0.3: is about faces, a step that --stages leaves out.\n"
    assert capsys.readouterr() == ("", said)
    assert main([*words, "--stages", "denoise,faces"]) == 0


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
    run: Callable[..., engine.Bench] = engine.run_bench

    def note(dataset: Path, restore: engine.Restore, **given: object) -> engine.Bench:
        assert isinstance(given["setting"], engine.Setting)
        seen.append(given["setting"])
        return run(dataset, restore, **given)

    monkeypatch.setattr(engine, "run_bench", note)
    assert main(["bench", "set", "--quiet"]) == 0
    assert seen == [engine.Setting(weights="0123456789ab", device="cpu", precision="fp32")]
