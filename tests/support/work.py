"""How much work something is, without a clock's promise: in units of the same processor's."""

import time
from collections.abc import Callable

TRIES = 3


def _unit() -> float:
    """Seconds of computing that a million entries of a small dictionary take: some hundredths."""
    began, table = time.process_time(), {}
    for number in range(1_000_000):
        table[number & 1023] = number
    return time.process_time() - began


def takes_at_most(units: float, work: Callable[[], object]) -> bool:
    """Whether work takes no more computing than so many units, measured beside it.

    Of a few tries the best counts: what else a machine does can make any of them slow, and what is
    in proportion to a square is slow in all.
    """
    for _ in range(TRIES):
        before, began = _unit(), time.process_time()
        work()
        seconds = time.process_time() - began
        if seconds <= units * max(before, _unit()):
            return True
    return False
