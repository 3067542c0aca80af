"""Many photos: the next ones are read and the last ones written while one is computed.

Yields what became of each photo and prints nothing. At most `jobs` photos wait to be computed and
`jobs` to be written, so memory does not grow with their number.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from restorecli import photo_unfinished, places, record
from restorecli.errors import RestoreError
from restorecli.options import Options
from restorecli.photo import Photo
from restorecli.pipeline import Restoration
from restorecli.plan import Plan, Task
from restorecli.record import Outcome

FAILURES = (RestoreError, OSError, MemoryError)  # of one photo; what else escapes is a bug


@runtime_checkable
class Restores(Protocol):
    """What the batch needs of a restorer."""

    def restore(self, photo: Photo, options: Options) -> Restoration:
        """Restore one photo."""


@dataclass(frozen=True, kw_only=True)
class _Rules:
    """How results are written; see `run`."""

    quality: int
    overwrite: bool
    again: bool


def run(
    tasks: Sequence[Task],
    restorer: Restores,
    options: Options,
    *,
    quality: int,
    overwrite: bool,
    jobs: int,
    again: bool = False,
) -> Iterator[Outcome]:
    """Restore photos one after the other; yield their outcomes in the order of the tasks.

    A photo that fails does not stop the rest. When the iterator is closed or interrupted, files
    that are being written are finished, and nothing else is begun.

    Args:
        tasks: What to restore; folders of targets are made as needed.
        restorer: Called in the calling thread only.
        options: For every photo.
        quality: Of lossy formats, 1 to 100.
        overwrite: Whether targets may exist.
        jobs: Threads that read, and as many that write.
        again: A target that holds the very bytes of the result counts as written by an earlier try.
    """
    readers = ThreadPoolExecutor(jobs, "read")
    writers = ThreadPoolExecutor(jobs, "write")
    writing: deque[Future[Outcome]] = deque()
    rules = _Rules(quality=quality, overwrite=overwrite, again=again)
    try:
        for task, reading in _read_ahead(tasks, readers, jobs):
            outcome, result = _compute(task, reading, restorer, options)
            writing.append(writers.submit(_write, task, outcome, result, rules))
            del result  # held by its writer alone
            while writing and (len(writing) > jobs or writing[0].done()):
                yield writing.popleft().result()
        while writing:
            yield writing.popleft().result()
    finally:
        readers.shutdown(cancel_futures=True)
        writers.shutdown(cancel_futures=True)


def clear(work: Plan) -> None:
    """Delete what a killed run left unfinished in the folders of the targets."""
    targets = {task.target for task in (*work.tasks, *work.skipped)}
    for folder in {target.parent for target in targets if isinstance(target, Path)}:
        photo_unfinished.clear(folder)


def _read_ahead(
    tasks: Sequence[Task], readers: ThreadPoolExecutor, ahead: int
) -> Iterator[tuple[Task, Future[Photo]]]:
    """Yield each task with its photo on the way, `ahead` more of them being read."""
    waiting: deque[tuple[Task, Future[Photo]]] = deque()
    for task in tasks:
        waiting.append((task, readers.submit(places.read, task.source)))
        if len(waiting) > ahead:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


def _compute(
    task: Task, reading: Future[Photo], restorer: Restores, options: Options
) -> tuple[Outcome, Photo | None]:
    """Restore one photo; the result is None if it failed."""
    try:
        photo = reading.result()
        restoration = restorer.restore(photo, options)
    except FAILURES as error:
        return record.failed(str(task.source), str(task.target), error), None
    outcome = record.restored(str(task.source), str(task.target), photo, restoration)
    return outcome, restoration.photo


def _write(task: Task, outcome: Outcome, result: Photo | None, rules: "_Rules") -> Outcome:
    """Write one result, if there is one, in a thread that writes; say what became of it."""
    if result is None:
        return outcome
    try:
        if rules.again and places.holds(task.target, result, quality=rules.quality):
            losses = result.losses(task.target.suffix)
        else:
            losses = places.write(
                result, task.target, quality=rules.quality, overwrite=rules.overwrite
            )
    except FAILURES as error:
        return record.failed(str(task.source), str(task.target), error)
    return replace(outcome, notices=outcome.notices + losses)
