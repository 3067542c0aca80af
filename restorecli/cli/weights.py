"""The commands `weights list|verify|path|import` and `doctor`. Like `cli`, without PyTorch."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorecli.cli.options import takes_fields
from restorecli.cli.parsing import usage
from restorecli.errors import WeightsError
from restorecli.manifest import BAD, WeightsFile
from restorecli.options import RunOptions

if TYPE_CHECKING:
    from restorecli.weights import Header

app = typer.Typer(
    cls=usage.Group,
    help="List, verify and import the networks' weights; nothing is ever downloaded.",
    no_args_is_help=True,
)
Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="Where the files are.", show_default="the shipped ones"),
]


@app.command("list")
@takes_fields
def list_files(*, folder: Folder = None, as_json: bool = False) -> None:
    """Say of every weights file what it is; exit code 3 if one is missing, changed or damaged."""
    from restorecli import weights

    files = weights.verify(folder)
    for file in files:
        header = _header(file)
        if as_json:
            typer.echo(
                json.dumps(
                    {
                        "name": file.name,
                        "status": file.status,
                        "path": str(file.path),
                        "bytes": file.bytes,
                        "sha256": file.sha256,
                        "parameters": header.parameters if header else None,
                        "config": header.config if header else None,
                        "history": dict(file.history),
                    }
                )
            )
        elif header is None:
            typer.echo(f"{file.name:<18}  {file.status}")
        else:
            size = f"{file.bytes / 1e6:6.2f} MB {header.parameters / 1e6:6.2f} M parameters"
            typer.echo(f"{file.name:<18}  {size}  {file.sha256[:12]}  {file.status}")
    _refuse_bad(files)


@app.command()
def verify(*, folder: Folder = None) -> None:
    """Compare every file with the manifest; exit code 3 if one is missing, changed or damaged."""
    from restorecli import weights

    files = weights.verify(folder)
    for file in files:
        typer.echo(f"{file.name:<18}  {file.status:<10}{file.sha256[:12]}")
    _refuse_bad(files)


def _header(file: WeightsFile) -> "Header | None":
    """What a file says of itself; None if it is not there, or no weights file at all."""
    from restorecli import weights

    if file.status in ("missing", "damaged"):
        return None
    try:
        return weights.read_header(file.path)
    except WeightsError:
        return None


def _refuse_bad(files: Sequence[WeightsFile]) -> None:
    bad = [file.name for file in files if file.status in BAD]
    if bad:
        raise WeightsError(f"{', '.join(bad)}: missing, changed or damaged. Reinstall the package.")


@app.command()
def path(*, folder: Folder = None) -> None:
    """Print the folder that the weights are read from."""
    from restorecli.manifest import weights_folder

    typer.echo(folder or weights_folder())


@app.command("import")
def import_file(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A file published for retinaface-pytorch or Pytorch_Retinaface.",
        ),
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the file goes.")
    ],
) -> None:
    """Turn a face detector's checkpoint into a safetensors file.

    The environment variable RESTORE_WEIGHTS names the folder that the networks are read from.
    """
    from restorecli.faces.import_retinaface import import_checkpoint

    typer.echo(import_checkpoint(checkpoint, output))


@takes_fields
def doctor(
    *,
    run: Annotated[RunOptions, "device", "precision"],
    as_json: bool = False,
) -> None:
    """Report versions, devices, why one is chosen, and the weights; exit code 1 on problems."""
    from restorecli.cli import diagnosis

    facts = diagnosis.report(run.device, run.precision)
    typer.echo(json.dumps(facts) if as_json else diagnosis.render(facts))
    if facts["problems"]:
        raise typer.Exit(1)
