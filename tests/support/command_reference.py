"""The part of docs/commands.md that is written from the commands themselves."""

import re
from typing import Any

import typer

from restorecli.cli.app import app

BEGINNING = "## restore photo\n"  # what stands above it in the page is written by hand
REPORTS = """\
## Reports

`restore batch … --report report.html` and `restore bench … --report report.html` also write a page
that a browser opens without a server or a network.

- **batch**: every photo before and after under a slider (mouse, touch, arrow keys), its steps as
  tabs, what was done and why, how far each face moved. What failed stands at the top with its
  reason, then the worst: a face left as it was, a face that moved far, a photo that changed much.
  Photos are found by name, put in another order, or narrowed to those with a face left as it was.
- **bench**: the table with intervals, scores by pattern family, input against output, and the
  twelve worst photos with their clean ones. Its charts need `pip install matplotlib`.

A batch of fewer than 50 photos gives a single file. From 50 on the pictures, 640 px each, lie
beside the page in `report_files/`, and are loaded as they are looked at: move the two together, and
keep them out of folders of photos. The page appears whole at the end, or when the batch is stopped,
and replaces another one only with `--overwrite`, or with `--skip-existing` the page of an earlier
batch; pictures of that one are deleted then. A page shows what its own run restored: photos that
were skipped are listed with links to them and their results, and a run with `--skip-existing` that
restored none leaves the earlier page and its pictures as they are.
"""
Command = Any  # Typer carries its own click, whose classes have no public name
Row = tuple[str, str]


def commands() -> dict[str, Command]:
    """Every command by its words after `restore`, as in `"weights list"`."""
    by_name: dict[str, Command] = {}
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        for inner, leaf in getattr(command, "commands", {}).items():
            by_name[f"{name} {inner}"] = leaf
        if not hasattr(command, "commands"):
            by_name[name] = command
    return by_name


def rows(name: str) -> list[Row]:
    """How each argument and option of a command is written, and its help with the default."""
    command = commands()[name]
    context = command.make_context(name, [], resilient_parsing=True)
    return [
        parameter.get_help_record(context)
        for parameter in command.params
        if "--help" not in parameter.opts
    ]


def options(name: str) -> list[str]:
    """Every spelling of every option of a command, `--help` left out."""
    return [word for spelled, _ in rows(name) for word in re.findall(r"(?<!\S)--?[a-z-]+", spelled)]


def page() -> str:
    """All but what stands above `BEGINNING`."""
    return "\n".join([*(_section(name) for name in commands()), REPORTS])


def _section(name: str) -> str:
    lines = [f"## restore {name}", "", _plain(commands()[name].help), "", "| | |", "|---|---|"]
    lines += [f"| `{_plain(spelled)}` | {_plain(text)} |" for spelled, text in rows(name)]
    return "\n".join(lines) + "\n"


def _plain(text: str | None) -> str:
    return re.sub(r"\[/?bold\]", "", " ".join((text or "").split())).replace("|", "\\|")
