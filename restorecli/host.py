"""Memory and processors of the host, within the limits of a container; PyTorch is not loaded.

What Linux and its control groups say: a container's limit is not in `/proc/meminfo`, and a process
that goes past it is killed without a word; so both are asked and the smaller one counts. A quota of
processor time is no affinity: threads beyond it only take turns waiting.
"""

import ctypes
import math
import mmap
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

SPINS = 7_000  # turns of a thread that waits for others before it sleeps: 0.1 to 0.4 ms

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
    groups = [
        _left_in_group(folder, _FILES[controller]) for folder, controller in _groups("memory")
    ]
    return max(0, min([machine, *(left for left in groups if left is not None)]))


def can_allocate(amount: int) -> bool:
    """Whether the system would hand out so many bytes in one piece; they are not touched."""
    try:
        mmap.mmap(-1, amount).close()
    except (MemoryError, OSError):
        return False
    return True


def _available() -> int:
    """Bytes available on the machine; off Linux, half of what is built in."""
    available = _table(_PROC / "meminfo").get("MemAvailable:")
    if available is not None:
        return available * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN


def _groups(controller: str) -> list[tuple[Path, str]]:
    """List the folders of our control groups and all groups around them.

    Returns:
        Each with `controller` where it is of version 1, with "" where of version 2.
    """
    groups = []
    for line in _lines(_PROC / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        version = controller if controllers else ""
        folder = _CGROUPS / version
        groups.append((folder, version))
        for part in Path(path).parts[1:]:
            folder = folder / part
            groups.append((folder, version))
    return groups


def _left_in_group(folder: Path, files: tuple[str, str, str]) -> int | None:
    """Bytes left under a group's limit; None if it has none, or is not visible from here."""
    limit, usage = (_lines(folder / name) for name in files[:2])
    if not limit or not usage or not limit[0].isdigit():
        return None
    cache = _table(folder / "memory.stat").get(files[2], 0)
    return int(limit[0]) - int(usage[0]) + cache


def processors() -> int:
    """Number of processors that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def processor_quota() -> float | None:
    """Processors' worth of time that control groups leave this process; None without a limit."""
    quotas = [_quota_of_group(folder, version) for folder, version in _groups("cpu")]
    return min((quota for quota in quotas if quota is not None), default=None)


def threads_allowed() -> int:
    """Threads that can run at the same time: by affinity and quota, rounded up."""
    quota = processor_quota()
    return processors() if quota is None else max(1, min(processors(), math.ceil(quota)))


def idle_processors(seconds: float) -> float | None:
    """Measure, while this process sleeps, how many of its processors nobody uses.

    Returns:
        Of `processors()`, in fractions; None where the system does not say.
    """
    before = _processor_times()
    time.sleep(seconds)
    shares = []
    for name, (idle, total) in _processor_times().items():
        idle_before, total_before = before.get(name, (idle, total))
        if total > total_before:
            shares.append((idle - idle_before) / (total - total_before))
    return sum(shares) if shares else None


def _processor_times() -> dict[str, tuple[int, int]]:
    """Ticks that each processor of ours was idle, and ticks in all, since the system started."""
    try:
        names = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    except AttributeError:  # not on this system
        return {}
    rows = (line.split() for line in _lines(_PROC / "stat"))
    ticks = {row[0]: [int(word) for word in row[1:9]] for row in rows if row[0] in names}
    return {name: (row[3] + row[4], sum(row)) for name, row in ticks.items()}


def _quota_of_group(folder: Path, version: str) -> float | None:
    """Quota over period of a group; None if it has none, or is not visible from here."""
    if version:
        rows = [_lines(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
        words = [row[0] for row in rows if row]
    else:
        rows = [_lines(folder / "cpu.max")]
        words = rows[0][0].split() if rows[0] else []
    if len(words) != 2 or not all(word.isdigit() for word in words) or words[1] == "0":
        return None  # "max" in version 2, -1 in version 1
    return int(words[0]) / int(words[1])


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
