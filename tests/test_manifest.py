"""Where the shipped files are; the manifest, written, read back, compared, summed up in a hash."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import restorecli
from restorecli import manifest
from restorecli.errors import WeightsError
from restorecli.manifest import (
    MANIFEST,
    NETWORKS,
    ManifestEntry,
    read_manifest,
    set_hash,
    sha256,
    verify,
)
from training.export import write_manifest

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

text = st.text()
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = text | st.booleans() | st.integers(-(2**63), 2**63 - 1) | floats
keys = st.text(min_size=1)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(keys, scalars, max_size=3)
histories = st.dictionaries(keys.filter(lambda key: key not in ("sha256", "bytes")), values)


def test_sha256_of_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256(tmp_path / "empty") == EMPTY


@settings(max_examples=50, deadline=None)
@given(history=histories, name=keys)
def test_manifest_is_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, history: dict[str, object], name: str
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    entries = {name: ManifestEntry(sha256=EMPTY, bytes=3, history=history)}
    write_manifest(folder, entries)
    assert read_manifest(folder) == entries


def test_values_without_a_toml_form_are_refused(tmp_path: Path) -> None:
    entry = ManifestEntry(sha256=EMPTY, bytes=0, history={"score": None})
    with pytest.raises(TypeError, match="NoneType"):
        write_manifest(tmp_path, {"denoiser": entry})


def test_the_shipped_manifest_is_what_is_written_for_it(tmp_path: Path) -> None:
    shipped = Path(restorecli.__file__).parents[1] / "weights"
    write_manifest(tmp_path, read_manifest(shipped))
    assert (tmp_path / MANIFEST).read_bytes() == (shipped / MANIFEST).read_bytes()


def test_a_folder_without_manifest_has_no_entries(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == {}


@pytest.mark.parametrize("content", [b"[denoiser", b"\xff\xfe"])
def test_a_broken_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.toml").write_bytes(content)
    with pytest.raises(WeightsError, match=r"manifest\.toml: not readable as TOML"):
        verify(tmp_path)


@pytest.mark.parametrize(
    "entry", ["denoiser = 3", '[denoiser]\nsha256 = "12"\nbytes = 1', f'[a]\nsha256 = "{EMPTY}"']
)
def test_entries_without_hash_or_size_are_refused(tmp_path: Path, entry: str) -> None:
    (tmp_path / "manifest.toml").write_text(entry)
    with pytest.raises(WeightsError, match=r"has no sha256 of 64 digits and no size"):
        read_manifest(tmp_path)


def test_verify_tells_every_state(tmp_path: Path) -> None:
    for name in ("denoiser", "orsnet", "mine"):
        (tmp_path / f"{name}.safetensors").touch()
    entries = {
        "denoiser": ManifestEntry(sha256=EMPTY, bytes=0, history={"recipe": "denoiser.toml"}),
        "orsnet": ManifestEntry(sha256=EMPTY.replace("e", "f"), bytes=0),
        "gone": ManifestEntry(sha256=EMPTY, bytes=0),
    }
    write_manifest(tmp_path, entries)
    files = {file.name: file for file in verify(tmp_path)}
    assert list(files) == [*NETWORKS, "gone", "mine"]
    assert {name: file.status for name, file in files.items()} == {
        "inspector": "missing",
        "residual_inspector": "missing",
        "tone_inspector": "missing",
        "denoiser": "ok",
        "relighter": "missing",
        "retinaface": "missing",
        "face_refiner": "missing",
        "face_vae": "missing",
        "second_look": "missing",
        "orsnet": "changed",
        "gone": "missing",
        "mine": "unlisted",
    }
    assert files["denoiser"].history == {"recipe": "denoiser.toml"}
    assert files["denoiser"].sha256 == EMPTY
    assert files["gone"].path == tmp_path / "gone.safetensors"


def test_verify_looks_at_the_shipped_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path))
    assert {file.status for file in verify()} == {"missing"}
    assert set_hash() == "none"


def test_the_hash_of_the_set_follows_contents_and_names(tmp_path: Path) -> None:
    hashes = []
    for folder, files in {
        "a": {"one": b"1", "two": b"2"},
        "b": {"two": b"2", "one": b"1"},
        "c": {"one": b"1", "two": b"3"},
        "d": {"one": b"1"},
        "e": {"one": b"1", "three": b"2"},
    }.items():
        (tmp_path / folder).mkdir()
        for name, content in files.items():
            (tmp_path / folder / f"{name}.safetensors").write_bytes(content)
        hashes.append(set_hash(tmp_path / folder))
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4
    assert all(len(digest) == 12 for digest in hashes)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend that the package lies in an empty folder, with no variable set."""
    folder = tmp_path / "site" / "restorecli"
    folder.mkdir(parents=True)
    monkeypatch.setattr(manifest, "_PACKAGE", folder)
    monkeypatch.delenv(manifest.WEIGHTS_VARIABLE, raising=False)
    return folder


def test_this_checkout_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(manifest.WEIGHTS_VARIABLE, raising=False)
    root = Path(__file__).resolve().parents[1]
    assert manifest.weights_folder() == root / "weights"
    assert manifest.example_pairs_folder() == root / "examples" / "pairs"


def test_a_wheel_has_its_own_copy(package: Path) -> None:
    assert manifest.weights_folder() == package / "_assets" / "weights"
    assert manifest.example_pairs_folder() == package / "_assets" / "pairs"


def test_a_checkout_wins_over_a_stale_copy(package: Path) -> None:
    (package / "_assets" / "weights").mkdir(parents=True)
    (package.parent / "pyproject.toml").touch()
    assert manifest.weights_folder() == package.parent / "weights"


def test_the_variable_wins_over_all(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package.parent / "pyproject.toml").touch()
    own = tmp_path / "내 weights"
    own.mkdir()
    monkeypatch.setenv(manifest.WEIGHTS_VARIABLE, str(own))
    assert manifest.weights_folder() == own


def test_an_empty_variable_counts_as_none(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(manifest.WEIGHTS_VARIABLE, "")
    assert manifest.weights_folder() == package / "_assets" / "weights"


def test_a_variable_that_names_no_folder_is_refused(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(manifest.WEIGHTS_VARIABLE, str(package / "nowhere"))
    with pytest.raises(WeightsError, match="nowhere: not a folder, but RESTORE_WEIGHTS names it"):
        manifest.weights_folder()
