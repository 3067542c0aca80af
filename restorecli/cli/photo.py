"""One photo: what is read, what is written, what is said, and what is refused before any work.

Stores, comparisons and pictures of the steps are loaded only where they are asked for.
"""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import typer

from restorecli import record
from restorecli.cli import process
from restorecli.cli.options import Messages
from restorecli.errors import PhotoReadError, PlanError, RestoreError, printable
from restorecli.options import Options, RunOptions, SaveOptions
from restorecli.photo import Photo
from restorecli.photo.files import (
    Stored,
    path_of,
    refuse_target,
    remove_stale,
    same_file,
    try_folder,
)
from restorecli.photo.formats import WRITABLE, writable_suffix
from restorecli.pipeline import Restoration, Restorer
from restorecli.record import Outcome

STREAM = "-"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A photo and where its results go.

    Attributes:
        source: A file or object, or None for standard input.
        target: A file or object, or None for standard output.
        kind: Suffix that names the format of a picture on standard output.
        compare: File for a picture or page of before and after.
        steps: Folder for a picture of each step.
        save: How any of these is written.
    """

    source: Path | Stored | None
    target: Path | Stored | None
    kind: str
    compare: Path | None = None
    steps: Path | None = None
    save: SaveOptions = field(default_factory=SaveOptions)


def prepare(
    source: str,
    output: str | None,
    *,
    ext: str | None,
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
        compare: See `Job.compare`.
        steps: See `Job.steps`.
        save: See `Job.save`.
        as_json: Whether standard output is taken by the record.

    Raises:
        RestoreError: A file cannot or must not be read or written, or two words contradict.
    """
    suffix = ".png" if ext is None else writable_suffix(ext)
    place = None if source == STREAM else _place(source)
    if output is None:
        target = None if place is None else place.with_suffix(f".restored{suffix}")
    elif ext is not None and output != STREAM:
        raise PlanError(f"--ext and --output {output} both name the kind. Use one of them.")
    else:
        target = None if output == STREAM else _place(output)
    job = Job(source=place, target=target, kind=suffix, compare=compare, steps=steps, save=save)
    _check_source(job, output)
    _check_streams(job, as_json=as_json)
    _check_files(job)
    return job


def folder_of_results(
    sources: Sequence[str], output: str | None, *, compare: Path | None, steps: Path | None
) -> str | None:
    """Say where the results of several photos go; None if it is one photo with a file for it.

    Args:
        sources: As they were given.
        output: As it was given; with a slash at its end it is a folder.
        compare: See `Job.compare`.
        steps: See `Job.steps`.

    Raises:
        PlanError: No folder is named, or something is asked for that only one photo has.
    """
    count = len(sources)
    if count == 1 and not (output or "").endswith("/"):
        return None
    if output is None:
        last = f", or for one result: restore {sources[0]} -o {sources[1]}" if count == 2 else ""
        raise PlanError(f"{sources[1]}: is a second photo, without -o. Use -o FOLDER{last}")
    if STREAM in sources or output == STREAM:
        raise PlanError("-: is one photo, and there are several. Name files, and a folder with -o.")
    if compare is not None or steps is not None:
        raise PlanError("--compare and --save-steps: are about one photo. Name one, and its file.")
    if "://" not in output and not output.endswith("/"):
        target = path_of(output)
        if target.suffix.lower() in WRITABLE and not target.is_dir():
            raise PlanError(f"{output}: is one file for {count} photos. Name a folder with -o.")
    return output


def run(job: Job, options: Options, run: RunOptions) -> Outcome:
    """Read, restore and write the photo; it is read before the networks are loaded."""
    photo = Photo.read(sys.stdin.buffer if job.source is None else job.source)
    restorer = Restorer.load(device=run.device, precision=run.precision)
    restoration = restorer.restore(photo, options, keep_steps=job.steps is not None)
    losses = _write(restoration.photo, job)
    _write_extras(photo, restoration, job)
    source, target = (str(place or STREAM) for place in (job.source, job.target))
    outcome = record.restored(source, target, photo, restoration)
    return replace(outcome, notices=outcome.notices + losses)


def report(outcome: Outcome, messages: Messages) -> None:
    """Print the record or the result's path to stdout, and what was done to stderr."""
    if messages.as_json:
        typer.echo(record.json_line(outcome))
    elif outcome.target != STREAM:
        typer.echo(process.name_on_stdout(str(outcome.target)), color=True)  # no escape is lost
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


def _place(text: str) -> Path | Stored:
    """Say what a word on the command line names."""
    if "://" not in text:
        return path_of(text)
    from restorecli.batch import remote

    return remote.place(text)


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


def _check_source(job: Job, output: str | None) -> None:
    """Refuse a photo that is missing, or a folder, before its result is thought of."""
    if not isinstance(job.source, Path):
        return
    try:
        folder = stat.S_ISDIR(job.source.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        parent = job.source.parent
        why = "" if parent.is_dir() else f": there is no folder {parent}"
        hint = "Check the path."
        if set("*?[") & set(str(job.source)):
            hint = f"For a pattern use: restore batch '{job.source}' -o {output or 'OUT'}"
        raise PhotoReadError(f"{job.source}: no such file{why}. {hint}") from error
    except OSError:  # the result's name may be the one that is too long; reading says it
        return
    if folder:
        raise PlanError(
            f"{job.source}: is a folder. Use: restore batch {job.source} -o {output or 'OUT'}"
        )


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
    for path in files:
        if isinstance(path, Path) and not (path.exists() and not path.is_file()):
            try_folder(Path(os.path.realpath(path)).parent, told=path)
    if job.steps is not None:
        from restorecli.previews import stage_images

        stage_images.refuse(job.steps, overwrite=job.save.overwrite)


def _is_page(path: Path | Stored) -> bool:
    from restorecli.reports import pages

    return isinstance(path, Path) and pages.is_page(path)
