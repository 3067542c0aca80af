"""Opening what a photo comes from and replacing what it goes to, all or nothing.

A new file grows under a short hidden name beside its target, locked by the process that writes it.
The system gives the lock up when that process ends in whatever way, `kill -9` too: such a file that
can be locked is abandoned. Windows has no such locks, but it does not delete a file that is open.
"""

import contextlib
import errno
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from restorecli.errors import PhotoReadError, PhotoWriteError, PlanError, printable
from restorecli.photo.formats import (
    SIGNATURE_LENGTH,
    ByteSource,
    Readable,
    Target,
    Writable,
    signature,
)

_NO_NAME = (errno.EINVAL, errno.EILSEQ)  # what FAT and its like say of a name that they forbid
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_CHANCES = 5
_ROOM = 4096  # bytes that a folder must have room for
_OFTEN_FORBIDDEN = frozenset('"*:<>?\\|')


@runtime_checkable
class Stored(Protocol):
    """An object in a store, asked as a file is; `restorecli.batch.remote` knows the stores."""

    @property
    def name(self) -> str:
        """What follows the last slash."""

    @property
    def suffix(self) -> str:
        """End of the name, from its last dot on."""

    def with_suffix(self, suffix: str) -> "Stored":
        """Name the object beside this one that ends otherwise."""

    def exists(self) -> bool:
        """Whether there is an object of this very name."""

    def read_bytes(self) -> bytes:
        """Fetch it."""

    def write_bytes(self, data: bytes, *, overwrite: bool) -> None:
        """Put it, whole or not at all."""


