"""One photo: it is read, restored and written, and what became of it is said.

Stores, comparisons and pictures of the steps are loaded only where they are asked for.
"""

import sys
from dataclasses import replace
from pathlib import Path

import typer

from restorecli import record
from restorecli.cli import process
from restorecli.cli.options import STREAM, Messages
from restorecli.cli.parsing.job import Job, Request, make_job
from restorecli.errors import printable
from restorecli.options import Options, RunOptions, SaveOptions
from restorecli.photo import Photo
from restorecli.photo.files import remove_stale
from restorecli.pipeline import Restoration, Restorer
from restorecli.record import Outcome

WORTH_TIMING = 2_000_000  # pixels of a photo and its result together; less is quick


def restore(
    source: str, request: Request, options: Options, run: RunOptions, messages: Messages
) -> None:
    """Do what is asked for to one photo, and say what became of it.

    Raises:
        RestoreError: It is refused or fails.
    """
    job = make_job(source, request, as_json=messages.as_json)
    report([restore_job(job, options, run, quiet=messages.quiet)], messages)


def restore_job(job: Job, options: Options, run: RunOptions, *, quiet: bool = False) -> Outcome:
    """Read, restore and write the photo; it is read before the networks are loaded.

    What takes long is told of on standard error, unless `quiet`.
    """
    source = sys.stdin.buffer if job.source is None else job.source
    photo = Photo.read(source, max_megapixels=run.max_megapixels, page=job.page)
    refuse_size(photo, job, options)
    restorer = Restorer.load(device=run.device, precision=run.precision)
    steps = job.steps is not None
    if (
        photo.height * photo.width * (1 + options.for_photo(photo.height, photo.width).scale)
        < WORTH_TIMING
    ):
        restoration = restorer.restore(photo, options, keep_steps=steps)
    else:
        from restorecli.cli import progress

        with progress.forecast_said(restorer, photo, options, quiet=quiet) as (decision, watch):
            restoration = restorer.restore(
                photo, options, keep_steps=steps, decision=decision, watch=watch
            )
    restoration = replace(restoration, photo=given_away(restoration.photo, job.save))
    losses = _write(restoration.photo, job)
    _write_extras(photo, restoration, job)
    outcome = outcome_of(job, photo, restoration, job.page)
    return replace(outcome, notices=outcome.notices + losses)


def refuse_size(photo: Photo, job: Job, options: Options) -> None:
    """Refuse a result that its format could not hold, before the work."""
    kind, name = (job.kind, "<stdout>") if job.target is None else (job.target.suffix, None)
    scale = options.for_photo(photo.height, photo.width).scale
    photo.refuse_scale(scale, kind, name or str(job.target))


def given_away(result: Photo, save: SaveOptions) -> Photo:
    """Leave out of a result what was asked to be left out."""
    return result.stripped(gps=save.strip_gps, metadata=save.strip_metadata)


def outcome_of(job: Job, photo: Photo, restoration: Restoration, page: int | None) -> Outcome:
    """What became of a photo or a page of it, by the words that it was named with."""
    source, target = (str(place or STREAM) for place in (job.source, job.target))
    return record.restored(source, target, photo, restoration, page=page)


def report(outcomes: list[Outcome], messages: Messages) -> None:
    """Print the records or the result's path to stdout, and what was done to stderr."""
    if messages.as_json:
        for outcome in outcomes:
            typer.echo(record.json_line(outcome))
    elif outcomes[0].target != STREAM:
        typer.echo(process.name_on_stdout(str(outcomes[0].target)), color=True)  # escapes stay
    for outcome in outcomes:
        if not messages.quiet:
            typer.echo(record.sentence(outcome), err=True)
            for notice in outcome.notices:
                typer.echo(f"{printable(outcome.source)}: {notice}", err=True)
        if messages.verbose:
            for line in record.face_lines(outcome.faces):
                typer.echo(line, err=True)


def _write(result: Photo, job: Job) -> tuple[str, ...]:
    """Write the result; say what its format could not hold."""
    if job.target is None:  # not through Photo.write: a closed pipe must stay a closed pipe
        encoded = result.encoded(job.kind, job.save.quality)
        sys.stdout.buffer.write(encoded.content())
        sys.stdout.buffer.flush()
        return encoded.losses
    if isinstance(job.target, Path):
        remove_stale(job.target.parent)
    return result.write(job.target, quality=job.save.quality, overwrite=job.save.overwrite)


def _write_extras(photo: Photo, restoration: Restoration, job: Job) -> None:
    """Write the comparison and the pictures of the steps, if they were asked for."""
    if job.compare is not None:
        from restorecli.reports import compare

        compare.write(photo, restoration.photo, job.compare, job.save)
    if job.steps is not None:
        from restorecli.previews import stage_images

        stage_images.write(photo, restoration, job.steps, overwrite=job.save.overwrite)
