"""Steps without the host: as those of the loop, broken batches are passed over."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from training.engine.captured import CapturedStep
from training.engine.feed import Batch
from training.engine.optimizer import Optimizer

RATE, SHARE = 0.01, 0.25


def losses(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    return {"square": (network(batch["image"]) - batch["target"]).square().mean()}


def batch(seed: int) -> Batch:
    image = torch.rand(4, 8, 9, 9, generator=torch.Generator().manual_seed(seed))
    return {"image": image, "target": 100 * image}


def network() -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 8, 3, padding=1))
    return made.to(memory_format=torch.channels_last)  # type: ignore[no-any-return,call-overload]


def step(optimizer: str = "muon") -> tuple[CapturedStep, nn.Module, nn.Module, Optimizer]:
    trained = network()
    average = copy.deepcopy(trained)
    handle = Optimizer(trained, optimizer, weight_decay=0.1)
    return CapturedStep(trained, average, handle, losses, low=False), trained, average, handle


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_steps_are_those_of_the_loop(optimizer: str) -> None:
    captured, trained, average, _ = step(optimizer)
    other = network()
    mean = copy.deepcopy(other)
    handle = Optimizer(other, optimizer, weight_decay=0.1)
    for number in range(3):
        terms = captured(batch(number), RATE, SHARE)
        plain = losses(other, batch(number))
        plain["square"].backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(other.parameters(), 1.0)
        handle.step(RATE)
        with torch.no_grad():
            for kept, value in zip(mean.parameters(), other.parameters(), strict=True):
                kept.lerp_(value, SHARE)
        assert float(terms["square"]) == pytest.approx(plain["square"].item(), rel=1e-5)
    for ours, theirs in ((trained, other), (average, mean)):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-6)
    assert captured.skipped == 0


def test_nothing_is_learnt_from_a_batch_that_is_not_finite() -> None:
    captured, trained, average, handle = step()
    captured(batch(0), RATE, SHARE)
    before = copy.deepcopy((trained.state_dict(), average.state_dict()))
    for bad in (math.nan, math.inf):
        broken = batch(1)
        broken["target"][0, 0, 0, 0] = bad
        assert float(captured(broken, RATE, SHARE)["square"]) == 0
    assert captured.skipped == 2
    for network_before, now in zip(before, (trained, average), strict=True):
        for name, value in now.state_dict().items():
            assert torch.equal(value, network_before[name])
    assert all(bool(value.isfinite().all()) for value in handle.copy_state().values())
    captured(batch(2), RATE, SHARE)
    assert all(bool(value.isfinite().all()) for value in trained.parameters())


@pytest.mark.parametrize("steps_before", [0, 2])
def test_where_capturing_fails_steps_are_plain_and_nothing_is_lost(
    steps_before: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trial steps leave neither weights nor state changed."""
    captured, trained, _, _ = step()
    plain, other, _, _ = step()
    for number in range(steps_before):
        captured(batch(number), RATE, SHARE)
        plain(batch(number), RATE, SHARE)

    def fail(values: Batch) -> None:
        for _ in range(3):
            captured._step(values)
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(captured, "_captures", True)
    monkeypatch.setattr(captured, "_capture", fail)
    for number in range(5, 8):
        captured(batch(number), RATE, SHARE)
        plain(batch(number), RATE, SHARE)
    assert capsys.readouterr().out.splitlines() == [
        "no CUDA graph, plain steps: operation not permitted when stream is capturing"
    ]
    for a, b in zip(trained.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
