"""The wheel: what `pip install .` gives is the runtime with its weights, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from restorecli.weights import NETWORKS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = target.glob("*.whl")
    return zipfile.ZipFile(path)


def test_it_holds_every_module_and_asset(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    package = ROOT / "restorecli"
    modules = {path.relative_to(ROOT).as_posix() for path in package.rglob("*.py")}
    assert modules | {"restorecli/reports/templates/compare.html", "restorecli/py.typed"} <= names
    assets = {f"restorecli/_assets/weights/{name}.safetensors" for name in NETWORKS}
    assert assets | {"restorecli/_assets/weights/manifest.toml"} <= names
    pairs = {f"restorecli/_assets/pairs/{part}/portrait-1.jpg" for part in ("clean", "degraded")}
    assert pairs <= names


def test_it_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    others = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in others if not name.endswith(".dist-info")} == {"restorecli"}


def test_it_gives_the_command(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "restore = restorecli.cli:main" in wheel.read(name).decode()
