"""The command `degrade`. Like `cli`, without PyTorch."""

from pathlib import Path
from typing import Annotated

import typer

from restorecli.cli.options import OUTPUT, takes_fields
from restorecli.options import LEAST_SSIM

Clean = Annotated[
    Path, typer.Argument(metavar="CLEAN", help="Folder of clean photos, searched to any depth.")
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Where the results go; made if it is not there.",
        rich_help_panel=OUTPUT,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Equal seeds, equal bytes.")]
MaxSsim = Annotated[
    float,
    typer.Option(
        "--max-ssim",
        metavar=f">{LEAST_SSIM:g}..1",
        help="No photo is more like its clean one than this.",
    ),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Only so many photos, spread evenly.")
]


@takes_fields
def degrade(
    clean: Clean,
    *,
    output: Output,
    seed: Seed = 0,
    max_ssim: MaxSsim = 0.5,
    limit: Limit = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> None:
    """Make a labelled set of clean and degraded photos."""
    from restorecli.bench import make_dataset
    from restorecli.cli import progress

    made = make_dataset.make(
        clean,
        output,
        seed=seed,
        max_ssim=max_ssim,
        count=limit,
        overwrite=overwrite,
        progress=lambda paths: progress.followed(paths, len(paths), unit="photo", quiet=quiet),
    )
    for _, reason in made.failures:
        typer.echo(f"restore: {reason}", err=True)
    typer.echo(f"{output}: {len(made.labels)} pairs, {len(made.failures)} failed")
    raise typer.Exit(made.exit_code)
