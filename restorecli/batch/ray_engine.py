"""Many machines: the batch, a few photos at a time, on the workers of Ray Data.

Each worker is a process that holds the networks and runs `local.restore_tasks`, the very function
that runs without Ray, on the tasks it is given. What a dead worker had in hand is done again by
another one: a target that holds the very bytes then counts as written. A task that costs a worker
its life again and again is reported as failed, and the rest goes on.
"""

import contextlib
import logging
import os
import pickle
import socket
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TextIO, cast, runtime_checkable

import numpy as np
import torch

from restorecli import host, record, weights
from restorecli.batch import local
from restorecli.batch.plan import Task
from restorecli.errors import DeviceError, PlanError, RestoreError, WeightsError
from restorecli.options import Cluster, Options, RunOptions, SaveOptions
from restorecli.pipeline import Restorer
from restorecli.record import Outcome

BLOCK = 16  # tasks a worker is given at once, and loses at once if it dies
RETRIES = 2  # of a block whose worker died, before its tasks are tried one by one
OBJECT_STORE = 100_000_000  # bytes; tasks and outcomes pass through it, photos never do


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """What every worker is told.

    Attributes:
        options: For every photo.
        save: How results are written.
        run: As on the command line; a worker that was given a GPU takes it.
        threads: Of each worker's computing; sums in another order are other bytes.
        weights: Hash of the networks that are meant.
        folder: What relative paths are relative to.
    """

    options: Options
    save: SaveOptions
    run: RunOptions
    threads: int = field(default_factory=torch.get_num_threads)
    weights: str = field(default_factory=lambda: weights.set_hash())
    folder: Path = field(default_factory=Path.cwd)


