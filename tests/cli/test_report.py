"""Tests of `restore batch --report`: when the page is written, and when nothing is."""

from pathlib import Path

import pytest

from restorecli.cli import main
from restorecli.previews import thumbnails
from restorecli.reports import pages
from restorecli.reports.batch import INSIDE_BELOW
from tests.support.fake_restorer import FakeRestorer, picture

COMPARED = {"title": "a", "sizes": "", "width": 1, "height": 1, "before": "", "after": ""}


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


WORDS = ["batch", "in", "-o", "out", "--quiet", "--jobs", "1", "--report", "report.html"]


def test_a_stopped_run_goes_on_with_a_page_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png", "c.png"):
        picture(Path("in") / name)
    FakeRestorer(interrupting="b.png").installed(monkeypatch)
    assert main(WORDS) == 130
    assert Path("out/a.png").exists()
    FakeRestorer(failing=frozenset({"c.png"})).installed(monkeypatch)
    assert main([*WORDS, "--skip-existing"]) == 1
    text = Path("report.html").read_text("utf-8")
    assert "1 photos whose result was there already" in text
    links = '<a href="./in/a.png">input</a>, <a href="./out/a.png">result</a>'
    assert f"<li>in/a.png: {links}</li>" in text
    assert "not looked at in this run" in text
    assert "<h3>in/b.png</h3>" in text
    assert "<h3>in/a.png</h3>" not in text
    FakeRestorer().installed(monkeypatch)
    assert main([*WORDS, "--skip-existing"]) == 0
    whole = Path("report.html").read_text("utf-8")
    assert "<h3>in/c.png</h3>" in whole
    assert main([*WORDS, "--skip-existing"]) == 0
    assert Path("report.html").read_text("utf-8") == whole  # nothing was done that it could show


@pytest.mark.parametrize("content", ["mine", "<title>Photos before and after</title>", None])
def test_going_on_replaces_no_other_file(
    content: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(Path("in/a.png"))
    restorer = FakeRestorer().installed(monkeypatch)
    if content is None:  # another page of ours
        Path("report.html").write_text(pages.text("compare.html", COMPARED), "utf-8")
    else:
        Path("report.html").write_text(content)
    before = Path("report.html").read_bytes()
    assert main([*WORDS, "--skip-existing"]) == 1
    assert capsys.readouterr().err == (
        "restore: report.html: exists already, and is no report of a batch, or one of an earlier "
        "version. Move it away, or choose another name.\n"
    )
    assert main(WORDS) == 1
    said = "restore: report.html: exists already. Use --overwrite, or another name.\n"
    assert capsys.readouterr().err == said
    assert Path("report.html").read_bytes() == before
    assert restorer.seen == []


@pytest.mark.parametrize("count", [1, INSIDE_BELOW])
def test_going_on_without_success_leaves_the_page_and_its_pictures(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the rest is broken, or somebody stops it; as many are left as were restored."""
    for number in range(count):
        picture(Path(f"in/a{number}.png"))
    FakeRestorer().installed(monkeypatch)
    assert main(WORDS) == 0
    before = [(path, path.read_bytes()) for path in sorted(Path.cwd().glob("report*/**/*.*"))]
    before += [(Path("report.html"), Path("report.html").read_bytes())]
    assert len(before) == (1 if count == 1 else 1 + len(set(Path("report_files").iterdir())))
    for number in range(count):
        Path(f"in/b{number}.png").write_bytes(b"no picture")
    assert main([*WORDS, "--skip-existing"]) == 1
    picture(Path("in/c.png"))
    FakeRestorer(interrupting="c.png").installed(monkeypatch)
    assert main([*WORDS, "--skip-existing"]) == 130
    assert all(path.read_bytes() == content for path, content in before)
    FakeRestorer().installed(monkeypatch)
    assert main([*WORDS, "--skip-existing"]) == 1
    assert "<h3>in/c.png</h3>" in Path("report.html").read_text("utf-8")
