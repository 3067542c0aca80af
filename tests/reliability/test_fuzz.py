"""Mutated photos: a short run each time, and the long one that docs/reliability.md tells of."""

import json
from pathlib import Path

import pytest

from tests.reliability.commands import completed


def check(count: int, seed: int, folder: Path, *more: str) -> None:
    """Fuzz in a process of its own, which a hang or a crash in a library would end."""
    (folder / "files").mkdir()
    words = [str(count), str(seed), str(folder / "files"), *more]
    run = completed("tests.reliability.fuzz", words, cwd=folder, env={"PYTHONWARNINGS": "error"})
    assert run.returncode == 0, f"{run.stderr[-3000:]}\nthe file is {folder}/files/in.bin"
    facts = json.loads(run.stdout)
    ends = ("read", "PhotoReadError", "PhotoTooLargeError", "PhotoWriteError")
    assert sum(facts.get(end, 0) for end in ends) == count
    assert min(facts["read"], facts["PhotoReadError"]) > count // 10


def test_four_hundred_mutated_files(tmp_path: Path) -> None:
    check(400, 1, tmp_path)


def test_four_hundred_mutated_files_where_warnings_are_errors(tmp_path: Path) -> None:
    check(400, 1, tmp_path, "strict")


@pytest.mark.slow
def test_thirty_thousand_mutated_files(tmp_path: Path) -> None:
    check(30_000, 2026, tmp_path)
