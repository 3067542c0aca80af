"""SIGTERM, a closed terminal, a closed pipe: an end from which the work goes on."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from restorecli.cli import main
from tests.reliability.commands import LINUX, SMALL, completed, environment, photos, started, tree
from tests.support.fake_restorer import FakeRestorer

TINY = "tests.reliability.commands"
BATCH = ("batch", "in", "-o", "out", "--jobs", "2", *SMALL)
COUNT = 40  # enough that it is far from done after the first


def check_whole(folder: Path) -> int:
    """Nothing but whole photos is there; how many."""
    paths = [path for path in (folder / "out").rglob("*") if path.is_file()]
    assert all(path.suffix == ".png" for path in paths)
    for path in paths:
        with Image.open(path) as image:
            image.load()
    return len(paths)


def check_goes_on(
    folder: Path, done: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second run does the rest."""
    FakeRestorer().installed(monkeypatch)
    monkeypatch.chdir(folder)
    assert main([*BATCH, "--skip-existing"]) == 0
    assert capsys.readouterr().out == f"{COUNT - done} restored, 0 failed, {done} skipped\n"
    assert check_whole(folder) == COUNT


@LINUX
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_signal_ends_the_batch_as_ctrl_c_does(
    number: signal.Signals,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photos(tmp_path / "in", COUNT)
    run = started(TINY, [*BATCH, "--verbose"], cwd=tmp_path)
    assert run.stderr is not None
    assert run.stderr.readline().startswith("in/0/0000.png: ")
    run.send_signal(number)
    output, messages = run.communicate()
    assert run.returncode == code
    assert output == ""
    last = "restore: stopped; files that are there are whole. Go on with --skip-existing."
    assert messages.splitlines()[-1] == last
    done = check_whole(tmp_path)
    assert 0 < done < COUNT
    check_goes_on(tmp_path, done, monkeypatch, capsys)


@LINUX
def test_a_stopped_batch_sums_up_what_it_told(tmp_path: Path) -> None:
    photos(tmp_path / "in", COUNT)
    with started(TINY, [*BATCH, "--json"], cwd=tmp_path) as run:
        assert run.stdout is not None
        first = run.stdout.readline()
        run.send_signal(signal.SIGTERM)
        rest = run.stdout.read()  # `communicate` would lose what `readline` has buffered
    *others, last = rest.splitlines()
    assert run.returncode == 143
    summary = json.loads(last)["summary"]
    told = [json.loads(line)["status"] for line in (first, *others)]
    assert told == ["restored"] * summary["restored"]
    assert summary["left"] == COUNT - len(told) > 0


@LINUX
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_these_tests_hold_under_nohup_and_in_a_background(
    number: signal.Signals, tmp_path: Path
) -> None:
    """Ignored signals are inherited; the child of a test must hear them all the same."""
    photos(tmp_path / "in", COUNT)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        run = started(TINY, [*BATCH, "--verbose"], cwd=tmp_path)
    finally:
        signal.signal(number, before)
    assert run.stderr is not None
    run.stderr.readline()
    run.send_signal(number)
    run.communicate()
    assert run.returncode == 128 + number


@LINUX
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_goes_away_ends_the_batch_without_a_traceback(
    stream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(tmp_path / "in", COUNT)
    words = [*BATCH, "--json"] if stream == "stdout" else [*BATCH, "--verbose"]
    run = started(TINY, words, cwd=tmp_path)
    reader = getattr(run, stream)
    assert "in/0/0000.png" in reader.readline()
    reader.close()
    other = run.stderr if stream == "stdout" else run.stdout
    assert other is not None
    rest = other.read()
    other.close()
    assert run.wait() == 1
    assert rest == ""
    done = check_whole(tmp_path)
    assert 0 < done < COUNT
    check_goes_on(tmp_path, done, monkeypatch, capsys)


@LINUX
def test_a_picture_into_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    (path,) = photos(tmp_path / "in", 1, side=96)
    run = started(TINY, [str(path), "-o", "-", *SMALL], cwd=tmp_path)
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.close()
    assert run.stderr.read() == ""
    run.stderr.close()
    assert run.wait() == 1


@LINUX
def test_streams_that_were_never_open(tmp_path: Path) -> None:
    """As under a service that gives a program no streams at all."""
    photos(tmp_path / "in", 2)
    module = [sys.executable, "-m", TINY, "batch", "in", "-o", "out", *SMALL]
    closed = ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', *module]
    assert subprocess.run(closed, cwd=tmp_path, env=environment(), check=False).returncode == 0
    assert sorted(tree(tmp_path / "out")) == ["0/0000.png", "1/0001.png"]
    whole = completed(TINY, ["batch", "in", "-o", "same", *SMALL], cwd=tmp_path)
    assert whole.returncode == 0
    assert tree(tmp_path / "same") == tree(tmp_path / "out")


@LINUX
@pytest.mark.parametrize(
    ("stdout", "fact"),
    [
        (">&-", "is closed. Name a file with -o."),
        ("1</dev/null", "could not be written (bad file descriptor). Try a file."),
    ],
)
def test_a_picture_into_a_stream_that_takes_none(stdout: str, fact: str, tmp_path: Path) -> None:
    (path,) = photos(tmp_path / "in", 1)
    module = [sys.executable, "-m", TINY, str(path), "-o", "-", *SMALL, "--quiet"]
    run = subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {stdout}', *module],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (1, f"restore: <stdout>: {fact}\n")
