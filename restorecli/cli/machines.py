"""The options of `restore batch` that say which machines compute. Like `cli`, without PyTorch."""

from typing import Annotated, Literal

import typer

from restorecli.errors import PlanError
from restorecli.options import Cluster

MACHINES = "Many machines"

Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--engine",
        help="Compute in this process, or on the workers of a Ray cluster.",
        rich_help_panel=MACHINES,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Of a running Ray cluster.",
        show_default="one is started here",
        rich_help_panel=MACHINES,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Processes that restore, each with its own networks.",
        show_default="as many as fit",
        rich_help_panel=MACHINES,
    ),
]
GpusPerWorker = Annotated[
    float,
    typer.Option(
        "--gpus-per-worker",
        metavar="N",
        min=0,
        help="GPUs that each worker has for itself; 0.5 lets two share one.",
        rich_help_panel=MACHINES,
    ),
]


def gather(
    engine: Literal["local", "ray"],
    *,
    address: str | None,
    workers: int | None,
    gpus_per_worker: float,
) -> Cluster | None:
    """Say which cluster a batch runs on; None is this process.

    Raises:
        PlanError: A cluster is described and not used.
    """
    cluster = Cluster(address=address, workers=workers, gpus_per_worker=gpus_per_worker)
    if engine == "ray":
        return cluster
    if cluster != Cluster():
        raise PlanError(
            "--address, --workers and --gpus-per-worker are about a cluster. Add --engine ray."
        )
    return None
