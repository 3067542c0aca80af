"""The commands `bench` and `degrade`. Like `cli`, without PyTorch."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from restorecli import cli_options as given


class Metric(StrEnum):
    """What the bench scores by; an enumeration, since Typer takes no list of literals."""

    SSIM = "ssim"
    PSNR = "psnr"


def bench(
    dataset: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATASET",
            help="Folder with clean/ and degraded/, or gt/lq, target/input, HR/LR.",
            show_default="the shipped examples",
        ),
    ] = None,
    *,
    metric: Annotated[
        list[Metric] | None,
        typer.Option("--metric", help="Score; may be repeated.", show_default="both"),
    ] = None,
    stages: Annotated[
        list[str] | None,
        typer.Option(
            "--stages",
            metavar="A,B,...",
            help="Steps of one row; repeated, it gives an ablation.",
            show_default="all steps",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only so many pairs, spread evenly.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Also write every score.")
    ] = None,
    overwrite: given.Overwrite = False,
    device: given.Device = "auto",
    precision: given.Precision = "auto",
    tile: given.Tile = None,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
) -> None:
    """Score the restoration on a labelled set, beside classical filters."""
    raise NotImplementedError


def degrade(
    clean: Annotated[
        Path, typer.Argument(metavar="CLEAN", help="Folder of clean photos, searched to any depth.")
    ],
    *,
    output: given.OutputFolder,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Equal seeds, equal bytes.")] = 0,
    max_ssim: Annotated[
        float,
        typer.Option(
            "--max-ssim",
            min=0.0,
            max=1.0,
            help="Make each photo at least this unlike its clean one.",
        ),
    ] = 0.5,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only so many photos.")
    ] = None,
    quiet: given.Quiet = False,
) -> None:
    """Make a labelled set of clean and degraded photos."""
    raise NotImplementedError
