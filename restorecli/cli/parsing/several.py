"""Several photos after `restore photo` are a batch: its command does them, with the same words."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from restorecli.cli.options import STREAM
from restorecli.cli.parsing.usage import Command, refuse_contradictions
from restorecli.errors import PlanError, RestoreError

OF_ONE_PHOTO = ("compare", "save_steps", "page", "preview")


class PhotoCommand(Command):
    """Hands several photos, or one with a folder for its result, on to the command `batch`."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer's own click has no public names
        """Run the command for one photo, or `batch` in its place.

        Raises:
            PlanError: As of `folder_of_results` and `refuse_contradictions`.
        """
        folder = folder_of_results(ctx.params)
        if folder is None:
            with failure_recorded(ctx.params):
                return super().invoke(ctx)
        refuse_contradictions(ctx)
        batch = ctx.parent.command.get_command(ctx, "batch")
        names = {parameter.name for parameter in batch.params} & set(ctx.params)
        words = {name: ctx.params[name] for name in names}
        return ctx.invoke(batch.callback, **{**words, "output": folder})


@contextmanager
def failure_recorded(words: Mapping[str, Any]) -> Iterator[None]:
    """Print the record of a photo that is refused or fails, if JSON was asked for.

    Args:
        words: What was typed, as of `folder_of_results`.

    Raises:
        RestoreError: The one that came.
    """
    try:
        yield
    except RestoreError as error:
        if words["as_json"]:
            from restorecli import record
            from restorecli.batch import remote

            [source], output = words["sources"], words["output"]
            named = remote.masked(source), None if output is None else remote.masked(output)
            typer.echo(record.json_line(record.failed(*named, error)))
        raise


def folder_of_results(words: Mapping[str, Any]) -> str | None:
    """Say where the results of several photos go; None if it is one photo with a file for it.

    Args:
        words: What was typed, by the name of the parameter: `sources`, `output` and the options.

    Raises:
        PlanError: No folder is named, or something that only one photo has is asked for.
    """
    sources, output = words["sources"], words["output"]
    count = len(sources)
    if count == 1 and not (output or "").endswith("/"):
        return None
    from restorecli.photo.files import path_of
    from restorecli.photo.formats import WRITABLE

    if output is None:
        last = f", or for one result: restore {sources[0]} -o {sources[1]}" if count == 2 else ""
        raise PlanError(f"{sources[1]}: is a second photo, without -o. Use -o FOLDER{last}")
    if sources == [STREAM]:
        raise PlanError("-: has no name for its result in a folder. Name a file with -o.")
    if STREAM in sources or output == STREAM:
        raise PlanError("-: is one photo, and there are several. Name files, and a folder with -o.")
    if any(words[name] for name in OF_ONE_PHOTO):
        raise PlanError(
            "--compare, --save-steps, --page and --preview: are about one photo. "
            "Name one, and its file."
        )
    if "://" not in output and not output.endswith("/"):
        target = path_of(output)
        if target.suffix.lower() in WRITABLE and not target.is_dir():
            raise PlanError(f"{output}: is one file for {count} photos. Name a folder with -o.")
    return str(output)
