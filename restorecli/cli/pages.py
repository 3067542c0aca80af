"""All pages of a TIFF file: each is restored, and written into another TIFF file."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from restorecli.cli.options import Messages
from restorecli.cli.parsing.job import Job, Request, make_job
from restorecli.cli.photo import given_away, outcome_of, refuse_size, report
from restorecli.options import Options, RunOptions
from restorecli.photo import Photo
from restorecli.photo import pages as photo_pages
from restorecli.photo.files import opened, remove_stale
from restorecli.pipeline import Restorer
from restorecli.record import Outcome


def restore(
    source: str, request: Request, options: Options, run: RunOptions, messages: Messages
) -> None:
    """Do what is asked for to all pages of a file, and say what became of each.

    Raises:
        RestoreError: One is refused or fails; nothing is written.
    """
    job = make_job(source, request, as_json=messages.as_json)
    report(restore_pages(job, options, run), messages)


def restore_pages(job: Job, options: Options, run: RunOptions) -> list[Outcome]:
    """Restore all pages of a TIFF file, one after the other, into another one."""
    source, name = _to_be_read_often(job)
    outcomes: list[Outcome] = []

    def read(page: int) -> Photo:
        photo = Photo.read(source, max_megapixels=run.max_megapixels, page=page, name=name)
        refuse_size(photo, job, options)
        return photo

    def restored(first: Photo) -> Iterator[Photo]:
        restorer = Restorer.load(device=run.device, precision=run.precision)
        for number in range(1, count + 1):
            photo = first if number == 1 else read(number)
            restoration = restorer.restore(photo, options)
            result = given_away(restoration.photo, job.save)
            yield result
            outcome = outcome_of(job, photo, restoration, number)
            notices = outcome.notices + photo_pages.losses(result, number)
            told = tuple(f"page {number}: {notice}" for notice in notices)
            outcomes.append(replace(outcome, notices=told))

    count = Photo.page_count(source, name=name)
    made = restored(read(1))
    if job.target is None:  # as in `_write`
        whole = BytesIO()
        photo_pages.write(made, whole, overwrite=False)
        sys.stdout.buffer.write(whole.getbuffer())
        sys.stdout.buffer.flush()
        return outcomes
    if isinstance(job.target, Path):
        remove_stale(job.target.parent)
    photo_pages.write(made, job.target, overwrite=job.save.overwrite)
    return outcomes


def _to_be_read_often(job: Job) -> tuple[Path | bytes, str]:
    """The file, or the bytes of what is none, and how messages name it."""
    name = "<stdin>" if job.source is None else str(job.source)
    if isinstance(job.source, Path):
        return job.source, name
    with opened(sys.stdin.buffer if job.source is None else job.source, name) as stream:
        return stream.read(), name
