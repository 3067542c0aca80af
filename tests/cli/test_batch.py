"""Tests of `restore batch`: what it prints, its exit codes, its progress."""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from restorecli.batch.plan import Plan, Task
from restorecli.cli import main, progress
from restorecli.cli.options import Messages
from restorecli.options import Options, Stage
from restorecli.pipeline import Restorer
from restorecli.record import Outcome
from tests.support.fake_restorer import FakeRestorer, picture


@pytest.fixture
def restorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRestorer:
    """A restorer that computes nothing, and a folder `in` with three photos."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.png", "in/deep/b.jpg", "in/deep/c d.png"):
        picture(Path(name))
    Path("in/notes.txt").touch()
    return FakeRestorer().installed(monkeypatch)


def written() -> set[str]:
    return {path.as_posix() for path in Path("out").rglob("*") if path.is_file()}


LEFT = "not restored: files of other kinds (1 .txt), in/notes.txt\n"
ALL = {"out/a.png", "out/deep/b.jpg", "out/deep/c d.png"}


def test_the_tree_is_kept_and_the_last_line_counts(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", "in", "-o", "out", "--scale", "1", "--no-faces"]) == 0
    assert written() == ALL
    assert capsys.readouterr() == ("3 restored, 0 failed, 0 skipped\n", LEFT)
    stages: tuple[Stage, ...] = ("relight", "denoise", "refine", "upscale")
    assert restorer.seen[0] == ("a.png", Options(scale=1, stages=stages))


def test_a_bad_photo_is_named_and_counted(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in/a.png").write_bytes(b"\x89PNG\r\n\x1a\nand then nothing")
    restorer.failing = frozenset({"b.jpg"})
    assert main(["batch", "in", "-o", "out", "--quiet"]) == 1
    assert written() == {"out/deep/c d.png"}
    captured = capsys.readouterr()
    assert captured.out == "1 restored, 2 failed, 0 skipped\n"
    lines = captured.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("restore: in/a.png: ")
    assert lines[1] == "restore: b.jpg: no memory. Use a smaller --tile."


def test_a_stopped_run_goes_on(restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]) -> None:
    restorer.interrupting = "c d.png"
    assert main(["batch", "in", "-o", "out", "--jobs", "1"]) == 130
    expected = "restore: stopped; files that are there are whole. Go on with --skip-existing.\n"
    assert capsys.readouterr() == ("", LEFT + expected)
    assert all(Path(name).stat().st_size for name in written())
    done = len(written())
    restorer.interrupting = ""
    assert main(["batch", "in", "-o", "out", "--skip-existing"]) == 0
    assert written() == ALL
    assert capsys.readouterr().out == f"{3 - done} restored, 0 failed, {done} skipped\n"
    assert main(["batch", "in", "-o", "out", "--skip-existing"]) == 0
    assert capsys.readouterr().out == "0 restored, 0 failed, 3 skipped\n"


def test_overwrite_and_ext(restorer: FakeRestorer) -> None:
    assert main(["batch", "in", "-o", "out", "--ext", "webp", "--quality", "50"]) == 0
    assert main(["batch", "in", "-o", "out", "--ext", "webp"]) == 1
    assert main(["batch", "in", "-o", "out", "--ext", "webp", "--overwrite"]) == 0
    assert written() == {"out/a.webp", "out/deep/b.webp", "out/deep/c d.webp"}


@pytest.mark.parametrize(
    ("words", "code", "fact"),
    [
        (["in", "-o", "in"], 2, "in: is both source and output."),
        (["in", "b/a.gif", "-o", "out"], 2, "in/a.png and b/a.gif would both become out/a.png."),
        (["none", "-o", "out"], 1, "none: no such file or folder."),
        (["@none", "-o", "out"], 1, "none: cannot be read as a list"),
        (["@in", "-o", "out"], 1, "in: cannot be read as a list"),
        (["in/*.tif", "-o", "out"], 5, "in/*.tif: no file found."),
        (["in", "-o", "out", "--skip-existing", "--overwrite"], 2, "--skip-existing and"),
        (["in", "-o", "out", "--stages", "x"], 2, "stage x: unknown."),
    ],
)
def test_refusals_come_before_any_work(
    words: list[str],
    code: int,
    fact: str,
    restorer: FakeRestorer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def never(**_: object) -> None:
        raise AssertionError("networks were loaded")

    monkeypatch.setattr(Restorer, "load", never)
    assert main(["batch", *words]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"restore: {fact}")
    assert captured.err.count("\n") == 1
    assert not Path("out").exists()


def lock(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let a folder be one that cannot be searched; permissions do not bind root."""
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("restorecli.batch.search.os.scandir", refuse)


