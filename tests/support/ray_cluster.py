"""A real Ray cluster on the loopback, and how to kill one of its workers at a known moment."""

import contextlib
import os
import re
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import restorecli

ROOT = Path(restorecli.__file__).parents[1]
SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    "RAY_health_check_failure_threshold": "1000",  # a busy machine is not a dead one
}


@contextlib.contextmanager
def running(monkeypatch: pytest.MonkeyPatch, *, processors: int = 2) -> Iterator[str]:
    """Start a cluster of one node; give its address, as in `"127.0.0.2:6379"`.

    The processes inherit the environment as it is, and find this checkout of the package.
    """
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    folder = tempfile.mkdtemp(prefix="ray-")  # its sockets need a short name
    words = [
        *("--head", "--block", "--node-ip-address=127.0.0.2", "--port=0"),
        *(f"--num-cpus={processors}", "--num-gpus=0", "--object-store-memory=80000000"),
        *("--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}"),
    ]
    head = subprocess.Popen(
        [str(Path(sys.executable).with_name("ray")), "start", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        start_new_session=True,
    )
    try:
        yield _address(head)
    finally:
        head.terminate()  # its children end with it; SIGINT is ignored in a background
        try:
            head.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)
            head.communicate()
        shutil.rmtree(folder, ignore_errors=True)


def _address(head: subprocess.Popen[str]) -> str:
    """Read what the head says until it is up."""
    assert head.stdout is not None
    address = None
    said = []
    for line in head.stdout:
        said.append(line)
        address = address or re.search(r"--address='([\d.:]+)'", line)
        if address and "block forever" in line:
            return address[1]
    raise AssertionError("".join(said))


def kill_reader(pipe: Path) -> None:
    """Wait until a worker opens a named pipe to read it, kill that worker, and see it dead."""
    end = os.open(pipe, os.O_WRONLY)
    try:
        (reader,) = (pid for pid in _holders(pipe) if pid != os.getpid())
        watched = os.pidfd_open(reader)
        os.kill(reader, signal.SIGKILL)
        select.select([watched], [], [])
        os.close(watched)
    finally:
        os.close(end)


def _holders(pipe: Path) -> set[int]:
    """Processes that have a file open."""
    holders = set()
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if entry.readlink() == pipe:
                holders.add(int(entry.parts[2]))
    return holders
