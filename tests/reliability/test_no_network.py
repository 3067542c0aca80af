"""No command opens a network connection: Python's sockets are forbidden while each of them runs."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from restorecli.cli import main
from restorecli.networks.retinaface import RetinaFace, RetinaFaceConfig
from tests.reliability.commands import LINUX, completed
from tests.support.fake_restorer import picture

FORBIDDEN = (
    "socket.__new__",
    "socket.connect",
    "socket.bind",
    "socket.sendto",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "urllib.Request",
    "http.client.connect",
)
WATCH = {"on": False}
MET: list[str] = []
COMMANDS = {
    "photo": ["in/a.png", "-o", "b.png", "--compare", "c.html", "--save-steps", "steps"],
    "batch": ["batch", "in", "-o", "out"],
    "bench": ["bench", "--limit", "1"],
    "inspect": ["inspect", "in/a.png", "--report", "d.html"],
    "preview": ["in/a.png", "--preview"],
    "degrade": ["degrade", "in", "-o", "set", "--seed", "1"],
    "weights list": ["weights", "list"],
    "weights verify": ["weights", "verify"],
    "weights path": ["weights", "path"],
    "weights import": ["weights", "import", "face.pth", "-o", "imported"],
    "doctor": ["doctor"],
    "version": ["--version"],
    "help": ["--help"],
}


def forbid(event: str, _arguments: tuple[object, ...]) -> None:
    """Refuse what leads to a network; a hook that is added stays, so it has a switch."""
    if WATCH["on"] and event in FORBIDDEN:
        MET.append(event)
        raise PermissionError(1, f"{event} is forbidden here")


sys.addaudithook(forbid)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with a photo and a checkpoint, and no sockets."""
    monkeypatch.chdir(tmp_path)
    picture(Path("in/a.png"), height=40, width=40)
    torch.manual_seed(0)
    torch.save(RetinaFace(RetinaFaceConfig()).state_dict(), "face.pth")
    MET.clear()
    WATCH["on"] = True
    yield
    WATCH["on"] = False


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_no_command_opens_a_socket(
    words: list[str], offline: None, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(words)
    assert MET == []
    assert code == 0, capsys.readouterr().err


def test_the_watch_would_see_one(offline: None) -> None:
    with pytest.raises(PermissionError, match="forbidden here"):
        socket.socket()
    with pytest.raises(PermissionError, match="forbidden here"):
        socket.create_connection(("localhost", 9))
    assert MET == ["socket.__new__", "socket.getaddrinfo"]


@LINUX
def test_a_photo_is_restored_where_there_is_no_network(tmp_path: Path) -> None:
    """In a network namespace with nothing in it, where C libraries would notice too."""
    picture(tmp_path / "a.png", height=40, width=40)
    run = completed("tests.reliability.alone", ["a.png", "-o", "b.png"], cwd=tmp_path)
    if run.returncode == 77:
        pytest.skip(f"no right to make a network namespace: {run.stderr.strip()}")
    assert run.returncode == 0, run.stderr
    assert run.stdout == "b.png\n"
