"""What the words on a command line stand for: photos here, and what else is found beside them.

Nothing is opened but lists of sources. URLs are looked up by `remote_plan`.
"""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from restorecli.batch import remote_plan
from restorecli.batch.remote import Place, RemotePath, is_url, parse_place
from restorecli.batch.remote_plan import MARK, WILDCARDS
from restorecli.errors import PhotoReadError, PlanError
from restorecli.photo.files import path_of, same_file, there
from restorecli.photo.formats import READABLE


@dataclass(frozen=True, kw_only=True)
class Find:
    """A file that was found, and its path below the output folder.

    Attributes:
        source: The file.
        relative: Its path.
        searched: It was found in a folder or by a pattern, not named.
        result: It is, or all in it are, of an earlier run.
        special: It is a pipe, a device or the like that was found in a folder.
        refusal: It is a folder that cannot be searched, and this is why.
    """

    source: Place
    relative: PurePath
    searched: bool = True
    result: bool = False
    special: bool = False
    refusal: PhotoReadError | None = None

    @property
    def is_hidden(self) -> bool:
        """Whether its name begins with a dot."""
        return self.source.name.startswith(".")

    @property
    def is_photo(self) -> bool:
        """Whether it is called like a kind that can be read, and is nothing else."""
        named_so = self.source.suffix.lower() in READABLE
        return named_so and not (self.special or self.is_hidden or self.refusal)

    @property
    def folder(self) -> str:
        """What stands before its name."""
        return str(self.source).removesuffix(self.source.name)


def expand(word: str, out: Place) -> Iterator[Find]:
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
                yield Find(source=path, relative=relative, searched=path != named)


def _lines(path: Place) -> list[str]:
    """Read a list of sources, relative to the current folder as on the command line."""
    try:
        content = path.read_bytes()
    except OSError as error:
        fact = f"cannot be read as a list ({error.strerror})"
        raise PhotoReadError(f"{path}: {fact}. Check its name.") from error
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
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        fact = f"cannot be read as a list ({error.strerror or error})"
        raise PhotoReadError(f"<stdin>: {fact}. Pipe one in.") from error


def _expand_path(source: str, out: Place) -> Iterator[Find]:
    path = path_of(source)
    if there(path) and path.is_dir():
        if same_file(path, out):
            raise PlanError(f"{path}: is both source and output. Name another folder with -o.")
        yield from _walk(path, path, out)
    elif there(path) or (path.suffix.lower() in READABLE and _without_wildcards(path) is None):
        # a missing photo fails when it is read
        yield Find(source=path, relative=Path(path.name), searched=False)
    elif (fixed := _without_wildcards(path)) is not None:
        yield from _match(path, fixed, out)
    else:
        raise PhotoReadError(f"{path}: no such file or folder. Check the name.")


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


def _match(pattern: Path, fixed: int, out: Place) -> Iterator[Find]:
    """Expand a pattern here, for shells that do not; folders that match are searched.

    A folder that it leads into and that cannot be searched is a find that says so.
    """
    parts = pattern.parts
    base = Path(*parts[:fixed])
    if ".." in parts[fixed:]:
        raise PlanError(
            f"{pattern}: '..' behind a wildcard leads out of the tree. Name the folder."
        )
    out_below = inside(out, base) and not same_file(out, base)
    hidden = any(part.startswith(".") for part in parts[fixed:])
    try:
        matches = _matches(base, parts[fixed:])
    except ValueError as error:
        raise PlanError(f"{pattern}: is no pattern ({error}).") from error
    for path, refused in sorted(matches.items()):
        relative = path.relative_to(base)
        if not hidden and any(part.startswith(".") for part in relative.parts):
            continue
        if out_below and inside(path, out):
            continue
        marked = _marked(path, base)
        if marked is not None:
            yield Find(source=marked, relative=marked.relative_to(base), result=True)
            continue
        if refused is not None:
            yield _shut(path, base, refused)
        elif there(path) and path.is_dir():
            yield from _walk(path, base, out)
        else:
            yield Find(source=path, relative=relative)


