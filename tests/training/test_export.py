"""Export: the file arrives whole, the manifest describes it, other entries stay."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from restorecli import weights
from restorecli.manifest import read_manifest, verify
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.orsnet import ORSNet, ORSNetConfig
from tests.support.tiny import DENOISER
from training import export


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "orsnet" / "1-first"
    network = ORSNet(ORSNetConfig(width=4, blocks=(1,)))
    weights.save(network, "orsnet", folder / "orsnet.safetensors", {"seed": 1})
    (folder / "log.csv").write_text("step,ssim,seconds\n1,0.5,9\n2,0.75,9\n", "utf-8")
    return folder


def test_an_export_is_described_and_verified(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "weights"
    entry = export.export(run, target, name="orsnet", data="d", scores={"a": 0.1}, commit="c")
    before, after = (load_file(folder / "orsnet.safetensors") for folder in (run, target))
    assert {value.dtype for value in after.values()} == {torch.float16}
    assert all(torch.equal(after[name], value.half()) for name, value in before.items())
    assert weights.load(ORSNet, "orsnet", folder=target).enter.weight.dtype == torch.float32
    assert entry.history["scores"] == {"a": 0.1, "training_step": 2.0, "training_ssim": 0.75}
    status = {file.name: file.status for file in verify(target)}
    assert status["orsnet"] == "ok"
    assert status["denoiser"] == "missing"


def test_other_entries_stay(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "weights"
    export.export(run, target, name="orsnet", data="d", scores={}, commit="c")
    weights.save(ORSNet(ORSNetConfig(width=4, blocks=(1,))), "other", run / "other.safetensors", {})
    export.export(run, target, name="other", data="d", scores={}, commit="c")
    assert set(read_manifest(target)) == {"orsnet", "other"}


def test_a_share_of_what_was_shipped_can_be_kept(run: Path, tmp_path: Path) -> None:
    """Nothing else changes: not the header, not the recipe; the manifest says it."""
    target, source = tmp_path / "w" / "orsnet.safetensors", run / "orsnet.safetensors"
    earlier = ORSNet(ORSNetConfig(width=4, blocks=(1,)))
    weights.save(earlier, "orsnet", target, {"seed": 0})
    before, learnt = load_file(target), load_file(source)
    about = {"name": "orsnet", "data": "d", "scores": {}, "commit": "c"}
    entry = export.export(run, target.parent, **about, keep=0.25)  # type: ignore[arg-type]
    for name, value in load_file(target).items():
        expected = 0.75 * learnt[name] + 0.25 * before[name]
        assert torch.allclose(value.float(), expected, rtol=1e-3, atol=1e-7)
    assert weights.read_header(target) == weights.read_header(source)
    assert str(entry.history["kept"]).startswith("0.25 of ")
    weights.save(ORSNet(ORSNetConfig(width=8, blocks=(1,))), "orsnet", target, {"seed": 0})
    whole = target.read_bytes()
    with pytest.raises(ValueError, match="is another network than"):
        export.export(run, target.parent, **about, keep=0.25)  # type: ignore[arg-type]
    assert target.read_bytes() == whole


def test_with_a_share_kept_the_config_is_that_of_what_was_shipped(tmp_path: Path) -> None:
    """A run may have learnt with other windows: the values are the mean's, the config is not."""
    run, target = tmp_path / "runs" / "denoiser" / "2-wide", tmp_path / "w"
    shipped, wide = Denoiser(DENOISER), Denoiser(replace(DENOISER, window=4 * DENOISER.window))
    weights.save(shipped, "denoiser", target / "denoiser.safetensors", {"seed": 1})
    weights.save(wide, "denoiser", run / "denoiser.safetensors", {"seed": 2})
    export.export(run, target, name="denoiser", data="d", scores={}, commit="c", keep=0.5)
    assert weights.load(Denoiser, "denoiser", folder=target).config == shipped.config
    assert weights.read_header(target / "denoiser.safetensors").recipe == {"seed": 2}
    export.export(run, target, name="denoiser", data="d", scores={}, commit="c")
    assert weights.load(Denoiser, "denoiser", folder=target).config == wide.config


def test_a_run_without_a_log_has_no_validation(tmp_path: Path) -> None:
    assert export.last_validation(tmp_path / "log.csv") == {}


def test_the_command_exports(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", str(run), "--weights", str(tmp_path / "w"), "--score", "ssim=0.8"]
    monkeypatch.setattr("sys.argv", arguments)
    monkeypatch.setattr(export, "head_commit", lambda: "abc")
    export.main()
    entry = read_manifest(tmp_path / "w")["orsnet"]
    assert entry.sha256 in capsys.readouterr().out
    assert entry.history["scores"]["ssim"] == 0.8
    assert entry.history["recipe"] == "training/recipes/orsnet/1-first.toml"
    assert entry.history["commit"] == "abc"


def test_a_second_run_ships_the_network_that_it_holds(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = run.rename(run.with_name("3-scales"))
    arguments = ["export", str(longer), "--weights", str(tmp_path / "w"), "--commit", "abc"]
    monkeypatch.setattr("sys.argv", arguments)
    export.main()
    entry = read_manifest(tmp_path / "w")["orsnet"]
    assert entry.history["recipe"] == "training/recipes/orsnet/3-scales.toml"


def test_a_run_of_none_or_two_networks_asks_for_a_name(run: Path) -> None:
    file = run / "orsnet.safetensors"
    file.with_name("other.safetensors").write_bytes(file.read_bytes())
    with pytest.raises(ValueError, match="2 weights files"):
        export.only_network(run)
    with pytest.raises(ValueError, match="0 weights files"):
        export.only_network(run / "nothing")


def test_the_commit_is_a_hash_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(export.head_commit().rstrip("+")) >= 7
