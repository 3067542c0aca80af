"""Batches on a real Ray cluster of two workers: the same bytes, whatever becomes of a worker."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from restorecli.batch import local, ray_engine
from restorecli.batch.plan import Task
from restorecli.batch.ray_engine import WorkerConfig
from restorecli.cli import main
from restorecli.options import Cluster, Options, RunOptions, SaveOptions
from restorecli.photo.files import remove_stale
from restorecli.pipeline import Restorer
from restorecli.record import Outcome
from tests.support import ray_cluster, s3_server
from tests.support.fake_restorer import picture
from tests.support.s3_server import S3Server
from tests.support.tiny import save, tiny_restorer

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),  # Ray's about its own options
]
NAMES = ("a.png", "deep/b.jpg", "deep/c d.png", "e.webp", "f.png")


@pytest.fixture(scope="module")
def environment(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[pytest.MonkeyPatch]:
    """What this process and the cluster's have in common: among it, tiny networks."""
    folder = tmp_path_factory.mktemp("weights")
    save(tiny_restorer(), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESTORE_WEIGHTS", str(folder))
        yield patch


@pytest.fixture(scope="module")
def server(environment: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with s3_server.running(environment) as server:
        yield server


@pytest.fixture(scope="module")
def address(server: S3Server, environment: pytest.MonkeyPatch) -> Iterator[str]:
    """A cluster whose workers have the server's keys."""
    with ray_cluster.running(environment) as address:
        yield address


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def records(text: str) -> tuple[list[dict[str, object]], dict[str, object]]:
    """The records of a run in the order of their sources, and the summary, without their times."""
    *lines, last = map(json.loads, text.replace("s3://pictures/", "").splitlines())
    for line in (*lines, last["summary"]):
        del line["seconds"]
        line.pop("stage_seconds", None)
    return sorted(lines, key=lambda line: str(line["source"])), last


def written(folder: str) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def test_two_workers_on_s3_give_the_bytes_and_records_of_this_process(
    address: str, server: S3Server, capsys: pytest.CaptureFixture[str]
) -> None:
    for index, name in enumerate(NAMES):
        server.put(f"in/{name}", picture(Path("in", name), height=48 + index).read_bytes())
    for name in ("in/bad.jpg", "in/deep/bad.png"):
        Path(name).write_bytes(b"no photo")
        server.put(name, b"no photo")
    words = ["--json", "--quiet", "--scale", "2"]
    assert main(["batch", "in", "-o", "out", *words]) == 1
    expected = records(capsys.readouterr().out)
    there = ["batch", "s3://pictures/in", "-o", "s3://pictures/out", "--engine", "ray"]
    assert main([*there, "--address", address, "--workers", "2", *words]) == 1
    out, err = capsys.readouterr()
    assert records(out) == expected
    counts = {"restored": 5, "failed": 2, "skipped": 0, "planned": 0, "left": 0, "ignored": 0}
    assert expected[1] == {"summary": counts}
    assert server.objects("out/") == written("out")
    assert len(err.splitlines()) == 2, err  # the two bad ones; nothing of Ray's
    assert s3_server.SECRET not in out + err


def tasks(*names: str) -> list[Task]:
    return [Task(source=Path("in", name), target=Path("out", name)) for name in names]


def config() -> WorkerConfig:
    return WorkerConfig(
        options=Options(scale=1),
        save=SaveOptions(),
        run=RunOptions(device="cpu", precision="fp32", jobs=1),
    )


def while_running(act: Callable[[], None], todo: list[Task], address: str) -> list[Outcome]:
    """Run a batch on the cluster while something happens in another thread."""
    meanwhile = threading.Thread(target=act, daemon=True)
    meanwhile.start()
    outcomes = list(ray_engine.restore_tasks(todo, config(), Cluster(address=address, workers=2)))
    meanwhile.join()
    return sorted(outcomes, key=lambda outcome: outcome.source)


def test_a_worker_killed_in_the_middle_loses_no_photo_and_doubles_none(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    todo = tasks(*(f"{index}.png" for index in range(8)))
    for task in todo:
        picture(Path(str(task.source)), height=48)
    pipe = Path("in/3.png").resolve()  # the last of the first four: the first is written by then
    photo = pipe.read_bytes()
    pipe.unlink()
    os.mkfifo(pipe)
    first: list[os.stat_result] = []

    def kill_once() -> None:
        ray_cluster.kill_reader(pipe)
        first.append(Path("out/0.png").stat())
        pipe.write_bytes(photo)

    monkeypatch.setattr(ray_engine, "_block", lambda *_: 4)
    outcomes = while_running(kill_once, todo, address)
    assert [outcome.source for outcome in outcomes] == [str(task.source) for task in todo]
    assert {outcome.status for outcome in outcomes} == {"restored"}, outcomes
    assert capsys.readouterr().out == ""  # Ray says something, but not among the results
    now = Path("out/0.png").stat()
    assert (now.st_ino, now.st_mtime_ns) == (first[0].st_ino, first[0].st_mtime_ns)
    remove_stale(Path("out"))  # as after every batch: the other of its photos was being written
    there = written("out")
    Path("out").rename("there")
    pipe.unlink()
    pipe.write_bytes(photo)
    here = engine_orders_here(todo)
    assert [outcome.status for outcome in here] == ["restored"] * 8
    assert there == written("out")


def engine_orders_here(todo: list[Task]) -> list[Outcome]:
    """The same batch in this process."""
    restorer = Restorer.load(device="cpu", precision="fp32")
    return list(
        local.restore_tasks(todo, restorer, Options(scale=1), SaveOptions(), RunOptions(jobs=1))
    )


@pytest.mark.slow
def test_a_photo_that_kills_every_worker_is_reported_and_the_rest_goes_on(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    todo = tasks("0.png", "1.png", "2.png")
    for task in (todo[0], todo[2]):
        picture(Path(str(task.source)), height=48)
    pipe = Path("in/1.png").resolve()
    os.mkfifo(pipe)

    def kill_always() -> None:
        ray_cluster.kill_reader(pipe)  # with its neighbours
        ray_cluster.kill_reader(pipe)  # alone

    monkeypatch.setattr(ray_engine, "RETRIES", 0)
    monkeypatch.setattr(ray_engine, "_block", lambda *_: 3)
    outcomes = while_running(kill_always, todo, address)
    assert [outcome.status for outcome in outcomes] == ["restored", "failed", "restored"]
    assert (outcomes[1].error or "").startswith("in/1.png: its worker ended 1 times without")
    assert set(written("out")) == {"0.png", "2.png"}


def test_refusals_of_a_cluster_are_one_line(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(Path("in/a.png"))
    there = ["batch", "in", "-o", "out", "--engine", "ray", "--address", address]
    assert main([*there, "--workers", "3"]) == 4
    assert main([*there, "--gpus-per-worker", "1"]) == 4
    monkeypatch.setattr("restorecli.weights.set_hash", lambda: "0123")
    assert main([*there, "--workers", "1"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "3 workers with 0 GPUs each",
        "1 workers with 1 GPUs each",
        f"weights {lines[2].split()[2][:-1]}",
    ]
    assert "are not those of this machine, 0123" in lines[2]
    assert not Path("out").exists()
