"""Tests of the engines without a cluster: what a worker does, and what is refused before one."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from restorecli.batch import ray_engine
from restorecli.batch.plan import Task
from restorecli.batch.ray_engine import Worker, WorkerConfig
from restorecli.cli import main
from restorecli.errors import DeviceError, WeightsError
from restorecli.options import Cluster, Options, RunOptions, SaveOptions
from restorecli.pipeline import Restorer
from restorecli.record import Outcome
from tests.support.fake_restorer import FakeRestorer, picture


def config(folder: Path, *, overwrite: bool = False) -> WorkerConfig:
    return WorkerConfig(
        options=Options(scale=1),
        save=SaveOptions(overwrite=overwrite),
        run=RunOptions(device="cpu", precision="fp32", jobs=1),
        folder=folder,
    )


def call(worker: Worker, *tasks: Task) -> list[Outcome]:
    rows = {
        "index": np.arange(len(tasks)),
        "task": np.array([pickle.dumps(task) for task in tasks], object),
    }
    answer = worker(rows)
    assert [int(str(index)) for index in answer["index"]] == list(range(len(tasks)))
    outcomes = []
    for outcome in answer["outcome"]:
        assert isinstance(outcome, bytes)
        outcomes.append(pickle.loads(outcome))
    return outcomes


def task(name: str) -> Task:
    return Task(source=Path("in", name), target=Path("out", name))


def test_a_worker_loads_once_and_does_what_is_done_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    for name in ("a.png", "b.png"):
        picture(tmp_path / "in" / name)
    loads: list[dict[str, object]] = []

    def load(**how: object) -> FakeRestorer:
        loads.append(how)
        return FakeRestorer()

    monkeypatch.setattr(Restorer, "load", load)
    threads: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", threads.append)
    worker = Worker(config(tmp_path))
    (first,) = call(worker, task("a.png"))
    second, missing = call(worker, task("b.png"), task("none.png"))
    assert loads == [{"device": "cpu", "precision": "fp32", "at_once": 1}]
    assert threads == [worker._config.threads]
    assert (first.source, first.status, second.status) == ("in/a.png", "restored", "restored")
    assert missing.error == "in/none.png: no such file. Check the path."
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "b.png"}


def test_a_worker_knows_how_many_photos_share_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[object] = []

    def load(**how: object) -> FakeRestorer:
        loads.append(how["at_once"])
        return FakeRestorer()

    monkeypatch.setattr(Restorer, "load", load)
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    for parallel in (None, 3):
        own = config(tmp_path)
        ray_engine._restorer(replace(own, run=replace(own.run, parallel=parallel)))
    assert loads == [1, 3]


def test_what_was_written_by_an_earlier_try_counts_and_another_file_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeRestorer().installed(monkeypatch)
    monkeypatch.chdir(tmp_path)
    picture(Path("in/a.png"))
    worker = Worker(config(tmp_path))
    (first,) = call(worker, task("a.png"))
    before = Path("out/a.png").stat()
    assert call(worker, task("a.png")) == [first]
    after = Path("out/a.png").stat()  # it was read, so its access time may differ
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    Path("out/a.png").write_bytes(b"somebody else's")
    (refused,) = call(worker, task("a.png"))
    assert refused.error is not None
    assert "exists" in refused.error
    assert Path("out/a.png").read_bytes() == b"somebody else's"
    assert call(Worker(config(tmp_path, overwrite=True)), task("a.png")) == [first]


def test_a_refusal_to_load_stops_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise DeviceError("cuda: there is none. Use --device cpu.")

    monkeypatch.setattr(Restorer, "load", refuse)
    row = {"index": np.arange(1), "task": np.array([pickle.dumps(task("a.png"))], object)}
    for worker, kind in (
        (Worker(config(tmp_path / "not shared")), DeviceError),
        (Worker(WorkerConfig(**{**vars(config(tmp_path)), "weights": "0123"})), WeightsError),
    ):
        (answer,) = worker(row)["outcome"]
        assert isinstance(answer, bytes)
        assert isinstance(pickle.loads(answer), kind)


@pytest.mark.parametrize(
    ("cluster", "resources", "workers"),
    [
        (Cluster(), {"CPU": 4.0}, 4),
        (Cluster(workers=3), {"CPU": 4.0}, 3),
        (Cluster(gpus_per_worker=1), {"CPU": 16.0, "GPU": 2.0}, 2),
        (Cluster(gpus_per_worker=0.5), {"CPU": 16.0, "GPU": 2.0}, 4),
        (Cluster(gpus_per_worker=0.25, workers=5), {"CPU": 6.0, "GPU": 2.0}, 5),
        (Cluster(workers=5), {"CPU": 4.0}, None),
        (Cluster(gpus_per_worker=1), {"CPU": 4.0}, None),
        (Cluster(gpus_per_worker=1, workers=3), {"CPU": 4.0, "GPU": 2.0}, None),
        (Cluster(), {}, None),
    ],
)
def test_workers_are_as_many_as_fit(
    cluster: Cluster, resources: dict[str, float], workers: int | None
) -> None:
    if workers is None:
        with pytest.raises(DeviceError, match="do not fit the cluster"):
            ray_engine._workers(cluster, resources, 1)
    else:
        assert ray_engine._workers(cluster, resources, 1) == workers


def test_workers_of_many_threads_are_fewer() -> None:
    assert ray_engine._workers(Cluster(), {"CPU": 9.0}, 4) == 2
    assert ray_engine._workers(Cluster(), {"CPU": 2.0}, 4) == 1
    assert ray_engine._workers(Cluster(gpus_per_worker=1), {"CPU": 8.0, "GPU": 2.0}, 8) == 2


@pytest.mark.parametrize("workers", [1, 2, 7, 1000])
@pytest.mark.parametrize("tasks", [1, 2, 63, 64, 65, 100_000])
def test_blocks_are_small_and_every_worker_gets_some(tasks: int, workers: int) -> None:
    size = ray_engine._block(tasks, workers)
    assert 1 <= size <= ray_engine.BLOCK
    assert -(-tasks // size) >= min(tasks, workers)


@pytest.mark.parametrize(
    ("words", "code", "fact"),
    [
        (["--address", "h:1"], 2, "--address, --workers and --gpus-per-worker are about a cluster"),
        (["--workers", "2"], 2, "Add --engine ray."),
        (["--gpus-per-worker", "1"], 2, "Add --engine ray."),
        (["--engine", "ray", "--address", "ray://h:1"], 2, "--address ray://h:1: is no address"),
        (["--engine", "ray", "--address", "h"], 2, "Write HOST:PORT, or auto."),
        (["--engine", "ray", "--address", "127.0.0.1:1"], 4, "no cluster of Ray answers there."),
        (["--engine", "ray", "--address", "127.0.0.1:99999"], 4, "no cluster of Ray answers"),
    ],
)
def test_refusals_before_any_cluster(
    words: list[str],
    code: int,
    fact: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("in/a.png"))
    assert main(["batch", "in", "-o", "out", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert fact in err
    assert err.count("\n") == 1


def test_a_missing_ray_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    picture(Path("in/a.png"))
    assert main(["batch", "in", "-o", "out", "--engine", "ray"]) == 2
    assert capsys.readouterr().err == (
        "restore: --engine ray: needs ray, which is not installed. Use: pip install 'ray[data]'\n"
    )


def test_nothing_to_do_needs_no_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ray_engine, "_connected", None)
    picture(Path("in/a.png"))
    picture(Path("out/a.png"))
    assert main(["batch", "in", "-o", "out", "--engine", "ray", "--skip-existing"]) == 0
    assert capsys.readouterr().out == "0 restored, 0 failed, 1 skipped\n"


def test_what_rays_threads_print_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    split = ray_engine.ThreadStdout(sys.stdout)
    split.write("a result")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(split.write, "a worker died").result()
    assert split.encoding == sys.stdout.encoding
    assert capsys.readouterr() == ("a result", "a worker died")
