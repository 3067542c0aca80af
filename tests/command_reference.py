"""The page docs/commands.md, written from the commands themselves."""

import re
from typing import Any

import typer

from restorecli.cli import app

INTRODUCTION = """\
# Commands

Written from the program by `make goldens`; a test keeps it true. `restore photo.jpg` is short for
`restore photo photo.jpg`: a first word that is no command is a photo.
"""
Command = Any  # Typer carries its own click, whose classes have no public name
Row = tuple[str, str]


def commands() -> dict[str, Command]:
    """Every command by its words after `restore`, as in `"weights list"`."""
    found: dict[str, Command] = {}
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        for inner, leaf in getattr(command, "commands", {}).items():
            found[f"{name} {inner}"] = leaf
        if not hasattr(command, "commands"):
            found[name] = command
    return found


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
    """The whole page."""
    return "\n".join([INTRODUCTION, *(_section(name) for name in commands())])


def _section(name: str) -> str:
    lines = [f"## restore {name}", "", _plain(commands()[name].help), "", "| | |", "|---|---|"]
    lines += [f"| `{_plain(spelled)}` | {_plain(text)} |" for spelled, text in rows(name)]
    return "\n".join(lines) + "\n"


def _plain(text: str | None) -> str:
    return re.sub(r"\[/?bold\]", "", " ".join((text or "").split())).replace("|", "\\|")
