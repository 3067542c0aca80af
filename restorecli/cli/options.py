"""The options that commands share: spelled once, with their panels of the help.

Their defaults are those of `restorecli.options.Options`.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from restorecli.errors import PlanError
from restorecli.options import STAGES, Cluster, Options, Stage

OUTPUT = "Output"
PICTURE = "What is done"
FACES = "Faces"
SPEED = "Speed"
MESSAGES = "Messages"
MACHINES = "Many machines"

QUALITY = 95

Scale = Annotated[
    int,
    typer.Option(
        "--scale",
        "-s",
        metavar="1|2|4",
        help="Size of the result over that of the photo.",
        rich_help_panel=PICTURE,
    ),
]
Relight = Annotated[
    Literal["auto", "on", "off"],
    typer.Option(
        "--relight",
        help="Brighten: only really dark photos, every photo, or none.",
        rich_help_panel=PICTURE,
    ),
]
Stages = Annotated[
    str,
    typer.Option(
        "--stages",
        metavar="A,B,...",
        help="Steps to run, some of denoise, relight, faces, upscale; their order is fixed.",
        rich_help_panel=PICTURE,
    ),
]
Faces = Annotated[
    str,
    typer.Option(
        "--faces",
        metavar="all|largest|0,2",
        help="Which faces to restore; indices count from the largest down.",
        rich_help_panel=FACES,
    ),
]
NoFaces = Annotated[
    bool, typer.Option("--no-faces", help="Leave every face alone.", rich_help_panel=FACES)
]
Fidelity = Annotated[
    float,
    typer.Option(
        "--fidelity",
        metavar="0..1",
        help="1 takes nothing from the face prior, 0 takes each face from it whole.",
        rich_help_panel=FACES,
    ),
]
FaceThreshold = Annotated[
    float,
    typer.Option(
        "--face-threshold",
        metavar="0..1",
        help="Score from which on a find counts as a face.",
        rich_help_panel=FACES,
    ),
]
MinFace = Annotated[
    int,
    typer.Option(
        "--min-face",
        metavar="PIXELS",
        min=0,
        help="Narrower faces are left alone.",
        rich_help_panel=FACES,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        "-d",
        metavar="auto|cpu|cuda[:N]|mps",
        help="Where to compute.",
        rich_help_panel=SPEED,
    ),
]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    typer.Option(
        "--precision",
        help="Numbers to compute in; auto takes bf16 where the machine has it natively.",
        rich_help_panel=SPEED,
    ),
]
Tile = Annotated[
    int | None,
    typer.Option(
        "--tile",
        "-t",
        metavar="PIXELS",
        help="Side of the tiles a photo is cut in.",
        show_default="from free memory",
        rich_help_panel=SPEED,
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", min=1, help="Threads that read, and that write.", rich_help_panel=SPEED
    ),
]
Ext = Annotated[
    str | None,
    typer.Option(
        "--ext",
        metavar="SUFFIX",
        help="Kind of the results, as in png or jpg.",
        show_default="each photo's own, or png",
        rich_help_panel=OUTPUT,
    ),
]
Quality = Annotated[
    int,
    typer.Option(
        "--quality",
        metavar="1..100",
        min=1,
        max=100,
        help="Of JPEG, WebP, AVIF and HEIC.",
        rich_help_panel=OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace files that exist.", rich_help_panel=OUTPUT),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Also write a page to look through the results (.html), without a server.",
        rich_help_panel=OUTPUT,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print JSON, one record a line.", rich_help_panel=MESSAGES),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing but errors.", rich_help_panel=MESSAGES)
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more.", rich_help_panel=MESSAGES)
]
OutputPlace = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER|URL",
        help="Where the results go; made if it is not there.",
        rich_help_panel=OUTPUT,
    ),
]
OutputFolder = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Where the results go; made if it is not there.",
        rich_help_panel=OUTPUT,
    ),
]

ALL_STAGES = ",".join(STAGES)


def gather(
    *,
    scale: int,
    stages: str,
    relight: Literal["auto", "on", "off"],
    fidelity: float,
    faces: str,
    no_faces: bool,
    face_threshold: float,
    min_face: int,
    tile: int | None,
) -> Options:
    """Make the one `Options` object of what was typed.

    Raises:
        PlanError: A value is out of its bounds, or `--no-faces` stands beside a choice of faces.
    """
    chosen = parse_stages(stages)
    if no_faces:
        if faces != Options.faces:
            raise PlanError(f"--no-faces and --faces {faces} contradict each other. Use one.")
        chosen = tuple(stage for stage in chosen if stage != "faces")
    return Options(
        scale=scale,
        stages=chosen,
        relight=relight,
        fidelity=fidelity,
        faces=faces,
        face_threshold=face_threshold,
        min_face=min_face,
        tile=tile,
    )


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


Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--engine",
        help="Compute in this process, or on the workers of a Ray cluster.",
        rich_help_panel=MACHINES,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Of a running Ray cluster.",
        show_default="one is started here",
        rich_help_panel=MACHINES,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Processes that restore, each with its own networks.",
        show_default="as many as fit",
        rich_help_panel=MACHINES,
    ),
]
GpusPerWorker = Annotated[
    float,
    typer.Option(
        "--gpus-per-worker",
        metavar="N",
        min=0,
        help="GPUs that each worker has for itself; 0.5 lets two share one.",
        rich_help_panel=MACHINES,
    ),
]


def gather_cluster(
    engine: Literal["local", "ray"],
    *,
    address: str | None,
    workers: int | None,
    gpus_per_worker: float,
) -> Cluster | None:
    """Say which cluster a batch runs on; None is this process.

    Raises:
        PlanError: A cluster is described and not used.
    """
    cluster = Cluster(address=address, workers=workers, gpus_per_worker=gpus_per_worker)
    if engine == "ray":
        return cluster
    if cluster != Cluster():
        raise PlanError(
            "--address, --workers and --gpus-per-worker are about a cluster. Add --engine ray."
        )
    return None
