"""The options that commands share: each is spelled once, in `OPTIONS`, in the order of the help.

Types and defaults are those of the dataclasses that commands take, `restorecli.options` and
`Messages`. What one command alone has is spelled at that command.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from restorecli.errors import PlanError
from restorecli.options import STAGES, Cluster, Options, Stage

STREAM = "-"  # in place of a file's name: standard input, or standard output

OUTPUT = "Output"
PICTURE = "What is done"
FACES = "Faces"
SPEED = "Speed"
MESSAGES = "Messages"
MACHINES = "Many machines"


@dataclass(frozen=True, kw_only=True)
class Messages:
    """What a command says while it works.

    Attributes:
        as_json: Print JSON, one record a line.
        quiet: Say nothing but errors.
        verbose: Say more.
    """

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Read a list of steps such as `denoise,faces`; they come out in their fixed order.

    Raises:
        PlanError: A name is no step.
    """
    words = {word.strip() for word in text.split(",") if word.strip()}
    unknown = sorted(words - set(STAGES))
    if unknown:
        raise PlanError(f"stage {unknown[0]}: unknown. Use some of: {', '.join(STAGES)}.")
    return tuple(stage for stage in STAGES if stage in words)


def parse_page(text: str | None) -> int | Literal["all"] | None:
    """Read a page's number, or `all`.

    Raises:
        PlanError: It is neither.
    """
    if text is None:
        return None
    if text == "all":
        return "all"
    if not text.isascii() or not text.isdigit() or int(text[:9]) < 1:
        raise PlanError(f"--page {text}: not a page. Use a number from 1 on, or all.")
    return int(text[:9])


OPTIONS: dict[str, Any] = {
    "quality": typer.Option(
        "--quality",
        metavar="1..100",
        min=1,
        max=100,
        help="Of JPEG, WebP, AVIF and HEIC.",
        rich_help_panel=OUTPUT,
    ),
    "overwrite": typer.Option(
        "--overwrite", help="Replace files that exist.", rich_help_panel=OUTPUT
    ),
    "strip_gps": typer.Option(
        "--strip-gps",
        help="Leave out where the photo was taken; the rest is kept.",
        rich_help_panel=OUTPUT,
    ),
    "strip_metadata": typer.Option(
        "--strip-metadata",
        help="Leave out everything but the colour profile and the resolution.",
        rich_help_panel=OUTPUT,
    ),
    "scale": typer.Option(
        "--scale",
        "-s",
        metavar=">0..4",
        help="Size of the result over that of the photo.",
        rich_help_panel=PICTURE,
    ),
    "to": typer.Option(
        "--to",
        metavar="PIXELS",
        help="Longer side of the result, instead of --scale.",
        show_default=False,
        rich_help_panel=PICTURE,
    ),
    "stages": typer.Option(
        "--stages",
        metavar="A,B,...",
        parser=parse_stages,
        help=f"Steps to run, some of {', '.join(STAGES)}; their order is fixed. "
        "Without upscale a larger result is enlarged bicubically.",
        rich_help_panel=PICTURE,
    ),
    "denoise": typer.Option(
        "--denoise",
        help="Work on photos that show a pattern or noise, or on every photo.",
        rich_help_panel=PICTURE,
    ),
    "strength": typer.Option(
        "--strength",
        metavar="0..1",
        help="How much of the restoration to take; 0 keeps the original.",
        rich_help_panel=PICTURE,
    ),
    "work_size": typer.Option(
        "--work-size",
        help="Make the photo smaller for the work; auto does it to coarse printed screens.",
        rich_help_panel=PICTURE,
    ),
    "best": typer.Option(
        "--best",
        help="Refine twice, mirrored the second time, and take the mean: cleaner, slower by half.",
        rich_help_panel=PICTURE,
    ),
    "relight": typer.Option(
        "--relight",
        help="Brighten: only really dark photos, every photo, or none.",
        rich_help_panel=PICTURE,
    ),
    "faces": typer.Option(
        "--faces",
        metavar="all|largest|0,2",
        help="Which faces to restore; indices count from the largest down.",
        rich_help_panel=FACES,
    ),
    "no_faces": typer.Option("--no-faces", help="Leave every face alone.", rich_help_panel=FACES),
    "fidelity": typer.Option(
        "--fidelity",
        metavar="0..1",
        help="1 takes nothing from the face prior, 0 takes each face from it whole.",
        rich_help_panel=FACES,
    ),
    "face_threshold": typer.Option(
        "--face-threshold",
        metavar=">0..<1",
        help="Score from which on a find counts as a face.",
        rich_help_panel=FACES,
    ),
    "min_face": typer.Option(
        "--min-face",
        metavar="PIXELS",
        min=0,
        help="Narrower faces are left alone.",
        rich_help_panel=FACES,
    ),
    "device": typer.Option(
        "--device",
        "-d",
        metavar="auto|cpu|cuda[:N]|mps",
        help="Where to compute.",
        rich_help_panel=SPEED,
    ),
    "precision": typer.Option(
        "--precision",
        help="Numbers to compute in; auto takes bf16 where the machine has it natively.",
        rich_help_panel=SPEED,
    ),
    "tile": typer.Option(
        "--tile",
        "-t",
        metavar="PIXELS",
        help="Side of the tiles a photo is cut in.",
        show_default="from free memory",
        rich_help_panel=SPEED,
    ),
    "max_megapixels": typer.Option(
        "--max-megapixels",
        metavar="N",
        help="Refuse photos with more pixels than so many millions.",
        rich_help_panel=SPEED,
    ),
    "jobs": typer.Option(
        "--jobs", "-j", min=1, help="Threads that read, and that write.", rich_help_panel=SPEED
    ),
    "parallel": typer.Option(
        "--parallel",
        metavar="N",
        min=1,
        help="Photos to compute at once.",
        show_default="one a core, as far as memory allows",
        rich_help_panel=SPEED,
    ),
    "engine": typer.Option(
        "--engine",
        help="Compute in this process, or on the workers of a Ray cluster.",
        rich_help_panel=MACHINES,
    ),
    "address": typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Of a running Ray cluster.",
        show_default="one is started here",
        rich_help_panel=MACHINES,
    ),
    "workers": typer.Option(
        "--workers",
        min=1,
        help="Processes that restore, each with its own networks.",
        show_default="as many as fit",
        rich_help_panel=MACHINES,
    ),
    "gpus_per_worker": typer.Option(
        "--gpus-per-worker",
        metavar="N",
        min=0,
        help="GPUs that each worker has for itself; 0.5 lets two share one.",
        rich_help_panel=MACHINES,
    ),
    "as_json": typer.Option(
        "--json", help="Print JSON, one record a line.", rich_help_panel=MESSAGES
    ),
    "quiet": typer.Option(
        "--quiet", "-q", help="Say nothing but errors.", rich_help_panel=MESSAGES
    ),
    "verbose": typer.Option("--verbose", "-v", help="Say more.", rich_help_panel=MESSAGES),
}

