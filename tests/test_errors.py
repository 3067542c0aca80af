"""Errors end as one line and an exit code; what is no refusal ends as a traceback."""

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
    expected = "restore: locked\N{REPLACEMENT CHARACTER}.jpg: permission denied. Check the path.\n"
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
