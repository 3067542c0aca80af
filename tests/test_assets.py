"""Where the shipped files are looked for: variable, checkout, wheel, in this order."""

from pathlib import Path

import pytest

from restorecli import assets
from restorecli.errors import WeightsError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend that the package lies in an empty folder, with no variable set."""
    folder = tmp_path / "site" / "restorecli"
    folder.mkdir(parents=True)
    monkeypatch.setattr(assets, "_PACKAGE", folder)
    monkeypatch.delenv(assets.WEIGHTS_VARIABLE, raising=False)
    return folder


def test_this_checkout_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(assets.WEIGHTS_VARIABLE, raising=False)
    root = Path(__file__).resolve().parents[1]
    assert assets.weights_folder() == root / "weights"
    assert assets.example_pairs_folder() == root / "examples" / "pairs"


def test_a_wheel_has_its_own_copy(package: Path) -> None:
    assert assets.weights_folder() == package / "_assets" / "weights"
    assert assets.example_pairs_folder() == package / "_assets" / "pairs"


def test_a_checkout_wins_over_a_stale_copy(package: Path) -> None:
    (package / "_assets" / "weights").mkdir(parents=True)
    (package.parent / "pyproject.toml").touch()
    assert assets.weights_folder() == package.parent / "weights"


def test_the_variable_wins_over_all(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package.parent / "pyproject.toml").touch()
    own = tmp_path / "내 weights"
    own.mkdir()
    monkeypatch.setenv(assets.WEIGHTS_VARIABLE, str(own))
    assert assets.weights_folder() == own


def test_an_empty_variable_counts_as_none(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(assets.WEIGHTS_VARIABLE, "")
    assert assets.weights_folder() == package / "_assets" / "weights"


def test_a_variable_that_names_no_folder_is_refused(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(assets.WEIGHTS_VARIABLE, str(package / "nowhere"))
    with pytest.raises(WeightsError, match="nowhere: not a folder, but RESTORE_WEIGHTS names it"):
        assets.weights_folder()
