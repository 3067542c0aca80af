"""One photo: what is to be read and written, and what is refused before any work."""

import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from restorecli.cli import process
from restorecli.cli.options import STREAM, parse_page
from restorecli.errors import PhotoReadError, PhotoWriteError, PlanError
from restorecli.options import SaveOptions
from restorecli.photo.files import Stored, path_of, refuse_target, same_file
from restorecli.photo.formats import WRITABLE, format_for, writable_suffix


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for beside the photos.

    Attributes:
        output: A file, a folder with a slash at its end, a URL, `-`, or None.
        ext: Kind of the result where `output` does not name it.
        page: As in `parse_page`.
        compare: See `Job.compare`.
        steps: See `Job.steps`.
        save: See `Job.save`.
    """

    output: str | None
    ext: str | None = None
    page: str | None = None
    compare: Path | None = None
    steps: Path | None = None
    save: SaveOptions = field(default_factory=SaveOptions)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A photo and where its results go.

    Attributes:
        source: A file or object, or None for standard input.
        target: A file or object, or None for standard output.
        kind: Suffix that names the format of a picture on standard output.
        page: Of a TIFF file; None for the first.
        all_pages: Whether all of them are worked on.
        compare: File for a picture or page of before and after.
        steps: Folder for a picture of each step.
        save: How any of these is written.
    """

    source: Path | Stored | None
    target: Path | Stored | None
    kind: str
    page: int | None = None
    all_pages: bool = False
    compare: Path | None = None
    steps: Path | None = None
    save: SaveOptions = field(default_factory=SaveOptions)


def make_job(source: str, request: Request, *, as_json: bool) -> Job:
    """Say what is to be written where, or refuse.

    Args:
        source: A file, a URL, or `-`; a photo from standard input goes to standard output without
            another word.
        request: Its result lies beside the photo without another word: `photo.restored.png`,
            `photo.page2.restored.png` of a page, or `photo.restored.tif` of all pages.
        as_json: Whether standard output is taken by the record.

    Raises:
        RestoreError: A file cannot or must not be read or written, or two words contradict.
    """
    output, ext, page = request.output, request.ext, parse_page(request.page)
    usual = ".tif" if page == "all" else ".png"
    suffix = usual if ext is None else writable_suffix(ext)
    place = None if source == STREAM else place_of(source)
    if output is None:
        unnamed = isinstance(place, Path) and not place.name  # `.`, which is refused below
        ending = f".page{page}.restored{suffix}" if isinstance(page, int) else f".restored{suffix}"
        target = place if place is None or unnamed else place.with_suffix(ending)
    elif ext is not None and output != STREAM:
        raise PlanError(f"--ext and --output {output} both name the kind. Use one of them.")
    else:
        target = None if output == STREAM else place_of(output)
    job = Job(
        source=place,
        target=target,
        kind=suffix,
        page=None if page == "all" else page,
        all_pages=page == "all",
        compare=request.compare,
        steps=request.steps,
        save=request.save,
    )
    _check_source(job, output)
    _check_streams(job, as_json=as_json)
    _check_pages(job)
    _check_files(job)
    return job


def place_of(text: str) -> Path | Stored:
    """Say what a word on the command line names."""
    if "://" in text:
        from restorecli.batch import remote

        return remote.parse_place(text)
    return path_of(text)


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
    """Refuse a terminal at either end, a closed stream, and a picture mixed with a record."""
    if job.source is None and process.was_closed(sys.stdin):
        raise PhotoReadError("<stdin>: is closed. Name a file.")
    if job.source is None and sys.stdin.isatty():
        raise PhotoReadError("<stdin>: is a terminal. Pipe a photo in, or name a file.")
    if job.target is None and process.was_closed(sys.stdout):
        raise PhotoWriteError("<stdout>: is closed. Name a file with -o.")
    if job.target is None and sys.stdout.isatty():
        raise PlanError("<stdout>: is a terminal. Pipe the picture on, or name a file with -o.")
    if job.target is None and as_json:
        raise PlanError("--json and a picture both go to standard output. Name a file with -o.")


def _check_pages(job: Job) -> None:
    """Refuse what several pages cannot become."""
    if not job.all_pages:
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
