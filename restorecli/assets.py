"""Where the shipped files are: weights and the example pairs, in a checkout or in a wheel.

A checkout wins over the package's own copy, because an editable install leaves a stale copy of the
assets behind. Nothing here opens a file.
"""

import os
from pathlib import Path

from restorecli.errors import WeightsError

WEIGHTS_VARIABLE = "RESTORE_WEIGHTS"
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
