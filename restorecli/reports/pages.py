"""Pages that need no server and no network: templates filled in, pictures inside or beside them.

Whatever is filled in is text, never markup: the templates escape it.
"""

import contextlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path

import jinja2

from restorecli.errors import PlanError
from restorecli.photo.files import replace_file
from restorecli.photo.formats import Writable

SUFFIXES = (".html", ".htm")
_MARK = '<meta name="generator" content="restore {}">'  # as layout.html has it
_HEAD = 1024  # bytes of a page in which it stands


def is_page(path: Path) -> bool:
    """Whether a file of this name becomes a page, not a picture."""
    return path.suffix.lower() in SUFFIXES


def refuse_other(path: Path) -> None:
    """Refuse a name under which a browser would not show a page.

    Raises:
        PlanError: It does not end in `.html` or `.htm`.
    """
    if not is_page(path):
        raise PlanError(f"{path}: is no name of a page. Let it end in .html.")


def was_made_of(template: str, path: Path) -> bool:
    """Whether a file is there that `write` made of this template."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return _MARK.format(template).encode() in file.read(_HEAD)
    return False


def text(template: str, values: Mapping[str, object]) -> str:
    """Fill in a template.

    Args:
        template: File name in `restorecli/reports/templates`.
        values: What the template names; a missing one is a bug.
    """
    return "".join(_filled(template, values))


def write(template: str, values: Mapping[str, object], target: Path, *, overwrite: bool) -> None:
    """Write a page, piece by piece; it appears complete or not at all.

    Args:
        template: As in `text`.
        values: As in `text`.
        target: The page.
        overwrite: Whether it may exist.

    Raises:
        PhotoWriteError: It exists or cannot be written.
    """
    pieces = _filled(template, values)
    replace_file(target, lambda file: _write(pieces, file), overwrite=overwrite)


def data_uri(picture: bytes, kind: str) -> str:
    """A picture, `"jpeg"` or `"webp"`, as an address that holds it."""
    return f"data:image/{kind};base64," + b64encode(picture).decode("ascii")


def _filled(template: str, values: Mapping[str, object]) -> Iterable[str]:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("restorecli.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).generate(values, template=template)


def _write(pieces: Iterable[str], file: Writable) -> None:
    for piece in pieces:
        file.write(piece.encode("utf-8", "replace"))  # a file's name may hold what no text can
