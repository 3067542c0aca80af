"""Standard streams: what is closed is opened on nothing, what is open takes every name."""

import io
import sys

import pytest

from restorecli.cli import standard_streams


def test_closed_streams_are_opened_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    standard_streams.make_ready()
    with sys.stdin, sys.stdout, sys.stderr:
        assert sys.stdin.read() == ""
        print("nobody hears this", file=sys.stdout)  # noqa: T201
        print("nor this", file=sys.stderr)  # noqa: T201


def test_names_that_no_terminal_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    bytes_written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bytes_written, encoding="ascii"))
    standard_streams.make_ready()
    sys.stdout.write("사진\udcff.jpg")
    sys.stdout.flush()
    assert bytes_written.getvalue() == rb"\uc0ac\uc9c4\udcff.jpg"
