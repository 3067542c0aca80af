"""docs/reliability.md has a row for every file of tests here."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text("utf-8")


def test_every_file_of_tests_is_named() -> None:
    named = set(re.findall(r"test_\w+\.py", PAGE))
    here = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    assert here - {"test_page.py", "test_watchdog.py"} <= named


def test_rows_are_whole_and_filled_in() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {4}
    assert "@" not in PAGE
