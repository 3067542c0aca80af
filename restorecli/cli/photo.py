"""One photo: it is read, restored and written, and what became of it is said.

Stores, comparisons and pictures of the steps are loaded only where they are asked for.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import typer

from restorecli import record
from restorecli.cli import process
from restorecli.cli.options import Messages, parse_page
from restorecli.cli.parsing.job import STREAM, Job, Request, make_job, place_of
from restorecli.errors import PlanError, RestoreError, printable
from restorecli.options import Options, RunOptions, SaveOptions
from restorecli.photo import Photo
from restorecli.photo.files import opened, remove_stale
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
    with failure_recorded(source, request.output, as_json=messages.as_json):
        if request.preview:
            outcomes = [preview(source, request, options, run)]
        else:
            job = make_job(source, request, as_json=messages.as_json)
            outcomes = restore_job(job, options, run, quiet=messages.quiet)
    report(outcomes, messages)


def restore_job(
    job: Job, options: Options, run: RunOptions, *, quiet: bool = False
) -> list[Outcome]:
    """Read, restore and write the photo; it is read before the networks are loaded.

    What takes long is told of on standard error, unless `quiet`.

    Returns:
        What became of it, or of each of its pages.
    """
    if job.page == "all":
        return _restore_pages(job, options, run)
    source = sys.stdin.buffer if job.source is None else job.source
    photo = Photo.read(source, max_megapixels=run.max_megapixels, page=job.page)
    _refuse_size(photo, job, options)
    restorer = Restorer.load(device=run.device, precision=run.precision)
    steps = job.steps is not None
    if (
        photo.height * photo.width * (1 + options.for_photo(photo.height, photo.width).scale)
        < WORTH_TIMING
    ):
        restoration = restorer.restore(photo, options, keep_steps=steps)
    else:
        from restorecli.cli import preview as expected

        with expected.told(restorer, photo, options, quiet=quiet) as (decision, watch):
            restoration = restorer.restore(
                photo, options, keep_steps=steps, decision=decision, watch=watch
            )
    restoration = replace(restoration, photo=_given_away(restoration.photo, job.save))
    losses = _write(restoration.photo, job)
    _write_extras(photo, restoration, job)
    outcome = _outcome(job, photo, restoration)
    return [replace(outcome, notices=outcome.notices + losses)]


def _restore_pages(job: Job, options: Options, run: RunOptions) -> list[Outcome]:
    """Restore all pages of a TIFF file, one after the other, into another one."""
    from restorecli.photo import pages

    source, name = _to_be_read_often(job)
    outcomes: list[Outcome] = []

    def read(page: int) -> Photo:
        photo = Photo.read(source, max_megapixels=run.max_megapixels, page=page, name=name)
        _refuse_size(photo, job, options)
        return photo

    def restored(first: Photo) -> Iterator[Photo]:
        restorer = Restorer.load(device=run.device, precision=run.precision)
        for number in range(1, count + 1):
            photo = first if number == 1 else read(number)
            restoration = restorer.restore(photo, options)
            result = _given_away(restoration.photo, job.save)
            yield result
            outcome = _outcome(job, photo, restoration)
            notices = outcome.notices + pages.losses(result, number)
            told = tuple(f"page {number}: {notice}" for notice in notices)
            outcomes.append(replace(outcome, notices=told))

    count = Photo.page_count(source, name=name)
    made = restored(read(1))
    if job.target is None:  # as in `_write`
        whole = BytesIO()
        pages.write(made, whole, overwrite=False)
        sys.stdout.buffer.write(whole.getbuffer())
        sys.stdout.buffer.flush()
        return outcomes
    if isinstance(job.target, Path):
        remove_stale(job.target.parent)
    pages.write(made, job.target, overwrite=job.save.overwrite)
    return outcomes


def _to_be_read_often(job: Job) -> tuple[Path | bytes, str]:
    """The file, or the bytes of what is none, and how messages name it."""
    name = "<stdin>" if job.source is None else str(job.source)
    if isinstance(job.source, Path):
        return job.source, name
    with opened(sys.stdin.buffer if job.source is None else job.source, name) as stream:
        return stream.read(), name


def _refuse_size(photo: Photo, job: Job, options: Options) -> None:
    """Refuse a result that its format could not hold, before the work."""
    kind, name = (job.kind, "<stdout>") if job.target is None else (job.target.suffix, None)
    scale = options.for_photo(photo.height, photo.width).scale
    photo.refuse_scale(scale, kind, name or str(job.target))


def _given_away(result: Photo, save: SaveOptions) -> Photo:
    return result.stripped(gps=save.strip_gps, metadata=save.strip_metadata)


def _outcome(job: Job, photo: Photo, restoration: Restoration) -> Outcome:
    source, target = (str(place or STREAM) for place in (job.source, job.target))
    return record.restored(source, target, photo, restoration)


def preview(source: str, request: Request, options: Options, run: RunOptions) -> Outcome:
    """Write a page of the part of a photo in which the pattern is strongest, before and after.

    Raises:
        RestoreError: As of `make_job` and `restore_job`.
    """
    from restorecli.cli import preview as pages

    number = parse_page(request.page)
    if request.ext or request.compare or request.steps or number == "all":
        raise PlanError("--preview writes a page alone: leave the other results out.")
    page = pages.page_of(source, request.output, overwrite=request.save.overwrite)
    stored = sys.stdin.buffer if source == STREAM else place_of(source)
    photo = Photo.read(stored, max_megapixels=run.max_megapixels, page=number)
    restorer = Restorer.load(device=run.device, precision=run.precision)
    return pages.write(restorer, source, photo, page, options, request.save)


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


@contextmanager
def failure_recorded(source: str, output: str | None, *, as_json: bool) -> Iterator[None]:
    """Print the record of a photo that is refused or fails; the error goes on its way."""
    try:
        yield
    except RestoreError as error:
        if as_json:
            from restorecli.batch import remote

            named = remote.masked(source), None if output is None else remote.masked(output)
            typer.echo(record.json_line(record.failed(*named, error)))
        raise


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
