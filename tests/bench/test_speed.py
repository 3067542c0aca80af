"""Tests of `restore bench --speed`: what it runs, prints and refuses; no time is judged."""

import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from restorecli.bench import speed
from restorecli.bench.baselines import BASELINES
from restorecli.cli import main


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIZES", ((60, 72), (72, 64)))
    monkeypatch.setattr(speed, "RUNS", 1)
    monkeypatch.setattr(speed, "UNIT_SIDE", 32)
    monkeypatch.setattr(speed, "FILTERED", 64 * 72 - 1)


def test_every_size_is_restored_and_small_ones_are_filtered_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "--speed", "--device", "cpu", "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    rows = [(row["method"], row["height"], row["scale"]) for row in result["speeds"]]
    assert [row for row in rows if row[0] == "restore"] == [
        ("restore", height, scale) for height in (60, 72) for scale in (1, 2)
    ]
    assert {row[0] for row in rows if row[1] == 60} == {"restore", *BASELINES} - {"untouched"}
    assert {row[0] for row in rows if row[1] == 72} == {"restore"}
    for row in result["speeds"]:
        assert row["seconds"] > 0
        assert row["units"] > 0
        if row["method"] == "restore":
            assert row["wall"] > row["seconds"]
            assert row["peak_bytes"] is None or row["peak_bytes"] > 10**7
            stages = row["stage_seconds"]
            assert {"inspect", "denoise"} <= set(stages)
            assert sum(stages.values()) <= row["seconds"] + 0.01
            assert ("upscale" in stages) == (row["scale"] == 2)
    assert result["machine"]["device"] == "cpu"
    assert "timing 72×60 at x1" in err


def test_the_table_has_a_line_a_row_and_names_the_machine(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "--speed", "--limit", "1", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert sum(line.startswith("restore ") for line in out.splitlines()) == 4  # two tables
    assert speed.processor_name() in out
    assert "unit: a 3×3 convolution of 64 channels" in out


def test_a_command_that_fails_is_told_in_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--speed", "--device", "cuda:99", "--quiet"]) == 4
    assert capsys.readouterr().err.startswith("restore: cuda:99: ")


def test_the_picture_is_made_in_little_more_memory_than_it_takes() -> None:
    """A child's peak memory is at least what its parent had when it was started."""
    tracemalloc.start()
    photo = speed.striped(2000, 3000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * photo.pixels.nbytes
    whole = speed.striped(300, 3000).pixels
    assert np.array_equal(photo.pixels[:300], whole)


def test_the_timed_photo_shows_a_pattern_and_is_the_same_every_time() -> None:
    photo = speed.striped(48, 40)
    assert np.array_equal(photo.pixels, speed.striped(48, 40).pixels)
    assert photo.pixels.std() > 25


def test_without_the_systems_account_there_is_no_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.wait4", raising=False)
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    assert speed._wait(process) is None
    assert process.returncode == 3
