"""Many machines: the batch, a few photos at a time, on the workers of Ray Data.

Each worker is a process that holds the networks and runs `local.run`, the very function that runs
without Ray, on the tasks it is given. What a dead worker had in hand is done again by another one:
a target that holds the very bytes then counts as written. A task that costs a worker its life again
and again is reported as failed, and the rest goes on.
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

from restorecli import record, weights
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
class Orders:
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

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._restorer: local.Restores | None = None

    def __call__(self, rows: dict[str, np.ndarray]) -> dict[str, list[object]]:
        """Restore some photos.

        Args:
            rows: `"index"` (n,) of the tasks, and `"task"` (n,) pickled.

        Returns:
            `"index"`, and `"outcome"` (n,) pickled; or one row with an error that stops all.
        """
        orders = self._orders
        tasks: list[Task] = [pickle.loads(task) for task in rows["task"]]
        try:
            self._restorer = self._restorer or _restorer(orders)
        except RestoreError as error:
            return {"index": [-1], "outcome": [pickle.dumps(error)]}
        save = replace(orders.save, again=True)
        outcomes = local.run(tasks, self._restorer, orders.options, save, orders.run)
        made = [pickle.dumps(outcome) for outcome in outcomes]
        return {"index": list(rows["index"]), "outcome": list(made)}


def run(tasks: Sequence[Task], orders: Orders, cluster: Cluster) -> Iterator[Outcome]:
    """Restore photos on a cluster; yield their outcomes as they come, one for each task.

    Raises:
        PlanError: Ray is not installed.
        DeviceError: There is no such cluster, or it has too few processors or GPUs.
        WeightsError: A worker has other weights than this machine.
    """
    left = dict(enumerate(tasks))
    if not left:
        return
    with _connected(cluster, orders.threads) as workers:
        for size in (_block(len(tasks), workers), 1):
            for index, outcome in _pass(dict(left), size, orders, cluster, workers):
                if left.pop(index, None) is not None:
                    yield outcome
    for task in left.values():
        error = DeviceError(
            f"{task.source}: its worker ended {RETRIES + 1} times without a word. "
            "Ray's logs say more; try this photo alone."
        )
        yield record.failed(str(task.source), str(task.target), error)


def _block(tasks: int, workers: int) -> int:
    """Number of tasks given out at once: so few that no worker idles long at the end."""
    return min(BLOCK, -(-tasks // (4 * workers)))


def _pass(
    tasks: dict[int, Task], size: int, orders: Orders, cluster: Cluster, workers: int
) -> Iterator[tuple[int, Outcome]]:
    """Give the tasks out, `size` at once; those whose workers kept dying have no outcome."""
    import ray.data

    if not tasks:
        return
    rows = [{"index": index, "task": pickle.dumps(task)} for index, task in tasks.items()]
    blocks = -(-len(rows) // size)
    with warnings.catch_warnings():  # of max_task_retries, see docs/decisions.md
        warnings.simplefilter("ignore", DeprecationWarning)
        done = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
            Worker,
            fn_constructor_args=(orders,),
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(
                size=min(workers, blocks),
                max_tasks_in_flight_per_actor=1,  # what waits for a worker would die with it
            ),
            num_cpus=1,
            num_gpus=cluster.gpus_per_worker or None,
            max_task_retries=RETRIES,
        )
    for row in done.iter_rows():
        found = pickle.loads(row["outcome"])
        if isinstance(found, RestoreError):
            raise found
        yield row["index"], found


def _restorer(orders: Orders) -> local.Restores:
    """Load the networks, once in each worker."""
    with contextlib.suppress(FileNotFoundError):  # a machine that shares no folder needs none
        os.chdir(orders.folder)
    found = weights.set_hash()
    if found != orders.weights:
        raise WeightsError(
            f"weights {found}: a worker's are not those of this machine, {orders.weights}. "
            "Install one version everywhere."
        )
    torch.set_num_threads(orders.threads)
    return Restorer.load(device=orders.run.device, precision=orders.run.precision)


@contextmanager
def _connected(cluster: Cluster, threads: int) -> Iterator[int]:
    """Join a cluster, or start one on this machine alone; give the number of workers it holds."""
    if cluster.address not in (None, "auto"):
        _knock(cluster.address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it writes to standard error
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
        with contextlib.redirect_stdout(cast(TextIO, _Split(sys.stdout))):
            yield _workers(cluster, resources, threads)
    finally:
        ray.shutdown()


@runtime_checkable
class Writes(Protocol):
    """A stream of text."""

    def write(self, text: str, /) -> int:
        """Write it all."""


class _Split:
    """Standard output for this thread alone: what Ray's threads print goes to standard error."""

    def __init__(self, stream: "Writes") -> None:
        self._stream = stream
        self._thread = threading.current_thread()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write to the stream of the thread that calls."""
        own = threading.current_thread() is self._thread
        return (self._stream if own else sys.stderr).write(text)


def _knock(address: str) -> None:
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
    wanted = cluster.workers or 1
    if fitting < wanted:
        has = f"{resources.get('CPU', 0):g} processors and {resources.get('GPU', 0):g} GPUs"
        raise DeviceError(
            f"{wanted} workers with {cluster.gpus_per_worker:g} GPUs each: do not fit the cluster, "
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
