"""Restore photographs of people from strong repeating-pattern noise.

The public names below are loaded when they are first used, so that importing the package, and with
it the command line, does not load PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from restorecli.errors import (
        DatasetError,
        DeviceError,
        NothingToDoError,
        PhotoReadError,
        PhotoTooLargeError,
        PhotoWriteError,
        PlanError,
        RestoreError,
        WeightsError,
    )
    from restorecli.faces.restore import FaceRecord
    from restorecli.options import Options
    from restorecli.photo import Metadata, Photo
    from restorecli.pipeline import Restoration, Restorer

    __version__: str

__all__ = [
    "DatasetError",
    "DeviceError",
    "FaceRecord",
    "Metadata",
    "NothingToDoError",
    "Options",
    "Photo",
    "PhotoReadError",
    "PhotoTooLargeError",
    "PhotoWriteError",
    "PlanError",
    "Restoration",
    "RestoreError",
    "Restorer",
    "WeightsError",
    "__version__",
]

_HOMES = {  # all others are errors
    "FaceRecord": "restorecli.faces.restore",
    "Metadata": "restorecli.photo",
    "Options": "restorecli.options",
    "Photo": "restorecli.photo",
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
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "restorecli.errors")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
