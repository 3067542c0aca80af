"""Free memory and processors: those of the machine, cut down to what control groups leave."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli import host

GIB = 2**30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend to be a Linux machine with 8 GiB available and no control groups."""
    monkeypatch.setattr(host, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(host, "_CGROUPS", tmp_path / "cgroup")
    write(tmp_path / "proc" / "meminfo", f"MemTotal: 99 kB\nMemAvailable: {8 * 2**20} kB\n")
    return tmp_path


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(content))


def test_this_machine_has_some() -> None:
    assert host.free_host_memory() > 2**20


def test_without_groups_the_machine_is_the_limit(machine: Path) -> None:
    assert host.free_host_memory() == 8 * GIB
    write(machine / "proc/self/cgroup", "0::/job\n")
    assert host.free_host_memory() == 8 * GIB


def test_version_2_limits_count_and_file_cache_does_not(machine: Path) -> None:
    write(machine / "proc/self/cgroup", "0::/slice/job\n")
    group = machine / "cgroup/slice/job"
    write(group / "memory.max", 3 * GIB)
    write(group / "memory.current", 2 * GIB)
    assert host.free_host_memory() == GIB
    write(group / "memory.stat", f"anon 5\ninactive_file {GIB // 2}\n")
    assert host.free_host_memory() == GIB + GIB // 2


def test_an_outer_group_counts_as_well(machine: Path) -> None:
    write(machine / "proc/self/cgroup", "0::/slice/job\n")
    write(machine / "cgroup/slice/job/memory.max", "max\n")
    write(machine / "cgroup/slice/job/memory.current", 0)
    write(machine / "cgroup/slice/memory.max", 2 * GIB)
    write(machine / "cgroup/slice/memory.current", GIB)
    assert host.free_host_memory() == GIB


def test_version_1_limits_count(machine: Path) -> None:
    write(machine / "proc/self/cgroup", "7:cpu,cpuacct:/job\n4:memory:/job\n1:name=systemd:/\n")
    write(machine / "cgroup/memory/memory.limit_in_bytes", 2 * GIB)
    write(machine / "cgroup/memory/memory.usage_in_bytes", GIB)
    write(machine / "cgroup/memory/memory.stat", "total_inactive_file 17\n")
    assert host.free_host_memory() == GIB + 17


def test_no_limit_in_version_1_is_a_huge_number(machine: Path) -> None:
    write(machine / "proc/self/cgroup", "4:memory:/\n")
    write(machine / "cgroup/memory/memory.limit_in_bytes", 2**63 - 4096)
    write(machine / "cgroup/memory/memory.usage_in_bytes", GIB)
    assert host.free_host_memory() == 8 * GIB


def test_a_group_past_its_limit_leaves_nothing(machine: Path) -> None:
    write(machine / "proc/self/cgroup", "0::/\n")
    write(machine / "cgroup/memory.max", GIB)
    write(machine / "cgroup/memory.current", 2 * GIB)
    assert host.free_host_memory() == 0


def test_off_linux_half_of_what_is_built_in(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "proc/meminfo").unlink()
    sizes = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", lambda name: sizes[name])
    assert host.free_host_memory() == 1000 * 4096 // 2


def test_where_nothing_can_be_asked_a_modest_guess(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "proc/meminfo").unlink()
    monkeypatch.delattr(os, "sysconf")
    assert host.free_host_memory() == 4 * GIB


def processors(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)), raising=False)