class Worker:
    """One process of many; Ray makes it and calls it with rows."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._restorer: local.SupportsRestore | None = None

    def __call__(self, rows: dict[str, np.ndarray]) -> dict[str, list[object]]:
        """Restore some photos.

        Args:
            rows: `"index"` (n,) of the tasks, and `"task"` (n,) pickled.

        Returns:
            `"index"`, and `"outcome"` (n,) pickled; or one row with an error that stops all.
        """
        config = self._config
        tasks: list[Task] = [pickle.loads(task) for task in rows["task"]]
        try:
            self._restorer = self._restorer or _restorer(config)
        except RestoreError as error:
            return {"index": [-1], "outcome": [pickle.dumps(error)]}
        save = replace(config.save, again=True)
        outcomes = local.restore_tasks(tasks, self._restorer, config.options, save, config.run)
        pickled = [pickle.dumps(outcome) for outcome in outcomes]
        return {"index": list(rows["index"]), "outcome": list(pickled)}


def restore_tasks(
    tasks: Sequence[Task], config: WorkerConfig, cluster: Cluster
) -> Iterator[Outcome]:
    """Restore photos on a cluster; yield their outcomes as they come, one for each task.

    Raises:
        PlanError: Ray is not installed.
        DeviceError: There is no such cluster, or it has too few processors or GPUs.
        WeightsError: A worker has other weights than this machine.
    """
    remaining = dict(enumerate(tasks))
    if not remaining:
        return
    with _connected(cluster, config.threads) as workers:
        for size in (_block(len(tasks), workers), 1):
            for index, outcome in _pass(dict(remaining), size, config, cluster, workers):
                if remaining.pop(index, None) is not None:
                    yield outcome
    for task in remaining.values():
        error = DeviceError(
            f"{task.source}: its worker ended {RETRIES + 1} times without a word. "
            "Ray's logs say more; try this photo alone."
        )
        yield record.failed(str(task.source), str(task.target), error)


def _block(tasks: int, workers: int) -> int:
    """Number of tasks given out at once: so few that no worker idles long at the end."""
    return min(BLOCK, -(-tasks // (4 * workers)))


def _pass(
    tasks: dict[int, Task], size: int, config: WorkerConfig, cluster: Cluster, workers: int
) -> Iterator[tuple[int, Outcome]]:
    """Give the tasks out, `size` at once; those whose workers kept dying have no outcome."""
    import ray.data

    if not tasks:
        return
    rows = [{"index": index, "task": pickle.dumps(task)} for index, task in tasks.items()]
    blocks = -(-len(rows) // size)
    with warnings.catch_warnings():  # of max_task_retries, see docs/decisions.md
        warnings.simplefilter("ignore", DeprecationWarning)
        results = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
            Worker,
            fn_constructor_args=(config,),
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(
                size=min(workers, blocks),
                max_tasks_in_flight_per_actor=1,  # what waits for a worker would die with it
            ),
            num_cpus=1,
            num_gpus=cluster.gpus_per_worker or None,
            max_task_retries=RETRIES,
        )
    for row in results.iter_rows():
        outcome = pickle.loads(row["outcome"])
        if isinstance(outcome, RestoreError):
            raise outcome
        yield row["index"], outcome


def _restorer(config: WorkerConfig) -> local.SupportsRestore:
    """Load the networks, once in each worker."""
    with contextlib.suppress(FileNotFoundError):  # a machine that shares no folder needs none
        os.chdir(config.folder)
    installed = weights.set_hash()
    if installed != config.weights:
        raise WeightsError(
            f"weights {installed}: a worker's are not those of this machine, {config.weights}. "
            "Install one version everywhere."
        )
    torch.set_num_threads(config.threads)
    return Restorer.load(
        device=config.run.device,
        precision=config.run.precision,
        at_once=config.run.parallel or 1,
    )


@contextmanager
def _connected(cluster: Cluster, threads: int) -> Iterator[int]:
    """Join a cluster, or start one on this machine alone; give the number of workers it holds."""
    if cluster.address not in (None, "auto"):
        _check_reachable(cluster.address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it writes to standard error
    if os.environ.get("GOMP_SPINCOUNT") == str(host.SPINS):  # the command's choice, not the user's
        del os.environ["GOMP_SPINCOUNT"]  # workers share the processors: their threads sleep
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise PlanError(
            "--engine ray: needs ray, which is not installed. Use: pip install 'ray[data]'"
        ) from error
    here: dict[str, Any] = {
        "num_cpus": cluster.workers,
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE,
        "_node_ip_address": "127.0.0.1",
    }
    try:
        ray.init(
            address=cluster.address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if cluster.address else here),
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise DeviceError(
            f"--address {cluster.address}: Ray cannot be used there ({type(error).__name__}). "
            "Its version must be the same everywhere, and RAY_AUTH_MODE and its token."
        ) from error
    try:
        _quieten()
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        with contextlib.redirect_stdout(cast(TextIO, ThreadStdout(sys.stdout))):
            yield _workers(cluster, resources, threads)
    finally:
        ray.shutdown()


@runtime_checkable
class TextStream(Protocol):
    """A stream of text."""

    def write(self, text: str, /) -> int:
        """Write it all."""


class ThreadStdout:
    """Standard output for this thread alone: what Ray's threads print goes to standard error."""

    def __init__(self, stream: "TextStream") -> None:
        self._stream = stream
        self._thread = threading.current_thread()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write to the stream of the thread that calls."""
        own = threading.current_thread() is self._thread
        return (self._stream if own else sys.stderr).write(text)


def _check_reachable(address: str) -> None:
    """See whether anybody listens; Ray itself would ask for many minutes.

    Raises:
        PlanError: It is no address.
        DeviceError: Nobody listens there.
    """
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()) or "/" in host:
        raise PlanError(f"--address {address}: is no address. Write HOST:PORT, or auto.")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise DeviceError(
            f"--address {address}: no cluster of Ray answers there. "
            "Start one with: ray start --head"
        ) from error


def _workers(cluster: Cluster, resources: dict[str, float], threads: int) -> int:
    """Number of workers: what was asked for, or as many as fit.

    Raises:
        DeviceError: Fewer fit.
    """
    fitting = int(resources.get("CPU", 0))
    if cluster.gpus_per_worker:
        fitting = min(fitting, int(resources.get("GPU", 0) / cluster.gpus_per_worker))
    least = cluster.workers or 1
    if fitting < least:
        has = f"{resources.get('CPU', 0):g} processors and {resources.get('GPU', 0):g} GPUs"
        raise DeviceError(
            f"{least} workers with {cluster.gpus_per_worker:g} GPUs each: do not fit the cluster, "
            f"which has {has}. Ask for less, or add machines first."
        )
    each = 1 if cluster.gpus_per_worker else threads
    return cluster.workers or max(1, fitting // each)


def _quieten() -> None:
    """Keep Ray Data's bars and reports off the terminal; its log files hold them."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1  # a dead worker's tasks are counted here, not there
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)
