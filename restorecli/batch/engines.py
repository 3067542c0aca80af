"""Where a batch is computed: in this process, or on the workers of a cluster. Both do the same."""

from collections.abc import Iterator

from restorecli.batch import local
from restorecli.batch.plan import Plan
from restorecli.batch.record import Outcome
from restorecli.options import Cluster, Options
from restorecli.pipeline import Restorer


def run(
    work: Plan,
    options: Options,
    cluster: Cluster | None,
    *,
    device: str,
    precision: str,
    quality: int,
    overwrite: bool,
    jobs: int,
    with_thumbnails: bool,
) -> Iterator[Outcome]:
    """Load the networks where they are needed, and restore photos; see `local.run`.

    Args:
        work: What to restore, and where a killed run may have left something.
        options: For every photo.
        cluster: Of Ray; None is this process.
        device: As for `Restorer.load`; a worker that gets GPUs of its own takes them.
        precision: As for `Restorer.load`.
        quality: See `local.run`.
        overwrite: See `local.run`.
        jobs: See `local.run`; in each worker.
        with_thumbnails: See `local.run`.

    Raises:
        RestoreError: What `Restorer.load` and `ray_engine.run` refuse.
    """
    if cluster is None:
        restorer = Restorer.load(device=device, precision=precision)
        local.clear(work)
        return local.run(
            work.tasks,
            restorer,
            options,
            quality=quality,
            overwrite=overwrite,
            jobs=jobs,
            with_thumbnails=with_thumbnails,
        )
    from restorecli.batch import ray_engine

    local.clear(work)

    orders = ray_engine.Orders(
        options=options,
        device="cuda" if cluster.gpus_per_worker and device == "auto" else device,
        precision=precision,
        quality=quality,
        overwrite=overwrite,
        jobs=jobs,
        with_thumbnails=with_thumbnails,
    )
    return ray_engine.run(work.tasks, orders, cluster)
