"""Tests of the batch: every photo has an outcome, and files are whole or not there."""

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from PIL import Image

from restorecli.batch import local as batch
from restorecli.batch.plan import Task
from restorecli.batch.remote import Place
from restorecli.options import Options, RunOptions, SaveOptions
from restorecli.photo import Photo
from restorecli.record import Outcome
from tests.support.fake_restorer import FACE, FakeRestorer, picture


def tasks(folder: Path, count: int = 3) -> list[Task]:
    return [
        Task(
            source=picture(folder / "in" / f"{index}.png"),
            target=folder / "out" / str(index % 2) / f"{index}.png",
        )
        for index in range(count)
    ]


def local(place: Place) -> Path:
    assert isinstance(place, Path)
    return place


def run(todo: list[Task], restorer: FakeRestorer, **changes: int) -> Iterator[Outcome]:
    numbers = {"quality": 95, "jobs": 2, "parallel": 1} | changes
    return batch.restore_tasks(
        todo,
        restorer,
        Options(scale=2),
        SaveOptions(quality=numbers["quality"]),
        RunOptions(jobs=numbers["jobs"], parallel=numbers["parallel"]),
    )


@pytest.mark.parametrize("parallel", [1, 2, 5])
@pytest.mark.parametrize("jobs", [1, 2, 9])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_every_photo_is_written_in_order(
    tmp_path: Path, count: int, jobs: int, parallel: int
) -> None:
    todo = tasks(tmp_path, count)
    outcomes = list(run(todo, FakeRestorer(), jobs=jobs, parallel=parallel))
    assert [outcome.source for outcome in outcomes] == [str(task.source) for task in todo]
    assert {outcome.status for outcome in outcomes} <= {"restored"}
    for task in todo:
        with Image.open(local(task.target)) as result:
            assert result.size == (24, 32)
    if outcomes:
        assert (outcomes[0].height, outcomes[0].width, outcomes[0].scale) == (16, 12, 2)
        assert outcomes[0].faces == (FACE,)


@pytest.mark.parametrize("parallel", [1, 3])
def test_bad_files_do_not_stop_the_rest(tmp_path: Path, parallel: int) -> None:
    todo = tasks(tmp_path, 6)
    local(todo[0].source).write_bytes(b"")
    local(todo[1].source).unlink()
    local(todo[2].target).parent.mkdir(parents=True)
    local(todo[2].target).write_bytes(b"already here")
    (tmp_path / "out" / "1").write_bytes(b"a file where a folder should be")
    restorer = FakeRestorer(failing=frozenset({"4.png"}))
    outcomes = list(run(todo, restorer, parallel=parallel))
    assert [outcome.status for outcome in outcomes] == ["failed"] * 6
    reasons = [outcome.error or "" for outcome in outcomes]
    assert reasons[0].startswith(f"{todo[0].source}: ")
    assert "no such file" in reasons[1]
    assert "exists" in reasons[2]
    assert "out/1" in reasons[3]
    assert reasons[4] == "4.png: no memory. Use a smaller --tile."
    assert local(todo[2].target).read_bytes() == b"already here"


def test_out_of_memory_is_a_failure_of_one_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Photo, "write", refuse)
    outcomes = list(run(tasks(tmp_path, 2), FakeRestorer()))
    assert [outcome.error for outcome in outcomes] == ["MemoryError", "MemoryError"]


def test_opencv_out_of_memory_is_a_failure_of_one_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise cv2.error("(-4:Insufficient memory) Failed to allocate 48000000 bytes")

    monkeypatch.setattr(FakeRestorer, "restore", refuse)
    outcomes = list(run(tasks(tmp_path, 2), FakeRestorer()))
    assert ["too little memory" in (outcome.error or "") for outcome in outcomes] == [True, True]


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_bug_is_not_hidden(tmp_path: Path, parallel: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(run(tasks(tmp_path), FakeRestorer(broken="1.png"), parallel=parallel))


@pytest.mark.parametrize("parallel", [1, 3])
def test_interruption_leaves_whole_files_only(tmp_path: Path, parallel: int) -> None:
    todo = tasks(tmp_path, 5)
    outcomes = run(todo, FakeRestorer(interrupting="3.png"), jobs=1, parallel=parallel)
    with pytest.raises(KeyboardInterrupt):
        list(outcomes)
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.name for path in written} <= {"0.png", "1.png", "2.png"}
    for path in written:
        with Image.open(path) as result:
            result.load()
    names = ("read", "compute", "write")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(names)]


