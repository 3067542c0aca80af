"""From the words on a command line to pairs of source and target.

Everything that can be refused about a batch is refused here, before the first pixel: two sources
with one target, a target that is a source, results that are already there. Nothing is written.
"""

import os
import stat
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from restorecli.batch import remote_plan
from restorecli.batch.remote import Place, RemotePath, is_result, is_url, parse_place
from restorecli.batch.remote_plan import MARK, WILDCARDS
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
        others: Those of no readable kind that are not hidden.
        results: Files and folders that are results of an earlier run, and so were passed over.
        out: Folder for the results.
        within: It lies in a folder that was searched for photos.
    """

    tasks: tuple[Task, ...]
    skipped: tuple[Task, ...] = ()
    ignored: int = 0
    others: tuple[Place, ...] = ()
    results: tuple[Place, ...] = ()
    out: Place | None = None
    within: bool = False


@dataclass(frozen=True, kw_only=True)
class _Find:
    """A file that was found, and its path below the output folder.

    Attributes:
        source: The file.
        relative: Its path.
        searched: It was found in a folder or by a pattern, not named.
        result: It is, or all in it are, of an earlier run.
        special: It is a pipe, a device or the like that was found in a folder.
    """

    source: Place
    relative: PurePath
    searched: bool = True
    result: bool = False
    special: bool = False


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
    finds, results = _without_results([f for source in sources for f in _expand(source, out)])
    photos: dict[str, _Find] = {}
    for find in filter(_is_photo, finds):
        photos.setdefault(key(find.source), find)
    if not photos:
        raise NothingToDoError(_nothing(sources, finds))
    tasks = _tasks(list(photos.values()), out, suffix)
    _refuse_collisions(tasks)
    existing = _existing(tasks, out, filled=skip_existing)
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
        others=tuple(find.source for find in finds if not (_is_photo(find) or _is_hidden(find))),
        results=tuple(dict.fromkeys(find.source for find in results)),
        out=out,
        within=any(find.searched and _holds(find, out) for find in finds),
    )


def _expand(word: str, out: Place) -> Iterator[_Find]:
    """Yield the files that one word on the command line stands for."""
    if word == "-":
        words = _split(_standard_input())
    else:
        words = _lines(parse_place(word[1:])) if word.startswith("@") else [word]
    for source in words:
        named = parse_place(source)
        if isinstance(named, Path):
            yield from _expand_path(str(named) if is_url(source) else source, out)
        else:
            for path, relative in remote_plan.expand(named, out):
                yield _Find(source=path, relative=relative, searched=path != named)


def _lines(path: Place) -> list[str]:
    """Read a list of sources, relative to the current folder as on the command line."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PlanError(f"{path}: cannot be read as a list ({error.strerror}).") from error
    return _split(content)


def _split(content: bytes) -> list[str]:
    """The lines of a list; names that end in a NUL, as `find -print0` gives them, are taken too."""
    text = content.decode("utf-8-sig", errors="surrogateescape")
    if "\0" in text:
        return [name for name in text.split("\0") if name.strip()]
    return [line.rstrip("\r") for line in text.split("\n") if line.strip()]


def _standard_input() -> bytes:
    if sys.stdin.isatty():
        raise PlanError("<stdin>: is a terminal. Pipe a list in, one photo or folder a line.")
    return sys.stdin.buffer.read()


def _expand_path(source: str, out: Place) -> Iterator[_Find]:
    path = path_of(source)
    if there(path) and path.is_dir():
        if same_file(path, out):
            raise PlanError(f"{path}: is both source and output. Name another folder with -o.")
        yield from _walk(path, path, out)
    elif there(path) or (path.suffix.lower() in READABLE and _without_wildcards(path) is None):
        # a missing photo fails when it is read
        yield _Find(source=path, relative=Path(path.name), searched=False)
    elif (fixed := _without_wildcards(path)) is not None:
        yield from _match(path, fixed, out)
    else:
        raise PlanError(f"{path}: no such file or folder. Check the name.")


def _without_wildcards(path: Path) -> int | None:
    """How many parts of a path stand before its first pattern; None if it has none.

    A folder that is there may have a name like a pattern.
    """
    return next(
        (
            index
            for index, part in enumerate(path.parts)
            if WILDCARDS & set(part) and not there(Path(*path.parts[: index + 1]))
        ),
        None,
    )


