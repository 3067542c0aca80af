"""The command `bench`. Like `cli`, without PyTorch."""

from pathlib import Path
from typing import Annotated

import typer

from restorecli.cli.options import ReportTarget, parse_stages, takes_fields
from restorecli.errors import PlanError
from restorecli.options import STAGES, Options, RunOptions

Dataset = Annotated[
    Path | None,
    typer.Argument(
        metavar="DATASET",
        help="Folder with clean/ and degraded/, or gt/lq, target/input, HR/LR.",
        show_default="the shipped examples",
    ),
]
Metric = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="ssim|psnr|psnr-y",
        help="Score; may be repeated.",
        show_default="ssim, psnr",
    ),
]
Rows = Annotated[
    list[str] | None,
    typer.Option(
        "--stages",
        metavar="A,B,...",
        help="Steps of one row; repeated, it gives an ablation.",
        show_default="all steps",
    ),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Only so many pairs, spread evenly.")
]
Speed = Annotated[
    bool,
    typer.Option(
        "--speed",
        help="Time photos of 0.26 to 35 megapixels by stage; --limit 2 takes the small ones.",
    ),
]
Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Also write every score.")]


@takes_fields
def bench(
    dataset: Dataset = None,
    *,
    metric: Metric = None,
    rows: Rows = None,
    limit: Limit = None,
    csv: Csv = None,
    speed: Speed = False,
    report: ReportTarget = None,
    overwrite: bool = False,
    options: Annotated[Options, "fidelity", "tile"],
    run: Annotated[RunOptions, "device", "precision"],
    as_json: bool = False,
    quiet: bool = False,
) -> None:
    """Score the restoration on a labelled set, or time it, beside classical filters."""
    from restorecli.cli import scoring
    from restorecli.reports.bench import open_report

    if speed:
        scoring.time_sizes(run, sizes=limit, as_json=as_json, quiet=quiet)
        return
    if csv is not None:
        _refuse_csv(csv, report, overwrite=overwrite)
    page = open_report(report, overwrite=overwrite)
    result = scoring.measured(
        dataset,
        options,
        run,
        metrics=metric or ["ssim", "psnr"],
        stages=[parse_stages(text) for text in rows] if rows else [STAGES],
        limit=limit,
        watch=None if page is None else page.watch,
        quiet=quiet,
    )
    scoring.present(result, csv, overwrite=overwrite, as_json=as_json)
    if page is not None:
        page.write(result)
    raise typer.Exit(result.exit_code)


def _refuse_csv(csv: Path, report: Path | None, *, overwrite: bool) -> None:
    from restorecli.photo.files import refuse_target

    if report is not None and csv.resolve() == report.resolve():
        raise PlanError(f"{csv}: is named as two results. Give each a file of its own.")
    refuse_target(csv, overwrite=overwrite)
