"""Everything `restore` refuses to do, and the exit code each refusal ends with.

    RestoreError                1  something about the input; the message says what
    ├── PhotoReadError          1  not a picture, truncated, or not readable
    ├── PhotoTooLargeError      1  more pixels than the limit (decompression bombs)
    ├── PhotoWriteError         1  target exists, folder missing, disk full
    ├── DatasetError            1  a labelled set without pairs, or with pairs that do not fit
    ├── PlanError               2  a request that contradicts itself (two sources, one target)
    ├── WeightsError            3  a weights file is missing, damaged or of another network
    ├── DeviceError             4  no such device, or not enough memory at the smallest tile
    └── NothingToDoError        5  no input matched

Messages read `<subject>: <fact with numbers>. <what to do>`, lower case, one line. They are raised
where the fact is known and caught once, in `restorecli.cli.app`.
"""

import os


class RestoreError(Exception):
    """A refusal with a message for the user; anything else that escapes is a bug."""

    exit_code = 1


class PhotoReadError(RestoreError):
    """The file is not a picture that can be read."""


class PhotoTooLargeError(RestoreError):
    """The picture has more pixels than the limit."""


class PhotoWriteError(RestoreError):
    """The result cannot be written where it was asked for."""


class DatasetError(RestoreError):
    """A labelled set has no pairs, or pairs that do not fit together."""


class PlanError(RestoreError):
    """The request contradicts itself; nothing was done."""

    exit_code = 2


class WeightsError(RestoreError):
    """A weights file is missing, damaged, or belongs to another network."""

    exit_code = 3


class DeviceError(RestoreError):
    """The device does not exist or has too little memory."""

    exit_code = 4


class NothingToDoError(RestoreError):
    """No input matched, so there is nothing to restore."""

    exit_code = 5


def printable(name: str | os.PathLike[str]) -> str:
    """A file's name as it can stand in a message of one line."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(name)
    )
