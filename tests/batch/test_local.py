"""Tests of the batch: every photo has an outcome, and files are whole or not there."""

import threading
from collections.abc import Iterator
from pathlib import Path

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
