"""Restore photographs of people from strong repeating-pattern noise.

The public names below are loaded when they are first used, so that importing the package, and with
it the command line, does not load PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from restorecli.errors import RestoreError
    from restorecli.faces.restore import FaceRecord
    from restorecli.options import Options
    from restorecli.photo import Photo
    from restorecli.pipeline import Restoration, Restorer

    __version__: str

__all__ = [
    "FaceRecord",
    "Options",
    "Photo",
    "Restoration",
    "RestoreError",
    "Restorer",
    "__version__",
]

_HOMES = {
    "FaceRecord": "restorecli.faces.restore",
    "Options": "restorecli.options",
    "Photo": "restorecli.photo",
    "RestoreError": "restorecli.errors",
    "Restoration": "restorecli.pipeline",
    "Restorer": "restorecli.pipeline",
}


def __getattr__(name: str) -> object:
    """Load a public name from the module it lives in."""
    if name == "__version__":
        metadata = import_module("importlib.metadata")
        try:
            return metadata.version("restorecli")
        except metadata.PackageNotFoundError:
            return "unknown"  # run from a checkout that is not installed
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
