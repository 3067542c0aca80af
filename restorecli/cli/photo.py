"""One photo: what is read, what is written, what is said, and what is refused before any work."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import typer

from restorecli.batch import plan, record, remote
from restorecli.batch.record import Outcome
from restorecli.batch.remote import Place
from restorecli.errors import PhotoReadError, PlanError, RestoreError
from restorecli.options import Options, RunOptions, SaveOptions
from restorecli.photo import Photo
from restorecli.photo.files import remove_stale
from restorecli.photo.formats import WRITABLE, format_for
from restorecli.pipeline import Restoration, Restorer
from restorecli.previews import stage_images
from restorecli.reports import compare, pages

STREAM = "-"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A photo and where its results go.

    Attributes:
        source: A file or object, or None for standard input.
        target: A file or object, or None for standard output.
        format: Of the picture on standard output, as in `"png"`.
        compare: File for a picture or page of before and after.
        steps: Folder for a picture of each step.
        save: How any of these is written.
    """

    source: Place | None
    target: Place | None
    format: str = "png"
    compare: Path | None = None
    steps: Path | None = None
    save: SaveOptions = field(default_factory=SaveOptions)

    @property
    def source_name(self) -> str:
        """Path of the source, or `-`."""
        return STREAM if self.source is None else str(self.source)

    @property
    def target_name(self) -> str:
        """Path of the target, or `-`."""
        return STREAM if self.target is None else str(self.target)


def prepare(
    source: str,
    output: str | None,
    *,
    ext: str | None,
    compare_to: Path | None,
    steps_to: Path | None,
    save: SaveOptions,
    as_json: bool,
) -> Job:
    """Say what is to be written where, or refuse.

    Args:
        source: A file, a URL, or `-`.
        output: A file, a URL, `-`, or None for `photo.restored.png` beside the photo; a photo from
            standard input goes to standard output then.
        ext: Kind of the result where `output` does not name it.
        compare_to: See `Job.compare`.
        steps_to: See `Job.steps`.
        save: See `Job.save`.
        as_json: Whether standard output is taken by the record.

    Raises:
        PlanError: The source is a folder, a target is the source or another target, its kind
            cannot be written, or a terminal would get a picture.
        PhotoWriteError: A target exists, or its folder does not.
        PhotoReadError: Nothing is piped in.
    """
    suffix = ".png" if ext is None else plan.writable_suffix(ext)
    format = format_for(Path(f"photo{suffix}"))
    assert format is not None
    job = Job(
        source=None if source == STREAM else remote.place(source),
        target=_target(source, output, suffix, named=ext is not None),
        format=format.name,
        compare=compare_to,
        steps=steps_to,
        save=save,
    )
    _check_streams(job, as_json=as_json)
    _check_files(job)
    return job


def run(job: Job, options: Options, run: RunOptions) -> Outcome:
    """Read, restore and write the photo; it is read before the networks are loaded."""
    photo = Photo.read(sys.stdin.buffer) if job.source is None else remote.read(job.source)
    restorer = Restorer.load(device=run.device, precision=run.precision)
    restoration = restorer.restore(photo, options, keep_steps=job.steps is not None)
    if isinstance(job.target, Path):
        remove_stale(job.target.parent)
    losses = _write(job, photo, restoration)
    outcome = record.restored(job.source_name, job.target_name, photo, restoration)
    return replace(outcome, notices=outcome.notices + losses)


def report(outcome: Outcome, *, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Print the record or the result's path to stdout, and what was done to stderr."""
    if as_json:
        typer.echo(record.json_line(outcome))
    elif outcome.target != STREAM:
        typer.echo(outcome.target)
    if not quiet:
        typer.echo(record.sentence(outcome), err=True)
        for notice in outcome.notices:
            typer.echo(f"{outcome.source}: {notice}", err=True)
    if verbose:
        for line in record.face_lines(outcome.faces):
            typer.echo(line, err=True)


@contextmanager
def failure_recorded(source: str, output: str | None, *, as_json: bool) -> Iterator[None]:
    """Print the record of a photo that is refused or fails; the error goes on its way."""
    try:
        yield
    except RestoreError as error:
        if as_json:
            named = remote.masked(source), None if output is None else remote.masked(output)
            typer.echo(record.json_line(record.failed(*named, error)))
        raise


def _write(job: Job, photo: Photo, restoration: Restoration) -> tuple[str, ...]:
    """Write the result and whatever else was asked for; say what the format could not hold."""
    if job.target is None:  # not through Photo.write: a closed pipe must stay a closed pipe
        encoded = restoration.photo.encoded(job.format, job.save.quality)
        sys.stdout.buffer.write(encoded.content())
        sys.stdout.buffer.flush()
        losses = encoded.losses
    else:
        losses = remote.write(restoration.photo, job.target, job.save)
    if job.compare is not None:
        compare.write(photo, restoration.photo, job.compare, job.save)
    if job.steps is not None:
        stage_images.write(photo, restoration, job.steps, overwrite=job.save.overwrite)
    return losses


def _target(source: str, output: str | None, suffix: str, *, named: bool) -> Place | None:
    if output == STREAM or (output is None and source == STREAM):
        return None
    if output is None:
        return remote.place(source).with_suffix(f".restored{suffix}")
    if named:
        raise PlanError(f"--ext and --output {output} both name the kind. Use one of them.")
    return remote.place(output)


def _check_streams(job: Job, *, as_json: bool) -> None:
    """Refuse a terminal at either end, and a picture mixed with a record."""
    if job.source is None and sys.stdin.isatty():
        raise PhotoReadError("<stdin>: is a terminal. Pipe a photo in, or name a file.")
    if job.target is None and sys.stdout.isatty():
        raise PlanError("<stdout>: is a terminal. Pipe the picture on, or name a file with -o.")
    if job.target is None and as_json:
        raise PlanError("--json and a picture both go to standard output. Name a file with -o.")


def _check_files(job: Job) -> None:
    """Refuse targets that cannot or must not be written, before any work."""
    if isinstance(job.source, Path) and plan.there(job.source) and job.source.is_dir():
        raise PlanError(f"{job.source}: is a folder. Use: restore batch {job.source} -o OUT")
    files = [path for path in (job.target, job.compare) if path is not None]
    local = [path.resolve() for path in files if isinstance(path, Path)]
    if len(set(local)) < len(local):
        raise PlanError(f"{job.compare}: is named as two results. Give each a file of its own.")
    for path in files:
        if job.source is not None and plan.same_file(path, job.source):
            raise PlanError(f"{path}: is the photo itself. Name another file for the result.")
        plan.refuse_target(path, overwrite=job.save.overwrite)
        if path.suffix.lower() not in WRITABLE and not (
            path == job.compare and pages.is_page(path)
        ):
            raise PlanError(
                f"{path}: cannot be written as {path.suffix or 'a file without a suffix'}. "
                f"Use one of {', '.join(sorted(WRITABLE))}."
            )
    if job.steps is not None:
        stage_images.refuse(job.steps, overwrite=job.save.overwrite)
