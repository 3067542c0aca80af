"""The command line in processes of its own: with tiny networks, in whatever environment."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from PIL import Image

from restorecli.cli import main
from restorecli.cli.process import STOPPING
from restorecli.pipeline import Restorer
from tests.support.photo_samples import noise
from tests.support.tiny import tiny_restorer

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's own means")
SMALL = ("--scale", "1", "--no-faces")


def environment(changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The environment of a child: this checkout's modules, one thread, and changes to it."""
    changed: dict[str, str | None] = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    changed.update(changes or {})
    return {key: value for key, value in changed.items() if value is not None}


def started(
    module: str, words: Sequence[str], *, cwd: Path, stdout: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """Start a module as a program."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=cwd,
        env=environment(),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def completed(
    module: str,
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str | None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a module as a program to its end."""
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        check=False,
    )


def photos(folder: Path, count: int, *, side: int = 32) -> list[Path]:
    """Write small pictures of noise, all of them different, in two levels of folders."""
    paths = [folder / str(index % 2) / f"{index:04d}.png" for index in range(count)]
    for index, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(side, side + 8, seed=index)).save(path)
    return paths


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def use_tiny_networks() -> None:
    """Let every `Restorer` of this process be one of tiny random networks, the same each time."""
    restorer = tiny_restorer()
    Restorer.load = lambda **_: restorer  # type: ignore[method-assign]


def hear_signals() -> None:
    """Undo what `nohup` and the background of a script hand on: signals that are ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    hear_signals()
    use_tiny_networks()
    sys.exit(main())
