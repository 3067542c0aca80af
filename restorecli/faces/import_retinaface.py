"""Checkpoints that others published for RetinaFace, turned into weights files of this tool.

Nothing in a checkpoint is executed: it is read with `weights_only=True`, and whatever is not plain
tensors is refused. What it does not say, the backbone and the normalisation it was trained with,
is read off its tensors.
"""

import io
import math
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from restorecli import weights
from restorecli.errors import WeightsError
from restorecli.manifest import SUFFIX
from restorecli.networks.retinaface import Backbone, RetinaFace, RetinaFaceConfig

NESTS = ("state_dict", "model_state_dict", "model")
LARGEST_BYTES = 2**30
FIRST_LAYERS: dict[Backbone, tuple[str, str]] = {  # first convolution and its batch norm
    "mobilenet0.25": ("body.stage1.0.0.weight", "body.stage1.0.1.running_var"),
    "resnet50": ("body.conv1.weight", "body.bn1.running_var"),
}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN_BGR, CAFFE_STD = (104 / 255, 117 / 255, 123 / 255), (1 / 255, 1 / 255, 1 / 255)
NORMALISED_AT_MOST = 1.5


def import_checkpoint(path: Path, target_folder: Path) -> Path:
    """Write the RetinaFace of a checkpoint as `retinaface.safetensors`.

    Read are files of `Pytorch_Retinaface` (MobileNet-0.25 and ResNet-50) and `retinaface-pytorch`
    (ResNet-50), plain, under `state_dict`, with `module.` or `model.` before every name, or alone
    in a zip.

    Args:
        path: The checkpoint.
        target_folder: Where to write; made if missing.

    Returns:
        The file written.

    Raises:
        WeightsError: The checkpoint cannot be read, holds more than tensors, or is no RetinaFace;
            or the target is there already.
    """
    target = target_folder / f"retinaface{SUFFIX}"
    if target.exists():
        raise WeightsError(f"{target}: is there already. Choose another folder, or move it away.")
    tensors = _unwrapped(path, _read(path))
    backbone = _backbone(path, tensors)
    config = _config(backbone, tensors)
    with torch.random.fork_rng(devices=[]):
        network = RetinaFace(config)
    _check(path, network.state_dict(), tensors)
    network.load_state_dict(tensors, strict=True)
    weights.save(network, "retinaface", target, {"imported_from": path.name})
    return target


def _read(path: Path) -> object:
    """Unpickle a checkpoint, tensors and containers only."""
    advice = "Only state dicts that `torch.load(..., weights_only=True)` reads are imported."
    try:
        source = _member(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on old pickle protocols
            return torch.load(source, map_location="cpu", weights_only=True)
    except OSError as error:
        reason = error.strerror or "not a regular file"
        raise WeightsError(f"{path}: cannot be read ({reason}). Check the path.") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{path}: holds more than tensors, or is damaged. {advice}") from error
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError,
            TypeError, AssertionError, zipfile.BadZipFile) as error:  # fmt: skip
        raise WeightsError(f"{path}: not a checkpoint that torch can read. {advice}") from error


def _member(path: Path) -> Path | io.BytesIO:
    """The file itself, or the one checkpoint in a zip that is not torch's own kind of zip."""
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError("larger than any RetinaFace")
    if not zipfile.is_zipfile(path):
        return path
    with zipfile.ZipFile(path) as archive:
        files = [info for info in archive.infolist() if not info.is_dir()]
        if len(files) != 1:
            return path
        if files[0].file_size > LARGEST_BYTES:
            raise ValueError("larger than any RetinaFace")
        return io.BytesIO(archive.read(files[0]))


def _unwrapped(path: Path, loaded: object) -> dict[str, Tensor]:
    """The bare state dict: out of its nest, without what stands before every name."""
    for nest in NESTS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(nest), Mapping):
            loaded = loaded[nest]
    if not isinstance(loaded, Mapping) or not loaded:
        raise WeightsError(f"{path}: holds no state dict. Import a RetinaFace checkpoint.")
    for key, value in loaded.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise WeightsError(f"{path}: {key!r} is no tensor. Import a plain state dict.")
    prefix = next((key.partition("body.")[0] for key in loaded if "body." in key), "")
    return {
        key.removeprefix(prefix): value.float() if value.is_floating_point() else value
        for key, value in loaded.items()
    }


def _backbone(path: Path, tensors: Mapping[str, Tensor]) -> Backbone:
    for backbone, (first, _) in FIRST_LAYERS.items():
        if first in tensors:
            return backbone
    names = " nor ".join(first for first, _ in FIRST_LAYERS.values())
    raise WeightsError(f"{path}: has neither {names}. Import a RetinaFace checkpoint.")


def _config(backbone: Backbone, tensors: Mapping[str, Tensor]) -> RetinaFaceConfig:
    """Tell OpenCV's BGR in [-123, 151] from normalised RGB by the first layer's statistics.

    The variance of a filter's response is at most (largest input · Σ|weights|)². Inputs of the
    first kind have a standard deviation of some 60, those of the second kind of about 1, and the
    batch norm remembers which it was.
    """
    filters, variance = (tensors.get(key) for key in FIRST_LAYERS[backbone])
    ratio = 0.0
    if filters is not None and variance is not None and len(filters) == len(variance):
        reach = filters.abs().flatten(1).sum(1).square()
        ratio = float((variance / reach.clamp(min=1e-12)).median())
    if math.isfinite(ratio) and ratio > NORMALISED_AT_MOST:
        return RetinaFaceConfig(
            backbone=backbone, channel_order="bgr", mean=CAFFE_MEAN_BGR, std=CAFFE_STD
        )
    return RetinaFaceConfig(backbone=backbone, mean=IMAGENET_MEAN, std=IMAGENET_STD)


def _check(path: Path, expected: Mapping[str, Tensor], tensors: dict[str, Tensor]) -> None:
    """Name the first tensor that does not fit; batch counters that old files lack are added."""
    for key, tensor in expected.items():
        if key.endswith("num_batches_tracked"):
            tensors.setdefault(key, torch.zeros_like(tensor))
    advice = "Import a RetinaFace checkpoint."
    missing, unexpected = (
        sorted(expected.keys() - tensors.keys()),
        sorted(tensors.keys() - expected.keys()),
    )
    if missing:
        raise WeightsError(f"{path}: lacks {missing[0]} ({len(missing)} in all). {advice}")
    if unexpected:
        raise WeightsError(
            f"{path}: has {unexpected[0]}, which RetinaFace lacks ({len(unexpected)} in all). "
            f"{advice}"
        )
    for key, tensor in tensors.items():
        if tensor.shape != expected[key].shape:
            shapes = f"{tuple(tensor.shape)} instead of {tuple(expected[key].shape)}"
            raise WeightsError(f"{path}: {key} has the shape {shapes}. {advice}")
        if not tensor.isfinite().all():
            raise WeightsError(f"{path}: {key} has values that are not finite. Download it again.")
