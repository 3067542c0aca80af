"""Where a batch is computed: in this process, or on the workers of a cluster. Both do the same."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from restorecli.batch import local, targets
from restorecli.batch.plan import Plan
from restorecli.options import Cluster, Options, RunOptions, SaveOptions
from restorecli.pipeline import Restorer
from restorecli.record import Outcome


def restore_batch(
    work: Plan, options: Options, save: SaveOptions, run: RunOptions, cluster: Cluster | None
) -> Iterator[Outcome]:
    """Load the networks where they are needed, and restore photos; see `local.restore_tasks`.

    What failed already when the work was planned comes first.

    Args:
        work: What to restore, and where a killed run may have left something.
        options: For every photo.
        save: How results are written.
        run: Its `jobs` are those of each worker; a worker that gets GPUs of its own takes them.
        cluster: Of Ray; None is this process.

    Raises:
        PhotoWriteError: No result could be written where they go.
        RestoreError: What `Restorer.load` and `ray_engine.restore_tasks` refuse.
    """
    targets.prepare(work)
    if cluster is None:
        restorer = Restorer.load(device=run.device, precision=run.precision, at_once=run.parallel)
        run = replace(run, parallel=restorer.at_once)
        local.remove_unfinished(work)
        outcomes = local.restore_tasks(work.tasks, restorer, options, save, run)
        return _after(work.failures, outcomes)
    from restorecli.batch import ray_engine

    local.remove_unfinished(work)
    if cluster.gpus_per_worker and run.device == "auto":
        run = replace(run, device="cuda")
    config = ray_engine.WorkerConfig(options=options, save=save, run=run)
    return _after(work.failures, ray_engine.restore_tasks(work.tasks, config, cluster))


def _after(failures: Iterable[Outcome], outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """What failed before the work, then what became of the photos."""
    yield from failures
    yield from outcomes
