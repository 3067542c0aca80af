"""The command `restore`: parse, call one function, print.

`restore photo.jpg` is short for `restore photo photo.jpg`; the set of commands is frozen, and
`./batch` is always a file. PyTorch is imported inside the commands that need it, never here.
"""

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

import restorecli
from restorecli.cli import batch, bench, degrade, inspect, process
from restorecli.cli import weights as cli_weights
from restorecli.cli.options import OUTPUT, Messages, takes_fields, without_faces
from restorecli.cli.parsing import usage
from restorecli.cli.parsing.several import PhotoCommand
from restorecli.errors import PlanError, RestoreError, one_line
from restorecli.options import Options, RunOptions, SaveOptions

COMMANDS = ("photo", "inspect", "batch", "bench", "degrade", "weights", "doctor")
COMPUTING = ("photo", "inspect", "batch", "bench", "doctor")  # or saying what they would do
PROGRAM_OPTIONS = ("-h", "--help", "--version", "--install-completion", "--show-completion")

Photos = Annotated[
    list[str],
    typer.Argument(
        metavar="PHOTO...", help="A file, or - for standard input; several with -o FOLDER."
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|FOLDER/",
        help="Where the result goes, or - for standard output.",
        show_default="PHOTO.restored.png beside the photo",
        rich_help_panel=OUTPUT,
    ),
]
Ext = Annotated[
    str | None,
    typer.Option(
        "--ext",
        metavar="SUFFIX",
        help="Kind of the result where --output does not say it.",
        show_default="png",
        rich_help_panel=OUTPUT,
    ),
]
Page = Annotated[
    str | None,
    typer.Option(
        "--page",
        metavar="N|all",
        help="Of a TIFF file: which page, or all of them into one TIFF.",
        show_default="the first",
        rich_help_panel=OUTPUT,
    ),
]
Compare = Annotated[
    Path | None,
    typer.Option(
        "--compare",
        metavar="FILE",
        help="Also write before and after side by side, or a page with a slider (.html).",
        rich_help_panel=OUTPUT,
    ),
]
SaveSteps = Annotated[
    Path | None,
    typer.Option(
        "--save-steps",
        metavar="FOLDER",
        help="Also write a picture of each step, faces marked.",
        rich_help_panel=OUTPUT,
    ),
]

Preview = Annotated[
    bool,
    typer.Option(
        "--preview",
        help="Only write a page of the part with the strongest pattern, before and after.",
        rich_help_panel=OUTPUT,
    ),
]

app = typer.Typer(
    name="restore",
    cls=usage.Group,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: Words after the program's name; None takes those of the process.
    """
    process.open_streams()
    process.silence_pillow()
    process.stop_where_torch_lacks_memory()
    process.keep_memory()
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except RestoreError as error:
        process.say(one_line(str(error)))
        return error.exit_code
    except Exception as error:
        refusal = process.refusal(error)
        if refusal is None:
            raise
        process.say(str(refusal))
        return refusal.exit_code
    return code


def _run(words: list[str]) -> int:
    try:
        usage.refuse_dashes(words)
        if words and words[0] not in (*COMMANDS, *PROGRAM_OPTIONS):
            _refuse_mistyped_command(words[0])
            words.insert(0, "photo")
        process.share_processors(computing=bool(words) and words[0] in COMPUTING)
        with process.signals_stop_work():
            app(args=words, prog_name="restore")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:  # before or after a command's own work
        return 130
    return 0


def _refuse_mistyped_command(word: str) -> None:
    meant = get_close_matches(word, COMMANDS, n=1)
    if meant and word == Path(word).name and not Path(word).exists():
        raise PlanError(f"{word}: no such file or command. Did you mean `restore {meant[0]}`?")


def _print_version(value: bool) -> bool:
    if value:
        from importlib.metadata import version

        from restorecli.manifest import set_hash

        try:
            weights = set_hash()
        except RestoreError:  # RESTORE_WEIGHTS names no folder
            weights = "not found"
        said = f"torch {version('torch')}, weights {weights}"
        typer.echo(f"restore {restorecli.__version__} ({said})")
        raise typer.Exit
    return value


@app.callback()
def restore(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version, and exit."
        ),
    ] = False,
) -> None:
    """Bring back photographs of people from strong repeating-pattern noise.

    [bold]Examples[/bold]

    restore photo.jpg -o out.png
    restore batch folder/ -o restored/ --device cuda
    restore bench --metric ssim

    A first word that is no command is a photo: [bold]restore photo.jpg[/bold] is short for
    [bold]restore photo photo.jpg[/bold].
    """


@app.command(cls=PhotoCommand)
@takes_fields
def photo(
    sources: Photos,
    *,
    output: Output = None,
    ext: Ext = None,
    page: Page = None,
    save: SaveOptions,
    compare: Compare = None,
    save_steps: SaveSteps = None,
    preview: Preview = False,
    options: Options,
    no_faces: bool = False,
    run: Annotated[RunOptions, "device", "precision", "max_megapixels"],
    messages: Messages,
) -> None:
    """Restore one photo, or several into a folder.

    The result's path goes to standard output, everything else that is said to standard error.
    """
    from restorecli.cli.parsing.job import Request

    request = Request(
        output=output, ext=ext, page=page, save=save, compare=compare, steps=save_steps
    )
    if preview:
        from restorecli.cli.preview import restore
    elif page == "all":
        from restorecli.cli.pages import restore
    else:
        from restorecli.cli.photo import restore
    [source] = sources  # several are a batch: see `PhotoCommand`
    restore(source, request, without_faces(options, no_faces), run, messages)


app.command("inspect")(inspect.inspect)
app.command("batch", cls=usage.Command)(batch.batch)
app.command("bench", cls=usage.Command)(bench.bench)
app.command("degrade")(degrade.degrade)
app.add_typer(cli_weights.app, name="weights")
app.command("doctor")(cli_weights.doctor)
