"""Many photos: the next ones are read and the last ones written while one or more are computed.

Yields what became of each photo and prints nothing. At most `jobs` photos wait to be computed and
`jobs` to be written, so memory does not grow with their number.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from restorecli import record
from restorecli.batch import targets
from restorecli.batch.parallel import Reading, computed
from restorecli.batch.plan import Plan, Task
from restorecli.batch.remote import Place, is_empty, is_result
from restorecli.errors import DeviceError, RestoreError, means_no_memory
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

    A photo that fails does not stop the rest, but a full disk does: what is left fails for the same
    reason and is not computed. A result that came meanwhile is left if `save` says so. When the
    iterator is closed or interrupted, files that are being written are finished, and nothing else
    is begun; an interruption is raised after their outcomes. Free memory goes back to the system
    after each.

    Args:
        tasks: What to restore; folders of targets are made as needed.
        restorer: Called in the calling thread, or in as many others as `run.parallel` says.
        options: For every photo.
        save: How results are written.
        run: Its `jobs`, `parallel` and `thumbnails` count here; `parallel` None is 1.
    """
    jobs = run.jobs
    readers = ThreadPoolExecutor(jobs, "read")
    writers = ThreadPoolExecutor(jobs, "write")
    writing: deque[Future[Outcome]] = deque()
    blocked = targets.Blocked()

    def settled(task: Task) -> Outcome | None:
        return _settled(task, save, blocked)

    def compute(task: Task, reading: Reading) -> _Done:
        over = settled(task)
        return _Done(outcome=over) if over else _compute(task, reading, restorer, options, run)

    try:
        photos = _read_ahead(tasks, readers, run, settled)
        for task, done in computed(photos, compute, run.parallel or 1):
            writing.append(writers.submit(_write, task, done, save, blocked))
            del done  # held by its writer alone
            give_back()
            while writing and (len(writing) > jobs or writing[0].done()):
                yield _first(writing)
        while writing:
            yield _first(writing)
    except KeyboardInterrupt:
        writers.shutdown(cancel_futures=True)
        yield from (future.result() for future in writing if not future.cancelled())
        raise
    finally:
        readers.shutdown(cancel_futures=True)
        writers.shutdown(cancel_futures=True)


def _first(writing: deque[Future[Outcome]]) -> Outcome:
    """Wait for the first photo to be written; if that is interrupted, it stays where it is."""
    outcome = writing[0].result()
    writing.popleft()
    return outcome


def remove_unfinished(work: Plan) -> None:
    """Delete what a killed run left unfinished in the folders of the targets."""
    places = {task.target for task in (*work.tasks, *work.skipped)}
    for folder in {target.parent for target in places if isinstance(target, Path)}:
        files.remove_stale(folder)


def _settled(task: Task, save: SaveOptions, blocked: targets.Blocked) -> Outcome | None:
    """What became of a photo that need not be computed: its result is there, or cannot be put."""
    reason = blocked.reason(task)
    if reason is not None:
        return record.failed(str(task.source), str(task.target), reason)
    local = isinstance(task.target, Path) and not save.again  # a store is asked when it is written
    if save.skip_existing and local and is_result(task.target):
        return record.skipped(str(task.source), str(task.target))
    return None


def _read_ahead(
    tasks: Sequence[Task],
    readers: ThreadPoolExecutor,
    run: RunOptions,
    settled: Callable[[Task], Outcome | None],
) -> Iterator[tuple[Task, Reading]]:
    """Yield each task with its photo on the way, `run.jobs` more of them being read."""

    def read(task: Task) -> Photo | Outcome:
        return settled(task) or Photo.read(task.source, max_megapixels=run.max_megapixels)

    waiting: deque[tuple[Task, Reading]] = deque()
    for task in tasks:
        waiting.append((task, readers.submit(read, task)))
        if len(waiting) > run.jobs:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


def _compute(
    task: Task,
    reading: Reading,
    restorer: SupportsRestore,
    options: Options,
    run: RunOptions,
) -> _Done:
    """Restore one photo."""
    small = None
    try:
        photo = reading.result()
        if isinstance(photo, Outcome):
            return _Done(outcome=photo)
        scale = options.for_photo(photo.height, photo.width).scale
        photo.refuse_scale(scale, task.target.suffix, str(task.target))
        restoration = restorer.restore(
            photo, options, keep_steps=run.thumbnails, step_side=thumbnails.LONGEST_SIDE
        )
        if run.thumbnails:
            small = thumbnails.small_photos(photo, restoration, options.stages)
    except FAILURES as error:
        return _Done(outcome=record.failed(str(task.source), str(task.target), error))
    except Exception as error:
        if not means_no_memory(error):
            raise
        refusal = DeviceError(f"{task.source}: too little memory is free. Close other programs.")
        return _Done(outcome=record.failed(str(task.source), str(task.target), refusal))
    outcome = record.restored(str(task.source), str(task.target), photo, restoration)
    return _Done(outcome=outcome, result=restoration.photo, small=small)


def _write(task: Task, done: _Done, save: SaveOptions, blocked: targets.Blocked) -> Outcome:
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
        if save.skip_existing and is_result(task.target):  # another batch was first
            return record.skipped(str(task.source), str(task.target))
        reason = blocked.told(task, error)
        return record.failed(str(task.source), str(task.target), reason)
    return replace(done.outcome, notices=done.outcome.notices + losses, thumbnails=pictures)


def _save(result: Photo, target: Place, save: SaveOptions) -> tuple[str, ...]:
    """Write a photo, its folders made as needed; say what its format could not hold."""
    if save.again and (target.is_file() if isinstance(target, Path) else target.exists()):
        encoded = result.encoded(target.suffix, save.quality)
        if target.read_bytes() == encoded.content():
            return encoded.losses
    if isinstance(target, Path):
        files.make_folder(target.parent)
    overwrite = save.overwrite or (save.skip_existing and is_empty(target))
    return result.write(target, quality=save.quality, overwrite=overwrite)
