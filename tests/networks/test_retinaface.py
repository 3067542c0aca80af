"""RetinaFace: names of the published checkpoints, size law, normalisation, gradients."""

import pytest
import torch

from restorecli.faces import anchors
from restorecli.networks.retinaface import Backbone, RetinaFace, RetinaFaceConfig

MOBILENET_NAMES = {
    "body.stage1.0.0.weight": (8, 3, 3, 3),
    "body.stage1.0.1.running_mean": (8,),
    "body.stage1.1.0.weight": (8, 1, 3, 3),
    "body.stage1.5.3.weight": (64, 64, 1, 1),
    "body.stage2.5.4.weight": (128,),
    "body.stage3.1.3.weight": (256, 256, 1, 1),
    "fpn.output1.0.weight": (64, 64, 1, 1),
    "fpn.merge2.1.bias": (64,),
    "ssh1.conv3X3.0.weight": (32, 64, 3, 3),
    "ssh2.conv5X5_1.0.weight": (16, 64, 3, 3),
    "ssh3.conv7X7_2.0.weight": (16, 16, 3, 3),
    "ssh3.conv7x7_3.1.num_batches_tracked": (),
    "ClassHead.0.conv1x1.weight": (4, 64, 1, 1),
    "BboxHead.1.conv1x1.bias": (8,),
    "LandmarkHead.2.conv1x1.weight": (20, 64, 1, 1),
}
RESNET_NAMES = {
    "body.conv1.weight": (64, 3, 7, 7),
    "body.bn1.running_var": (64,),
    "body.layer1.0.downsample.0.weight": (256, 64, 1, 1),
    "body.layer2.3.conv2.weight": (128, 128, 3, 3),
    "body.layer4.2.bn3.bias": (2048,),
    "fpn.output3.0.weight": (256, 2048, 1, 1),
    "ssh1.conv3X3.0.weight": (128, 256, 3, 3),
    "ClassHead.2.conv1x1.weight": (4, 256, 1, 1),
}


@pytest.mark.parametrize(
    ("backbone", "names", "entries"),
    [("mobilenet0.25", MOBILENET_NAMES, 300), ("resnet50", RESNET_NAMES, 456)],
)
def test_published_names(
    backbone: Backbone, names: dict[str, tuple[int, ...]], entries: int
) -> None:
    state = RetinaFace(RetinaFaceConfig(backbone=backbone)).state_dict()
    assert {name: tuple(state[name].shape) for name in names} == names
    assert len(state) == entries


@pytest.mark.parametrize("backbone", ["mobilenet0.25", "resnet50"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 70), (64, 32)])
def test_one_answer_for_each_anchor(backbone: Backbone, height: int, width: int) -> None:
    network = RetinaFace(RetinaFaceConfig(backbone=backbone)).eval()
    with torch.inference_mode():
        predictions = network(torch.rand(2, 3, height, width))
    count = len(anchors.grid(height, width))
    assert [tuple(part.shape) for part in predictions] == [
        (2, count, 4), (2, count, 2), (2, count, 10),
    ]  # fmt: skip


def test_the_network_normalises_for_itself() -> None:
    torch.manual_seed(0)
    plain = RetinaFace(RetinaFaceConfig(mean=(0, 0, 0), std=(1, 1, 1))).eval()
    other = RetinaFaceConfig(channel_order="bgr", mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2))
    network = RetinaFace(other).eval()
    network.load_state_dict(plain.state_dict())
    image = torch.rand(1, 3, 40, 40)
    mean, std = torch.tensor(other.mean).view(3, 1, 1), torch.tensor(other.std).view(3, 1, 1)
    with torch.inference_mode():
        ours, theirs = network(image), plain((image[:, [2, 1, 0]] - mean) / std)
    for one, two in zip(ours, theirs, strict=True):
        assert torch.allclose(one, two, atol=1e-5)


def test_every_parameter_takes_part() -> None:
    torch.manual_seed(0)
    network = RetinaFace(RetinaFaceConfig())
    sum(part.square().sum() for part in network(torch.rand(2, 3, 96, 96))).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_impossible_configs_are_refused() -> None:
    with pytest.raises(ValueError, match="only positive"):
        RetinaFaceConfig(std=(1, 0, 1))
