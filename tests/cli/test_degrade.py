"""Tests of `restore degrade`: what it prints and exits with."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from restorecli.bench import make_dataset
from restorecli.bench.make_dataset import MadeSet
from restorecli.cli import main
from tests.support.fake_restorer import picture


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
    assert main([*words, "--max-ssim", "0.08"]) == 2
    said = "restore: max ssim 0.08: must lie above 0.08 and be at most 1.\n"
    assert capsys.readouterr().err.endswith(said)


def test_a_folder_without_photos_is_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "in"
    empty.mkdir()
    assert main(["degrade", str(empty), "-o", str(tmp_path / "set")]) == 5
    said = f"restore: {empty}: no photos in it. Give a folder of clean photos.\n"
    assert capsys.readouterr() == ("", said)
    assert main(["degrade", str(tmp_path / "none"), "-o", str(tmp_path / "set")]) == 1