def _matches(base: Path, parts: Sequence[str]) -> dict[Path, OSError | None]:
    """What a pattern below a folder matches, and why it cannot be searched where it leads on.

    `Path.glob` passes over such folders without a word, so each is tried before.
    """
    folders: list[Path] = [base]
    shut: dict[Path, OSError | None] = {}
    for index, part in enumerate(parts):
        found: dict[Path, OSError | None] = {}
        for folder in folders:
            refused = _tried(folder, part)
            if refused is not None:
                shut[folder] = refused
                continue
            last = index == len(parts) - 1  # only folders lead on
            found |= dict.fromkeys(folder.glob(part if last else f"{part}/"))  # `**`: no links
        folders = list(found)
    return shut | found


def _tried(folder: Path, part: str) -> OSError | None:
    """Why a part of a pattern cannot be looked for in a folder, if it is one."""
    try:
        if WILDCARDS & set(part):
            os.scandir(folder).close()
        else:
            (folder / part).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error
    return None


def _walk(folder: Path, base: Path, out: Place) -> Iterator[Find]:
    """Yield the files below a folder, by name; each real folder once, the output folder never."""
    visited: set[tuple[int, int]] = set()
    refused: list[OSError] = []
    for root, folders, files in os.walk(folder, followlinks=True, onerror=refused.append):
        status = Path(root).stat()
        if (status.st_dev, status.st_ino) in visited or same_file(Path(root), out):
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        if MARK in files and not same_file(Path(root), folder):
            yield Find(source=Path(root), relative=Path(root).relative_to(base), result=True)
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root, name)
            yield Find(source=path, relative=path.relative_to(base), special=_is_special(path))
    for error in refused:
        yield _shut(Path(error.filename), base, error)


def _shut(folder: Path, base: Path, error: OSError) -> Find:
    """A folder that cannot be searched."""
    fact = f"cannot be searched ({error.strerror}). Check its permissions."
    refusal = PhotoReadError(f"{folder}: {fact}")
    return Find(source=folder, relative=folder.relative_to(base), refusal=refusal)


def _is_special(path: Path) -> bool:
    """Whether it is a pipe, a device or the like, which would be waited for or never end."""
    if path.suffix.lower() not in READABLE:
        return False
    try:
        mode = path.stat().st_mode
    except OSError:  # a link to nothing, which fails when it is read
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _marked(path: Path, base: Path) -> Path | None:
    """The outermost folder below `base` and down to `path` that holds an earlier run's results."""
    below = [path, *path.parents][: len(path.relative_to(base).parts)]
    return next((folder for folder in reversed(below) if there(folder / MARK)), None)


def without_results(finds: Sequence[Find]) -> tuple[list[Find], list[Find]]:
    """Part what was found into what is to be looked at, and results of an earlier run."""
    photos = [find for find in finds if find.is_photo]
    stems = {(find.folder, find.source.name.rpartition(".")[0]) for find in photos}
    parts: tuple[list[Find], list[Find]] = ([], [])
    for find in finds:
        parts[find.result or _is_result(find, stems)].append(find)
    return parts


def _is_result(find: Find, stems: set[tuple[str, str]]) -> bool:
    """Whether a file that a search found is what `restore photo` put beside one of the photos."""
    stem, mark, _ = find.source.name.rpartition(".restored.")
    if not (find.searched and mark and find.is_photo):
        return False
    beside = isinstance(find.source, Path) and any(
        there(find.source.with_name(stem + suffix)) for suffix in READABLE
    )
    return beside or (find.folder, stem) in stems


def inside(path: Place, folder: Place) -> bool:
    """Whether a file lies below a folder, links followed; never across the border of a store."""
    if isinstance(path, RemotePath) or isinstance(folder, RemotePath):
        return False
    return real(path).is_relative_to(real(folder))


def real(path: Path) -> Path:
    """Follow links; unlike `Path.resolve`, take a link to itself for a name like any other."""
    return Path(os.path.realpath(path))
