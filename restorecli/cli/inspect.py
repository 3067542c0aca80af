"""The command `inspect`: what lies over photos, in a table, as JSON, or on a page.

Like `cli`, without PyTorch until it works.
"""

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorecli.cli import options as given
from restorecli.cli import process
from restorecli.errors import PhotoReadError, PlanError, RestoreError, one_line, printable
from restorecli.options import Options, RunOptions

if TYPE_CHECKING:
    from restorecli.inspection.decision import Decision
    from restorecli.inspection.peaks import Peak
    from restorecli.photo import Photo

LIKELY = 0.5  # odds from which on there is a pattern, even if no wave of it can be named
Photos = Annotated[
    list[str], typer.Argument(metavar="PHOTO...", help="Files, or - for standard input.")
]
Page = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Also write a page (.html): the spectrum, and what would be taken away.",
        rich_help_panel=given.OUTPUT,
    ),
]


@given.takes_fields
def inspect(
    photos: Photos,
    *,
    report: Page = None,
    overwrite: bool = False,
    run: Annotated[RunOptions, "device", "precision"],
    as_json: bool = False,
) -> None:
    """Say what pattern lies over photos, and what would be done; nothing is restored."""
    from restorecli.reports import inspection as pages

    page = pages.prepare(report, overwrite=overwrite)
    from restorecli.pipeline import Restorer

    restorer = Restorer.load(device=run.device, precision=run.precision)
    failures: list[RestoreError] = []
    for source in photos:
        try:
            photo = _read(source)
        except RestoreError as error:
            failures.append(error)
            if as_json:
                typer.echo(json.dumps({"source": source, "error": str(error)}))
            process.say(one_line(str(error)))
            continue
        decision = restorer.decide(photo, Options(scale=1))
        record = described(source, photo, decision)
        typer.echo(json.dumps(record) if as_json else table(record))
        if page is not None:
            page.add(photo, decision, restorer, table(record).splitlines())
    if page is not None:
        page.write()
    if failures:
        raise typer.Exit(max(error.exit_code for error in failures))


def described(source: str, photo: "Photo", decision: "Decision") -> dict[str, object]:
    """What the command says of a photo, as JSON has it; numbers rounded to a thousandth."""
    found = decision.inspection
    assert found is not None  # the default options look
    dpi = photo.metadata.dpi
    return {
        "source": source,
        "error": None,
        "height": photo.height,
        "width": photo.width,
        "dpi": None if dpi is None else [round(value, 3) for value in dpi],
        "pattern": round(found.pattern, 3),
        "noise": round(found.noise, 3),
        "printed": round(found.printed, 3),
        "flat": found.flat,
        "combed": found.combed,
        "partial": found.partial,
        "presence": round(decision.presence, 3),
        "peaks": [_wave(peak, dpi) for peak in found.peaks],
        "work_size": decision.work_size,
        "relit": decision.relit,
        "restores": decision.restores,
    }


def table(record: dict[str, object]) -> str:
    """The same for people: a line of the photo, a line a wave, and what would be done."""
    dpi = record["dpi"]
    known = "" if not isinstance(dpi, list) else f", {dpi[0]:g} dpi"
    lines = [f"{printable(str(record['source']))}: {record['width']}×{record['height']} px{known}"]
    waves = record["peaks"]
    assert isinstance(waves, list)
    if waves:
        lines.append("  wave  period, px  lines/inch  angle, °  strength  covers")
    for number, wave in enumerate(waves, start=1):
        per_inch = "–" if wave["lines_per_inch"] is None else f"{wave['lines_per_inch']:.1f}"
        angle = round(wave["angle"], 1) % 180
        lines.append(
            f"  {number:<4}  {wave['period']:>10.2f}  {per_inch:>10}  {angle:>8.1f}"
            f"  {wave['strength']:>8.3f}  {round(100 * wave['coverage']):>4} %"
        )
    return "\n".join([*lines, f"  {_verdict(record)}"])


def _verdict(record: dict[str, object]) -> str:
    if not record["restores"]:
        light = "it would be brightened, no more" if record["relit"] else "nothing would be done"
        seen = "in a part of the photo, taken for what it shows" if record["partial"] else "none"
        return f"pattern: {seen}; {light}"
    share = float(str(record["presence"]))
    much = "in full" if share == 1 else f"by {share:.0%}"
    size = record["work_size"]
    where = "at its own size" if size == "1" else f"at {size} of its size"
    kind = "a pattern" if record["peaks"] else "a pattern without a wave that could be named"
    if not record["peaks"] and float(str(record["pattern"])) < LIKELY:
        kind = "noise, no pattern"
    if record["combed"]:
        kind = "combs, as of interlaced video"
    light = "brightened and " if record["relit"] else ""
    return f"{kind}; would be {light}restored {much}, worked on {where}"


def _wave(peak: "Peak", dpi: tuple[float, float] | None) -> dict[str, float | None]:
    turned = math.radians(peak.angle)
    per_inch = None
    if dpi is not None:  # it may differ between across and down
        per_inch = math.hypot(dpi[0] * math.cos(turned), dpi[1] * math.sin(turned)) / peak.period
    known: dict[str, float | None] = asdict(peak) | {"lines_per_inch": per_inch}
    return {name: None if value is None else round(value, 3) for name, value in known.items()}


def _read(source: str) -> "Photo":
    """Read one photo.

    Raises:
        RestoreError: It cannot be read, or is none.
    """
    from restorecli.photo import Photo
    from restorecli.photo.files import path_of

    if source == given.STREAM:
        if sys.stdin.isatty():
            raise PhotoReadError("<stdin>: is a terminal. Pipe a photo in, or name a file.")
        return Photo.read(sys.stdin.buffer)
    if "://" in source:
        from restorecli.batch import remote

        return Photo.read(remote.parse_place(source))
    path = path_of(source)
    if path.is_dir():
        raise PlanError(f"{source}: is a folder. Name its photos, as in {source}/*.jpg")
    return Photo.read(path)
