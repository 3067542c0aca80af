"""The scripts of `examples/`, run as they are, and the pictures beside them."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from restorecli.bench import dataset
from restorecli.degrade import FAMILIES
from restorecli.metrics import ssim

EXAMPLES = Path(__file__).parents[1] / "examples"
PAIRS = dataset.find(EXAMPLES / "pairs")
LARGEST_PICTURE = 100_000  # bytes
LARGEST_SCAN = 150_000  # bytes; patterns of real scans do not shrink

WRITES = {
    "one_photo.py": "one_photo.png",
    "folder.py": "folder/dark.png",
    "swap_a_stage.py": "swap_a_stage.png",
    "demo.py": "demo/portrait-1.compare.png",
    "strip.py": "strip.jpg",
}


def test_every_script_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(WRITES)


@pytest.mark.parametrize("script", sorted(WRITES))
def test_script_runs_and_writes(script: str, tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / script)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert (tmp_path / WRITES[script]).stat().st_size > 1000
    assert run.stdout.strip()


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_pair_fits_and_keeps_the_rule(pair: dataset.Pair) -> None:
    read = dataset.read(pair)
    assert read.scale == 1
    assert pair.family in FAMILIES
    assert 0.08 <= ssim(read.degraded.image(), read.clean.image()) <= 0.5


def test_table_says_what_was_measured() -> None:
    with (EXAMPLES / "pairs" / "pairs.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert set(rows) == {pair.name for pair in PAIRS}
    for pair in PAIRS:
        read = dataset.read(pair)
        measured = ssim(read.degraded.image(), read.clean.image())
        assert float(rows[pair.name]["ssim_in"]) == pytest.approx(measured, abs=2e-3)


def test_families_differ() -> None:
    assert len({pair.family for pair in PAIRS}) == len(PAIRS) == 6


@pytest.mark.parametrize("script", sorted(set(WRITES) - {"swap_a_stage.py"}))
def test_script_imports_what_is_public(script: str) -> None:
    text = (EXAMPLES / script).read_text("utf-8")
    names = re.findall(r"^(?:from|import) (restorecli[\w.]*)", text, re.MULTILINE)
    public = {"photo", "pipeline", "weights", "metrics", "options", "errors"}
    assert names
    assert set(names) <= {"restorecli", *(f"restorecli.{name}" for name in public)}


@pytest.mark.parametrize("path", sorted((EXAMPLES / "real").glob("*.jpg")), ids=lambda p: p.name)
def test_every_real_scan_is_small_and_has_its_source(path: Path) -> None:
    assert path.stat().st_size <= LARGEST_SCAN
    assert f"| `{path.name}` |" in (EXAMPLES / "real" / "SOURCES.md").read_text("utf-8")


def test_every_picture_is_small_and_has_its_source() -> None:
    sources = (EXAMPLES / "SOURCES.md").read_text("utf-8")
    pictures = [
        *(EXAMPLES / "pairs" / "clean").iterdir(),
        *(EXAMPLES / "pairs" / "degraded").iterdir(),
        *(EXAMPLES / "photos").iterdir(),
    ]
    for path in pictures:
        assert path.stat().st_size <= LARGEST_PICTURE, path
        name = path.relative_to(EXAMPLES).as_posix().replace("degraded", "clean")
        assert f"`{name}`" in sources