def _match(pattern: Path, fixed: int, out: Place) -> Iterator[_Find]:
    """Expand a pattern here, for shells that do not; folders that match are searched."""
    parts = pattern.parts
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
        marked = _marked(path, base)
        if marked is not None:
            yield _Find(source=marked, relative=marked.relative_to(base), result=True)
            continue
        if path.is_dir():
            yield from _walk(path, base, out)
        else:
            yield _Find(source=path, relative=relative)


def _walk(folder: Path, base: Path, out: Place) -> Iterator[_Find]:
    """Yield the files below a folder, by name; each real folder once, the output folder never."""
    visited: set[tuple[int, int]] = set()
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_refuse_folder):
        status = Path(root).stat()
        if (status.st_dev, status.st_ino) in visited or same_file(Path(root), out):
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        if MARK in files and not same_file(Path(root), folder):
            yield _Find(source=Path(root), relative=Path(root).relative_to(base), result=True)
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root, name)
            yield _Find(source=path, relative=path.relative_to(base), special=_is_special(path))


def _is_special(path: Path) -> bool:
    """Whether it is a pipe, a device or the like, which would be waited for or never end."""
    if path.suffix.lower() not in READABLE:
        return False
    try:
        mode = path.stat().st_mode
    except OSError:  # a link to nothing, which fails when it is read
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _refuse_folder(error: OSError) -> None:
    raise PlanError(
        f"{error.filename}: cannot be searched ({error.strerror}). Check its permissions."
    ) from error


def _marked(path: Path, base: Path) -> Path | None:
    """The outermost folder below `base` and down to `path` that holds an earlier run's results."""
    below = [path, *path.parents][: len(path.relative_to(base).parts)]
    return next((folder for folder in reversed(below) if there(folder / MARK)), None)


def _is_hidden(find: _Find) -> bool:
    return find.source.name.startswith(".")


def _is_photo(find: _Find) -> bool:
    named_so = find.source.suffix.lower() in READABLE
    return named_so and not (find.special or _is_hidden(find))


def _without_results(finds: Sequence[_Find]) -> tuple[list[_Find], list[_Find]]:
    """Part what was found into what is to be looked at, and results of an earlier run."""
    photos = filter(_is_photo, finds)
    stems = {(_folder(find), find.source.name.rpartition(".")[0]) for find in photos}
    parts: tuple[list[_Find], list[_Find]] = ([], [])
    for find in finds:
        parts[find.result or _is_result(find, stems)].append(find)
    return parts


def _is_result(find: _Find, stems: set[tuple[str, str]]) -> bool:
    """Whether a file that a search found is what `restore photo` put beside one of the photos."""
    stem, mark, _ = find.source.name.rpartition(".restored.")
    if not (find.searched and mark and _is_photo(find)):
        return False
    beside = isinstance(find.source, Path) and any(
        there(find.source.with_name(stem + suffix)) for suffix in READABLE
    )
    return beside or (_folder(find), stem) in stems


def _folder(find: _Find) -> str:
    return str(find.source).removesuffix(find.source.name)


def _holds(find: _Find, out: Place) -> bool:
    """Whether the results go into the folder in which a file was searched for."""
    root = str(find.source).removesuffix(find.relative.as_posix())
    if isinstance(find.source, Path):
        return inside(out, Path(root))
    return str(out).startswith(root)


def _tasks(photos: Sequence[_Find], out: Place, suffix: str | None) -> list[Task]:
    """Name the results; photos of one folder that differ in their kind alone keep its name in it.

    So `anim.gif` becomes `anim.gif.png` where `anim.png` is restored too.
    """
    plain = {find.source: _target(find, suffix) for find in photos}
    count = Counter((_folder(find), plain[find.source]) for find in photos)
    tasks = []
    for find in photos:
        relative = plain[find.source]
        if count[_folder(find), relative] > 1 and relative.suffix != find.source.suffix:
            relative = find.relative.with_name(find.relative.name + relative.suffix)
        tasks.append(Task(source=find.source, target=out / relative))
    return tasks


def _target(find: _Find, suffix: str | None) -> PurePath:
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


def _refuse_collisions(tasks: Sequence[Task]) -> None:
    """Refuse two sources with one target, and a target that is a source."""
    sources = {key(task.source) for task in tasks}
    owners: dict[str, Place] = {}
    for task in tasks:
        name = key(task.target)
        if name in owners:
            raise PlanError(
                f"{owners[name]} and {task.source} would both become {task.target}. "
                "Restore them apart, or name the one folder that both are in."
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
