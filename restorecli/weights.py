"""Networks to files and back: safetensors, with the network's config in the header.

The header has one metadata key, `"restore"`, holding JSON with sorted keys: the network's name, its
config and its recipe. One key, because the order of several is not kept and equal networks would
give unequal files. No pickle, no URL, no download. What the files must hash to is the business of
`restorecli.manifest`.
"""

import dataclasses
import hashlib
import json
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from restorecli.errors import WeightsError
from restorecli.manifest import (
    NETWORKS,
    SUFFIX,
    WeightsFile,
    read_manifest,
    set_hash,
    sha256,
    verify,
    weights_folder,
)

__all__ = [
    "NETWORKS", "Header", "WeightsFile", "load", "read_header", "save", "set_hash", "sha256",
    "verify",
]  # fmt: skip

METADATA_KEY = "restore"
_HEADER_LIMIT = 4 * 2**20  # bytes; ours have about 20 thousand
NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of itself, read without building the network.

    Attributes:
        network: Name of the network, e.g. `"denoiser"`.
        config: Its config as written: numbers, strings, lists.
        recipe: How it was trained, as written.
        parameters: Number of values in all tensors.
    """

    network: str
    config: dict[str, Any]
    recipe: dict[str, Any]
    parameters: int


def save(
    network: nn.Module,
    name: str,
    path: Path,
    recipe: dict[str, Any],
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a network to a file from which `load` rebuilds it.

    Equal tensors, config and recipe give equal bytes. The file appears whole or not at all.

    Args:
        network: Has a frozen dataclass as its attribute `config`; on any device, not modified.
        name: Name that `load` will ask for.
        path: File to write; missing folders are made.
        recipe: JSON-like; how the network was trained, nothing that varies between equal runs.
        dtype: Of the floating-point tensors in the file.
    """
    config: Any = network.config
    about = {"network": name, "config": dataclasses.asdict(config), "recipe": recipe}
    metadata = {METADATA_KEY: json.dumps(about, sort_keys=True, allow_nan=False)}
    tensors = {
        key: tensor.detach()
        .to("cpu", dtype if tensor.is_floating_point() else tensor.dtype)
        .clone(memory_format=torch.contiguous_format)
        for key, tensor in network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(save_safetensors(tensors, metadata))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def load(network_class: type[NetworkT], name: str, *, folder: Path | None = None) -> NetworkT:
    """Rebuild a network from its file, on the CPU, in float32, ready for inference.

    A file that the folder's manifest lists is hashed and must match; the hash costs some 10 ms.
    The caller's random state is left as it was.

    Args:
        network_class: Takes one argument, its config, and names that dataclass as `config_class`.
        name: File name without suffix, and the name in the file's header.
        folder: Where the file is; None for the shipped weights.

    Raises:
        WeightsError: The file is missing, damaged, of another network or of another config; the
            message names the file and the key.
    """
    path = (weights_folder() if folder is None else folder) / f"{name}{SUFFIX}"
    header, tensors = _parse(path, _read(path))
    if header.network != name:
        raise WeightsError(
            f"{path}: holds the network {header.network!r}, not {name!r}. "
            f"Put the right file there; `restore weights list` shows them."
        )
    config = read_config(getattr(network_class, "config_class", None), header.config, str(path))
    with torch.random.fork_rng(devices=[]):
        network = network_class(config)
    _check_tensors(path, network.state_dict(), tensors)
    network.load_state_dict(tensors, strict=True)
    return network.eval().requires_grad_(False)


def read_header(path: Path) -> Header:
    """Read what a file says of itself.

    Raises:
        WeightsError: The file is missing, damaged, or not one of ours.
    """
    return _parse(path, _read(path))[0]


def _read(path: Path) -> bytes:
    """Read a whole file and compare it with its manifest entry, if it has one."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsError(
            f"{path}: no such file. See `restore weights path` and `restore weights verify`; "
            f"reinstall the package to get the shipped weights back."
        ) from error
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read ({error.strerror}). Check its permissions."
        ) from error
    entry = read_manifest(path.parent).get(path.stem)
    if entry is None:
        return content
    if len(content) != entry.bytes:
        raise WeightsError(
            f"{path}: {len(content)} bytes instead of {entry.bytes}; cut off or replaced. "
            f"Reinstall the package."
        )
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise WeightsError(
            f"{path}: its SHA-256 is not the manifest's; damaged or replaced. "
            f"Reinstall the package."
        )
    return content


def _parse(path: Path, content: bytes) -> tuple[Header, dict[str, Tensor]]:
    if content[:4] == b"PK\x03\x04" or (content[:1] == b"\x80" and content[1:2] in b"\2\3\4\5"):
        raise WeightsError(f"{path}: is a pickle; use `restore weights import` to convert it.")
    length = int.from_bytes(content[:8], "little")
    if length > _HEADER_LIMIT:
        raise WeightsError(
            f"{path}: not a safetensors file (its header would have {length} bytes). "
            f"Reinstall the package."
        )
    try:
        tensors = load_safetensors(content)
        about = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][METADATA_KEY])
        header = Header(
            network=about["network"],
            config=dict(about["config"]),
            recipe=dict(about["recipe"]),
            parameters=sum(tensor.numel() for tensor in tensors.values()),
        )
    except SafetensorError as error:
        raise WeightsError(
            f"{path}: not a whole safetensors file ({error}). Reinstall the package."
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path}: its header does not say which network it holds ({METADATA_KEY!r}). "
            f"Use a file that this tool wrote."
        ) from error
    return header, tensors


def _check_tensors(path: Path, expected: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    """Name the first tensor that does not fit, before torch lists hundreds."""
    missing = sorted(expected.keys() - tensors.keys())
    if missing:
        raise WeightsError(
            f"{path}: lacks the tensor {missing[0]} ({len(missing)} in all). "
            f"It was written by another version of the network."
        )
    unexpected = sorted(tensors.keys() - expected.keys())
    if unexpected:
        raise WeightsError(
            f"{path}: has the tensor {unexpected[0]}, which the network lacks "
            f"({len(unexpected)} in all). It was written by another version of the network."
        )
    for key, tensor in tensors.items():
        if tensor.shape != expected[key].shape:
            raise WeightsError(
                f"{path}: tensor {key} has the shape {tuple(tensor.shape)} instead of "
                f"{tuple(expected[key].shape)}. It was written by another version of the network."
            )
        if not torch.isfinite(tensor).all():
            raise WeightsError(
                f"{path}: tensor {key} has values that are not finite. Reinstall the package."
            )


def read_config(config_class: Any, values: Mapping[str, Any], subject: str) -> Any:  # noqa: ANN401
    """Build a config from what JSON gave.

    Args:
        config_class: A dataclass.
        values: One value a field, lists for tuples.
        subject: What messages begin with: the file's name.

    Returns:
        An instance of `config_class`.

    Raises:
        WeightsError: A key is unknown, missing, of the wrong type, or refused by the dataclass.
    """
    assert dataclasses.is_dataclass(config_class), "a network class names its config_class"
    hints = typing.get_type_hints(config_class)
    names = [field.name for field in dataclasses.fields(config_class)]
    for key in sorted(values.keys() - set(names)):
        raise WeightsError(
            f"{subject}: unknown config key {key!r}. It was written by another version."
        )
    for key in names:
        if key not in values:
            raise WeightsError(
                f"{subject}: lacks the config key {key!r}. It was written by another version."
            )
    try:
        fields = {key: _value(hints[key], values[key], key) for key in names}
        return config_class(**fields)  # type: ignore[operator]  # a class, not an instance
    except (TypeError, ValueError) as error:
        raise WeightsError(
            f"{subject}: impossible config ({error}). Reinstall the package."
        ) from error


def _value(hint: Any, value: Any, key: str) -> Any:  # noqa: ANN401
    """Turn one JSON value into what the annotation asks for, or raise TypeError naming the key."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, list):
        return _tuple(arguments, value, key)
    if origin in (Union, types.UnionType) and type(None) in arguments:
        if value is None:
            return None
        (only,) = (argument for argument in arguments if argument is not type(None))
        return _value(only, value, key)
    if origin is Literal and value in arguments:
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint in (int, bool, str) and type(value) is hint:
        return value
    raise TypeError(f"key {key!r} is {value!r}, expected {hint}")


def _tuple(arguments: tuple[Any, ...], value: list[Any], key: str) -> tuple[Any, ...]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_value(arguments[0], item, key) for item in value)
    if len(arguments) != len(value):
        raise TypeError(f"key {key!r} has {len(value)} values, expected {len(arguments)}")
    return tuple(_value(hint, item, key) for hint, item in zip(arguments, value, strict=True))
