"""`docs/api.md`, held against the package: every public name, every default, every example."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import restorecli
from restorecli import Options, Photo, RestoreError, Restorer
from tests.support.tiny import tiny_restorer

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
EXAMPLES = re.findall(r"## (\S+)\n(?:(?!\n## ).)*?```python\n(.*?)```", PAGE, re.DOTALL)
LONGEST_EXAMPLE = 8  # lines that are not empty


def test_every_public_name_is_on_the_page() -> None:
    for name in set(restorecli.__all__) - {"__version__"}:
        assert re.search(rf"^(?:## |\| `){name}\b", PAGE, re.MULTILINE), name


def test_examples_import_public_names_only() -> None:
    public = {*restorecli.__all__, "metrics"}
    for _, code in EXAMPLES:
        for names in re.findall(r"from restorecli import (.*)", code):
            assert set(names.split(", ")) <= public
        assert "restorecli." not in code


@pytest.mark.parametrize(("name", "code"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_example_runs(
    name: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len([line for line in code.splitlines() if line]) <= LONGEST_EXAMPLE
    source = ROOT / "examples" / "pairs" / "degraded" / "portrait-1.jpg"
    pixels = Photo.read(source).pixels[:64, :64].copy()
    Photo(pixels=pixels).write(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Restorer, "load", lambda **_: tiny_restorer())
    exec(compile(code, f"docs/api.md, {name}", "exec"), {})


def test_every_class_has_an_example() -> None:
    assert {"Restorer", "Options", "Restoration", "FaceRecord", "Photo", "Metadata"} <= {
        name for name, _ in EXAMPLES
    }


def test_defaults_of_options_are_those_of_the_page() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", PAGE, re.MULTILINE))
    for field in dataclasses.fields(Options):
        assert rows[field.name] == repr(field.default).replace("'", '"'), field.name


def test_exit_codes_of_the_page_are_those_of_the_errors() -> None:
    rows = dict(re.findall(r"^\| `(\w+Error)` \| (\d) \|", PAGE, re.MULTILINE))
    kinds = {
        name: getattr(restorecli, name) for name in restorecli.__all__ if name.endswith("Error")
    }
    assert rows == {
        name: str(kind.exit_code) for name, kind in kinds.items() if kind is not RestoreError
    }


def test_methods_and_fields_are_named_with_their_parameters() -> None:
    for name, member in inspect.getmembers(Photo):
        if name.startswith("_") or not callable(member):
            continue
        row = re.search(rf"\| `(?:Photo|photo)\.{name}\((.*?)\)` \|", PAGE)
        assert row is not None, name
        parameters = [word for word in inspect.signature(member).parameters if word != "self"]
        assert [part.split("=")[0] for part in row[1].split(", ") if part not in ("", "*")] == (
            parameters
        )
    for kind in (restorecli.Restoration, restorecli.FaceRecord, restorecli.Metadata):
        for field in dataclasses.fields(kind):
            assert re.search(rf"`\b{field.name}\b`|\b{field.name}=", PAGE), field.name
