"""Two thousand photos in one run: memory and open files stay what they were after two hundred."""

import json
from pathlib import Path

import pytest

from tests.reliability.commands import LINUX, completed


@LINUX
@pytest.mark.slow
def test_two_thousand_small_photos(tmp_path: Path) -> None:
    run = completed("tests.reliability.load", [str(tmp_path), "2000", "200"], cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    early, late = lines[0], lines[-1]
    assert (early["done"], late["done"]) == (200, 2000)
    assert late["failed"] == 40, "those that were damaged on purpose, and no other"
    assert late["resident"] < 1.05 * early["resident"], lines
    assert {line["files"] for line in lines} == {early["files"]}, lines
    assert {line["threads"] for line in lines} == {early["threads"]}, lines
