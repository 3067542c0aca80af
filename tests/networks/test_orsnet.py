"""Upscale's network: size law for every head, and that it starts as the picture it was given."""

import pytest
import torch
from torch.nn import functional as F

from restorecli.networks.orsnet import ORSNet, ORSNetConfig
from tests.networks.conftest import wake

TINY = ORSNetConfig(width=4, feature_width=3, blocks=(1, 2))


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 9), (16, 8)])
def test_size_law(scale: int, height: int, width: int) -> None:
    image = torch.rand(2, 3, height, width)
    result = ORSNet(TINY)(image, image, torch.rand(2, 3, height, width), scale)
    assert result.shape == (2, 3, height * scale, width * scale)
    assert result.dtype == torch.float32


def test_untrained_it_enlarges_bicubically() -> None:
    network, features = ORSNet(TINY), torch.rand(1, 3, 8, 8)
    composed, degraded = torch.rand(2, 1, 3, 8, 8)
    assert torch.equal(network(composed, degraded, features, 1), composed)
    enlarged = F.interpolate(composed, scale_factor=2.0, mode="bicubic")
    assert torch.equal(network(composed, composed, features, 2), enlarged)


def test_where_nothing_was_changed_the_residual_stands() -> None:
    torch.manual_seed(0)
    network = ORSNet(TINY)
    wake(network)
    composed, features = torch.rand(2, 1, 3, 24, 48)
    degraded = composed.clone()
    degraded[..., 24:] += 0.3
    hooked: list[torch.Tensor] = []
    network.heads["2"].register_forward_hook(lambda *parts: hooked.append(parts[2]))
    with torch.inference_mode():
        picture = network(composed, degraded, features, 2)
    enlarged = F.interpolate(composed, scale_factor=2.0, mode="bicubic")
    difference = (picture - enlarged - F.pixel_shuffle(hooked[0], 2)).abs()
    assert float(difference[..., :32].max()) < 1e-6
    assert float(difference[..., 64:].mean()) > 0.01


@pytest.mark.parametrize("scale", [2, 4])
def test_made_small_again_it_is_what_it_was_made_from(scale: int) -> None:
    """However wrong the residual is."""
    torch.manual_seed(0)
    network = ORSNet(TINY)
    wake(network)
    composed, degraded, features = torch.rand(3, 2, 3, 24, 24)
    hooked: list[torch.Tensor] = []
    network.heads[str(scale)].register_forward_hook(lambda *parts: hooked.append(parts[2]))
    with torch.inference_mode():
        picture = network(composed, degraded, features, scale)
    enlarged = F.interpolate(composed, scale_factor=float(scale), mode="bicubic")
    unprojected = enlarged + F.pixel_shuffle(hooked[0], scale)
    errors = [
        float(
            (F.interpolate(p, (24, 24), mode="bicubic", antialias=True) - composed).square().mean()
        )
        for p in (unprojected, picture)
    ]
    assert errors[1] < 0.3 * errors[0]


def test_every_parameter_takes_part() -> None:
    network = ORSNet(TINY)
    wake(network)
    image = torch.rand(1, 3, 8, 8)
    loss = sum(network(image, image, image, scale).square().mean() for scale in (1, 2, 4))
    assert isinstance(loss, torch.Tensor)
    loss.backward()  # type: ignore[no-untyped-call]
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_unknown_scale() -> None:
    image = torch.rand(1, 3, 8, 8)
    with pytest.raises(KeyError):
        ORSNet(TINY)(image, image, image, 3)
