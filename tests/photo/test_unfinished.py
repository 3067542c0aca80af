"""Files that are being written: one's own are kept, those of processes that are gone are not."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from restorecli.photo import files
from restorecli.photo.files import remove_stale, temporary_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
fcntl = pytest.importorskip("fcntl")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_has_no_other_name_at_the_end_is_deleted(tmp_path: Path) -> None:
    with temporary_file(tmp_path) as path:
        path.write_bytes(b"half")
        assert names(tmp_path) == [path.name]
    assert names(tmp_path) == []
    with temporary_file(tmp_path) as path:
        path.replace(tmp_path / "a.png")
    assert names(tmp_path) == ["a.png"]


def test_what_is_being_written_is_left_alone(tmp_path: Path) -> None:
    with temporary_file(tmp_path) as path:
        assert remove_stale(tmp_path) == 0
        code = (
            "import sys; from pathlib import Path; from restorecli.photo.files import remove_stale"
        )
        other = [
            sys.executable,
            "-c",
            f"{code}; print(remove_stale(Path(sys.argv[1])))",
            str(tmp_path),
        ]
        run = subprocess.run(other, cwd=Path(__file__).parents[2], capture_output=True, check=True)
        assert run.stdout.split() == [b"0"]
        assert path.is_file()


def test_what_nobody_writes_any_more_is_deleted(tmp_path: Path) -> None:
    kept = ["photo.png", ".restore-notes.txt", ".restore-1234ABCD", ".restore-12345678.png"]
    for name in (*kept, ".restore-12345678", ".restore-deadbeef"):
        (tmp_path / name).touch()
    (tmp_path / ".restore-00000000").mkdir()
    (tmp_path / ".restore-00000001").symlink_to(tmp_path / "photo.png")
    os.mkfifo(tmp_path / ".restore-00000002")
    special = [f".restore-0000000{digit}" for digit in range(3)]
    assert remove_stale(tmp_path) == 2
    assert names(tmp_path) == sorted([*kept, *special])


def test_a_folder_that_is_not_there_needs_no_clearing(tmp_path: Path) -> None:
    assert remove_stale(tmp_path / "none") == 0


def test_a_file_system_without_locks_keeps_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / ".restore-12345678").touch()
    assert remove_stale(tmp_path) == 0
    with temporary_file(tmp_path) as path:
        path.replace(tmp_path / "a.png")
    assert names(tmp_path) == [".restore-12345678", "a.png"]


def test_what_may_not_be_deleted_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".restore-12345678").touch()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    assert remove_stale(tmp_path) == 0
    assert names(tmp_path) == [".restore-12345678"]


@pytest.mark.parametrize("deleted", [True, False])
def test_a_file_that_is_cleared_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deleted: bool
) -> None:
    """Another process clears between the making of a file and its lock, or holds the lock yet."""
    lock, met = files._lock, []

    def late(descriptor: int) -> str:
        met.append(descriptor)
        if len(met) > 1:
            return lock(descriptor)
        if not deleted:
            return "theirs"
        assert clear_with(lock, tmp_path) == 1
        return lock(descriptor)

    monkeypatch.setattr(files, "_lock", late)
    with temporary_file(tmp_path) as path:
        assert path.is_file()
        path.replace(tmp_path / "a.png")
    assert len(met) == 2
    assert "a.png" in names(tmp_path)


def clear_with(lock: object, folder: Path) -> int:
    """Clear a folder while `_lock` is something else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_lock", lock)
        return remove_stale(folder)
