"""An end for what hangs, in libraries too, where Python's own handlers would never run."""

import faulthandler
import signal
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 10  # of the processor: a busy machine is no hang
SECONDS_BY_THE_CLOCK = 120


@contextmanager
def watched() -> Iterator[None]:
    """End the process, with a traceback of every thread, if the block does not end in time."""
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)
    faulthandler.dump_traceback_later(SECONDS_BY_THE_CLOCK, exit=True)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
