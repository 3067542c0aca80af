"""The gallery shows every scan before and after, in one file, with whatever restores."""

from pathlib import Path

from tests.support.tiny import tiny_restorer
from training.evaluate import gallery

PAGE = Path(__file__).parents[3] / "docs" / "gallery.html"


def test_every_scan_is_shown_twice(tmp_path: Path) -> None:
    target = tmp_path / "gallery.html"
    assert gallery.write_gallery(tiny_restorer(), target) == len(gallery.SCANS)
    for page in (target, PAGE):
        text = page.read_text("utf-8")
        assert all(f"{name}.jpg" in text for name in gallery.SCANS)
        assert text.count("data:image/webp;base64,") == 2 * len(gallery.SCANS)
    assert all((gallery.REAL / f"{name}.jpg").is_file() for name in gallery.SCANS)
