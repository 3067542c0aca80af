"""The doctor reports what is there, and what is wrong, without failing itself."""

import json
from importlib import metadata
from pathlib import Path

import pytest
from PIL import features

from restorecli import device
from restorecli.cli import diagnosis
from restorecli.manifest import ManifestEntry
from restorecli.weights import NETWORKS, sha256
from training.export import write_manifest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of weights files that all match their manifest."""
    monkeypatch.setenv("RESTORE_WEIGHTS", str(tmp_path))
    entries = {}
    for name in NETWORKS:
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(name.encode())
        entries[name] = ManifestEntry(sha256=sha256(path), bytes=len(name))
    write_manifest(tmp_path, entries)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_sound_installation_has_no_problems() -> None:
    facts = diagnosis.report(device="cpu")
    assert facts["problems"] == []
    assert json.loads(json.dumps(facts)) == facts
    assert facts["device"]["chosen"] == "cpu"
    assert facts["device"]["threads"] >= 1
    assert facts["memory"]["tile"] >= 64
    assert facts["formats"]["avif"]
    assert [file["status"] for file in facts["weights"]["files"]] == ["ok"] * len(NETWORKS)


def test_the_text_says_what_the_report_says(folder: Path) -> None:
    facts = diagnosis.report(device="cpu", precision="fp32")
    text = diagnosis.render(facts)
    for part in (
        facts["versions"]["torch"],
        "jpeg, png, tiff, webp, avif, heic",
        "cpu: asked for",
        "float32: asked for",
        f"{facts['memory']['tile']} px",
        f"{folder} ({facts['weights']['set_hash']})",
        f"ok, 0.0 MB, sha256 {sha256(folder / 'orsnet.safetensors')[:12]}",
        "no problems found",
    ):
        assert part in text


def test_damaged_and_missing_weights_are_problems(folder: Path) -> None:
    (folder / "denoiser.safetensors").write_bytes(b"denoisex")
    (folder / "orsnet.safetensors").unlink()
    facts = diagnosis.report(device="cpu")
    assert [problem.split(".")[0] for problem in facts["problems"]] == [
        "denoiser: changed",
        "orsnet: missing",
    ]
    text = diagnosis.render(facts)
    assert "problem: denoiser: changed. Reinstall the package." in text
    assert "no problems" not in text


def test_an_unreadable_manifest_is_a_problem(folder: Path) -> None:
    (folder / "manifest.toml").write_text("[")
    facts = diagnosis.report(device="cpu")
    assert facts["weights"] is None
    assert "manifest.toml: not readable as TOML" in diagnosis.render(facts)


def test_weights_that_cannot_be_opened_are_a_problem(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forced, since permissions do not bind root."""

    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("restorecli.manifest.sha256", refuse)
    facts = diagnosis.report(device="cpu")
    assert facts["weights"] is None
    assert facts["problems"][0].endswith(
        "cannot be read (Permission denied). Check its permissions."
    )


@pytest.mark.usefixtures("folder")
def test_an_unknown_device_is_a_problem() -> None:
    facts = diagnosis.report(device="abacus")
    assert facts["device"] is facts["memory"] is None
    assert "problem: abacus: not the name of a device" in diagnosis.render(facts)


@pytest.mark.usefixtures("folder")
def test_a_missing_format_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda name: name != "avif")
    facts = diagnosis.report(device="cpu")
    assert facts["formats"]["avif"] is False
    assert facts["problems"] == [
        "avif: cannot be read or written here. Reinstall pillow and pillow-heif."
    ]


@pytest.mark.usefixtures("folder")
def test_packages_that_are_not_installed_are_said_to_be_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert diagnosis.report(device="cpu")["versions"]["restore"] == "not installed"


@pytest.mark.usefixtures("folder")
def test_a_processor_without_native_bf16_is_said_to_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "native_bf16", lambda: None)
    facts = diagnosis.report(device="cpu")
    assert facts["device"]["precision"] == "float32"
    assert "native: no;" in diagnosis.render(facts)


def test_the_speedup_is_a_ratio() -> None:
    assert 0.001 < diagnosis.bf16_speedup() < 1000
