"""Opening what a photo comes from and replacing what it goes to, all or nothing."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from restorecli.errors import PhotoReadError, PhotoWriteError, printable
from restorecli.photo.streams import Readable, Source, Target, Writable
from restorecli.photo.unfinished import claimed


@contextmanager
def opened(source: Path | str | bytes | Source, name: str) -> Iterator[Readable]:
    """Open a photo's bytes as a file that can be sought.

    Args:
        source: A path, the bytes themselves, or a stream to be read to its end.
        name: Subject of error messages.

    Raises:
        PhotoReadError: There is no such file, or it cannot be opened.
    """
    try:
        if isinstance(source, bytes):
            yield BytesIO(source)
        elif isinstance(source, Path | str):
            with Path(source).open("rb") as file:
                yield file if file.seekable() else BytesIO(file.read())
        else:
            yield BytesIO(source.read())
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


def replace_file(target: Path, write: Callable[[Writable], object], *, overwrite: bool) -> None:
    """Let `write` make a new file and put it in place of `target` once it is complete.

    The new file grows under a short name in the same folder, gets the permissions any new file
    gets, and is deleted if anything goes wrong; see `unfinished` for what `kill -9` leaves.
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
        with claimed(place.parent) as fresh:
            with fresh.open("wb") as file:
                write(file)
            _check(target, name, overwrite=overwrite)
            _put(fresh, place, overwrite=overwrite)
    except OSError as error:
        raise PhotoWriteError(_sentence(error, target, name)) from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise PhotoWriteError(f"{name}: not a file name. Choose another.") from error


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


def _check(target: Path, name: str, *, overwrite: bool) -> None:
    if target.is_dir():
        raise PhotoWriteError(f"{name}: a folder. Name a file in it.")
    if target.is_file() and not overwrite:
        raise PhotoWriteError(_exists(name))


def _exists(name: str) -> str:
    return f"{name}: exists. Allow it with --overwrite, or choose another name."


def _sentence(error: OSError, target: Path, name: str) -> str:
    if isinstance(error, FileExistsError):
        return _exists(name)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{name}: there is no folder {printable(target.parent)}. Make it first."
    if isinstance(error, PermissionError):
        return f"{name}: no permission to write there. Choose another folder."
    fact = (error.strerror or str(error)).lower()
    return f"{name}: could not be written ({fact}). Nothing was left behind."
