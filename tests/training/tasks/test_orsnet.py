"""What ORSNet learns on: photos made small by several kernels."""

import pytest
import torch

from restorecli.metrics import ssim_per_image
from restorecli.networks.orsnet import ORSNet, ORSNetConfig
from training.tasks.orsnet import KERNELS, deepened, lacking, lanczos, reduce


@pytest.mark.parametrize("scale", [2, 4])
def test_lanczos_keeps_flat_areas_and_slopes(scale: int) -> None:
    matrix = lanczos(24, scale, torch.device("cpu"))
    assert matrix.shape == (24, 24 * scale)
    assert torch.allclose(matrix.sum(1), torch.ones(24))
    slope = (torch.arange(24 * scale) + 0.5) / scale - 0.5
    assert torch.allclose((matrix @ slope)[4:-4], torch.arange(24.0)[4:-4], atol=1e-3)


@pytest.mark.parametrize("number", range(len(KERNELS)))
def test_every_kernel_keeps_the_mean(number: int) -> None:
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    small = reduce(image, 2, torch.tensor([number * 4096]))
    assert small.shape == (2, 3, 32, 32)
    assert abs(float(small.mean() - image.mean())) < 0.01


def test_structure_is_asked_of_what_was_under_a_pattern_alone() -> None:
    target = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    image = target.flip(3).requires_grad_()
    under = torch.tensor([False, True, True, False])
    lacks = 1 - ssim_per_image(image, target)
    value = lacking(image, target, under)
    assert torch.isclose(value, lacks[1:3].sum() / 4)
    value.backward()  # type: ignore[no-untyped-call]
    assert image.grad is not None
    assert [bool(part.any()) for part in image.grad] == under.tolist()
    assert lacking(image, target, torch.zeros(4, dtype=torch.bool)) == 0


def test_a_deeper_network_begins_as_the_shallow_one() -> None:
    torch.manual_seed(0)
    shallow, deep = (ORSNet(ORSNetConfig(width=4, blocks=blocks)) for blocks in ((1, 1), (3, 2)))
    for weight in shallow.heads.parameters():
        torch.nn.init.normal_(weight)
    deep.load_state_dict(deepened(shallow.state_dict(), deep))
    image = torch.rand(1, 3, 12, 10)
    assert torch.equal(deep(image, image, 2), shallow(image, image, 2))
    assert deep.get_parameter("blocks.0.pairs.2.first.weight").any()
