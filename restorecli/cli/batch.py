"""The command `batch`. Like `cli`, without PyTorch."""

from dataclasses import replace
from typing import Annotated, Literal

import typer

from restorecli.cli.options import (
    OUTPUT,
    Messages,
    ReportTarget,
    on_cluster,
    takes_fields,
    without_faces,
)
from restorecli.options import Cluster, Options, RunOptions, SaveOptions

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="Folders, files, patterns, @list.txt with one a line, - for such a list on standard "
        "input; also s3:// and gs://.",
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER|URL",
        help="Where the results go; made if it is not there.",
        rich_help_panel=OUTPUT,
    ),
]
Ext = Annotated[
    str | None,
    typer.Option(
        "--ext",
        metavar="SUFFIX",
        help="Kind of the results, as in png or jpg.",
        show_default="each photo's own, or png",
        rich_help_panel=OUTPUT,
    ),
]
SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing",
        help="Leave out photos whose result is there: a stopped run goes on.",
        rich_help_panel=OUTPUT,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Only say what would be done.", rich_help_panel=OUTPUT),
]


@takes_fields
def batch(
    sources: Sources,
    *,
    output: Output,
    ext: Ext = None,
    save: SaveOptions,
    skip_existing: SkipExisting = False,
    dry_run: DryRun = False,
    report: ReportTarget = None,
    options: Options,
    no_faces: bool = False,
    run: RunOptions,
    engine: Literal["local", "ray"] = "local",
    cluster: Cluster,
    messages: Messages,
) -> None:
    """Restore many photos; folders are searched to any depth, and their tree is kept."""
    options = without_faces(options, no_faces)
    workers = on_cluster(engine, cluster)
    from restorecli.batch import engines, plan, remote
    from restorecli.cli import progress
    from restorecli.reports.batch import following, open_report

    out = remote.parse_place(output)
    work = plan.make(sources, out, ext=ext, skip_existing=skip_existing, overwrite=save.overwrite)
    page = open_report(report, work, options, overwrite=save.overwrite, skip_existing=skip_existing)
    if dry_run:
        raise typer.Exit(progress.present_plan(work, messages))
    run = replace(run, thumbnails=page is not None)
    save = replace(save, skip_existing=skip_existing)
    try:
        outcomes = engines.restore_batch(work, options, save, run, workers)
    except KeyboardInterrupt as stop:  # while the networks were loaded: there is nothing to show
        page, outcomes = None, progress.stopped(work, stop)
    with following(outcomes, page) as followed:
        code = progress.present(followed, work, messages)
    raise typer.Exit(code)