def test_without_a_quota_threads_are_the_processors(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processors(monkeypatch, 6)
    assert (host.processors(), host.processor_quota(), host.threads_allowed()) == (6, None, 6)
    write(machine / "proc/self/cgroup", "0::/job\n")
    write(machine / "cgroup/job/cpu.max", "max 100000\n")
    assert host.threads_allowed() == 6


def test_where_there_is_no_affinity_all_processors_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert host.processors() == os.cpu_count()


@given(quota=st.integers(1000, 10**7), period=st.integers(1000, 10**6), count=st.integers(1, 64))
def test_a_quota_of_version_2_rounds_up_to_threads(quota: int, period: int, count: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch, TemporaryDirectory() as folder:
        processors(monkeypatch, count)
        monkeypatch.setattr(host, "_PROC", Path(folder) / "proc")
        monkeypatch.setattr(host, "_CGROUPS", Path(folder) / "cgroup")
        write(Path(folder) / "proc/self/cgroup", "0::/job\n")
        write(Path(folder) / "cgroup/job/cpu.max", f"{quota} {period}\n")
        threads = host.threads_allowed()
    assert 1 <= threads <= count
    assert threads == count or threads - 1 < quota / period <= threads


def test_the_smallest_quota_counts_in_either_version(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processors(monkeypatch, 8)
    write(machine / "proc/self/cgroup", "7:cpu:/outer/job\n0::/slice\n")
    write(machine / "cgroup/cpu/outer/job/cpu.cfs_quota_us", -1)
    write(machine / "cgroup/cpu/outer/job/cpu.cfs_period_us", 100_000)
    assert host.processor_quota() is None
    write(machine / "cgroup/cpu/outer/cpu.cfs_quota_us", 250_000)
    write(machine / "cgroup/cpu/outer/cpu.cfs_period_us", 100_000)
    write(machine / "cgroup/slice/cpu.max", "500000 100000\n")
    assert (host.processor_quota(), host.threads_allowed()) == (2.5, 3)


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_giving_back_does_no_harm_anywhere(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    host._malloc_trim.cache_clear()
    host.give_back()
    assert (host._malloc_trim() is None) or system == "linux"
    host._malloc_trim.cache_clear()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux's account of a process")
def test_memory_that_is_free_is_given_back() -> None:
    if host._malloc_trim() is None:
        pytest.skip("another allocator than glibc's")
    pieces = [bytes(100_000) for _ in range(1000)]
    last = bytes(100_000)  # keeps the heap from shrinking by itself
    full = resident()
    del pieces
    host.give_back()
    assert resident() < full - 50_000_000
    assert len(last) == 100_000


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_what_can_be_allocated_is_asked_and_not_taken() -> None:
    assert host.can_allocate(2**20)
    assert not host.can_allocate(2**60)


@given(
    rows=st.lists(
        st.tuples(*[st.integers(0, 10**6)] * 8, *[st.integers(0, 1000)] * 8), min_size=1, max_size=9
    )
)
@settings(deadline=None)
def test_idle_are_the_ticks_of_our_processors_that_nobody_used(rows: list[tuple[int, ...]]) -> None:
    """A processor without a tick says nothing; one that is not ours does not count."""

    def stat(later: bool) -> str:
        ticks = [[row[i] + later * row[8 + i] for i in range(8)] for row in rows]
        words = [f"cpu{index} {' '.join(map(str, row))} 7 7" for index, row in enumerate(ticks)]
        return "\n".join(["cpu 1 2 3 4 5 6 7 8 9 10", *words, "cpu99 0 0 0 0 0 0 0 0", "intr 5"])

    with pytest.MonkeyPatch.context() as monkeypatch, TemporaryDirectory() as folder:
        processors(monkeypatch, len(rows))
        monkeypatch.setattr(host, "_PROC", Path(folder))
        write(Path(folder) / "stat", stat(later=False))
        monkeypatch.setattr("time.sleep", lambda _: write(Path(folder) / "stat", stat(later=True)))
        idle = host.idle_processors(0.05)
    passed = [row[8:] for row in rows if sum(row[8:])]
    if passed:
        assert idle == pytest.approx(sum((row[3] + row[4]) / sum(row) for row in passed))
    else:
        assert idle is None


def test_where_the_system_does_not_say_nothing_is_known_of_idle_processors(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert host.idle_processors(0) is None
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert host.idle_processors(0) is None
