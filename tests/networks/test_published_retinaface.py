"""Our RetinaFace against the network of `retinaface-pytorch`, on equal random weights.

Runs where that package is installed (`pip install --no-deps retinaface-pytorch torchvision`). Its
pins would drag in an old torch, hence `--no-deps`; and a torchvision without the operators of its
own build cannot be imported, hence the declared ones.
"""

import importlib.util
import warnings

import pytest
import torch
from torch import nn

from restorecli.faces import anchors
from restorecli.networks.retinaface import RetinaFace, RetinaFaceConfig

MISSING = [name for name in ("retinaface", "torchvision") if not importlib.util.find_spec(name)]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
OPERATORS = ("nms", "qnms")
HEIGHT, WIDTH = 97, 130


@pytest.fixture(scope="module", autouse=True)
def _torchvision() -> None:
    """Declare what torchvision registers for, without implementing it."""
    declared = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            declared.define(schema)  # type: ignore[no-untyped-call]
    globals()["_kept_alive"] = declared


def test_the_network_agrees() -> None:
    from retinaface.network import RetinaFace as Published

    torch.manual_seed(0)
    layers = {"layer2": 1, "layer3": 2, "layer4": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Published("Resnet50", False, 256, layers, 256).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    config = RetinaFaceConfig(backbone="resnet50", mean=(0, 0, 0), std=(1, 1, 1))
    ours = RetinaFace(config).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.randn(2, 3, HEIGHT, WIDTH)
    with torch.inference_mode():
        for one, two in zip(ours(image), theirs(image), strict=True):
            assert torch.allclose(one, two, atol=1e-4)


def test_anchors_and_decoding_agree() -> None:
    from retinaface.box_utils import decode, decode_landm
    from retinaface.prior_box import priorbox

    torch.manual_seed(0)
    sides, strides = [list(pair) for pair in anchors.SIDES], list(anchors.STRIDES)
    theirs = priorbox(sides, strides, False, (HEIGHT, WIDTH))
    ours = anchors.grid(HEIGHT, WIDTH)
    size = torch.tensor([WIDTH, HEIGHT] * 2)
    assert torch.allclose(theirs * size, ours, atol=1e-3)
    offsets, marks = torch.randn(len(ours), 4), torch.randn(len(ours), 10)
    variances = [anchors.CENTRE_VARIANCE, anchors.SIZE_VARIANCE]
    boxes = decode(offsets, theirs, variances) * size
    assert torch.allclose(boxes, anchors.decode_boxes(offsets, ours), atol=1e-3)
    points = decode_landm(marks, theirs, variances) * size[:2].repeat(5)
    assert torch.allclose(points, anchors.decode_landmarks(marks, ours).flatten(1), atol=1e-3)
