"""Before the whole of a photo is worked on: a part of it on a page, and how long it will take."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import typer
from tqdm import tqdm

from restorecli import record
from restorecli.errors import PlanError
from restorecli.inspection.decision import Decision
from restorecli.options import Options, SaveOptions
from restorecli.photo import Photo
from restorecli.photo.files import path_of, refuse_target
from restorecli.pipeline import Restorer
from restorecli.previews.forecast import forecast
from restorecli.previews.part import restored_part
from restorecli.record import Outcome
from restorecli.reports import compare, pages
from restorecli.tiling.networks import Watch

LONG = 20.0  # seconds from which on it is said how long a photo will take


def page_of(source: str, output: str | None, *, overwrite: bool) -> Path:
    """Where the page goes: what is named, or beside the photo.

    Raises:
        PlanError: It has no name, or that of no page.
        PhotoWriteError: It exists, or its folder does not.
    """
    if output is None and (source == "-" or "://" in source):
        raise PlanError("--preview of what is no file here: name a page with -o, as in a.html.")
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
    options = replace(options, scale=1)
    part = restored_part(restorer, photo, options, restorer.decide(photo, options))
    left, top, right, bottom = part.box
    name = f"{photo.name}: {right - left} × {bottom - top} pixels from {left}, {top}"
    compare.write(replace(part.before, name=name), part.restoration.photo, page, save)
    return record.restored(source, str(page), part.before, part.restoration)


@contextmanager
def told(
    restorer: Restorer, photo: Photo, options: Options, *, quiet: bool
) -> Iterator[tuple[Decision, Watch | None]]:
    """Say how long a photo will take if that is long, and show a bar of its tiles on a terminal.

    Raises:
        DeviceError: A part of the photo, which is timed, cannot be restored.
    """
    decision = restorer.decide(photo, options)
    if quiet:
        yield decision, None
        return
    expected = forecast(restorer, photo, options, decision)
    if expected.seconds > LONG:
        typer.echo(f"{photo.name}: {expected}", err=True)
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield decision, None
        return
    with tqdm(unit="tile", file=sys.stderr, dynamic_ncols=True, leave=False) as bar:

        def watch(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield decision, watch
