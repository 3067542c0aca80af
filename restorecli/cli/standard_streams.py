"""Standard input, output and error, whatever the program that started this one made of them."""

import os
import sys
from pathlib import Path


def make_ready() -> None:
    """Let output take names that no terminal can show; open what a service may have closed.

    A stream that is closed is opened on nothing, else the first file would get its number, and
    whatever a library says to standard error would end in a picture.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  # for good
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
