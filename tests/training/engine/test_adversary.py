"""The adversary: who learns from which loss, and how much it may say."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from training.engine.adversary import MOST_PULL, PatchDiscriminator, balance, least_squares


def test_each_side_of_the_adversary_learns_from_its_own_loss() -> None:
    discriminator = PatchDiscriminator(4)
    real, drawn = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16, requires_grad=True)
    generator_loss, discriminator_loss = least_squares(discriminator, real, drawn)
    generator_loss.backward()  # type: ignore[no-untyped-call]
    assert drawn.grad is not None
    assert all(value.grad is None for value in discriminator.parameters())
    drawn.grad = None
    discriminator_loss.backward()  # type: ignore[no-untyped-call]
    assert drawn.grad is None
    assert all(value.grad is not None for value in discriminator.parameters())


def test_a_patch_is_judged_by_itself() -> None:
    torch.manual_seed(0)
    judge, image = PatchDiscriminator(4).requires_grad_(False), torch.rand(1, 3, 48, 48)
    assert judge(image).shape == (1, 1, 12, 12)
    other = image.clone()
    other[..., 40:] = 0
    same = (judge(image) == judge(other)).squeeze()
    assert same[:, :7].all()
    assert not same[:, -2:].any()


@settings(deadline=None)
@given(st.floats(0.01, 4), st.floats(0.01, 4))
def test_balanced_pulls_are_equal(truthful: float, fooling: float) -> None:
    layer = nn.Conv2d(2, 1, 1)
    drawn = layer(torch.ones(1, 2, 3, 3)).mean()
    pull = balance(truthful * drawn, -fooling * drawn, layer.weight)
    assert not pull.requires_grad
    assert float(pull) == pytest.approx(min(truthful / fooling, MOST_PULL), rel=1e-3)