ReportTarget = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Also write a page to look through the results (.html), without a server.",
        rich_help_panel=OUTPUT,
    ),
]


def takes_fields(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take dataclasses: each field is an option, the command gets the whole object.

    A parameter `Annotated[Options, "tile"]` makes an option of these fields alone, any other of all
    that `OPTIONS` spells; it spells the plain parameters of such a name too.
    """
    objects: dict[str, tuple[Any, list[str]]] = {}
    parameters: list[Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        kind, *extras = _parts(parameter.annotation)
        if is_dataclass(kind):
            known = {field.name: field for field in fields(kind) if field.name in OPTIONS}
            objects[parameter.name] = kind, extras or list(known)
            types = get_type_hints(kind)
            parameters += [_spelled(n, types[n], known[n].default) for n in extras or known]
        elif parameter.name in OPTIONS and not extras:
            parameters.append(_spelled(parameter.name, kind, parameter.default))
        else:
            parameters.append(parameter)

    @functools.wraps(command)
    def run(**words: object) -> None:
        for name, (kind, names) in objects.items():
            words[name] = kind(**{field: words.pop(field) for field in names})
        command(**words)

    run.__dict__["__signature__"] = inspect.Signature(_in_order(parameters))
    return run


def _parts(annotation: object) -> tuple[Any, ...]:
    """A type, and what `Annotated` says of it."""
    return get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)


def _spelled(name: str, kind: object, default: object) -> Parameter:
    """The parameter that Typer makes an option of; what is a tuple is typed with commas."""
    if isinstance(default, tuple):
        kind, default = str, ",".join(default)
    return Parameter(
        name,
        Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, OPTIONS[name]],
    )


def _in_order(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Sort as `OPTIONS` is; what a command spells itself stays behind the option before it."""
    place, places = -1, list(OPTIONS)
    order = []
    for parameter in parameters:
        place = places.index(parameter.name) if parameter.name in OPTIONS else place
        order.append((place, parameter))
    return [parameter for _, parameter in sorted(order, key=lambda pair: pair[0])]


def without_faces(options: Options, no_faces: bool) -> Options:
    """Leave the step of the faces out if that was asked for."""
    kept = tuple(stage for stage in options.stages if not (no_faces and stage == "faces"))
    return replace(options, stages=kept)


def on_cluster(engine: Literal["local", "ray"], cluster: Cluster) -> Cluster | None:
    """Say which cluster a batch runs on; None is this process.

    Raises:
        PlanError: A cluster is described and not used.
    """
    if engine == "ray":
        return cluster
    if cluster != Cluster():
        raise PlanError(
            "--address, --workers and --gpus-per-worker are about a cluster. Add --engine ray."
        )
    return None
