"""Weights files: what is saved comes back, equal networks give equal files, damage is named."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from restorecli import weights
from restorecli.errors import WeightsError
from restorecli.weights import read_config


@dataclasses.dataclass(frozen=True, kw_only=True)
class TinyConfig:
    widths: tuple[int, ...] = (3, 4)
    scales: tuple[tuple[float, float], ...] = ((0.5, 1.0), (2.0, 3.0))
    slope: float = 0.25
    gated: bool = True
    kind: Literal["plain", "fancy"] = "plain"
    note: str = "말"
    limit: int | None = None

    def __post_init__(self) -> None:
        if not self.widths:
            raise ValueError("widths is empty")


class Tiny(nn.Module):
    config_class: ClassVar[type] = TinyConfig

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, width, 3, padding=1) for width in config.widths), nn.BatchNorm2d(4)
        )

    def forward(self, image: Tensor) -> Tensor:
        return torch.as_tensor(self.layers[0](image))


def tiny(seed: int = 0, config: TinyConfig | None = None) -> Tiny:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Tiny(config or TinyConfig())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    weights.save(tiny(), "tiny", path, {"seed": 3, "steps": [1, 2]})
    return path


def rewrite(path: Path, change: Callable[[dict[str, Tensor], dict[str, Any]], object]) -> None:
    """Change the tensors or the description in a file as `change` does, in place."""
    about = json.loads(read_metadata(path))
    tensors = {key: tensor.clone() for key, tensor in load_file(path).items()}
    change(tensors, about)
    save_file(tensors, path, {weights.METADATA_KEY: json.dumps(about)})


def read_metadata(path: Path) -> str:
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert list(header["__metadata__"]) == [weights.METADATA_KEY]
    return str(header["__metadata__"][weights.METADATA_KEY])


def list_in_manifest(path: Path) -> None:
    path.with_name("manifest.toml").write_text(
        f'[{path.stem}]\nsha256 = "{weights.sha256(path)}"\nbytes = {path.stat().st_size}\n'
    )


def test_what_is_saved_comes_back(file: Path) -> None:
    network = weights.load(Tiny, "tiny", folder=file.parent)
    original = tiny().state_dict()
    assert network.config == TinyConfig()
    assert network.state_dict().keys() == original.keys()
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, original[key]), key
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_equal_networks_give_equal_files(tmp_path: Path) -> None:
    for turn in range(8):
        weights.save(tiny(), "tiny", tmp_path / f"{turn}", {"b": turn * 0, "a": {"y": 1, "x": 2}})
    contents = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(contents) == 1


def test_unequal_networks_give_unequal_files(tmp_path: Path) -> None:
    weights.save(tiny(seed=0), "tiny", tmp_path / "a", {})
    weights.save(tiny(seed=1), "tiny", tmp_path / "b", {})
    assert weights.sha256(tmp_path / "a") != weights.sha256(tmp_path / "b")


def test_layout_in_memory_does_not_matter(tmp_path: Path) -> None:
    weights.save(tiny(), "tiny", tmp_path / "a", {})
    transposed = tiny()
    for parameter in transposed.parameters():
        parameter.data = parameter.data.transpose(0, -1).contiguous().transpose(0, -1)
    weights.save(transposed, "tiny", tmp_path / "b", {})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_half_precision_files_load_as_float32(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tiny.safetensors"
    weights.save(tiny(), "tiny", path, {}, dtype=torch.float16)
    network = weights.load(Tiny, "tiny", folder=path.parent)
    for parameter, original in zip(network.parameters(), tiny().parameters(), strict=True):
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, original.half().float())


def test_a_failed_save_leaves_the_old_file(file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        weights.save(tiny(), "tiny", file, {"loss": float("nan")})
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_failed_write_leaves_nothing_behind(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    before = file.read_bytes()
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        weights.save(tiny(seed=1), "tiny", file, {})
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_loading_leaves_the_random_state_alone(file: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    weights.load(Tiny, "tiny", folder=file.parent)
    assert torch.equal(torch.rand(3), expected)


def test_the_shipped_folder_is_the_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_WEIGHTS", str(file.parent))
    assert weights.load(Tiny, "tiny").config == TinyConfig()


def test_header_is_read_without_the_network(file: Path) -> None:
    header = weights.read_header(file)
    assert header.network == "tiny"
    assert header.config["widths"] == [3, 4]
    assert header.recipe == {"seed": 3, "steps": [1, 2]}
    assert header.parameters == sum(tensor.numel() for tensor in tiny().state_dict().values())


floats = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(
    widths=st.lists(st.integers(), min_size=1).map(tuple),
    scales=st.lists(st.tuples(floats, floats)).map(tuple),
    slope=floats,
    gated=st.booleans(),
    kind=st.sampled_from(["plain", "fancy"]),
    note=st.text(),
    limit=st.none() | st.integers(),
)
def test_configs_survive_json(**fields: Any) -> None:  # noqa: ANN401
    config = TinyConfig(**fields)
    written = json.loads(json.dumps(dataclasses.asdict(config), sort_keys=True))
    assert read_config(TinyConfig, written, "tiny") == config


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("widths", 3),
        ("widths", [3, 4.5]),
        ("widths", [True]),
        ("widths", []),
        ("scales", [[1.0]]),
        ("slope", "0.25"),
        ("slope", False),
        ("gated", 1),
        ("kind", "odd"),
        ("note", None),
        ("limit", "3"),
    ],
)
def test_impossible_config_values_are_refused(file: Path, key: str, value: object) -> None:
    rewrite(file, lambda _, about: about["config"].update({key: value}))
    with pytest.raises(WeightsError, match=f"tiny.safetensors: impossible config .*{key}"):
        weights.load(Tiny, "tiny", folder=file.parent)


def test_integers_are_fine_for_floats(file: Path) -> None:
    rewrite(file, lambda _, about: about["config"].update(slope=2))
    assert weights.load(Tiny, "tiny", folder=file.parent).config.slope == 2.0


def test_unknown_and_missing_config_keys_are_named(file: Path) -> None:
    rewrite(file, lambda _, about: about["config"].update(depth=3))
    with pytest.raises(WeightsError, match=r"tiny.safetensors: unknown config key 'depth'"):
        weights.load(Tiny, "tiny", folder=file.parent)
    weights.save(tiny(), "tiny", file, {})
    rewrite(file, lambda _, about: about["config"].pop("slope"))
    with pytest.raises(WeightsError, match=r"tiny.safetensors: lacks the config key 'slope'"):
        weights.load(Tiny, "tiny", folder=file.parent)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, _: tensors.pop("layers.0.bias"), r"lacks the tensor layers\.0\.bias"),
        (
            lambda tensors, _: tensors.update({"extra": torch.zeros(1)}),
            "has the tensor extra, which the network lacks",
        ),
        (
            lambda tensors, _: tensors.update({"layers.0.bias": torch.zeros(7)}),
            r"tensor layers\.0\.bias has the shape \(7,\) instead of \(3,\)",
        ),
        (
            lambda tensors, _: tensors["layers.1.bias"].fill_(float("nan")),
            r"tensor layers\.1\.bias has values that are not finite",
        ),
        (
            lambda _, about: about.update(network="other"),
            "holds the network 'other', not 'tiny'",
        ),
        (lambda _, about: about.pop("config"), "its header does not say which network"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    file: Path, change: Callable[[dict[str, Tensor], dict[str, Any]], object], message: str
) -> None:
    rewrite(file, change)
    with pytest.raises(WeightsError, match=f"tiny.safetensors: {message}"):
        weights.load(Tiny, "tiny", folder=file.parent)


def test_a_missing_file_names_its_path_and_a_command(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"tiny\.safetensors: no such file.*restore weights"):
        weights.load(Tiny, "tiny", folder=tmp_path)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.safetensors").mkdir()
    with pytest.raises(WeightsError, match=r"tiny\.safetensors: cannot be read"):
        weights.load(Tiny, "tiny", folder=tmp_path)


@pytest.mark.parametrize("kept", [0, 5, 8, 100, -1])
def test_truncated_files_are_refused(file: Path, kept: int) -> None:
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"tiny\.safetensors: not a whole safetensors file"):
        weights.load(Tiny, "tiny", folder=file.parent)


def test_an_absurd_header_is_refused(file: Path) -> None:
    file.write_bytes(b"\xff" * 7 + b"\x7f" + b"{}")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        weights.load(Tiny, "tiny", folder=file.parent)


def test_safetensors_of_others_are_refused(file: Path) -> None:
    save_file({"weight": torch.zeros(2)}, file)
    with pytest.raises(WeightsError, match="does not say which network"):
        weights.read_header(file)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_are_refused_with_the_way_out(file: Path, zipped: bool) -> None:
    torch.save(tiny().state_dict(), file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="is a pickle; use `restore weights import`"):
        weights.load(Tiny, "tiny", folder=file.parent)


def test_a_flipped_bit_is_found_by_the_manifest(file: Path) -> None:
    list_in_manifest(file)
    assert weights.load(Tiny, "tiny", folder=file.parent).config == TinyConfig()
    content = file.read_bytes()
    file.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    with pytest.raises(WeightsError, match=r"tiny\.safetensors: its SHA-256 is not the manifest"):
        weights.load(Tiny, "tiny", folder=file.parent)
    file.write_bytes(content[:-1])
    with pytest.raises(WeightsError, match=rf"{len(content) - 1} bytes instead of {len(content)}"):
        weights.load(Tiny, "tiny", folder=file.parent)
