"""A part of a photo on a page, before and after, before the whole of it is worked on."""

import sys
from dataclasses import replace
from pathlib import Path

from restorecli import record
from restorecli.cli.options import STREAM, Messages, parse_page
from restorecli.cli.parsing.job import Request, place_of
from restorecli.cli.photo import report
from restorecli.errors import PlanError
from restorecli.options import Options, RunOptions, SaveOptions
from restorecli.photo import Photo
from restorecli.photo.files import path_of, refuse_target
from restorecli.pipeline import Restorer
from restorecli.previews.part import restored_part
from restorecli.record import Outcome
from restorecli.reports import compare, pages


def restore(
    source: str, request: Request, options: Options, run: RunOptions, messages: Messages
) -> None:
    """Show the part of a photo in which the pattern is strongest, and say what became of it.

    Raises:
        RestoreError: It is refused or fails.
    """
    report([restore_part(source, request, options, run)], messages)


def restore_part(source: str, request: Request, options: Options, run: RunOptions) -> Outcome:
    """Write a page of the part of a photo in which the pattern is strongest, before and after.

    Raises:
        RestoreError: As of `make_job` and `restore_job`.
    """
    number = parse_page(request.page)
    if request.ext or request.compare or request.steps or number == "all":
        raise PlanError("--preview writes a page alone: leave the other results out.")
    page = page_of(source, request.output, overwrite=request.save.overwrite)
    stored = sys.stdin.buffer if source == STREAM else place_of(source)
    photo = Photo.read(stored, max_megapixels=run.max_megapixels, page=number)
    restorer = Restorer.load(device=run.device, precision=run.precision)
    return write(restorer, source, photo, page, options, request.save)


def page_of(source: str, output: str | None, *, overwrite: bool) -> Path:
    """Where the page goes: what is named, or beside the photo.

    Raises:
        PlanError: It has no name, or that of no page.
        PhotoWriteError: It exists, or its folder does not.
    """
    if output is None and (source == STREAM or "://" in source):
        raise PlanError("--preview of what is no file here: name a page with -o, as in a.html.")
    if output is None and not path_of(source).name:
        raise PlanError(f"{source}: is a folder. Name a photo.")
    page = path_of(source).with_suffix(".preview.html") if output is None else path_of(output)
    pages.refuse_other(page)
    refuse_target(page, overwrite=overwrite)
    return page


def write(
    restorer: Restorer, source: str, photo: Photo, page: Path, options: Options, save: SaveOptions
) -> Outcome:
    """Restore the busiest part of a photo at its own size, and show before and after.

    Raises:
        RestoreError: The page cannot be written, or the part not restored.
    """
    options = replace(options, scale=1, to=None)
    part = restored_part(restorer, photo, options, restorer.decide(photo, options))
    left, top, right, bottom = part.box
    name = f"{photo.name}: {right - left} × {bottom - top} pixels from {left}, {top}"
    compare.write(replace(part.before, name=name), part.restoration.photo, page, save)
    return record.restored(source, str(page), part.before, part.restoration)
