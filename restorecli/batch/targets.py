"""Where results go: whether any can be written there, and whose fault it is if not."""

import contextlib
from pathlib import Path

from restorecli.batch.plan import Plan, Task
from restorecli.batch.remote import Place, RemotePath
from restorecli.batch.remote_plan import MARK
from restorecli.errors import PhotoWriteError, RestoreError, printable
from restorecli.photo import files

_TEXT = b"Results of restore. Because of this file no batch takes them for photos to restore.\n"


class Blocked:
    """Failures that cannot be any photo's own, and which photos need not be computed for them."""

    def __init__(self) -> None:
        """Begin without any."""
        self._all: PhotoWriteError | None = None
        self._folders: dict[Path, PhotoWriteError] = {}

    def told(self, task: Task, error: Exception) -> Exception:
        """Remember why a result could not be written; give the error that tells of it."""
        if self._all is None and _of_the_place(error, task.target):
            self._all = PhotoWriteError(
                f"{error} No other photo is tried. Mend that, and go on with --skip-existing."
            )
        elif isinstance(task.target, Path) and isinstance(error.__cause__, PermissionError):
            folder = printable(task.target.parent)
            sentence = f"{folder}: no permission to write there. Choose another folder."
            self._folders.setdefault(task.target.parent, PhotoWriteError(sentence))
        return self.reason(task) or error

    def reason(self, task: Task) -> Exception | None:
        """Say why the result of a photo cannot be written, if that is known before it is begun."""
        if self._all is not None or not isinstance(task.target, Path):
            return self._all
        return self._folders.get(task.target.parent)


def prepare(work: Plan) -> None:
    """Try the folder for the results, take away what a killed run left, mark it if it must be.

    Raises:
        PhotoWriteError: No result could be written there.
    """
    if not work.tasks or work.out is None:
        return
    if isinstance(work.out, Path):
        files.try_folder(work.out)
    if work.within:
        with contextlib.suppress(OSError, RestoreError):
            if isinstance(work.out, RemotePath):
                (work.out / Path(MARK)).write_bytes(_TEXT, overwrite=True)
            else:
                files.make_folder(work.out)
                (work.out / MARK).write_bytes(_TEXT)


def _of_the_place(error: Exception, target: Place) -> bool:
    """Whether a failure is one of the disk or the store, and would meet every photo."""
    cause = error.__cause__ or error
    if isinstance(target, RemotePath):
        refused = isinstance(cause, PermissionError | FileNotFoundError)
        return refused or "Credentials" in type(cause).__name__
    return files.is_of_the_disk(error)
