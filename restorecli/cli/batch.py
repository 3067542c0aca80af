"""The command `batch`. Like `cli`, without PyTorch."""

from typing import Annotated

import typer

from restorecli.cli import options as given
from restorecli.options import Options


def batch(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders, files, patterns, and @list.txt with one a line; also s3:// and gs://.",
        ),
    ],
    *,
    output: given.OutputPlace,
    ext: given.Ext = None,
    quality: given.Quality = given.QUALITY,
    overwrite: given.Overwrite = False,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Leave out photos whose result is there: a stopped run goes on.",
            rich_help_panel=given.OUTPUT,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only say what would be done.", rich_help_panel=given.OUTPUT
        ),
    ] = False,
    report: given.Report = None,
    scale: given.Scale = Options.scale,
    stages: given.Stages = given.ALL_STAGES,
    relight: given.Relight = Options.relight,
    faces: given.Faces = Options.faces,
    no_faces: given.NoFaces = False,
    fidelity: given.Fidelity = Options.fidelity,
    face_threshold: given.FaceThreshold = Options.face_threshold,
    min_face: given.MinFace = Options.min_face,
    device: given.Device = "auto",
    precision: given.Precision = "auto",
    tile: given.Tile = Options.tile,
    jobs: given.Jobs = 2,
    engine: given.Engine = "local",
    address: given.Address = None,
    workers: given.Workers = None,
    gpus_per_worker: given.GpusPerWorker = 0,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Restore many photos; folders are searched to any depth, and their tree is kept."""
    options = given.gather(
        scale=scale,
        stages=stages,
        relight=relight,
        fidelity=fidelity,
        faces=faces,
        no_faces=no_faces,
        face_threshold=face_threshold,
        min_face=min_face,
        tile=tile,
    )
    cluster = given.gather_cluster(
        engine, address=address, workers=workers, gpus_per_worker=gpus_per_worker
    )
    from restorecli.batch import engines, plan, remote
    from restorecli.cli import progress
    from restorecli.reports import batch as batch_report

    out = remote.place(output)
    work = plan.make(sources, out, ext=ext, skip_existing=skip_existing, overwrite=overwrite)
    page = batch_report.prepare(report, work, options, overwrite=overwrite)
    if dry_run:
        progress.present_plan(work, as_json=as_json)
        return
    outcomes = engines.run(
        work,
        options,
        cluster,
        device=device,
        precision=precision,
        quality=quality,
        overwrite=overwrite,
        jobs=jobs,
        with_thumbnails=page is not None,
    )
    with batch_report.following(outcomes, page) as followed:
        code = progress.present(followed, work, as_json=as_json, quiet=quiet, verbose=verbose)
    raise typer.Exit(code)
