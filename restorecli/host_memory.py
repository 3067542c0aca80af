"""How much memory this process may still take, as Linux and its control groups see it.

A container's limit is not in `/proc/meminfo`, and a process that goes past it is killed without a
word; so both are asked and the smaller one counts. What is free is given back after each photo.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_UNKNOWN = 4 * 2**30  # where nothing can be asked
_FILES = {
    # limit, usage, and what of the usage is file cache that gives way: (v2, v1)
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def free_host_memory() -> int:
    """Give the bytes that can be allocated without swapping or being killed."""
    machine = _available()
    groups = [_left_in_group(folder, files) for folder, files in _groups()]
    return max(0, min([machine, *(left for left in groups if left is not None)]))


def _available() -> int:
    """Bytes available on the machine; off Linux, half of what is built in."""
    available = _table(_PROC / "meminfo").get("MemAvailable:")
    if available is not None:
        return available * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN


def _groups() -> list[tuple[Path, tuple[str, str, str]]]:
    """List the folders of our control groups and all groups around them, v2 and v1."""
    groups = []
    for line in _lines(_PROC / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        files = _FILES["memory" if controllers else ""]
        folder = _CGROUPS / ("memory" if controllers else "")
        groups.append((folder, files))
        for part in Path(path).parts[1:]:
            folder = folder / part
            groups.append((folder, files))
    return groups


def _left_in_group(folder: Path, files: tuple[str, str, str]) -> int | None:
    """Bytes left under a group's limit; None if it has none, or is not visible from here."""
    limit, usage = (_lines(folder / name) for name in files[:2])
    if not limit or not usage or not limit[0].isdigit():
        return None
    cache = _table(folder / "memory.stat").get(files[2], 0)
    return int(limit[0]) - int(usage[0]) + cache


def _table(path: Path) -> dict[str, int]:
    """Read lines of a name and a number."""
    rows = (line.split() for line in _lines(path))
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def give_back() -> None:
    """Return to the system what the allocator keeps of memory that is free.

    Photos of many sizes leave holes of many sizes in glibc's heap: after two thousand small ones
    a process held twice of what it used. This costs one or two milliseconds. Other systems'
    allocators are left to themselves.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], object] | None:
    """Find glibc's function; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    found: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found
