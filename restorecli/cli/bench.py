"""The command `bench`. Like `cli`, without PyTorch."""

from pathlib import Path
from typing import Annotated

import typer

from restorecli.cli import options as given
from restorecli.options import Options


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
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="ssim|psnr|psnr-y",
            help="Score; may be repeated.",
            show_default="ssim, psnr",
        ),
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
    report: given.Report = None,
    overwrite: given.Overwrite = False,
    fidelity: given.Fidelity = Options.fidelity,
    device: given.Device = "auto",
    precision: given.Precision = "auto",
    tile: given.Tile = Options.tile,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
) -> None:
    """Score the restoration on a labelled set, beside classical filters."""
    rows = [given.parse_stages(text) for text in stages or [given.ALL_STAGES]]
    from restorecli import weights
    from restorecli.batch import plan
    from restorecli.bench import measure as engine
    from restorecli.bench import table
    from restorecli.cli import progress
    from restorecli.manifest import example_pairs_folder
    from restorecli.photo.files import replace_file
    from restorecli.pipeline import PRECISION_NAMES, Restorer
    from restorecli.reports import bench as bench_report

    if csv is not None:
        plan.refuse_target(csv, overwrite=overwrite)
    page = bench_report.prepare(report, overwrite=overwrite)
    restorer = Restorer.load(device=device, precision=precision)
    found = engine.run(
        dataset or example_pairs_folder(),
        restorer,
        setting=engine.Setting(
            weights=weights.set_hash(),
            device=str(restorer.device),
            precision=PRECISION_NAMES[restorer.precision],
        ),
        metrics=metric or ["ssim", "psnr"],
        stages=rows,
        options=Options(fidelity=fidelity, tile=tile),
        limit=limit,
        progress=lambda pairs: progress.followed(pairs, len(pairs), unit="pair", quiet=quiet),
        watch=None if page is None else page.watch,
    )
    typer.echo(table.to_json(found) if as_json else table.to_text(found), nl=False)
    if csv is not None:
        content = table.to_csv(found).encode()
        replace_file(csv, lambda file: file.write(content), overwrite=overwrite)
    if page is not None:
        page.write(found)
    raise typer.Exit(found.exit_code)
