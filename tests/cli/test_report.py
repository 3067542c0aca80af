"""Tests of `restore batch --report`: when the page is written, and when nothing is."""

from pathlib import Path

import pytest

from restorecli.cli import main
from restorecli.previews import thumbnails
from tests.support.fake_restorer import FakeRestorer, picture


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_command_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png"):
        picture(Path("in") / name)
    restorer = FakeRestorer(failing=frozenset({"a.png"})).installed(monkeypatch)
    words = ["batch", "in", "-o", "out", "--quiet", "--report", "report.html"]
    assert main([*words, "--dry-run"]) == 0
    assert not Path("report.html").exists()
    assert main(words) == 1
    text = Path("report.html").read_text("utf-8")
    assert "no memory. Use a smaller --tile" in text
    assert text.count("data:image/jpeg") == len(["input", "denoised", "faces", "final"])
    assert len(restorer.seen) == 2


def test_a_refusal_comes_before_any_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(Path("in/a.png"))
    restorer = FakeRestorer().installed(monkeypatch)
    assert main(["batch", "in", "-o", "out", "--report", "report.pdf"]) == 2
    assert capsys.readouterr().err == (
        "restore: report.pdf: is no name of a page. Let it end in .html.\n"
    )
    assert restorer.seen == []
    assert not Path("out").exists()


def test_without_a_report_no_thumbnails_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "small_photos", None)
    picture(Path("in/a.png"))
    FakeRestorer().installed(monkeypatch)
    assert main(["batch", "in", "-o", "out", "--quiet"]) == 0


@pytest.mark.parametrize("failing", [frozenset(), frozenset({"a.png"})])
@pytest.mark.parametrize("out", ["out", "deep/out"])
def test_it_may_lie_among_the_results_before_their_folder_is_there(
    monkeypatch: pytest.MonkeyPatch, out: str, failing: frozenset[str]
) -> None:
    picture(Path("in/a.png"))
    FakeRestorer(failing=failing).installed(monkeypatch)
    words = ["batch", "in", "-o", out, "--quiet", "--report", f"{out}/report.html"]
    assert main([*words, "--dry-run"]) == 0
    assert not Path(out).exists()
    assert main(words) == len(failing)
    assert "Photos before and after" in Path(out, "report.html").read_text("utf-8")
    other = ["batch", "in", "-o", out, "--quiet", "--report", "other/report.html"]
    assert main(other) == 1
    assert not Path("other").exists()
