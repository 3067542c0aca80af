"""The gallery shows every scan before and after, in one file, with whatever restores."""

from pathlib import Path

import pytest

from tests.support.tiny import tiny_restorer
from training.evaluate import gallery

PAGE = Path(__file__).parents[3] / "docs" / "gallery.html"


def assert_shows_each_twice(page: Path) -> None:
    text = page.read_text("utf-8")
    assert all(f"{name}.jpg" in text for name in gallery.SCANS)
    assert text.count("data:image/webp;base64,") == 2 * len(gallery.SCANS)


def test_every_scan_is_shown_twice() -> None:
    assert_shows_each_twice(PAGE)
    assert all((gallery.REAL / f"{name}.jpg").is_file() for name in gallery.SCANS)


def test_a_page_is_written_of_what_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "SCANS", dict(list(gallery.SCANS.items())[:2]))
    target = tmp_path / "gallery.html"
    assert gallery.write_gallery(tiny_restorer(), target) == 2
    assert_shows_each_twice(target)
