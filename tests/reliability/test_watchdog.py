"""The watchdog barks: what computes for ever is ended, with a traceback."""

import signal
import subprocess
import sys

from tests.reliability.commands import LINUX, ROOT, environment

HANG = """
from tests.reliability import watchdog
watchdog.SECONDS = 0.2
with watchdog.watched():
    while True:
        pass
"""


@LINUX
def test_what_hangs_is_ended_with_a_traceback() -> None:
    command = [sys.executable, "-c", HANG]
    run = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, check=False)
    assert run.returncode == -signal.SIGPROF
    assert b'File "<string>", line' in run.stderr
