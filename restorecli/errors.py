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

import errno
import os
import re


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
    r"""A file's name as it can stand in a message of one line, and be pasted into a shell.

    A name with bytes that are no text, or with letters that would move a terminal's cursor, is
    quoted as `ls` does it: `$'a\xff.jpg'`.
    """
    text = str(name)
    if text.isprintable():
        return text
    return "$'" + "".join(map(_escaped, text)) + "'"


def one_line(message: str) -> str:
    """A message whose names are `printable`; its subject is what stands before the first colon."""
    if message.isprintable():
        return message
    subject, colon, rest = message.partition(": ")
    words = rest.split(" ") if colon else []
    return printable(subject) + colon + " ".join(map(printable, words))


def means_no_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, where a library of C is loaded too."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    kinds = RuntimeError | ImportError | OSError | UserWarning
    foreign = isinstance(error, kinds) or type(error).__module__ == "cv2"
    return foreign and _NO_MEMORY.search(str(error)) is not None


_NO_MEMORY = re.compile(
    r"out of memory|can(no|')t allocate memory|not enough memory|alloc(ation)?[_ ]failed"
    r"|insufficient memory|failed to allocate"
    r"|failed to map segment|could not create a (primitive|memory)|bad_alloc",
    re.IGNORECASE,
)


def _escaped(letter: str) -> str:
    if letter in "\\'":
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(letter))
