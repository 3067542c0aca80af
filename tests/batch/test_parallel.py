"""Tests of photos computed at once: in order, each by its share of the threads, and stoppable."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from restorecli import device
from restorecli.batch import parallel
from restorecli.batch.parallel import Reading, computed
from restorecli.photo import Photo
from restorecli.record import Outcome


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def photos(*sides: int) -> list[tuple[int, Reading]]:
    """Numbered photos that are read already."""
    tasks = []
    for number, side in enumerate(sides):
        reading: Reading = Future()
        reading.set_result(Photo(pixels=np.zeros((side, side, 3), np.uint8)))
        tasks.append((number, reading))
    return tasks


def pixels_of(reading: Reading) -> Photo:
    photo = reading.result()
    assert isinstance(photo, Photo)
    return photo


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 4))
def test_results_come_in_the_order_of_the_tasks(delays: list[int], at_once: int) -> None:
    def compute(number: int, reading: Reading) -> int:
        time.sleep(delays[number] / 1000)
        return pixels_of(reading).width

    results = list(computed(photos(*range(1, len(delays) + 1)), compute, at_once))
    assert results == [(number, number + 1) for number in range(len(delays))]


def test_so_many_are_computed_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=20)
    results = computed(photos(4, 4, 4), lambda *_: meeting.wait(), 3)
    assert sorted(place for _, place in results) == [0, 1, 2]


def test_an_outcome_in_place_of_a_photo_is_passed_on() -> None:
    skipped = Outcome(source="a.png", target="b.png", status="skipped")
    (first, second) = photos(4, 4)
    reading: Reading = Future()
    reading.set_result(skipped)
    tasks = [first, (7, reading), second]
    results = list(computed(tasks, lambda _, reading: reading.result(), 2))
    assert [number for number, _ in results] == [0, 7, 1]
    assert results[1][1] is skipped


def test_each_has_its_share_of_the_threads_and_a_large_photo_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parallel, "LARGE", 100)
    torch.set_num_threads(4)
    beside: set[str] = set()

    def compute(number: int, reading: Reading) -> int:
        name = threading.current_thread().name
        if pixels_of(reading).width > 10:
            assert name == threading.main_thread().name
            assert not beside
        beside.add(name)
        time.sleep(0.02)
        beside.discard(name)
        return torch.get_num_threads()

    threads = [count for _, count in computed(photos(4, 4, 11, 4, 12), compute, 2)]
    assert threads == [2, 2, 4, 2, 4]
    assert torch.get_num_threads() == 4


def test_closing_gives_up_what_is_being_computed() -> None:
    begun, ended = threading.Event(), threading.Event()

    def compute(number: int, _: Reading) -> int:
        if number == 0:
            begun.wait(20)
            return 0
        begun.set()
        try:
            while True:
                time.sleep(0.001)
        finally:
            ended.set()

    results = computed(photos(4, 4), compute, 2)
    assert next(results) == (0, 0)
    results.close()  # type: ignore[attr-defined]
    assert ended.is_set()
    assert not [one for one in threading.enumerate() if one.name.startswith("compute")]


def test_at_once_are_as_many_as_threads_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(4)
    for free, expected in ((2**40, 4), (3 * 2**30, 3), (0, 1)):
        monkeypatch.setattr(device, "free_memory", lambda _, free=free: free)
        assert device.photos_at_once(torch.device("cpu")) == expected
    assert device.photos_at_once(torch.device("cuda")) == 1
