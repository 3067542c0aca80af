"""The shape of the package: what loads when, what is public, how long a file may be."""

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import restorecli
from restorecli import errors

ROOT = Path(restorecli.__file__).parents[1]
HEAVY = (
    "torch",
    "numpy",
    "PIL",
    "cv2",
    "safetensors",
    "jaxtyping",
    "tifffile",
    "imagecodecs",
    "tqdm",
    "ray",
    "fsspec",
    "jinja2",
    "matplotlib",
)
LONGEST_FILE = 400
LONGEST_FUNCTION = 40  # lines, its docstring not counted
LONGER = {("pipeline.py", "_restore")}  # the visible order of the steps
MODULES_OF_A_FOLDER = 14
LOOSE_MODULES = 12
LAYERS = 9


def modules_after(code: str) -> set[str]:
    """Names of all modules that a fresh interpreter has loaded after running `code`."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(run.stdout.splitlines()[-1]))


def python_files() -> list[Path]:
    folders = ("restorecli", "training", "tests", "examples")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize(
    "code",
    [
        "import restorecli; dir(restorecli); restorecli.__version__",
        "from restorecli.cli import main; main(['--help']); main(['photo', '--help'])",
        "from restorecli.cli import main; main(['batch', '-h']); main(['bench', '-h'])",
        "from restorecli.cli import main; main(['no-such-photo', '--scale', 'three'])",
    ],
)
def test_heavy_modules_stay_unloaded(code: str) -> None:
    assert modules_after(code).isdisjoint(HEAVY)


def test_options_and_errors_load_nothing_heavy() -> None:
    loaded = modules_after("from restorecli.options import Options; Options(scale=4)")
    assert loaded.isdisjoint(HEAVY)
    assert "restorecli.pipeline" not in loaded


def test_a_public_name_loads_its_module_when_used() -> None:
    loaded = modules_after("import restorecli; restorecli.Photo")
    assert {"restorecli.photo", "numpy"} <= loaded
    assert "restorecli.pipeline" not in loaded


def test_public_names_are_sorted_unique_and_real() -> None:
    names = restorecli.__all__
    assert names == sorted(set(names))
    for name in names:
        assert getattr(restorecli, name) is not None
    assert set(names) <= set(dir(restorecli))


def test_public_names_are_those_declared_to_type_checkers() -> None:
    tree = ast.parse(Path(restorecli.__file__).read_text("utf-8"))
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    declared = {
        alias.asname or alias.name
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared | {"__version__"} == set(restorecli.__all__)


def test_every_error_is_public_and_loads_nothing_heavy() -> None:
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert kinds <= set(restorecli.__all__)
    loaded = modules_after("import restorecli\nfor name in " + repr(sorted(kinds))
                           + ": getattr(restorecli, name)")  # fmt: skip
    assert loaded.isdisjoint(HEAVY)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Restore'"):
        _ = restorecli.Restore


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_say_what_they_hold(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= LONGEST_FILE
    assert ast.get_docstring(ast.parse(text)), "no module docstring"


@pytest.mark.parametrize("path", sorted((ROOT / "restorecli").rglob("*.py")))
def test_functions_are_short(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.FunctionDef) or (path.name, node.name) in LONGER:
            continue
        first = node.body[0]
        said = 0 if ast.get_docstring(node) is None else (first.end_lineno or 0) - first.lineno + 1
        assert (node.end_lineno or 0) - node.lineno + 1 - said <= LONGEST_FUNCTION, node.name


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "common", "misc", "base", "manager"}
    assert [path for path in python_files() if path.stem in empty] == []


@pytest.mark.parametrize(
    "folder", [path.parent for path in sorted((ROOT / "restorecli").rglob("__init__.py"))]
)
def test_a_folder_of_the_runtime_has_few_modules(folder: Path) -> None:
    modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MODULES_OF_A_FOLDER


def test_few_modules_are_loose_and_few_layers_hold_them() -> None:
    loose = {path.stem for path in (ROOT / "restorecli").glob("*.py")} - {"__init__", "__main__"}
    assert len(loose) <= LOOSE_MODULES
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (layers,) = (
        contract["layers"]
        for contract in contracts["contracts"]
        if contract.get("containers") == ["restorecli"]
    )
    assert len(layers) <= LAYERS


def test_tests_have_the_folders_of_the_code() -> None:
    packages = {path.parent.name for path in (ROOT / "restorecli").glob("*/__init__.py")}
    assert packages <= {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}


@pytest.mark.parametrize("path", sorted((ROOT / "restorecli" / "networks").glob("*.py")))
def test_networks_import_torch_alone(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    own = [name for name in names if name.startswith("restorecli")]
    assert all(name.startswith("restorecli.networks") for name in own)
    others = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert others <= {"torch", "jaxtyping", "restorecli"}
