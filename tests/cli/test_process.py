"""Signals that ask a process to end: turned into Ctrl-C while work runs, and only then."""

import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from restorecli.cli.process import STOPPING, signals_stop_work

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")


@pytest.fixture(autouse=True)
def _untouched_signals() -> Iterator[None]:
    """As in a fresh process: a library used by an earlier test may look after them already."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


def stopped_by_sigterm() -> None:
    """Do as a command does: end with its own code once it was interrupted."""
    with signals_stop_work():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        raise SystemExit(130)


def test_a_signal_becomes_ctrl_c_and_an_exit_code() -> None:
    with pytest.raises(SystemExit) as end:
        stopped_by_sigterm()
    assert end.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_ctrl_c_and_other_ends_stay_what_they_are() -> None:
    with pytest.raises(SystemExit) as end, signals_stop_work():
        raise SystemExit(3)
    assert end.value.code == 3
    with pytest.raises(KeyboardInterrupt), signals_stop_work():
        raise KeyboardInterrupt
    with signals_stop_work():
        assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_stop_work():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_threads_are_left_alone() -> None:
    seen: list[object] = []

    def work() -> None:
        with signals_stop_work():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]
