"""Disks that are full or read-only, and folders that go away: whole photos or none, and a line."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from restorecli.cli import main
from restorecli.errors import DeviceError
from restorecli.pipeline import Restorer
from tests.photo.test_files import files_of_at_most
from tests.reliability.commands import SMALL, photos, tree
from tests.support.fake_restorer import FakeRestorer

BATCH = ("batch", "in", "-o", "out", *SMALL)


@pytest.fixture
def restorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRestorer:
    """A restorer that computes nothing, and a folder `in` with nine photos of 10 KB."""
    monkeypatch.chdir(tmp_path)
    photos(Path("in"), 9, side=56)
    return FakeRestorer().installed(monkeypatch)


def mount(folder: Path, options: str) -> None:
    """Mount a small disk of memory, or skip the test."""
    if not sys.platform.startswith("linux"):
        pytest.skip("mounting a tmpfs is Linux's")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"only root mounts a tmpfs: {done.stderr.strip()}")


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Have a small disk of memory in the place of a folder."""
    folder.mkdir()
    mount(folder, options)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def done(folder: Path) -> list[str]:
    """Names of what is there, all of it whole."""
    names = sorted(tree(folder))
    for name in names:
        with Image.open(folder / name) as image:
            image.load()
    return names


def test_a_full_disk(restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]) -> None:
    with mounted(Path("out"), "size=56k"):
        assert main([*BATCH, "--jobs", "1"]) == 1
        output, messages = capsys.readouterr()
        there = done(Path("out"))
        assert 2 < len(there) < 9
        assert output == f"{len(there)} restored, {9 - len(there)} failed, 0 skipped\n"
        (line,) = messages.splitlines()
        assert line.startswith("restore: out/")
        assert "no space left on device). Nothing was left behind. No other photo is tried." in line
        assert len(restorer.seen) <= len(there) + 3  # what was on its way already
        subprocess.run(["mount", "-o", "remount,size=1m", "out"], check=True)
        assert main([*BATCH, "--skip-existing"]) == 0
        assert len(done(Path("out"))) == 9


def test_a_disk_without_room_for_a_folder(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    with mounted(Path("out"), "size=1m,nr_inodes=4"):
        assert main([*BATCH, "--jobs", "1"]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert lines
        assert all("no space left on device" in line.lower() for line in lines)
        assert all(name.endswith(".png") for name in done(Path("out")))


def test_a_disk_that_takes_small_files_only(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second way to a disk that fails, which needs no rights."""
    if not sys.platform.startswith("linux"):
        pytest.skip("limits of processes are Unix's")
    with files_of_at_most(5_000):
        assert main(BATCH) == 1
    assert done(Path("out")) == []
    assert capsys.readouterr().err.count("Nothing was left behind.") == 9
    assert main([*BATCH, "--skip-existing"]) == 0
    assert len(done(Path("out"))) == 9


def test_a_target_that_is_read_only(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    with mounted(Path("out"), "ro"):
        assert main(BATCH) == 1
        output, messages = capsys.readouterr()
        assert output == ""
        assert messages.startswith("restore: out: could not be written (read-only file system).")
        assert messages.count("\n") == 1
        assert restorer.seen == []
        assert main(["in/0/0000.png", "-o", "out/a.png"]) == 1
        line = "restore: out/a.png: could not be written (read-only file system)."
        assert capsys.readouterr().err.startswith(line)
    assert tree(Path("out")) == {}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["batch", "in", "-o", "out", "--report", "ro/page.html"], "ro/page.html"),
        (["bench", "set", "--report", "ro/page.html"], "ro/page.html"),
        (["bench", "set", "--csv", "ro/scores.csv"], "ro/scores.csv"),
        (["inspect", "in/0/0000.png", "--report", "ro/page.html"], "ro/page.html"),
        (["in/0/0000.png", "--preview", "-o", "ro/page.html"], "ro/page.html"),
        (["in/0/0000.png", "-o", "a.png", "--save-steps", "ro/steps"], "ro/steps"),
    ],
)
def test_what_is_written_beside_the_photos_is_tried_before_any_work(
    words: list[str],
    named: str,
    restorer: FakeRestorer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Restorer, "load", None)
    with mounted(Path("ro"), "ro"):
        assert main(words) == 1
    fact = "could not be written (read-only file system). Nothing was left behind."
    assert capsys.readouterr() == ("", f"restore: {named}: {fact}\n")
    assert not Path("a.png").exists()


def test_a_target_without_permission(
    restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Forced, since permissions do not bind root."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "out")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert main(BATCH) == 1
    said = "restore: out: no permission to write there. Choose another folder.\n"
    assert capsys.readouterr() == ("", said)
    assert restorer.seen == []


def test_trying_the_target_leaves_nothing(
    restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise DeviceError("cpu: is on holiday. Wait.")

    monkeypatch.setattr(Restorer, "load", refuse)
    assert main(["batch", "in", "-o", "new/out"]) == 4
    assert not Path("new").exists()


def deleting(folder: Path) -> FakeRestorer:
    """Deletes a folder while the third photo is restored."""
    return FakeRestorer(meanwhile=lambda number: shutil.rmtree(folder) if number == 2 else None)


def test_sources_that_vanish(
    restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deleting(Path("in")).installed(monkeypatch)
    assert main([*BATCH, "--jobs", "1"]) == 1
    output, messages = capsys.readouterr()
    there = done(Path("out"))
    assert 3 <= len(there) < 9
    assert output == f"{len(there)} restored, {9 - len(there)} failed, 0 skipped\n"
    assert all("no such file. Check the path." in line for line in messages.splitlines())


def test_a_target_that_vanishes_is_made_again(
    restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deleting(Path("out")).installed(monkeypatch)
    code = main([*BATCH, "--jobs", "1"])
    capsys.readouterr()
    assert all(name.endswith(".png") for name in done(Path("out")))
    assert main([*BATCH, "--skip-existing"]) == 0
    assert code in (0, 1)
    assert len(done(Path("out"))) == 9