def test_what_is_being_written_when_it_is_interrupted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = threading.Event()
    write = Photo.write

    def late(photo: Photo, target: Path, *, quality: int, overwrite: bool) -> tuple[str, ...]:
        assert interrupted.wait(60)
        return write(photo, target, quality=quality, overwrite=overwrite)

    monkeypatch.setattr(Photo, "write", late)
    restorer = FakeRestorer(
        interrupting="3.png", meanwhile=lambda number: interrupted.set() if number == 3 else None
    )
    outcomes = run(tasks(tmp_path, 5), restorer, jobs=3)
    told = {next(outcomes).target for _ in range(3)}
    with pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert told == {str(path) for path in (tmp_path / "out").rglob("*.png")}


@pytest.mark.parametrize("parallel", [1, 3])
def test_closing_stops_the_work(tmp_path: Path, parallel: int) -> None:
    restorer = FakeRestorer()
    outcomes = run(tasks(tmp_path, 20), restorer, jobs=1, parallel=parallel)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert len(restorer.seen) < 20


def test_few_photos_are_in_memory_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Path] = []
    read = Photo.read.__func__  # type: ignore[attr-defined]

    def note(path: Path, **settings: object) -> Photo:
        begun.append(path)
        photo: Photo = read(Photo, path, **settings)
        return photo

    monkeypatch.setattr(Photo, "read", note)
    restorer = FakeRestorer()
    for done, _ in enumerate(run(tasks(tmp_path, 12), restorer, jobs=2)):
        assert len(begun) <= done + 1 + 2 + 2 + 1
        assert len(restorer.seen) <= done + 1 + 2 + 1
    assert len(begun) == 12


def test_free_memory_goes_back_after_each_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    monkeypatch.setattr(batch, "give_back", lambda: given.append(1))
    restorer = FakeRestorer(failing=frozenset({"1.png"}))
    assert len(list(run(tasks(tmp_path), restorer))) == 3
    assert len(given) == 3


def test_a_result_that_came_meanwhile_is_skipped_and_not_computed(tmp_path: Path) -> None:
    todo = tasks(tmp_path)
    picture(local(todo[1].target))
    before = local(todo[1].target).read_bytes()
    restorer = FakeRestorer()
    save = SaveOptions(skip_existing=True)
    outcomes = list(batch.restore_tasks(todo, restorer, Options(), save, RunOptions()))
    assert [outcome.status for outcome in outcomes] == ["restored", "skipped", "restored"]
    assert [name for name, _ in restorer.seen] == ["0.png", "2.png"]
    assert local(todo[1].target).read_bytes() == before


@pytest.mark.parametrize(("skip", "status"), [(True, "skipped"), (False, "failed")])
def test_a_result_that_comes_while_its_photo_is_computed(
    skip: bool, status: str, tmp_path: Path
) -> None:
    (task,) = tasks(tmp_path, 1)
    restorer = FakeRestorer(meanwhile=lambda _: picture(local(task.target)))
    save = SaveOptions(skip_existing=skip)
    (outcome,) = batch.restore_tasks([task], restorer, Options(), save, RunOptions())
    assert outcome.status == status


def test_no_memory_while_computing_is_a_failure_of_one_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(FakeRestorer, "restore", fail)
    todo = tasks(tmp_path, 1)
    (outcome,) = run(todo, FakeRestorer())
    assert outcome.error == f"{todo[0].source}: too little memory is free. Close other programs."


def test_a_folder_that_may_not_be_written_costs_its_photos_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forced, since permissions do not bind root."""
    todo = tasks(tmp_path, 8)
    closed = tmp_path / "out" / "1"
    make = Path.mkdir

    def refuse(
        path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False
    ) -> None:
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        make(path, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", refuse)
    restorer = FakeRestorer()
    outcomes = list(run(todo, restorer, jobs=1))
    assert [outcome.status for outcome in outcomes] == ["restored", "failed"] * 4
    said = f"{closed}: no permission to write there. Choose another folder."
    assert {outcome.error for outcome in outcomes if outcome.error} == {said}
    assert "7.png" not in {name for name, _ in restorer.seen}


def test_a_name_that_the_disk_forbids_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a FAT stick, forced."""
    source = picture(tmp_path / "in" / "a:b.png")
    todo = [Task(source=source, target=tmp_path / "out" / "a:b.png"), *tasks(tmp_path, 1)]

    def refuse(old: str, new: str) -> None:
        if ":" in str(new):
            raise OSError(22, "Invalid argument")
        raise PermissionError(1, "Operation not permitted")  # FAT has no hard links

    put = Path.replace

    def rename(old: Path, new: Path) -> Path:
        if ":" in str(new):
            raise OSError(22, "Invalid argument")
        return put(old, new)

    monkeypatch.setattr("os.link", refuse)
    monkeypatch.setattr(Path, "replace", rename)
    bad, good = run(todo, FakeRestorer())
    target = todo[0].target
    assert bad.error == (
        f"{target}: this disk takes no name with : in it. Choose another name, or another disk."
    )
    assert good.status == "restored"
