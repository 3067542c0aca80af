"""One photo: what is read, what is written, what is said, and what is refused before any work.

Stores, comparisons and pictures of the steps are loaded only where they are asked for.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path, PurePath
from typing import Literal

import typer

from restorecli import record
from restorecli.cli.options import Messages
from restorecli.errors import PhotoReadError, PlanError, RestoreError
from restorecli.options import Options, RunOptions, SaveOptions
from restorecli.photo import Photo
from restorecli.photo.files import (
    Stored,
    opened,
    refuse_target,
    remove_stale,
    same_file,
    there,
)
from restorecli.photo.formats import WRITABLE, format_for, writable_suffix
from restorecli.pipeline import Restoration, Restorer
from restorecli.record import Outcome

STREAM = "-"
WORTH_TIMING = 2_000_000  # pixels of a photo and its result together; less is quick


@dataclass(frozen=True, kw_only=True)
class Job:
    """A photo and where its results go.

    Attributes:
        source: A file or object, or None for standard input.
        target: A file or object, or None for standard output.
        kind: Suffix that names the format of a picture on standard output.
        page: Of a TIFF file: one, `"all"` for all of them, or None for the first.
        compare: File for a picture or page of before and after.
        steps: Folder for a picture of each step.
        save: How any of these is written.
    """

    source: Path | Stored | None
    target: Path | Stored | None
    kind: str
    page: int | Literal["all"] | None = None
    compare: Path | None = None
    steps: Path | None = None
    save: SaveOptions = field(default_factory=SaveOptions)


def make_job(
    source: str,
    output: str | None,
    *,
    ext: str | None,
    page: int | Literal["all"] | None = None,
    compare: Path | None,
    steps: Path | None,
    save: SaveOptions,
    as_json: bool,
) -> Job:
    """Say what is to be written where, or refuse.

    Args:
        source: A file, a URL, or `-`.
        output: A file, a URL, `-`, or None for `photo.restored.png` beside the photo; a photo from
            standard input goes to standard output then.
        ext: Kind of the result where `output` does not name it.
        page: See `Job.page`; all pages become `photo.restored.tif` without `-o`.
        compare: See `Job.compare`.
        steps: See `Job.steps`.
        save: See `Job.save`.
        as_json: Whether standard output is taken by the record.

    Raises:
        RestoreError: A file cannot or must not be read or written, or two words contradict.
    """
    usual = ".tif" if page == "all" else ".png"
    suffix = usual if ext is None else writable_suffix(ext)
    place = None if source == STREAM else _place(source)
    if output is None:
        target = None if place is None else place.with_suffix(f".restored{suffix}")
    elif ext is not None and output != STREAM:
        raise PlanError(f"--ext and --output {output} both name the kind. Use one of them.")
    else:
        target = None if output == STREAM else _place(output)
    job = Job(
        source=place,
        target=target,
        kind=suffix,
        page=page,
        compare=compare,
        steps=steps,
        save=save,
    )
    _check_streams(job, as_json=as_json)
    _check_pages(job)
    _check_files(job)
    return job


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
    if photo.height * photo.width * (1 + options.scale) < WORTH_TIMING:
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
    photo.refuse_scale(options.scale, kind, name or str(job.target))


def _given_away(result: Photo, save: SaveOptions) -> Photo:
    return result.stripped(gps=save.strip_gps, metadata=save.strip_metadata)


def _outcome(job: Job, photo: Photo, restoration: Restoration) -> Outcome:
    source, target = (str(place or STREAM) for place in (job.source, job.target))
    return record.restored(source, target, photo, restoration)


def preview(
    source: str, output: str | None, options: Options, save: SaveOptions, run: RunOptions
) -> Outcome:
    """Write a page of the part of a photo in which the pattern is strongest, before and after.

    Raises:
        RestoreError: As of `make_job` and `restore_job`.
    """
    from restorecli.cli import preview as pages

    page = pages.page_of(source, output, overwrite=save.overwrite)
    photo = Photo.read(
        sys.stdin.buffer if source == STREAM else _place(source), max_megapixels=run.max_megapixels
    )
    restorer = Restorer.load(device=run.device, precision=run.precision)
    return pages.write(restorer, source, photo, page, options, save)


def report(outcomes: list[Outcome], messages: Messages) -> None:
    """Print the records or the result's path to stdout, and what was done to stderr."""
    if messages.as_json:
        for outcome in outcomes:
            typer.echo(record.json_line(outcome))
    elif outcomes[0].target != STREAM:
        typer.echo(outcomes[0].target)
    for outcome in outcomes:
        if not messages.quiet:
            typer.echo(record.sentence(outcome), err=True)
            for notice in outcome.notices:
                typer.echo(f"{outcome.source}: {notice}", err=True)
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


def _place(text: str) -> Path | Stored:
    """Say what a word on the command line names."""
    if "://" not in text:
        return Path(text)
    from restorecli.batch import remote

    return remote.parse_place(text)


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


def _check_streams(job: Job, *, as_json: bool) -> None:
    """Refuse a terminal at either end, and a picture mixed with a record."""
    if job.source is None and sys.stdin.isatty():
        raise PhotoReadError("<stdin>: is a terminal. Pipe a photo in, or name a file.")
    if job.target is None and sys.stdout.isatty():
        raise PlanError("<stdout>: is a terminal. Pipe the picture on, or name a file with -o.")
    if job.target is None and as_json:
        raise PlanError("--json and a picture both go to standard output. Name a file with -o.")


def _check_pages(job: Job) -> None:
    """Refuse what several pages cannot become."""
    if job.page != "all":
        return
    if job.compare is not None or job.steps is not None:
        raise PlanError("--compare and --save-steps show one page. Choose it with --page N.")
    kind = job.kind if job.target is None else job.target.suffix
    known = format_for(PurePath(f"x{kind}"))
    if known is not None and known.name != "tiff":
        raise PlanError(
            f"--page all: {known.title} has no pages. Name a .tif with -o, or one page with --page."
        )


def _check_files(job: Job) -> None:
    """Refuse targets that cannot or must not be written, before any work."""
    if isinstance(job.source, Path) and there(job.source) and job.source.is_dir():
        raise PlanError(f"{job.source}: is a folder. Use: restore batch {job.source} -o OUT")
    files = [path for path in (job.target, job.compare) if path is not None]
    local = [path.resolve() for path in files if isinstance(path, Path)]
    if len(set(local)) < len(local):
        raise PlanError(f"{job.compare}: is named as two results. Give each a file of its own.")
    for path in files:
        if job.source is not None and same_file(path, job.source):
            raise PlanError(f"{path}: is the photo itself. Name another file for the result.")
        refuse_target(path, overwrite=job.save.overwrite)
        if path.suffix.lower() not in WRITABLE and not (path == job.compare and _is_page(path)):
            raise PlanError(
                f"{path}: cannot be written as {path.suffix or 'a file without a suffix'}. "
                f"Use one of {', '.join(sorted(WRITABLE))}."
            )
    if job.steps is not None:
        from restorecli.previews import stage_images

        stage_images.refuse(job.steps, overwrite=job.save.overwrite)


def _is_page(path: Path | Stored) -> bool:
    from restorecli.reports import pages

    return isinstance(path, Path) and pages.is_page(path)
