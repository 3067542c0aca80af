"""What photos are read from and written to, as types."""

from io import BufferedReader, BufferedWriter, BytesIO
from typing import Protocol, runtime_checkable

Readable = BufferedReader | BytesIO  # binary and can be sought
Writable = BufferedWriter | BytesIO


@runtime_checkable
class Source(Protocol):
    """Any binary stream to read from, such as `sys.stdin.buffer`."""

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes, everything by default."""
        ...


@runtime_checkable
class Target(Protocol):
    """Any binary stream to write to, such as `sys.stdout.buffer`."""

    def write(self, data: bytes, /) -> object:
        """Write all of the bytes."""
        ...

    def flush(self) -> object:
        """Hand everything to the system."""
        ...
