"""What a URL on the command line stands for: one object, all below a name, or a pattern.

The rules are those of `plan` for files. A store has no folders, only names with slashes in them.
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from restorecli.batch.remote import Place, RemotePath
from restorecli.errors import PhotoReadError, PlanError
from restorecli.photo.formats import READABLE

WILDCARDS = frozenset("*?[")
MARK = ".restore-results"  # lies in a folder of results that is inside a folder of photos
Find = tuple[RemotePath, PurePosixPath]


def expand(source: RemotePath, out: Place) -> Iterator[Find]:
    """Yield the objects that one URL stands for, each with its path below the output folder.

    Args:
        source: An object, everything below it, or a pattern.
        out: What lies below it is no source.

    Raises:
        PlanError: It is the output itself, or no pattern.
        PhotoReadError: Nothing is there, or the store cannot be asked.
    """
    wild = [part for part in source.key.split("/") if WILDCARDS & set(part) or part == ".."]
    if wild and (source.key.startswith(wild[0]) or ".." in wild):
        raise PlanError(f"{source}: is no pattern. Name the bucket, and no '..'.")
    if wild and not source.exists():
        yield from _match(source, out)
    else:
        yield from _walk(source, out)


def existing(out: RemotePath) -> dict[RemotePath, int]:
    """Bytes of everything that is below the output, by as few requests as there are pages."""
    sizes = out.sizes_below().items()
    return {RemotePath(out.scheme, f"{out.key}/{key}"): size for key, size in sizes if key}


def _walk(source: RemotePath, out: Place) -> Iterator[Find]:
    """Yield one object or a tree of them; a missing photo fails when it is read, as a file does."""
    if source == out:
        raise PlanError(f"{source}: is both source and output. Name another place with -o.")
    keys = [] if source.suffix.lower() in READABLE else source.keys_below()
    if keys in ([], [""]):
        if not keys and source.suffix.lower() not in READABLE:
            raise PhotoReadError(f"{source}: no such object, and nothing below it. Check the name.")
        yield source, PurePosixPath(source.name)
    for path, relative in _below(source, keys, out):
        if not any(part.startswith(".") for part in relative.parts[:-1]):
            yield path, relative


def _match(pattern: RemotePath, out: Place) -> Iterator[Find]:
    parts = pattern.key.split("/")
    fixed = next(index for index, part in enumerate(parts) if WILDCARDS & set(part))
    base = RemotePath(pattern.scheme, "/".join(parts[:fixed]))
    hidden = any(part.startswith(".") for part in parts[fixed:])
    for path, relative in _below(base, base.keys_below(), out):
        visible = hidden or not any(part.startswith(".") for part in relative.parts)
        if visible and _matches(relative.parts, parts[fixed:]):
            yield path, relative


def _below(base: RemotePath, keys: Sequence[str], out: Place) -> Iterator[Find]:
    """Yield what is below a name in the order a folder is searched in, the output left out."""
    finds: list[Find] = []
    marked = tuple(key.removesuffix(MARK) for key in keys if key.endswith(f"/{MARK}"))
    for key in keys:
        path = RemotePath(base.scheme, f"{base.key}/{key}")
        if (
            not key
            or (marked and key.startswith(marked))
            or (out != base and f"{path}".startswith(f"{out}/"))
        ):
            continue
        relative = PurePosixPath(key.lstrip("/"))
        if ".." in relative.parts or "\0" in key:
            raise PlanError(f"{path}: its name leads out of the tree. Give it another.")
        finds.append((path, relative))
    yield from sorted(finds, key=lambda find: _order(find[1].parts))


def _order(parts: Sequence[str]) -> list[tuple[bool, str]]:
    """Sort by name, the files of a folder before the folders in it."""
    return [(index < len(parts) - 1, part) for index, part in enumerate(parts)]


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a name, or a folder that it is in, fits a pattern; `**` is any depth."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_matches(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    fits = bool(parts) and (parts[0] == pattern[0] or fnmatchcase(parts[0], pattern[0]))
    return fits and _matches(parts[1:], pattern[1:])
