"""The brightness network: whatever its weights, what it gives is a tone curve."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.networks.relighter import Relighter, RelighterConfig, knots


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.floats(0.1, 30))
def test_curves_rise_from_zero_to_one(seed: int, wildness: float) -> None:
    torch.manual_seed(seed)
    relighter = Relighter(RelighterConfig(width=4))
    with torch.no_grad():
        for value in relighter.decide.parameters():
            value.mul_(wildness)
        darkness, curve = relighter(torch.rand(2, 3, 64, 64))
    assert darkness.shape == (2,)
    assert (curve[:, 0] == 0).all()
    assert (curve.diff(dim=1) >= 0).all()
    torch.testing.assert_close(curve[:, -1], torch.ones(2))


def test_zero_answer_is_the_identity_curve() -> None:
    relighter = Relighter(RelighterConfig(width=4))
    for value in relighter.decide[-1].parameters():
        torch.nn.init.zeros_(value)
    curve = relighter(torch.rand(1, 3, 64, 64)).curve[0]
    torch.testing.assert_close(curve, knots(32))


def test_histogram_counts_what_is_at_or_below() -> None:
    relighter = Relighter(RelighterConfig(width=4, bins=4))
    half_dark = torch.zeros(1, 3, 64, 64)
    half_dark[..., 32:] = 0.5
    shares = relighter._histogram(half_dark)[0]
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.5, 1.0, 1.0]))


def test_it_is_small() -> None:
    count = sum(value.numel() for value in Relighter(RelighterConfig()).parameters())
    assert count <= 100_000


def test_impossible_sizes() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        RelighterConfig(thumbnail=20)
    with pytest.raises(ValueError, match="threshold"):
        RelighterConfig(threshold=1.0)