def test_a_folder_that_cannot_be_searched_is_one_failure(
    restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock(monkeypatch, "deep")
    said = "in/deep: cannot be searched (Permission denied). Check its permissions."
    words = ["batch", "in", "-o", "out", "--report", "page.html"]
    assert main([*words, "--dry-run"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "in/a.png → out/a.png\n"
    assert f"restore: {said}\n" in captured.err
    assert main(words) == 1
    assert written() == {"out/a.png"}
    assert capsys.readouterr() == (
        "1 restored, 1 failed, 0 skipped\n",
        f"{LEFT}restore: {said}\n",
    )
    page = Path("page.html").read_text("utf-8")
    assert "Check its permissions" in page
    assert "The batch was stopped" not in page
    assert main([*words[:4], "--skip-existing", "--json", "--quiet"]) == 1
    records = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert [record.get("status") for record in records] == ["skipped", "failed", None]
    assert (records[1]["source"], records[1]["target"]) == ("in/deep", None)
    assert main([*words[:4], "--skip-existing", "--json", "--quiet", "--dry-run"]) == 1
    records = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert [record.get("status") for record in records] == ["failed", "skipped", None]
    assert records[-1]["summary"]["failed"] == 1


def test_dry_run_does_nothing(
    restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Restorer, "load", None)
    picture(Path("out/a.png"))
    assert main(["batch", "in", "-o", "out", "--dry-run", "--skip-existing"]) == 0
    assert written() == {"out/a.png"}
    out, err = capsys.readouterr()
    assert out == "in/deep/b.jpg → out/deep/b.jpg\nin/deep/c d.png → out/deep/c d.png\n"
    assert err == LEFT + "2 to restore, 1 skipped\n"


def test_dry_run_in_json(restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]) -> None:
    picture(Path("out/a.png"))
    words = ["batch", "in", "-o", "out", "--dry-run", "--skip-existing", "--json"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    *records, last = map(json.loads, out.splitlines())
    assert [record["status"] for record in records] == ["planned", "planned", "skipped"]
    assert last["summary"] == {
        "restored": 0,
        "failed": 0,
        "skipped": 1,
        "planned": 2,
        "left": 0,
        "ignored": 1,
        "seconds": 0.0,
    }
    assert err == LEFT


def test_json_is_a_record_a_line_and_a_summary(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(Path("out/a.png"))
    restorer.failing = frozenset({"b.jpg"})
    assert main(["batch", "in", "-o", "out", "--json", "--skip-existing", "--quiet"]) == 1
    out, err = capsys.readouterr()
    *records, last = map(json.loads, out.splitlines())
    assert [record["status"] for record in records] == ["skipped", "failed", "restored"]
    assert records[1]["error"] == "b.jpg: no memory. Use a smaller --tile."
    assert records[2]["target"] == "out/deep/c d.png"
    assert (records[2]["width"], records[2]["height"]) == (12, 16)
    summary = last["summary"]
    assert (summary["restored"], summary["failed"], summary["skipped"]) == (1, 1, 1)
    assert summary["left"] == 0
    assert err == "restore: b.jpg: no memory. Use a smaller --tile.\n"


def test_a_batch_that_is_stopped_while_it_loads_sums_up(
    restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Restorer, "load", stop)
    lock(monkeypatch, "deep")
    picture(Path("in/b.png"))
    picture(Path("out/a.png"))
    words = ["batch", "in", "-o", "out", "--json", "--skip-existing", "--report", "page.html"]
    assert main(words) == 130
    out, err = capsys.readouterr()
    *records, last = map(json.loads, out.splitlines())
    assert [record["status"] for record in records] == ["skipped", "failed"]
    summary = last["summary"]
    assert (summary["restored"], summary["failed"], summary["skipped"]) == (0, 1, 1)
    assert (summary["left"], summary["ignored"]) == (1, 1)
    assert err.splitlines()[-1].startswith("restore: stopped; ")
    assert not Path("page.html").exists()


def test_verbose_tells_of_every_photo(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", "in", "-o", "out", "--verbose"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] + "\n" == LEFT
    assert [line.split(":")[0] for line in lines[1:]] == [
        "in/a.png",
        "in/deep/b.jpg",
        "in/deep/c d.png",
    ]


def test_what_is_not_restored_is_named_once_and_counted(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("in/IMG1", "in/b.xyz", "in/c.xyz", "in/.hidden", "in/a.restored.png"):
        Path(name).touch()
    assert main(["batch", "in", "-o", "out", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["summary"]["ignored"] == 4
    assert err.splitlines()[:2] == [
        "not restored: results of an earlier run, in/a.restored.png",
        "not restored: files of other kinds (2 .xyz, 1 no extension, 1 .txt), "
        "in/IMG1, in/b.xyz, in/c.xyz and 1 more",
    ]


def test_results_among_the_photos_are_not_restored_again(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", "in", "-o", "in/out", "--quiet"]) == 0
    assert main(["batch", "in", "-o", "out"]) == 0
    assert written() == ALL
    output, messages = capsys.readouterr()
    assert output.splitlines()[-1] == "3 restored, 0 failed, 0 skipped"
    assert "not restored: results of an earlier run, in/out\n" in messages


def test_a_result_without_a_byte_is_made_again(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", "in", "-o", "out"]) == 0
    whole = Path("out/a.png").read_bytes()
    Path("out/a.png").write_bytes(b"")
    assert main(["batch", "in", "-o", "out", "--skip-existing"]) == 0
    assert capsys.readouterr().out.endswith("1 restored, 0 failed, 2 skipped\n")
    assert Path("out/a.png").read_bytes() == whole


def test_a_list_on_standard_input(restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"in\n")))
    assert main(["batch", "-", "-o", "out"]) == 0
    assert written() == ALL


def outcomes(count: int) -> Iterator[Outcome]:
    for index in range(count):
        yield Outcome(
            source=f"{index}.png",
            target=f"out/{index}.png",
            status="failed" if index == 1 else "restored",
            error="1.png: is bad." if index == 1 else None,
            notices=("lost its alpha",) if index == 2 else (),
        )


def plan_of(count: int) -> Plan:
    return Plan(
        tasks=tuple(
            Task(source=Path(f"{index}.png"), target=Path(f"out/{index}.png"))
            for index in range(count)
        )
    )


def present(*, quiet: bool) -> int:
    ticks = iter(range(0, 1000, 6))
    return progress.present(
        outcomes(5),
        plan_of(5),
        Messages(quiet=quiet),
        clock=lambda: float(next(ticks)),
    )


def test_plain_lines_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    assert present(quiet=False) == 1
    assert capsys.readouterr().err.splitlines() == [
        "restore: 1.png: is bad.",
        "2 of 5 photos, 0.17 a second, 00:18 left",
        "2.png: lost its alpha",
        "4 of 5 photos, 0.17 a second, 00:06 left",
    ]


def test_quiet_leaves_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert present(quiet=True) == 1
    assert capsys.readouterr().err == "restore: 1.png: is bad.\n"


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("kind", "bar"), [("xterm", True), ("dumb", False)])
def test_a_terminal_gets_a_bar(kind: str, bar: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", kind)
    assert present(quiet=False) == 1
    shown = terminal.getvalue()
    assert ("5/5" in shown) == bar
    assert ("photo/s" in shown) == bar
    assert "restore: 1.png: is bad.\n" in shown
