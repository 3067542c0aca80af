"""How PyTorch's threads wait: asleep, or for a moment awake where the machine is idle."""

import os
from collections.abc import Callable

import pytest

from restorecli import host
from restorecli.cli import process

VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")
Share = Callable[..., dict[str, str]]


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> Share:
    """Share four processors of a pretended machine; give what is in the environment then."""

    def share(
        *, idle: float | None = 4.0, allowed: int = 4, computing: bool = True, **user: str
    ) -> dict[str, str]:
        for name in VARIABLES:
            monkeypatch.setenv(name, "")  # so that what is set below is undone after the test
            monkeypatch.delenv(name)
        for name, value in user.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(host, "processors", lambda: 4)
        monkeypatch.setattr(host, "threads_allowed", lambda: allowed)
        monkeypatch.setattr(host, "idle_processors", lambda _: idle)
        process.share_processors(computing=computing)
        return {name: os.environ[name] for name in VARIABLES if name in os.environ}

    return share


def test_on_an_idle_machine_threads_spin_for_a_moment(share: Share) -> None:
    spinning = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": str(host.SPINS)}
    assert share(idle=4.0) == share(idle=3.6) == spinning


@pytest.mark.parametrize("idle", [3.5, 1.0, 0.0, None])
def test_beside_others_they_sleep(share: Share, idle: float | None) -> None:
    assert share(idle=idle) == {"OMP_WAIT_POLICY": "passive"}


def test_nobody_looks_where_nothing_is_computed(share: Share) -> None:
    assert share(computing=False) == {"OMP_WAIT_POLICY": "passive"}


def test_under_a_quota_threads_are_fewer_and_sleep(share: Share) -> None:
    assert share(allowed=2) == {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "2"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "9"), ("OMP_NUM_THREADS", "3")],
)
def test_what_the_user_has_set_stays(share: Share, name: str, value: str) -> None:
    assert share(**{name: value}) == {"OMP_WAIT_POLICY": "passive", name: value}
