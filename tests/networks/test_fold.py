"""Batch norms folded into convolutions: the same answers, fewer layers."""

import pytest
import torch
from torch import nn

from restorecli.networks.blocks import fold_batch_norms
from restorecli.networks.face_refiner import FaceRefiner, FaceRefinerConfig
from restorecli.networks.retinaface import RetinaFace, RetinaFaceConfig


@pytest.mark.parametrize(
    "network",
    [RetinaFace(RetinaFaceConfig()), FaceRefiner(FaceRefinerConfig())],
    ids=["retinaface", "face_refiner"],
)
def test_folding_changes_nothing_but_the_number_of_layers(network: nn.Module) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        for _ in range(3):  # statistics other than 0 and 1
            network.train()(images)
        before = network.eval()(images)
        fold_batch_norms(network)
        after = network(images)
    for one, other in zip(before, after, strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def test_only_a_norm_behind_a_convolution_is_folded() -> None:
    row = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)).eval()
    fold_batch_norms(row)
    assert [type(part) for part in row] == [nn.BatchNorm2d, nn.Conv2d, nn.ReLU, nn.BatchNorm2d]
