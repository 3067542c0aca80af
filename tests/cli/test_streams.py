"""Tests of `restore photo` between standard input and standard output."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from restorecli.cli import main, process
from tests.support.fake_restorer import FakeRestorer, picture


@pytest.fixture
def restorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRestorer:
    """A restorer that computes nothing, a folder to work in, and a photo in it."""
    monkeypatch.chdir(tmp_path)
    picture(Path("a.jpg"))
    return FakeRestorer().installed(monkeypatch)


class Stream(io.TextIOWrapper):
    """A standard stream over bytes in memory."""

    def __init__(self, content: bytes = b"", *, terminal: bool = False) -> None:
        self.bytes = io.BytesIO(content)
        self.terminal = terminal
        super().__init__(self.bytes, encoding="utf-8")

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def streams(restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stream]:
    """Put streams of bytes in the place of the standard ones; give the output."""

    def install(content: bytes, *, terminals: bool = False) -> Stream:
        monkeypatch.setattr(sys, "stdin", Stream(content, terminal=terminals))
        monkeypatch.setattr(sys, "stdout", Stream(terminal=terminals))
        assert isinstance(sys.stdout, Stream)
        return sys.stdout

    return install


@pytest.mark.parametrize("words", [["-"], ["-", "-o", "-"]])
def test_stdin_to_stdout(
    words: list[str], streams: Callable[..., Stream], capsys: pytest.CaptureFixture[str]
) -> None:
    output = streams(Path("a.jpg").read_bytes())
    assert main(words) == 0
    with Image.open(io.BytesIO(output.bytes.getvalue())) as image:
        assert (image.format, image.size) == ("PNG", (24, 32))
    assert capsys.readouterr().err.startswith("-: 12×16 → 24×32")
    assert [path.name for path in Path().iterdir()] == ["a.jpg"]


def test_ext_is_the_format_of_stdout(streams: Callable[..., Stream]) -> None:
    output = streams(b"")
    assert main(["a.jpg", "-o", "-", "--ext", "jpg"]) == 0
    with Image.open(io.BytesIO(output.bytes.getvalue())) as image:
        assert image.format == "JPEG"


def test_stdin_to_a_file(streams: Callable[..., Stream]) -> None:
    output = streams(Path("a.jpg").read_bytes())
    assert main(["-", "-o", "b.png"]) == 0
    with Image.open("b.png") as image:
        assert image.size == (24, 32)
    output.flush()
    assert output.bytes.getvalue() == b"b.png" + os.linesep.encode()


def test_nothing_piped_in(
    streams: Callable[..., Stream], capsys: pytest.CaptureFixture[str]
) -> None:
    streams(b"")
    assert main(["-"]) == 1
    assert capsys.readouterr().err.startswith("restore: <")


@pytest.mark.parametrize(
    ("words", "code", "fact"),
    [
        (["-", "-o", "b.png"], 1, "<stdin>: is a terminal. Pipe a photo in, or name a file."),
        (["a.jpg", "-o", "-"], 2, "<stdout>: is a terminal. Pipe the picture on, or name a file"),
    ],
)
def test_terminals_take_no_pictures(
    words: list[str],
    code: int,
    fact: str,
    streams: Callable[..., Stream],
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = streams(b"", terminals=True)
    assert main(words) == code
    assert capsys.readouterr().err.startswith(f"restore: {fact}")
    assert output.bytes.getvalue() == b""


def test_picture_into_a_closed_pipe_ends_quietly(
    streams: Callable[..., Stream],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Closed(io.BytesIO):
        def write(self, *_: object) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Closed(), encoding="utf-8"))
    assert main(["a.jpg", "-o", "-"]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", [["a.jpg", "-o", "-"], ["a.jpg"], ["--help"], ["--version"]])
def test_a_full_standard_output_is_one_line(
    words: list[str], restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is Linux's")
    before = sys.stdout
    with Path("/dev/full").open("w") as full:
        sys.stdout = full
        try:
            assert main(words) == 1
        finally:
            sys.stdout = before
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "restore: <stdout>: could not be written (no space left on device). Try a file."


def test_a_standard_error_that_takes_nothing_does_not_hide_the_code(
    restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    assert main(["gone.jpg", "--quiet"]) == 1
    assert main(["a.jpg", "--scale", "three"]) == 2


def test_names_that_are_no_text_reach_the_next_program(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8"))
    process.open_streams()
    sys.stdout.write(process.name_on_stdout("사진\udcff.jpg"))
    sys.stdout.flush()
    assert written.getvalue() == "사진".encode() + b"\xff.jpg"


def test_a_photo_from_a_closed_stream_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["-", "-o", "a.png"]) == 1
    sys.stdin.close()
    assert capsys.readouterr() == ("", "restore: <stdin>: is closed. Name a file.\n")


def test_a_photo_from_a_stream_has_no_name_in_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-", "-o", "out/"]) == 2
    said = "restore: -: has no name for its result in a folder. Name a file with -o.\n"
    assert capsys.readouterr() == ("", said)


def test_closed_streams_are_opened_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    process.open_streams()
    with sys.stdin, sys.stdout, sys.stderr:
        assert sys.stdin.read() == ""
        print("nobody hears this", file=sys.stdout)  # noqa: T201
        print("nor this", file=sys.stderr)  # noqa: T201


def test_names_that_no_terminal_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    bytes_written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bytes_written, encoding="ascii"))
    process.open_streams()
    sys.stdout.write("사진\udcff.jpg")
    sys.stdout.flush()
    assert bytes_written.getvalue() == rb"\uc0ac\uc9c4\udcff.jpg"
