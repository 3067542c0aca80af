"""Upscale's network: size law for every head, and that it starts as the picture it was given."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from restorecli.networks.orsnet import ORSNet, ORSNetConfig, bicubic
from tests.networks.conftest import wake

TINY = ORSNetConfig(width=4, blocks=(1, 2))


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 9), (16, 8)])
def test_size_law(scale: int, height: int, width: int) -> None:
    image = torch.rand(2, 3, height, width)
    result = ORSNet(TINY)(image, image, scale)
    assert result.shape == (2, 3, height * scale, width * scale)
    assert result.dtype == torch.float32


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    scale=st.sampled_from([2, 4]),
    low=st.booleans(),
)
def test_bicubic_is_that_of_torch(height: int, width: int, scale: int, low: bool) -> None:
    image = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(height))
    expected = F.interpolate(image, scale_factor=float(scale), mode="bicubic")
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        assert torch.allclose(bicubic(image, scale), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("scale", [2, 4])
def test_untrained_it_enlarges_bicubically(scale: int) -> None:
    composed, degraded = torch.rand(2, 1, 3, 7, 8)
    picture = ORSNet(TINY)(composed, degraded, scale)
    assert torch.equal(picture, bicubic(composed, scale))


def test_one_set_of_features_serves_all_scales() -> None:
    network = ORSNet(TINY)
    wake(network)
    composed, degraded = torch.rand(2, 1, 3, 8, 8)
    features = network.features(composed, degraded)
    assert features.shape == (1, 4, 4, 4)
    for scale in (2, 4):
        picture = network.enlarged(features, composed, scale)
        assert torch.equal(picture, network(composed, degraded, scale))


def test_the_photo_as_it_came_is_seen() -> None:
    network = ORSNet(TINY)
    wake(network)
    composed, degraded = torch.rand(2, 1, 3, 8, 8)
    with_photo, without = network(composed, degraded, 2), network(composed, composed, 2)
    assert float((with_photo - without).detach().abs().max()) > 0.001


def test_every_parameter_takes_part() -> None:
    network = ORSNet(TINY)
    wake(network)
    image = torch.rand(1, 3, 8, 8)
    loss = sum(network(image, image, scale).square().mean() for scale in (2, 4))
    assert isinstance(loss, torch.Tensor)
    loss.backward()  # type: ignore[no-untyped-call]
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_unknown_scale() -> None:
    image = torch.rand(1, 3, 8, 8)
    with pytest.raises(KeyError):
        ORSNet(TINY)(image, image, 3)
