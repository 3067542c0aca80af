"""Divergences of normal distributions, against those of `torch.distributions`."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from training.engine.losses import divergence


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_divergences_are_those_of_torch(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    one, other = (
        (torch.randn(2, 3, 4, generator=generator), torch.randn(2, 3, 4, generator=generator))
        for _ in range(2)
    )
    normals = [Normal(mean, (0.5 * spread).exp()) for mean, spread in (one, other)]
    standard = Normal(torch.zeros(()), torch.ones(()))
    torch.testing.assert_close(divergence(one, other), kl_divergence(*normals).mean())
    torch.testing.assert_close(divergence(one), kl_divergence(normals[0], standard).mean())
    assert float(divergence(one, one)) < 1e-6
