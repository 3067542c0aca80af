"""Importing checkpoints: every published wrapping, the two normalisations, every refusal."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from restorecli import weights
from restorecli.errors import WeightsError
from restorecli.faces.import_retinaface import import_checkpoint
from restorecli.networks.retinaface import Predictions, RetinaFace, RetinaFaceConfig


class Bomb:
    """Would run a function if it were unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (eval, ("1 / 0",))


@pytest.fixture(scope="module")
def mobilenet() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return RetinaFace(RetinaFaceConfig()).state_dict()


def saved(path: Path, content: object, *, new: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=new)
    return path


def outputs(state: dict[str, Tensor], image: Tensor) -> Predictions:
    raw = RetinaFace(RetinaFaceConfig(mean=(0, 0, 0), std=(1, 1, 1))).eval()
    raw.load_state_dict(state)
    with torch.inference_mode():
        predictions = raw(image)
    assert isinstance(predictions, Predictions)
    return predictions


def test_pytorch_retinaface(tmp_path: Path, mobilenet: dict[str, Tensor]) -> None:
    old = {
        f"module.{name}": value
        for name, value in mobilenet.items()
        if not name.endswith("num_batches_tracked")
    }
    old["module.body.stage1.0.1.running_var"] = torch.full((8,), 1e5)
    path = saved(tmp_path / "old.pth", old, new=False)
    target = import_checkpoint(path, tmp_path / "out")
    assert target == tmp_path / "out" / "retinaface.safetensors"
    network = weights.load(RetinaFace, "retinaface", folder=tmp_path / "out")
    assert network.config.channel_order == "bgr"
    assert weights.read_header(target).recipe == {"imported_from": "old.pth"}
    state = {name: old.get(f"module.{name}", mobilenet[name]) for name in mobilenet}
    image = torch.rand(1, 3, 40, 48)
    bgr = image[:, [2, 1, 0]] * 255 - torch.tensor([104.0, 117.0, 123.0]).view(3, 1, 1)
    with torch.inference_mode():
        ours = network(image)
    for one, two in zip(ours, outputs(state, bgr), strict=True):
        assert torch.allclose(one, two, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("zipped", [False, True])
def test_retinaface_pytorch(tmp_path: Path, zipped: bool) -> None:
    torch.manual_seed(0)
    network = RetinaFace(RetinaFaceConfig(backbone="resnet50"))
    state = {f"model.{name}": value.half() for name, value in network.state_dict().items()}
    path = saved(tmp_path / "a.ckpt", {"epoch": 3, "state_dict": state})
    if zipped:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.write(path, "a.pth")
        path = tmp_path / "a.zip"
    import_checkpoint(path, tmp_path / "out")
    loaded = weights.load(RetinaFace, "retinaface", folder=tmp_path / "out")
    assert loaded.config.backbone == "resnet50"
    assert loaded.config.channel_order == "rgb"
    assert loaded.config.std == (0.229, 0.224, 0.225)
    key = "body.layer3.2.conv2.weight"
    assert torch.equal(loaded.state_dict()[key], state[f"model.{key}"].float())


def test_nothing_in_a_pickle_is_run(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    path.write_bytes(pickle.dumps({"body.conv1.weight": Bomb()}))
    with pytest.raises(WeightsError, match=r"bomb.pth: holds more than tensors") as caught:
        import_checkpoint(path, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("new", [False, True])
def test_a_bomb_in_torchs_own_wrapping(tmp_path: Path, new: bool) -> None:
    path = saved(tmp_path / "b.pth", {"x": Bomb()}, new=new)
    with pytest.raises(WeightsError, match="holds more than tensors"):
        import_checkpoint(path, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"\x80", b"plain text", b"PK\x03\x04", b"\x80\x02."])
def test_files_that_are_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"a\.pth: (not a checkpoint|holds more)") as caught:
        import_checkpoint(path, tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(WeightsError, match="cannot be read"):
            import_checkpoint(path, tmp_path / "out")


def test_an_existing_target_is_kept(tmp_path: Path) -> None:
    (tmp_path / "retinaface.safetensors").write_bytes(b"mine")
    with pytest.raises(WeightsError, match="is there already"):
        import_checkpoint(tmp_path / "a.pth", tmp_path)
    assert (tmp_path / "retinaface.safetensors").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds no state dict"),
        ({}, "holds no state dict"),
        ({"body.conv1.weight": 3}, "is no tensor"),
        ({3: torch.zeros(1)}, "is no tensor"),
        ({"encoder.weight": torch.zeros(1)}, "has neither"),
        ({"body.stage1.0.0.weight": torch.zeros(8, 3, 3, 3)}, "lacks BboxHead.0.conv1x1.bias"),
    ],
)
def test_other_contents(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        import_checkpoint(saved(tmp_path / "a.pth", content), tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("fc.weight", torch.zeros(2), r"has fc\.weight"),
        ("fpn.merge1.0.weight", torch.zeros(2), r"has the shape \(2,\) instead of"),
        ("BboxHead.0.conv1x1.bias", torch.full((8,), torch.nan), "not finite"),
    ],
)
def test_tensors_that_do_not_fit(
    tmp_path: Path, mobilenet: dict[str, Tensor], name: str, value: Tensor, message: str
) -> None:
    path = saved(tmp_path / "a.pth", {**mobilenet, name: value})
    with pytest.raises(WeightsError, match=message):
        import_checkpoint(path, tmp_path / "out")


def test_too_large_files(
    tmp_path: Path, mobilenet: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "a.pth", mobilenet)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.pth", bytes(10**6))
    monkeypatch.setattr("restorecli.faces.import_retinaface.LARGEST_BYTES", 10**5)
    for file in (path, tmp_path / "a.zip"):
        with pytest.raises(WeightsError, match="not a checkpoint that torch can read"):
            import_checkpoint(file, tmp_path / "out")
