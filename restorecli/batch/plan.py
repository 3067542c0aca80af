"""From the words on a command line to pairs of source and target.

Everything that can be refused about a batch is refused here, before the first pixel: two sources
with one target, a target that is a source, results that are already there. Nothing is written.
"""

import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from restorecli.batch import remote_plan
from restorecli.batch.remote import Place, RemotePath, is_url, place
from restorecli.batch.remote_plan import WILDCARDS
from restorecli.errors import NothingToDoError, PhotoWriteError, PlanError
from restorecli.photo.files import path_of, same_file, there
from restorecli.photo.formats import READABLE, WRITABLE, spelled, writable_suffix


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
    """

    tasks: tuple[Task, ...]
    skipped: tuple[Task, ...] = ()
    ignored: int = 0


@dataclass(frozen=True, kw_only=True)
class _Find:
    """A file that was found, and its path below the output folder."""

    source: Place
    relative: PurePath


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
            (one of the former a line). An existing path always means itself, wildcards or not.
            Each may be a URL of a store.
        out: Folder for the results; what lies in it is no source, unless it is named as a file.
        ext: Suffix of every result, with or without its dot, or None to keep each photo's own
            suffix where that kind can be written, and take `.png` where it cannot.
        skip_existing: Leave out photos whose target exists.
        overwrite: Let targets exist.

    Raises:
        PlanError: Two photos have one target, a target is a source, `ext` cannot be written, a
            folder is missing or unreadable, or both ways to treat existing targets are asked for.
        PhotoWriteError: A target exists, and nothing says what to do about it.
        NothingToDoError: No photo was found.
    """
    if skip_existing and overwrite:
        raise PlanError("--skip-existing and --overwrite contradict each other. Use one of them.")
    if isinstance(out, Path) and there(out) and not out.is_dir():
        raise PlanError(f"{out}: is a file. Name a folder for the results.")
    suffix = None if ext is None else writable_suffix(ext)
    finds = [find for source in sources for find in _expand(source, out)]
    photos: dict[str, _Find] = {}
    for find in filter(_is_photo, finds):
        photos.setdefault(key(find.source), find)
    if not photos:
        raise NothingToDoError(_nothing(sources, finds))
    tasks = [
        Task(source=find.source, target=_target(find, out, suffix)) for find in photos.values()
    ]
    _refuse_collisions(tasks)
    existing = _existing(tasks, out)
    if existing and not (skip_existing or overwrite):
        raise PhotoWriteError(
            f"{existing[0].target}: exists already, as do {len(existing)} of {len(tasks)} results. "
            "Use --skip-existing to go on with the others, or --overwrite."
        )
    skipped = set(existing) if skip_existing else set()
    return Plan(
        tasks=tuple(task for task in tasks if task not in skipped),
        skipped=tuple(task for task in tasks if task in skipped),
        ignored=sum(not _is_photo(find) for find in finds),
    )


def _expand(word: str, out: Place) -> Iterator[_Find]:
    """Yield the files that one word on the command line stands for."""
    for source in _lines(place(word[1:])) if word.startswith("@") else [word]:
        named = place(source)
        if isinstance(named, Path):
            yield from _expand_path(str(named) if is_url(source) else source, out)
        else:
            for found, relative in remote_plan.expand(named, out):
                yield _Find(source=found, relative=relative)


def _lines(path: Place) -> list[str]:
    """Read a list of sources, relative to the current folder as on the command line."""
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise PlanError(f"{path}: cannot be read as a list ({error.strerror}).") from error
    return [line.rstrip("\r") for line in text.split("\n") if line.strip()]


def _expand_path(source: str, out: Place) -> Iterator[_Find]:
    path = path_of(source)
    if there(path) and path.is_dir():
        if same_file(path, out):
            raise PlanError(f"{path}: is both source and output. Name another folder with -o.")
        yield from _walk(path, path, out)
    elif there(path) or (path.suffix.lower() in READABLE and not WILDCARDS & set(source)):
        yield _Find(source=path, relative=Path(path.name))  # a missing photo fails when it is read
    elif WILDCARDS & set(source):
        yield from _match(str(path), out)
    else:
        raise PlanError(f"{path}: no such file or folder. Check the name.")


