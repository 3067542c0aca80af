"""From the words on a command line to pairs of source and target.

Everything that can be refused about a batch is refused here, before the first pixel: two sources
with one target, a target that is a source, results that are already there. Nothing is written.
"""

import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from restorecli import record
from restorecli.batch import remote_plan
from restorecli.batch.remote import Place, RemotePath, is_result
from restorecli.batch.remote_plan import MARK
from restorecli.batch.search import Find, expand, inside, real, without_results
from restorecli.errors import NothingToDoError, PhotoWriteError, PlanError
from restorecli.photo.files import there
from restorecli.photo.formats import READABLE, WRITABLE, spelled, writable_suffix
from restorecli.record import Outcome


@dataclass(frozen=True, kw_only=True)
class Task:
    """One photo to restore, and where its result goes."""

    source: Place
    target: Place


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A batch that contradicts nothing.

    Attributes:
        tasks: What is to be done, sorted within each source that was asked for.
        skipped: Photos whose result is there already.
        ignored: Number of files passed over: hidden ones, and those of no readable kind.
        others: Those of no readable kind that are not hidden.
        results: Files and folders that are results of an earlier run, and so were passed over.
        out: Folder for the results.
        within: It lies in a folder that was searched for photos.
        failures: What became of folders that cannot be searched.
    """

    tasks: tuple[Task, ...]
    skipped: tuple[Task, ...] = ()
    ignored: int = 0
    others: tuple[Place, ...] = ()
    results: tuple[Place, ...] = ()
    out: Place | None = None
    within: bool = False
    failures: tuple[Outcome, ...] = ()


def make(
    sources: Sequence[str],
    out: Place,
    *,
    ext: str | None = None,
    skip_existing: bool = False,
    overwrite: bool = False,
) -> Plan:
    """Find the photos and say where each result goes.

    Args:
        sources: Folders (searched to any depth, their tree is kept below `out`), files, patterns
            as in `photos/**/*.jpg` (the tree from the first wildcard on is kept), and `@list.txt`
            (one of the former a line), `-` for such a list on standard input. An existing path
            always means itself, wildcards or not. Each may be a URL of a store.
        out: Folder for the results; what lies in it is no source, unless it is named as a file.
            Nor are results of earlier runs that are found in a search.
        ext: Suffix of every result, with or without its dot, or None to keep each photo's own
            suffix where that kind can be written, and take `.png` where it cannot.
        skip_existing: Leave out photos whose target exists.
        overwrite: Let targets exist.

    Raises:
        PlanError: Two photos have one target, a target is a source, `out` may hold sources, `ext`
            cannot be written, or both ways to treat existing targets are asked for.
        PhotoReadError: A source or a list is missing, or there is nothing but a folder that
            cannot be searched.
        PhotoWriteError: A target exists, and nothing says what to do about it.
        NothingToDoError: No photo was found.
    """
    if skip_existing and overwrite:
        raise PlanError("--skip-existing and --overwrite contradict each other. Use one of them.")
    if isinstance(out, Path) and there(out) and not out.is_dir():
        raise PlanError(f"{out}: is a file. Name a folder for the results.")
    suffix = None if ext is None else writable_suffix(ext)
    finds, results = without_results([f for source in sources for f in expand(source, out)])
    photos: dict[str, Find] = {}
    for find in (find for find in finds if find.is_photo):
        photos.setdefault(key(find.source), find)
    refusals = {str(find.source): find.refusal for find in finds if find.refusal is not None}
    if not photos:
        raise next(iter(refusals.values()), NothingToDoError(_nothing(sources, finds)))
    tasks = _tasks(list(photos.values()), out, suffix)
    _refuse_collisions(tasks)
    within = any(find.searched and _holds(find, out) for find in finds)
    if within:
        _refuse_originals(out)
    existing = _existing(tasks, out, filled=skip_existing)
    if not (skip_existing or overwrite):
        _refuse_existing(existing, tasks)
    skipped = set(existing) if skip_existing else set()
    others = [find for find in finds if not (find.is_photo or find.refusal)]
    return Plan(
        tasks=tuple(task for task in tasks if task not in skipped),
        skipped=tuple(task for task in tasks if task in skipped),
        ignored=len(others),
        others=tuple(find.source for find in others if not find.is_hidden),
        results=tuple(dict.fromkeys(find.source for find in results)),
        out=out,
        within=within,
        failures=tuple(record.failed(name, None, why) for name, why in refusals.items()),
    )


def _holds(find: Find, out: Place) -> bool:
    """Whether the results go into the folder in which a file was searched for."""
    root = str(find.source).removesuffix(find.relative.as_posix())
    if isinstance(find.source, Path):
        return inside(out, Path(root))
    return str(out).startswith(root)


def _refuse_originals(out: Place) -> None:
    """Refuse a folder for results that holds photos, and no mark that a batch has made them."""
    if not isinstance(out, Path) or there(out / MARK):
        return
    for root, _, names in os.walk(out):
        for name in sorted(names):
            if Find(source=Path(root, name), relative=PurePath(name)).is_photo:
                fact = f"lies in a folder of photos, and {Path(root, name)} may be one of them"
                raise PlanError(f"{out}: {fact}. Name another folder with -o.")


def _tasks(photos: Sequence[Find], out: Place, suffix: str | None) -> list[Task]:
    """Name the results; photos of one folder that differ in their kind alone keep its name in it.

    So `anim.gif` becomes `anim.gif.png` where `anim.png` is restored too.
    """
    plain = {find.source: _target(find, suffix) for find in photos}
    count = Counter((find.folder, plain[find.source]) for find in photos)
    tasks = []
    for find in photos:
        relative = plain[find.source]
        if count[find.folder, relative] > 1 and relative.suffix != find.source.suffix:
            relative = find.relative.with_name(find.relative.name + relative.suffix)
        tasks.append(Task(source=find.source, target=out / relative))
    return tasks


def _target(find: Find, suffix: str | None) -> PurePath:
    own = find.source.suffix
    usual = own if own.lower() in WRITABLE else ".png"
    return find.relative.with_suffix(suffix or usual)


def _existing(tasks: Sequence[Task], out: Place, *, filled: bool) -> list[Task]:
    """Tasks whose target is there, perhaps only if it is not empty; a store is asked but once."""
    if isinstance(out, Path):
        is_there = is_result if filled else _there
        return [task for task in tasks if is_there(task.target)]
    taken = remote_plan.existing(out)
    least = 1 if filled else 0
    return [
        task
        for task in tasks
        if isinstance(task.target, RemotePath) and taken.get(task.target, -1) >= least
    ]


def _there(path: Place) -> bool:
    return isinstance(path, Path) and there(path)


def _refuse_existing(existing: Sequence[Task], tasks: Sequence[Task]) -> None:
    if existing:
        raise PhotoWriteError(
            f"{existing[0].target}: exists already, as do {len(existing)} of {len(tasks)} results. "
            "Use --skip-existing to go on with the others, or --overwrite."
        )


def _refuse_collisions(tasks: Sequence[Task]) -> None:
    """Refuse two sources with one target, and a target that is a source, also through a link."""
    sources = {name for task in tasks for name in _names(task.source)}
    owners: dict[str, Place] = {}
    for task in tasks:
        names = _names(task.target)
        owner = next((owners[name] for name in names if name in owners), None)
        if owner is not None:
            apart = "Restore them apart, or name the one folder that both are in."
            advice = "Rename one of them." if _beside(owner, task.source) else apart
            raise PlanError(f"{owner} and {task.source} would both become {task.target}. {advice}")
        if not sources.isdisjoint(names):
            raise PlanError(
                f"{task.target}: is a photo to restore and the result of {task.source} at once. "
                "Name another folder with -o."
            )
        owners |= dict.fromkeys(names, task.source)


def _names(path: Place) -> tuple[str, str]:
    """A file's key, and that of the file which a link of this name leads to."""
    return key(path), key(path if isinstance(path, RemotePath) else real(path))


def _beside(one: Place, other: Place) -> bool:
    """Whether two files lie in one folder."""
    return str(one).removesuffix(one.name) == str(other).removesuffix(other.name)


def _nothing(sources: Sequence[str], finds: Sequence[Find]) -> str:
    named = sources[0] if len(sources) == 1 else f"{len(sources)} sources"
    fact = f"no photo among {len(finds)} files" if finds else "no file found"
    return f"{named}: {fact}. Readable are {spelled(READABLE)}."


def key(path: Place) -> str:
    """One spelling for each file: links in folders followed, letter case folded where it is."""
    if isinstance(path, RemotePath):
        return str(path)
    name = str(real(path.parent) / path.name)
    if sys.platform in ("win32", "darwin"):
        name = unicodedata.normalize("NFC", name).casefold()
    return name
