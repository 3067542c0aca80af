"""What long work says while it runs: results to stdout, everything else to stderr.

A bar where stderr is a terminal, a plain line every ten seconds where it is not.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import typer
from tqdm import tqdm

from restorecli import record
from restorecli.batch.plan import Plan
from restorecli.batch.remote import Place
from restorecli.cli import process
from restorecli.cli.options import Messages
from restorecli.errors import printable
from restorecli.inspection.decision import Decision
from restorecli.options import Options
from restorecli.photo import Photo
from restorecli.pipeline import Restorer
from restorecli.record import Outcome
from restorecli.tiling.networks import Watch

SECONDS_BETWEEN_LINES = 10.0
LONG = 20.0  # seconds from which on it is said how long a photo will take
NAMED = 3  # files that a line names before it counts the rest
Item = TypeVar("Item")


def present(
    outcomes: Iterable[Outcome],
    plan: Plan,
    messages: Messages,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Run a batch and report it.

    Failures are named as they come, even if `quiet`. The last line counts the photos by what
    became of them; it goes to stdout, or to stderr if stdout carries JSON.

    Args:
        outcomes: Of the plan's tasks as they come, and its failures.
        plan: Its skipped photos are reported first.
        messages: JSON is one record a photo on stdout, then a summary; `quiet` leaves the progress
            out, `verbose` adds a line for each photo restored.
        clock: Seconds that only grow.

    Returns:
        The exit code: 1 if a photo failed.
    """
    began, as_json, quiet = clock(), messages.as_json, messages.quiet
    total = len(plan.tasks) + len(plan.failures)
    counts: Counter[str] = Counter(restored=0, failed=0, skipped=len(plan.skipped))

    def sum_up() -> None:
        left = total + len(plan.skipped) - counts.total()
        seconds, ignored = clock() - began, len(plan.others)
        typer.echo(record.summary_line(counts, seconds, left=left, ignored=ignored))

    if not quiet:
        _name_what_is_left(plan)
    said: set[str] = set()
    if as_json:
        _print_records(skipped(plan))
    try:
        for outcome in followed(outcomes, total, unit="photo", quiet=quiet, clock=clock):
            line = f"{record.json_line(outcome)}\n" if as_json else None
            counts[outcome.status] += 1
            if line is not None:  # at once, so that a stop hardly ever comes between the two
                sys.stdout.write(line)
            _present_one(outcome, messages, said)
    except KeyboardInterrupt:
        print_above_bar(
            "restore: stopped; files that are there are whole. Go on with --skip-existing."
        )
        if as_json:
            sum_up()
        raise
    if as_json:
        sum_up()
    if not (as_json and quiet):
        typer.echo(", ".join(f"{count} {name}" for name, count in counts.items()), err=as_json)
    return 1 if counts["failed"] else 0


def stopped(plan: Plan, stop: KeyboardInterrupt) -> Iterator[Outcome]:
    """Give `present` a batch that was stopped before its first photo."""
    yield from plan.failures
    raise stop


def _present_one(outcome: Outcome, messages: Messages, said: set[str]) -> None:
    """Say what became of a photo; what keeps every photo from being written is said but once."""
    sys.stdout.flush()
    name = printable(outcome.source)
    if outcome.error is not None:
        if outcome.error not in said:
            print_above_bar(f"restore: {outcome.error}")
        if ": " in outcome.error:
            said.add(outcome.error)
    elif messages.verbose and outcome.status == "skipped":
        print_above_bar(f"{name}: its result came meanwhile, skipped")
    elif messages.verbose:
        print_above_bar(record.sentence(outcome))
    for notice in () if messages.quiet else outcome.notices:
        print_above_bar(f"{name}: {notice}")


def _name_what_is_left(plan: Plan) -> None:
    """Count and name what was found and is not restored, a line for each reason."""
    if plan.results:
        print_above_bar(f"not restored: results of an earlier run, {_some(plan.results)}")
    if plan.others:
        kinds = Counter(place.suffix.lower() or "no extension" for place in plan.others)
        listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        print_above_bar(f"not restored: files of other kinds ({listed}), {_some(plan.others)}")


def _some(places: Sequence[Place]) -> str:
    """The first names, and the number of the others."""
    names = ", ".join(printable(str(place)) for place in places[:NAMED])
    rest = len(places) - NAMED
    return names + (f" and {rest} more" if rest > 0 else "")


def skipped(plan: Plan) -> list[Outcome]:
    """Give the outcomes of photos whose results were there already."""
    return [record.skipped(str(task.source), str(task.target)) for task in plan.skipped]


def present_plan(plan: Plan, messages: Messages) -> int:
    """Print what a batch would do, a line a photo, to stdout, and what it could not.

    Returns:
        The exit code: 1 if a folder cannot be searched.
    """
    if not messages.quiet:
        _name_what_is_left(plan)
    for failure in plan.failures:
        print_above_bar(f"restore: {failure.error}")
    planned = [
        Outcome(source=str(task.source), target=str(task.target), status="planned")
        for task in plan.tasks
    ]
    if messages.as_json:
        outcomes = [*plan.failures, *planned, *skipped(plan)]
        _print_records(outcomes)
        counts: Counter[str] = Counter(outcome.status for outcome in outcomes)
        typer.echo(record.summary_line(counts, 0.0, ignored=len(plan.others)))
        return 1 if plan.failures else 0
    for outcome in planned:
        source, target = map(process.name_on_stdout, (outcome.source, str(outcome.target)))
        typer.echo(f"{source} → {target}", color=True)  # else escapes in names would be lost
    typer.echo(f"{len(plan.tasks)} to restore, {len(plan.skipped)} skipped", err=True)
    return 1 if plan.failures else 0


def followed(
    items: Iterable[Item],
    total: int,
    *,
    unit: str,
    quiet: bool,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Item]:
    """Pass items on, saying on stderr how far it is, how fast, and how long it takes yet.

    Args:
        items: An item is done when the next one is asked for.
        total: Their number.
        unit: What one is, as in `"photo"`.
        quiet: Say nothing.
        clock: Seconds that only grow.
    """
    terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if terminal and not quiet:
        yield from tqdm(items, total=total, unit=unit, file=sys.stderr, dynamic_ncols=True)
        return
    began = last = clock()
    for done, item in enumerate(items, start=1):
        yield item
        now = clock()
        if not quiet and done < total and now - last >= SECONDS_BETWEEN_LINES:
            rate = done / (now - began)
            left = tqdm.format_interval((total - done) / rate)
            print_above_bar(f"{done} of {total} {unit}s, {rate:.2f} a second, {left} left")
            last = now


def print_above_bar(line: str) -> None:
    """Write a line to stderr, above the bar if there is one."""
    tqdm.write(line, file=sys.stderr)


def _print_records(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        typer.echo(record.json_line(outcome))


@contextmanager
def forecast_said(
    restorer: Restorer, photo: Photo, options: Options, *, quiet: bool
) -> Iterator[tuple[Decision, Watch | None]]:
    """Say how long a photo will take if that is long, and show a bar of its tiles on a terminal.

    Raises:
        DeviceError: A part of the photo, which is timed, cannot be restored.
    """
    from restorecli.previews.forecast import forecast

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
