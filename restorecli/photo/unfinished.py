"""Files that are being written: whose they are, and clearing those that nobody will finish.

A new file grows under a short hidden name beside its target, locked by the process that writes it.
The system gives the lock up when that process ends in whatever way, `kill -9` too: such a file that
can be locked is abandoned. Windows has no such locks, but it does not delete a file that is open.
"""

import contextlib
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

if sys.platform != "win32":
    import fcntl

_NAME = re.compile(r"\.restore-[0-9a-f]{8}")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """Make an empty file of this process's own; if it has that name still, it is deleted at last.

    Args:
        folder: Where the file is made; its name has 17 bytes, so it fits where any name does.

    Raises:
        OSError: It cannot be made there.
    """
    path, descriptor = _new(folder)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def clear(folder: Path) -> int:
    """Delete the files in a folder that were claimed by processes that are gone; count them.

    What others are writing just now stays, and so does everything on a file system without locks.
    """
    count = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                count += _deleted(Path(entry.path))
    return count


def _new(folder: Path) -> tuple[Path, int | None]:
    """Make a file and lock it; the descriptor, if there is one, holds the lock until closed."""
    while True:
        path = folder / f".restore-{secrets.token_hex(4)}"
        descriptor = os.open(path, _NEW_FILE, 0o666)
        if sys.platform == "win32":
            os.close(descriptor)
            return path, None
        lock = _lock(descriptor)
        if lock == "none" or (lock == "ours" and os.fstat(descriptor).st_nlink):
            return path, descriptor
        os.close(descriptor)  # somebody clears it already: take another one


def _deleted(path: Path) -> bool:
    try:
        if sys.platform == "win32":
            path.unlink()
            return True
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
        try:
            abandoned = _lock(descriptor) == "ours"
            if abandoned:
                path.unlink()
        finally:
            os.close(descriptor)
    except OSError:  # in use, finished meanwhile, or not ours to delete
        return False
    return abandoned


def _lock(descriptor: int) -> Literal["ours", "theirs", "none"]:
    """Lock an open file and say whose the lock is; `"none"` where the file system has no locks."""
    if sys.platform == "win32":
        return "none"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return "theirs"
    except OSError:
        return "none"
    return "ours"
