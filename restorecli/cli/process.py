"""What the command makes of its process, and a library may not: signals, streams, threads, memory.

SIGTERM and a closed terminal stop the work as Ctrl-C does: what is being written is finished.
"""

import contextlib
import ctypes
import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from restorecli import host
from restorecli.errors import DeviceError, PhotoWriteError, RestoreError, means_no_memory, printable

STOPPING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP
_STREAM_FAILURES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF)

LOOKED = 0.05  # seconds, five ticks of the system's clock
SPARE = 0.5  # processors that others may use on a machine that counts as idle

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # parameters of glibc's mallopt
KEPT = 256 * 2**20  # bytes of one tensor; four times a level of 1024²
FREE = 2**30  # bytes that may lie free at the end of the heap


@contextmanager
def signals_stop_work() -> Iterator[None]:
    """Turn the signals that ask a process to end into `KeyboardInterrupt` while the block runs.

    Signals that are ignored, as under `nohup`, or that somebody else looks after stay as they are,
    and so does everything outside the main thread.

    Raises:
        SystemExit: The block ended with one after such a signal; its code is 128 and the signal's
            number, as shells have it.
    """
    signals: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        signals.append(number)
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    ours = [number for number in STOPPING if main and signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as end:
        if signals:
            raise SystemExit(128 + signals[0]) from end
        raise
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def open_streams() -> None:
    """Let output take names that no terminal can show; open what a service may have closed.

    A stream that is closed is opened on nothing, else the first file would get its number, and
    whatever a library says to standard error would end in a picture. A name that is no text goes
    to standard output byte by byte: the next program must find the file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  # for good
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            bytewise = stream is sys.stdout and stream.encoding.lower() in ("utf-8", "utf8")
            stream.reconfigure(errors="surrogateescape" if bytewise else "backslashreplace")


def was_closed(stream: object) -> bool:
    """Whether a standard stream leads nowhere, since there was none; see `open_streams`."""
    return getattr(stream, "name", None) == os.devnull


def name_on_stdout(path: str) -> str:
    """A path as standard output takes it: as it is for a program, `printable` on a terminal."""
    return printable(path) if sys.stdout.isatty() else path


def refusal(error: Exception) -> RestoreError | None:
    """Say in a sentence what ended the command though no photo, file or option is to blame.

    Args:
        error: What came through everything.

    Returns:
        None if it is a bug, and its traceback is of use.
    """
    if means_no_memory(error):
        return DeviceError(
            "memory: too little is free, or a limit is set (ulimit -v). "
            "Close other programs, or raise the limit."
        )
    if not isinstance(error, OSError):
        return None
    fact = (error.strerror or type(error).__name__).lower()
    if error.filename is not None:  # a fact about somebody's files
        return RestoreError(f"{printable(error.filename)}: {fact}. Check the path.")
    if error.errno in _STREAM_FAILURES:
        _give_up_output()
        return PhotoWriteError(f"<stdout>: could not be written ({fact}). Try a file.")
    return None


def say(message: str) -> None:
    """Write a line to standard error, if anybody takes it."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"restore: {message}\n")
        sys.stderr.flush()


def _give_up_output() -> None:
    """Let nothing more be written to standard output, which Python would try at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def silence_pillow() -> None:
    """Keep Pillow's warnings about odd files off the terminal: they end as notices or errors.

    `warnings.catch_warnings` around each file would not be safe: photos are read in threads.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def stop_where_torch_lacks_memory() -> None:
    """Make an error of the warning with which torch goes on without oneDNN, many times slower.

    It says that memory ran out; a smaller tile does better than a slow one.
    """
    warnings.filterwarnings("error", message="mkldnn_matmul failed", category=UserWarning)


def share_processors(*, computing: bool) -> None:
    """Say how PyTorch's threads wait for each other, and let them be no more than may run.

    OpenMP reads this when PyTorch is loaded, so it comes before; what the user has set stays. By
    default idle threads spin, which beside one other busy process costs two to four times the time,
    so they sleep. Waking them takes a quarter of the time of a photo on an idle machine: there they
    spin for a moment first (with libgomp, which PyTorch has on Linux).

    Args:
        computing: The command has something to compute: whether the machine is idle is looked at
            for `LOOKED` seconds.
    """
    ours = not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"} & os.environ.keys()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    allowed, processors = host.threads_allowed(), host.processors()
    if allowed < processors:  # and spinning would use up the quota
        os.environ.setdefault("OMP_NUM_THREADS", str(allowed))
    elif computing and ours and processors > 1:
        idle = host.idle_processors(LOOKED)
        if idle is not None and idle > processors - SPARE:
            os.environ["GOMP_SPINCOUNT"] = str(host.SPINS)


def keep_memory() -> None:
    """Let glibc keep the memory of tensors for the next ones, not give it back after each.

    What the system hands out anew it first fills with zeros, page by page. Other systems'
    allocators, and one that the user has set by `MALLOC_MMAP_THRESHOLD_`, are left to themselves.
    """
    if not sys.platform.startswith("linux") or "MALLOC_MMAP_THRESHOLD_" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, KEPT)
        mallopt(TRIM_THRESHOLD, FREE)
