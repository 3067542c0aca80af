"""The shipped files: where they are, what weights must hash to, and where these come from.

Weights and the example pairs lie in a checkout or in a wheel. A checkout wins over the package's
own copy, because an editable install leaves a stale copy behind.

`manifest.toml` lies beside the weights and has one table a file, named like it without its suffix:
`sha256` and `bytes`, which are checked, and the history of the file (`recipe`, `commit`, `data`,
`scores`, ...), which is only shown. What is inside a file is the business of `restorecli.weights`.
"""

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from restorecli.errors import WeightsError

MANIFEST = "manifest.toml"
SUFFIX = ".safetensors"
NETWORKS = (
    "inspector",
    "residual_inspector",
    "tone_inspector",
    "denoiser",
    "relighter",
    "retinaface",
    "face_refiner",
    "face_vae",
    "second_look",
    "orsnet",
)
WEIGHTS_VARIABLE = "RESTORE_WEIGHTS"
Status = Literal["ok", "changed", "missing", "damaged", "unlisted"]
BAD: tuple[Status, ...] = ("changed", "missing", "damaged")
_PACKAGE = Path(__file__).resolve().parent


def weights_folder() -> Path:
    """Find the folder that holds `<network>.safetensors` and `manifest.toml`.

    Returns:
        What the environment variable `RESTORE_WEIGHTS` names, else `weights/` of the checkout, else
        the copy inside the installed package. Only the first is known to exist.

    Raises:
        WeightsError: `RESTORE_WEIGHTS` names something that is not a folder.
    """
    named = os.environ.get(WEIGHTS_VARIABLE)
    if named:
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise WeightsError(
                f"{named}: not a folder, but {WEIGHTS_VARIABLE} names it. "
                f"Unset {WEIGHTS_VARIABLE} to use the shipped weights."
            )
        return folder
    return _shipped("weights", "weights")


def example_pairs_folder() -> Path:
    """Find the small labelled set (`clean/` and `degraded/`) that the bench runs on by default."""
    return _shipped("examples/pairs", "pairs")


def _shipped(in_checkout: str, in_package: str) -> Path:
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file():
        return checkout / in_checkout
    return _PACKAGE / "_assets" / in_package


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
        bytes: Size on disk; 0 if missing or damaged.
        sha256: Hash of what is on disk; empty if missing or damaged.
        status: `"ok"`; `"changed"`: not the file the manifest describes; `"missing"`; `"damaged"`:
            cannot be read; `"unlisted"`: there, but the manifest does not name it.
        history: The manifest's other fields; empty if unlisted.
    """

    name: str
    path: Path
    bytes: int
    sha256: str
    status: Status
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


def verify(folder: Path | None = None) -> list[WeightsFile]:
    """Compare every file with the manifest.

    Args:
        folder: Where the files are; None for the shipped ones.

    Returns:
        The product's networks in their order, then other files by name. Nothing is raised for a
        file that is missing, changed or damaged: its `status` says so.

    Raises:
        WeightsError: The manifest itself cannot be read.
    """
    folder = weights_folder() if folder is None else folder
    entries = read_manifest(folder)
    present = {path.stem for path in folder.glob(f"*{SUFFIX}")}
    others = sorted((present | set(entries)) - set(NETWORKS))
    return [_compare(folder, name, entries.get(name)) for name in (*NETWORKS, *others)]


def set_hash(folder: Path | None = None) -> str:
    """Name the whole set of files by 12 hexadecimal digits, or `"none"` if there is no file.

    Equal sets have equal hashes wherever they lie; any changed, added, removed or renamed file
    gives another one.

    Raises:
        WeightsError: A file cannot be read.
    """
    folder = weights_folder() if folder is None else folder
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if not files:
        return "none"
    try:
        lines = "".join(f"{path.name} {sha256(path)}\n" for path in files)
    except OSError as error:
        raise WeightsError(
            f"{error.filename}: cannot be read ({error.strerror}). Check its permissions."
        ) from error
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
    try:
        digest, size = sha256(path), path.stat().st_size
    except OSError:
        digest, size = "", 0
    status: Status = "unlisted"
    if not digest:
        status = "damaged" if path.is_file() else "missing"
    elif entry is not None:
        status = "ok" if (digest, size) == (entry.sha256, entry.bytes) else "changed"
    return WeightsFile(
        name=name, path=path, bytes=size, sha256=digest, status=status, history=history
    )
