"""Many photos: the next ones are read and the last ones written while one or more are computed.

Yields what became of each photo and prints nothing. At most `jobs` photos wait to be computed and
`jobs` to be written, so memory does not grow with their number.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from restorecli import record
from restorecli.batch.parallel import computed
from restorecli.batch.plan import Plan, Task
from restorecli.batch.remote import Place
from restorecli.errors import RestoreError
from restorecli.host import give_back
from restorecli.options import Options, RunOptions, SaveOptions, StageImage
from restorecli.photo import Photo, files
from restorecli.pipeline import Restoration
from restorecli.previews import thumbnails
from restorecli.record import Outcome

FAILURES = (RestoreError, OSError, MemoryError)  # of one photo; what else escapes is a bug


@runtime_checkable
class SupportsRestore(Protocol):
    """What the batch needs of a restorer."""

    def restore(
        self, photo: Photo, options: Options, *, keep_steps: bool, step_side: int
    ) -> Restoration:
        """Restore one photo; keep its steps, no higher and wider than so many pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Done:
    """A photo on its way to be written; it failed if there is no result."""

    outcome: Outcome
    result: Photo | None = None
    small: Mapping[StageImage, Photo] | None = None


def restore_tasks(
    tasks: Sequence[Task],
    restorer: SupportsRestore,
    options: Options,
    save: SaveOptions,
    run: RunOptions,
) -> Iterator[Outcome]:
    """Restore photos one after the other; yield their outcomes in the order of the tasks.

    A photo that fails does not stop the rest. When the iterator is closed or interrupted, files
    that are being written are finished, and nothing else is begun. Free memory goes back to the
    system after each.

    Args:
        tasks: What to restore; folders of targets are made as needed.
        restorer: Called in the calling thread, or in as many others as `run.parallel` says.
        options: For every photo.
        save: How results are written.
        run: Its `jobs`, `parallel` and `thumbnails` count here; `parallel` None is 1.
    """
    jobs = run.jobs

    def compute(task: Task, reading: Future[Photo]) -> _Done:
        return _compute(task, reading, restorer, options, run)

    readers = ThreadPoolExecutor(jobs, "read")
    writers = ThreadPoolExecutor(jobs, "write")
    writing: deque[Future[Outcome]] = deque()
    try:
        for task, done in computed(_read_ahead(tasks, readers, run), compute, run.parallel or 1):
            writing.append(writers.submit(_write, task, done, save))
            del done  # held by its writer alone
            give_back()
            while writing and (len(writing) > jobs or writing[0].done()):
                yield writing.popleft().result()
        while writing:
            yield writing.popleft().result()
    finally:
        readers.shutdown(cancel_futures=True)
        writers.shutdown(cancel_futures=True)


def remove_unfinished(work: Plan) -> None:
    """Delete what a killed run left unfinished in the folders of the targets."""
    targets = {task.target for task in (*work.tasks, *work.skipped)}
    for folder in {target.parent for target in targets if isinstance(target, Path)}:
        files.remove_stale(folder)


def _read_ahead(
    tasks: Sequence[Task], readers: ThreadPoolExecutor, run: RunOptions
) -> Iterator[tuple[Task, Future[Photo]]]:
    """Yield each task with its photo on the way, `run.jobs` more of them being read."""
    waiting: deque[tuple[Task, Future[Photo]]] = deque()
    limit = run.max_megapixels
    for task in tasks:
        waiting.append((task, readers.submit(Photo.read, task.source, max_megapixels=limit)))
        if len(waiting) > run.jobs:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


def _compute(
    task: Task,
    reading: Future[Photo],
    restorer: SupportsRestore,
    options: Options,
    run: RunOptions,
) -> _Done:
    """Restore one photo."""
    small = None
    try:
        photo = reading.result()
        photo.refuse_scale(options.scale, task.target.suffix, str(task.target))
        restoration = restorer.restore(
            photo, options, keep_steps=run.thumbnails, step_side=thumbnails.LONGEST_SIDE
        )
        if run.thumbnails:
            small = thumbnails.small_photos(photo, restoration, options.stages)
    except FAILURES as error:
        return _Done(outcome=record.failed(str(task.source), str(task.target), error))
    outcome = record.restored(str(task.source), str(task.target), photo, restoration)
    return _Done(outcome=outcome, result=restoration.photo, small=small)


def _write(task: Task, done: _Done, save: SaveOptions) -> Outcome:
    """Write one result, if there is one, in a thread that writes; say what became of it."""
    if done.result is None:
        return done.outcome
    result = done.result.stripped(gps=save.strip_gps, metadata=save.strip_metadata)
    try:
        pictures = None
        if done.small:
            content, changed = thumbnails.encoded(done.small)
            pictures = record.Thumbnails(pictures=content, changed=changed)
        losses = _save(result, task.target, save)
    except FAILURES as error:
        return record.failed(str(task.source), str(task.target), error)
    return replace(done.outcome, notices=done.outcome.notices + losses, thumbnails=pictures)


def _save(result: Photo, target: Place, save: SaveOptions) -> tuple[str, ...]:
    """Write a photo, its folders made as needed; say what its format could not hold."""
    if save.again and (target.is_file() if isinstance(target, Path) else target.exists()):
        encoded = result.encoded(target.suffix, save.quality)
        if target.read_bytes() == encoded.content():
            return encoded.losses
    if isinstance(target, Path):
        target.parent.mkdir(parents=True, exist_ok=True)
    return result.write(target, quality=save.quality, overwrite=save.overwrite)
