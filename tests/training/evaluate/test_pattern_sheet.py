"""The sheet of all families of patterns is drawn, whole and with its numbers."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from restorecli.degrade import FAMILIES
from training.evaluate import pattern_sheet


def test_the_sheet_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "patterns.jpg"
    monkeypatch.setattr(sys, "argv", ["pattern_sheet", str(target)])
    pattern_sheet.main()
    assert f"{2 * len(FAMILIES)} samples of {len(FAMILIES)} families" in capsys.readouterr().out
    with Image.open(target) as sheet:
        rows = -(-2 * len(FAMILIES) // pattern_sheet.COLUMNS)
        height = rows * (pattern_sheet.SIDE + pattern_sheet.LABEL)
        assert sheet.size == (pattern_sheet.COLUMNS * pattern_sheet.SIDE, height)
