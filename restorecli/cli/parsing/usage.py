"""What is said about words on the command line that do not fit: one line, as any other refusal.

Typer's own texts are Pydantic's ("Input should be a valid integer"), in a box of many lines.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from restorecli.cli.options import parse_stages
from restorecli.errors import PlanError, printable
from restorecli.options import Stage

OTHER_NAMES = {  # what neighbours call it, and what it is called here
    "--bf16": "--precision",
    "--crop": "--tile",
    "--cuda": "--device",
    "--dir": "--output",
    "--face": "--faces",
    "--fast": "--work-size",
    "--force": "--overwrite",
    "--format": "--ext",
    "--fp16": "--precision",
    "--fp32": "--precision",
    "--gpu": "--device",
    "--html": "--report",
    "--out": "--output",
    "--outscale": "--scale",
    "--quiet-mode": "--quiet",
    "--replace": "--overwrite",
    "--resume": "--skip-existing",
    "--size": "--scale",
    "--suffix": "--ext",
    "--threads": "--jobs",
    "--upscale": "--scale",
    "--weight": "--fidelity",
}
_OF_SCORES = ("dataset", "metric", "rows", "csv", "report", "overwrite", "fidelity", "tile")
_OF_FACES = ("faces", "fidelity", "face_threshold", "min_face")
_CONTRADICTING = (
    ("scale", "to"),
    ("quiet", "verbose"),
    *(("no_faces", name) for name in _OF_FACES),
    *(("speed", name) for name in _OF_SCORES),
)
_NEEDED: dict[str, tuple[Stage, ...]] = {  # by an option, one of these steps
    "relight": ("relight",),
    "denoise": ("denoise",),
    "best": ("refine", "upscale"),  # at x1, `upscale` is `refine`
    **dict.fromkeys(_OF_FACES, ("faces",)),
}
_TAKE_A_NAME = ("-o", "--output", "--compare", "--save-steps", "--report", "--csv", "--folder")


class Group(TyperGroup):
    """Commands that refuse words in one line, and whose help shows no type beside a mere switch."""

    def main(self, *args: Any, **settings: Any) -> Any:  # noqa: ANN401 - as Typer declares it
        """Run a command and end the process, as ever; what is wrong with its words is an error.

        Raises:
            PlanError: An option is unknown, a value is not one of its values, or one is missing.
            SystemExit: At the end.
        """
        try:
            code = super().main(*args, **{**settings, "standalone_mode": False})
        except TyperException as error:
            if type(error).__name__ == "NoArgsIsHelpError":  # the help is printed
                raise SystemExit(error.exit_code) from error
            raise PlanError(_sentence(error)) from error
        raise SystemExit(code if isinstance(code, int) else 0)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        """Find a command by its name."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _hide_types_of_switches(command.get_params(ctx))
        return command

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401
        """Give what stands before the name of a command."""
        return _hide_types_of_switches(super().get_params(ctx))


class Command(TyperCommand):
    """A command that refuses options which contradict each other, whatever their values."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the command.

        Raises:
            PlanError: As of `refuse_contradictions`.
        """
        refuse_contradictions(ctx)
        return super().invoke(ctx)


def refuse_contradictions(ctx: Any) -> None:  # noqa: ANN401
    """Refuse two options of which only one can count.

    Raises:
        PlanError: Both were typed, be it with their defaults.
    """
    known = {parameter.name: parameter for parameter in ctx.command.params}
    for names in _CONTRADICTING:
        typed = [known[name] for name in names if name in known and _is_typed(ctx, name)]
        if len(typed) > 1:
            said = " and ".join(_typed(option, ctx.params[option.name]) for option in typed)
            raise PlanError(f"{said} contradict each other. Use one.")
    _refuse_unheeded(ctx, known)


def _refuse_unheeded(ctx: Any, known: dict[str, Any]) -> None:  # noqa: ANN401
    """Refuse an option of a step that `--stages` leaves out.

    Raises:
        PlanError: It was typed, and nothing would heed it.
    """
    option = next((name for name, one in known.items() if "--stages" in one.opts), None)
    if option is None or not _is_typed(ctx, option):
        return
    rows = ctx.params[option]  # of `bench` a list of texts, one a row of its table
    parsed = map(parse_stages, rows) if isinstance(rows, list) else [rows]
    stages = {stage for row in parsed for stage in row}
    for name, steps in _NEEDED.items():
        if name not in known or not _is_typed(ctx, name) or stages & set(steps):
            continue
        if ctx.params[name] != "off":
            said = _typed(known[name], ctx.params[name])
            raise PlanError(f"{said}: is about {steps[0]}, a step that --stages leaves out.")


