"""Errors end as one line and an exit code; what is no refusal ends as a traceback."""

import os
import subprocess
import sys

import pytest

from restorecli import errors
from restorecli.cli import app, main
from restorecli.errors import RestoreError


def every_error() -> list[type[RestoreError]]:
    return [RestoreError, *RestoreError.__subclasses__()]


@pytest.mark.parametrize("error", every_error())
def test_every_error_is_one_line_and_its_exit_code(
    error: type[RestoreError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error("a.jpg: is bad. Do better.")

    monkeypatch.setattr(app, "app", fail)
    assert main(["a.jpg"]) == error.exit_code
    assert capsys.readouterr() == ("", "restore: a.jpg: is bad. Do better.\n")
    assert f"{error.__name__}  " in (errors.__doc__ or "")


def test_a_bug_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "app", fail)
    with pytest.raises(ZeroDivisionError):
        main(["a.jpg"])


def test_a_file_that_the_system_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise PermissionError(13, "Permission denied", "locked\n.jpg")

    monkeypatch.setattr(app, "app", fail)
    assert main(["a.jpg"]) == 1
    expected = "restore: $'locked\\x0a.jpg': permission denied. Check the path.\n"
    assert capsys.readouterr() == ("", expected)


def test_an_error_of_the_system_about_no_file_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(app, "app", fail)
    with pytest.raises(OSError, match="Input/output"):
        main(["a.jpg"])


def test_ctrl_c_outside_of_a_command_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "app", fail)
    assert main(["a.jpg"]) == 130


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain ü 사진.jpg", "plain ü 사진.jpg"),
        ("it's.jpg", "it's.jpg"),
        ("a\udcff'\\.jpg", r"$'a\xff\'\\.jpg'"),
        ("\x1b[2J.jpg", r"$'\x1b[2J.jpg'"),
        ("no\u00a0break.jpg", r"$'no\xc2\xa0break.jpg'"),
    ],
)
def test_a_name_in_a_message_can_be_pasted_into_a_shell(name: str, shown: str) -> None:
    assert errors.printable(name) == shown
    if sys.platform.startswith("linux") and shown.startswith("$'"):
        script = ["bash", "-c", f"printf %s {shown}"]
        told = subprocess.run(script, check=True, capture_output=True).stdout
        assert told == os.fsencode(name)


def test_every_name_of_a_message_is_printable() -> None:
    raw = "a\nb.jpg: is a folder. Use: restore batch a\nb.jpg -o OUT"
    assert errors.one_line(raw) == (
        r"$'a\x0ab.jpg': is a folder. Use: restore batch $'a\x0ab.jpg' -o OUT"
    )


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("could not create a primitive"),
        OSError(12, "Cannot allocate memory"),
        UserWarning("mkldnn_matmul failed, switching to BLAS gemm:could not create a primitive"),
    ],
)
def test_no_memory_anywhere_is_exit_code_4(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(app, "app", fail)
    assert main(["a.jpg"]) == 4
    line = "restore: memory: too little is free, or a limit is set (ulimit -v). "
    assert capsys.readouterr() == ("", f"{line}Close other programs, or raise the limit.\n")


@pytest.mark.parametrize("kind", [ImportError, RuntimeError])
def test_a_missing_module_is_a_bug(kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise kind("no module named x")

    monkeypatch.setattr(app, "app", fail)
    with pytest.raises(kind):
        main(["a.jpg"])