@contextlib.contextmanager
def opened(source: Path | str | bytes | ByteSource | Stored, name: str) -> Iterator[Readable]:
    """Open a photo's bytes as a file that can be sought.

    Args:
        source: A path, the bytes themselves, an object, or a stream to be read to its end.
        name: Subject of error messages.

    Raises:
        PhotoReadError: There is no such file, or it cannot be opened.
    """
    try:
        if isinstance(source, bytes):
            yield BytesIO(source)
        elif isinstance(source, Path | str):
            with Path(source).open("rb") as file:
                yield file if file.seekable() else BytesIO(read_whole(file))
        elif isinstance(source, Stored):
            yield BytesIO(source.read_bytes())
        else:
            yield BytesIO(read_whole(source))
    except FileNotFoundError as error:
        raise PhotoReadError(f"{name}: no such file. Check the path.") from error
    except IsADirectoryError as error:
        raise PhotoReadError(f"{name}: a folder, not a photo. Use restore batch.") from error
    except PermissionError as error:
        raise PhotoReadError(f"{name}: no permission to read it. Check its mode.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, or a closed stream
        fact = getattr(error, "strerror", None) or str(error)
        raise PhotoReadError(
            f"{name}: cannot be opened ({fact.lower()}). Check the path."
        ) from error


def read_whole(stream: ByteSource) -> bytes:
    """What a stream gives to its end; of what is no photo the start alone: it may have no end."""
    start = b""
    while len(start) < SIGNATURE_LENGTH and (more := stream.read(SIGNATURE_LENGTH - len(start))):
        start += more
    return start if signature(start) is None else start + stream.read()


def refuse_target(
    path: Path | Stored, *, overwrite: bool, will_exist: Path | Stored | None = None
) -> None:
    """Refuse a target that could not be written later, before there is anything to write.

    Raises:
        PlanError: It is a folder.
        PhotoWriteError: It exists and must not be replaced, its folder takes no file, or does not
            exist and is not the one that `will_exist` by then, or no file can have its name.
    """
    try:
        if isinstance(path, Path):
            path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:  # a name that is too long, a link to itself, a folder that is locked
        if isinstance(path, Path) and error.errno in _NO_NAME:
            raise PhotoWriteError(sentence(error, path)) from error
        fact = (error.strerror or str(error)).lower()
        raise PhotoWriteError(f"{path}: {fact}. Choose another name.") from error
    if isinstance(path, Path) and path.is_dir():
        raise PlanError(f"{path}: is a folder. Name a file for the result.")
    if path.exists() and not overwrite:
        raise PhotoWriteError(f"{path}: exists already. Use --overwrite, or another name.")
    if isinstance(path, Path) and path.parent != will_exist and not path.parent.is_dir():
        raise PhotoWriteError(f"{path}: there is no folder {path.parent}. Make it first.")
    if isinstance(path, Path) and (path.is_file() or not path.exists()):  # no device, no pipe
        try_folder(Path(os.path.realpath(path)).parent, told=path)


def there(path: Path) -> bool:
    """Whether a file or folder is there and can be looked at; a name that is too long is not."""
    try:
        return path.exists()
    except OSError:
        return False


def path_of(word: str) -> Path:
    """The path of a word, `~` where the shell left it standing; PlanError for an empty word."""
    if not word:
        raise PlanError("'': is no name. Is a variable of the shell empty?")
    path = Path(word)
    if not word.startswith("~") or there(path):
        return path
    return Path(os.path.expanduser(word))  # noqa: PTH111 - Path.expanduser raises for "~x.jpg"


def same_file(path: Path | Stored, other: Path | Stored) -> bool:
    """Whether both exist and are one file or folder, by whatever names."""
    if isinstance(path, Path) and isinstance(other, Path):
        return there(path) and there(other) and path.samefile(other)
    return path == other


def replace_file(target: Path, write: Callable[[Writable], object], *, overwrite: bool) -> None:
    """Let `write` make a new file and put it in place of `target` once it is complete.

    The new file grows under a short name in the same folder, gets the permissions any new file
    gets, and is deleted if anything goes wrong; see `remove_stale` for what `kill -9` leaves.
    A link is followed; a device or pipe is written to directly.

    Args:
        target: Where the file goes.
        write: Writes it; what it raises, other than OSError, passes through.
        overwrite: An existing file may be replaced.

    Raises:
        PhotoWriteError: The target exists, is a folder or cannot be written, or the disk is full.
    """
    name = printable(target)
    try:
        _check(target, name, overwrite=overwrite)
        if target.exists() and not target.is_file():
            whole = BytesIO()
            write(whole)
            with target.open("wb") as device:
                device.write(whole.getbuffer())
            return
        place = Path(os.path.realpath(target))
        with temporary_file(place.parent) as fresh:
            with fresh.open("wb") as file:
                write(file)
            _check(target, name, overwrite=overwrite)
            _put(fresh, place, overwrite=overwrite)
    except OSError as error:
        raise PhotoWriteError(sentence(error, target)) from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise PhotoWriteError(f"{name}: not a file name. Choose another.") from error


def in_memory(write: Callable[[Writable], object]) -> bytes:
    """The bytes of the file that `write` makes."""
    whole = BytesIO()
    write(whole)
    return whole.getvalue()


def send(target: Target, data: bytes, name: str) -> None:
    """Write bytes to a stream.

    Raises:
        PhotoWriteError: The stream does not take them.
    """
    try:
        target.write(data)
        target.flush()
    except (OSError, ValueError) as error:
        raise PhotoWriteError(f"{name}: could not be written ({error}). Try a file.") from error


def _put(fresh: Path, place: Path, *, overwrite: bool) -> None:
    """Give a complete file its name, unless another process was first and must not be replaced."""
    if not overwrite:
        try:
            os.link(fresh, place)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links; then the last check must do
            pass
        else:
            return
    fresh.replace(place)


def is_of_the_disk(error: Exception) -> bool:
    """Whether a failure to write would meet every file on its disk: no room, or read-only."""
    cause = error.__cause__ or error
    return isinstance(cause, OSError) and cause.errno in _OF_THE_DISK


def make_folder(folder: Path) -> None:
    """Make a folder and those that it is in.

    Raises:
        PhotoWriteError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        name = printable(folder)
        raise PhotoWriteError(f"{name}: is a file, not a folder. Choose another one.") from error
    except OSError as error:
        raise PhotoWriteError(sentence(error, folder)) from error


def try_folder(folder: Path, *, told: Path | None = None) -> None:
    """Write a little into a folder, and leave nothing: neither a file nor a folder.

    Args:
        folder: Need not be there.
        told: Subject of the error; None is the folder itself.

    Raises:
        PhotoWriteError: Nothing could be written there.
    """
    for chance in range(_CHANCES, 0, -1):
        new = [path for path in (folder, *folder.parents) if not there(path)]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with temporary_file(folder) as file:
                file.write_bytes(bytes(_ROOM))
        except OSError as error:
            # another process that tried it took its own new folder away
            if chance == 1 or not isinstance(error, FileNotFoundError):
                raise PhotoWriteError(sentence(error, told or folder)) from error
        else:
            return
        finally:
            for path in new:
                with contextlib.suppress(OSError):
                    path.rmdir()


def _no_name(path: Path) -> str:
    letters = sorted(set(path.name) & _OFTEN_FORBIDDEN) or sorted(set(str(path)) & _OFTEN_FORBIDDEN)
    fact = f" with {' '.join(letters)} in it" if letters else ""
    return f"this disk takes no name{fact or ' like that'}. Choose another name, or another disk."


def _check(target: Path, name: str, *, overwrite: bool) -> None:
    if target.is_dir():
        raise PhotoWriteError(f"{name}: a folder. Name a file in it.")
    if target.is_file() and not overwrite:
        raise PhotoWriteError(_exists(name))


def _exists(name: str) -> str:
    return f"{name}: exists. Allow it with --overwrite, or choose another name."


def sentence(error: OSError, target: Path) -> str:
    """Say why a file or folder could not be written, and what to do."""
    name = printable(target)
    if isinstance(error, FileExistsError):
        return _exists(name)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{name}: there is no folder {printable(target.parent)}. Make it first."
    if isinstance(error, PermissionError):
        return f"{name}: no permission to write there. Choose another folder."
    if error.errno in _NO_NAME:
        return f"{name}: {_no_name(target)}"
    fact = (error.strerror or str(error)).lower()
    return f"{name}: could not be written ({fact}). Nothing was left behind."


if sys.platform != "win32":
    import fcntl

_NAME = re.compile(r"\.restore-[0-9a-f]{8}")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@contextlib.contextmanager
def temporary_file(folder: Path) -> Iterator[Path]:
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


def remove_stale(folder: Path) -> int:
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
