"""When two names are one file, for the plan: links, letter case, names that no file can have."""

import os
import sys
import unicodedata
from pathlib import Path

from restorecli.batch.remote import Place, RemotePath


def key(path: Place) -> str:
    """One spelling for each file: links in folders followed, letter case folded where it is."""
    if isinstance(path, RemotePath):
        return str(path)
    real = str(_real(path.parent) / path.name)
    if sys.platform in ("win32", "darwin"):
        real = unicodedata.normalize("NFC", real).casefold()
    return real


def there(path: Path) -> bool:
    """Whether a file or folder is there and can be looked at; a name that is too long is not."""
    try:
        return path.exists()
    except OSError:
        return False


def same_file(path: Place, other: Place) -> bool:
    """Whether both exist and are one file or folder, by whatever names."""
    if isinstance(path, RemotePath) or isinstance(other, RemotePath):
        return path == other
    return there(path) and there(other) and path.samefile(other)


def inside(path: Place, folder: Place) -> bool:
    """Whether a file lies below a folder, links followed; never across the border of a store."""
    if isinstance(path, RemotePath) or isinstance(folder, RemotePath):
        return False
    return _real(path).is_relative_to(_real(folder))


def _real(path: Path) -> Path:
    """Follow links; unlike `Path.resolve`, take a link to itself for a name like any other."""
    return Path(os.path.realpath(path))
