"""Several photos computed at once on a CPU, each by a share of its threads.

The networks are in memory once. Threads within one photo wait for each other between the layers,
photos never do.
"""

import ctypes
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from restorecli.photo import Photo
from restorecli.record import Outcome

LARGE = 4_000_000  # pixels; such a photo is computed alone, by all threads
TaskT = TypeVar("TaskT")
DoneT = TypeVar("DoneT")
Reading = Future[Photo | Outcome]  # an outcome where the photo need not be computed


def computed(
    tasks: Iterable[tuple[TaskT, Reading]],
    compute: Callable[[TaskT, Reading], DoneT],
    parallel: int,
) -> Iterator[tuple[TaskT, DoneT]]:
    """Compute photos, `parallel` of them at once, and yield the results in their order.

    Args:
        tasks: Each with its photo on the way.
        compute: Called in this thread for large photos, and for all if `parallel` is 1. What it
            raises is raised here.
        parallel: Photos at once, 1 or more; each has its share of PyTorch's threads.

    When the iterator is closed or interrupted, what is being computed is given up.
    """
    if parallel == 1:
        for task, reading in tasks:
            yield task, compute(task, reading)
        return
    threads = torch.get_num_threads()
    crew = _Crew(compute, parallel, max(1, threads // parallel))
    waiting: deque[tuple[TaskT, Future[DoneT]]] = deque()
    try:
        for task, reading in tasks:
            if _is_large(reading):
                yield from _results(waiting, keep=0)
                torch.set_num_threads(threads)
                yield task, compute(task, reading)
            else:
                waiting.append((task, crew.submit(task, reading)))
                yield from _results(waiting, keep=parallel)
        yield from _results(waiting, keep=0)
    finally:
        crew.stop()
        torch.set_num_threads(threads)


def _results(
    waiting: deque[tuple[TaskT, Future[DoneT]]], keep: int
) -> Iterator[tuple[TaskT, DoneT]]:
    """Take results from the front: those that are there, and all but `keep`."""
    while waiting and (len(waiting) > keep or waiting[0][1].done()):
        task, result = waiting.popleft()
        yield task, result.result()


class _Crew:
    """Threads that compute, and can be stopped as Ctrl-C stops the main one."""

    def __init__(self, compute: Callable[..., object], size: int, threads: int) -> None:
        self._compute, self._threads = compute, threads
        self._pool = ThreadPoolExecutor(size, "compute")
        self._busy: set[int] = set()

    def submit(self, *work: object) -> Future:  # type: ignore[type-arg]
        return self._pool.submit(self._run, *work)

    def _run(self, *work: object) -> object:
        torch.set_num_threads(self._threads)  # of this thread; MKL's, of the process
        self._busy.add(threading.get_ident())
        try:
            return self._compute(*work)
        finally:
            self._busy.discard(threading.get_ident())

    def stop(self) -> None:
        """Begin nothing more and interrupt what is being computed; wait for the threads to end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for thread in tuple(self._busy):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt)
            )
        self._pool.shutdown()


def _is_large(reading: Reading) -> bool:
    """Whether a photo, once it is read, has so many pixels that it is computed alone."""
    if reading.exception() is not None:
        return False
    photo = reading.result()
    if isinstance(photo, Outcome):
        return False
    return photo.height * photo.width > LARGE
