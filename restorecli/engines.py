"""Where a batch is computed: in this process, or on the workers of a cluster. Both do the same."""

from collections.abc import Iterator

from restorecli import batch
from restorecli.options import Cluster, Options
from restorecli.pipeline import Restorer
from restorecli.plan import Plan
from restorecli.record import Outcome


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
    """Load the networks where they are needed, and restore photos; see `batch.run`.

    Args:
        work: What to restore, and where a killed run may have left something.
        options: For every photo.
        cluster: Of Ray; None is this process.
        device: As for `Restorer.load`; a worker that gets GPUs of its own takes them.
        precision: As for `Restorer.load`.
        quality: See `batch.run`.
        overwrite: See `batch.run`.
        jobs: See `batch.run`; in each worker.
        with_thumbnails: See `batch.run`.

    Raises:
        RestoreError: What `Restorer.load` and `engine_ray.run` refuse.
    """
    if cluster is None:
        restorer = Restorer.load(device=device, precision=precision)
        batch.clear(work)
        return batch.run(
            work.tasks,
            restorer,
            options,
            quality=quality,
            overwrite=overwrite,
            jobs=jobs,
            with_thumbnails=with_thumbnails,
        )
    from restorecli import engine_ray

    batch.clear(work)

    orders = engine_ray.Orders(
        options=options,
        device="cuda" if cluster.gpus_per_worker and device == "auto" else device,
        precision=precision,
        quality=quality,
        overwrite=overwrite,
        jobs=jobs,
        with_thumbnails=with_thumbnails,
    )
    return engine_ray.run(work.tasks, orders, cluster)
