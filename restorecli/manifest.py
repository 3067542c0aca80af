"""The list of weights files: what each must hash to, and where it comes from.

`manifest.toml` lies beside the files and has one table a file, named like it without its suffix:
`sha256` and `bytes`, which are checked, and the history of the file (`recipe`, `commit`, `data`,
`scores`, ...), which is only shown. What is inside a file is the business of `restorecli.weights`.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from restorecli.assets import weights_folder
from restorecli.errors import WeightsError

MANIFEST = "manifest.toml"
SUFFIX = ".safetensors"
NETWORKS = (
    "denoiser",
    "relighter",
    "retinaface",
    "face_refiner",
    "face_vae",
    "second_look",
    "orsnet",
)


@dataclass(frozen=True, kw_only=True)
class ManifestEntry:
    """What the manifest says of one file.

    Attributes:
        sha256: Hash of the whole file, 64 lower-case hexadecimal digits.
        bytes: Size of the file.
        history: Everything else that was written down: recipe, commit, data, scores, device, date.
    """

    sha256: str
    bytes: int
    history: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A file that is in the folder, in the manifest, or should be.

    Attributes:
        name: Name without suffix, e.g. `"denoiser"`.
        path: Where it is, or where it was looked for.
        bytes: Size on disk; 0 if missing.
        sha256: Hash of what is on disk; empty if missing.
        status: `"ok"`; `"changed"`: not the file the manifest describes; `"missing"`; `"unlisted"`:
            there, but the manifest does not name it.
        history: The manifest's other fields; empty if unlisted.
    """

    name: str
    path: Path
    bytes: int
    sha256: str
    status: Literal["ok", "changed", "missing", "unlisted"]
    history: Mapping[str, Any] = field(default_factory=dict)


def sha256(path: Path) -> str:
    """Hash a whole file; 64 lower-case hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> dict[str, ManifestEntry]:
    """Read `manifest.toml`; a folder without one has no entries.

    Raises:
        WeightsError: The manifest cannot be opened, is not TOML, or an entry has no usable
            `sha256` and `bytes`.
    """
    path = folder / MANIFEST
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read ({error.strerror}). Check its permissions."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WeightsError(
            f"{path}: not readable as TOML ({error}). Reinstall the package."
        ) from error
    return {name: _entry(path, name, table) for name, table in tables.items()}


def write_manifest(folder: Path, entries: Mapping[str, ManifestEntry]) -> None:
    """Write `manifest.toml`, entries in the order of their names; `read_manifest` reads it back."""
    lines = ["# Written by training/export.py; sha256 and bytes are checked when a file is loaded."]
    for name in sorted(entries):
        entry = entries[name]
        table = {"sha256": entry.sha256, "bytes": entry.bytes, **entry.history}
        lines += ["", *_toml_table(_toml_key(name), table)]
    (folder / MANIFEST).write_text("\n".join(lines) + "\n", "utf-8", newline="\n")


def verify(folder: Path | None = None) -> list[WeightsFile]:
    """Compare every file with the manifest.

    Args:
        folder: Where the files are; None for the shipped ones.

    Returns:
        The product's networks in their order, then other files by name. Nothing is raised for a
        file that is missing or changed: its `status` says so.

    Raises:
        WeightsError: The manifest itself cannot be read.
    """
    folder = weights_folder() if folder is None else folder
    entries = read_manifest(folder)
    found = {path.stem for path in folder.glob(f"*{SUFFIX}")}
    others = sorted((found | set(entries)) - set(NETWORKS))
    return [_compare(folder, name, entries.get(name)) for name in (*NETWORKS, *others)]


def set_hash(folder: Path | None = None) -> str:
    """Name the whole set of files by 12 hexadecimal digits, or `"none"` if there is no file.

    Equal sets have equal hashes wherever they lie; any changed, added, removed or renamed file
    gives another one.
    """
    folder = weights_folder() if folder is None else folder
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if not files:
        return "none"
    lines = "".join(f"{path.name} {sha256(path)}\n" for path in files)
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def _entry(path: Path, name: str, table: object) -> ManifestEntry:
    fields = dict(table) if isinstance(table, dict) else {}
    digest, size = fields.pop("sha256", None), fields.pop("bytes", None)
    if not (isinstance(digest, str) and len(digest) == 64 and isinstance(size, int)):
        raise WeightsError(
            f"{path}: entry {name} has no sha256 of 64 digits and no size in bytes. "
            f"Reinstall the package."
        )
    return ManifestEntry(sha256=digest.lower(), bytes=size, history=fields)


def _compare(folder: Path, name: str, entry: ManifestEntry | None) -> WeightsFile:
    path = folder / f"{name}{SUFFIX}"
    history = {} if entry is None else entry.history
    if not path.is_file():
        return WeightsFile(
            name=name, path=path, bytes=0, sha256="", status="missing", history=history
        )
    digest, size = sha256(path), path.stat().st_size
    status: Literal["ok", "changed", "unlisted"] = "unlisted"
    if entry is not None:
        status = "ok" if (digest, size) == (entry.sha256, entry.bytes) else "changed"
    return WeightsFile(
        name=name, path=path, bytes=size, sha256=digest, status=status, history=history
    )


def _toml_table(name: str, table: Mapping[str, Any]) -> list[str]:
    lines = [f"[{name}]"]
    lines += [
        f"{_toml_key(key)} = {_toml_value(value)}"
        for key, value in table.items()
        if not isinstance(value, Mapping)
    ]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", *_toml_table(f"{name}.{_toml_key(key)}", value)]
    return lines


def _toml_key(key: str) -> str:
    bare = key.replace("_", "").replace("-", "")
    return key if bare.isascii() and bare.isalnum() else _json(key)


def _toml_value(value: object) -> str:
    """JSON's strings, booleans, finite numbers and arrays of these are TOML's as well."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if not isinstance(value, str | bool | int | float):
        raise TypeError(f"a {type(value).__name__} has no place in the manifest")
    return _json(value)


def _json(value: str | int | float) -> str:
    """TOML wants characters beyond the first plane as they are, and DEL escaped."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False).replace("\x7f", "\\u007f")