def _match(pattern: str, out: Place) -> Iterator[_Find]:
    """Expand a pattern here, for shells that do not; folders that match are searched."""
    parts = Path(pattern).parts
    fixed = next(index for index, part in enumerate(parts) if WILDCARDS & set(part))
    base = Path(*parts[:fixed])
    if ".." in parts[fixed:]:
        raise PlanError(
            f"{pattern}: '..' behind a wildcard leads out of the tree. Name the folder."
        )
    out_below = inside(out, base) and not same_file(out, base)
    hidden = any(part.startswith(".") for part in parts[fixed:])
    try:
        matches = sorted(base.glob(str(Path(*parts[fixed:]))))  # `**` follows no links: no loops
    except ValueError as error:
        raise PlanError(f"{pattern}: is no pattern ({error}).") from error
    for path in matches:
        relative = path.relative_to(base)
        if not hidden and any(part.startswith(".") for part in relative.parts):
            continue
        if out_below and inside(path, out):
            continue
        if path.is_dir():
            yield from _walk(path, base, out)
        else:
            yield _Find(source=path, relative=relative)


def _walk(folder: Path, base: Path, out: Place) -> Iterator[_Find]:
    """Yield the files below a folder, by name; each real folder once, the output folder never."""
    seen: set[tuple[int, int]] = set()
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_refuse_folder):
        status = Path(root).stat()
        if (status.st_dev, status.st_ino) in seen or same_file(Path(root), out):
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root, name)
            yield _Find(source=path, relative=path.relative_to(base))


def _refuse_folder(error: OSError) -> None:
    raise PlanError(
        f"{error.filename}: cannot be searched ({error.strerror}). Check its permissions."
    ) from error


def _is_photo(find: _Find) -> bool:
    hidden = find.source.name.startswith(".")
    return not hidden and find.source.suffix.lower() in READABLE


def _target(find: _Find, out: Place, suffix: str | None) -> Place:
    own = find.source.suffix
    kept = own if own.lower() in WRITABLE else ".png"
    return out / find.relative.with_suffix(suffix or kept)


def _existing(tasks: Sequence[Task], out: Place) -> list[Task]:
    """Tasks whose target is there; a store is asked once for all of them."""
    if isinstance(out, Path):
        return [task for task in tasks if isinstance(task.target, Path) and there(task.target)]
    taken = remote_plan.existing(out)
    return [task for task in tasks if task.target in taken]


def _refuse_collisions(tasks: Sequence[Task]) -> None:
    """Refuse two sources with one target, and a target that is a source."""
    sources = {key(task.source) for task in tasks}
    owners: dict[str, Place] = {}
    for task in tasks:
        name = key(task.target)
        if name in owners:
            raise PlanError(
                f"{owners[name]} and {task.source} would both become {task.target}. "
                "Restore them apart, or give their folder, or another --ext."
            )
        if name in sources:
            raise PlanError(
                f"{task.target}: is a photo to restore and the result of {task.source} at once. "
                "Name another folder with -o."
            )
        owners[name] = task.source


def _nothing(sources: Sequence[str], finds: Sequence[_Find]) -> str:
    named = sources[0] if len(sources) == 1 else f"{len(sources)} sources"
    fact = f"no photo among {len(finds)} files" if finds else "no file found"
    return f"{named}: {fact}. Readable are {spelled(READABLE)}."


def key(path: Place) -> str:
    """One spelling for each file: links in folders followed, letter case folded where it is."""
    if isinstance(path, RemotePath):
        return str(path)
    real = str(_real(path.parent) / path.name)
    if sys.platform in ("win32", "darwin"):
        real = unicodedata.normalize("NFC", real).casefold()
    return real


def inside(path: Place, folder: Place) -> bool:
    """Whether a file lies below a folder, links followed; never across the border of a store."""
    if isinstance(path, RemotePath) or isinstance(folder, RemotePath):
        return False
    return _real(path).is_relative_to(_real(folder))


def _real(path: Path) -> Path:
    """Follow links; unlike `Path.resolve`, take a link to itself for a name like any other."""
    return Path(os.path.realpath(path))