def _is_typed(ctx: Any, name: str) -> bool:  # noqa: ANN401
    return getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"


def _typed(option: Any, value: object) -> str:  # noqa: ANN401
    """`--no-faces`, or `--scale 2`."""
    said = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    shown = f" {value:g}" if isinstance(value, float) else f" {printable(said)}"
    return _name(option) + ("" if value is True else shown)


def refuse_dashes(words: Sequence[str]) -> None:
    """Refuse the name of a file that would be read as an option.

    Raises:
        PlanError: A word begins with a dash, and is the name of a file.
    """
    for before, word in zip(("", *words), words, strict=False):
        if word == "--":
            return
        named = word.startswith("-") and word != "-" and before not in _TAKE_A_NAME
        if named and _is_file(word):
            name = printable(word)
            raise PlanError(f"{name}: begins with a dash, as options do. Write ./{name}")


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):
        return False


def _hide_types_of_switches(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


def _sentence(error: Any) -> str:  # noqa: ANN401 - Typer's own click has no public names
    """Say what is wrong with which word, and what would be right."""
    kind = type(error).__name__
    where = _help(error)
    parameter = getattr(error, "param", None)
    if kind == "NoSuchOption":
        return f"{printable(error.option_name)}: no such option. {_meant(error)}See: {where}"
    if kind == "MissingParameter" and parameter is not None:
        return f"{_name(parameter)}: is missing. See: {where}"
    if kind == "BadParameter" and parameter is not None:
        value, wanted = _value(error, parameter)
        return f"{_name(parameter)} {value}: is not one of its values. Use {wanted}."
    if kind == "BadOptionUsage":
        return f"{error.option_name}: {_fact(error.message)}. See: {where}"
    extra = re.fullmatch(r"Got unexpected extra argument.*? \((.*)\)", error.message)
    if extra:
        return f"{printable(extra[1])}: more words than it takes. See: {where}"
    unknown = re.match(r"No such command '(.*?)'", error.message)
    if unknown:
        return f"{printable(unknown[1])}: no such command. See: {where}"
    return f"{printable(error.format_message().rstrip('.'))}. See: {where}"


def _help(error: Any) -> str:  # noqa: ANN401
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'restore'} -h"


def _name(parameter: Any) -> str:  # noqa: ANN401
    """`--output`, or `PHOTO`."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper()).removesuffix("...")
    return str(max(parameter.opts, key=len))


def _fact(message: str) -> str:
    """Say only what is wrong, without the name of the option."""
    said = re.sub(r"^Option '[^']*' ", "", message).rstrip(".")
    return "needs a value" if said == "requires an argument" else said


def _meant(error: Any) -> str:  # noqa: ANN401
    """A hint at an option of this command, if there is one like it."""
    option = error.option_name
    context = getattr(error, "ctx", None)
    known = [name for one in context.command.params for name in one.opts] if context else []
    other = OTHER_NAMES.get(option)
    near = [other] if other in known else get_close_matches(option, known, n=1)
    return f"Did you mean {near[0]}? " if near else ""


def _value(error: Any, parameter: Any) -> tuple[str, str]:  # noqa: ANN401
    """The value that was given, and in words those that could be."""
    cause = error.__cause__
    facts = cause.errors()[0] if hasattr(cause, "errors") else {}
    given = printable(str(facts.get("input", ""))) or "''"
    bounds = re.fullmatch(r"(>?)(\d+(?:\.\d+)?)\.\.(<?)(\d+)", parameter.metavar or "")
    choices = parameter.type_descriptor.choices
    if bounds:
        words = ("above", "and at most") if bounds[1] else ("from", "to")
        end = "and below" if bounds[3] else words[1]
        return given, f"a number {words[0]} {bounds[2]} {end} {bounds[4]}"
    if choices or "|" in (parameter.metavar or ""):
        names = [str(name) for name in choices or parameter.metavar.split("|")]
        return given, f"{', '.join(names[:-1])} or {names[-1]}"
    least = "" if parameter.min is None else f" from {parameter.min:g} on"
    whole = parameter.type_descriptor.annotation is int
    return given, ("a whole number" if whole else "a number") + least
