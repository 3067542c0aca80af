"""RetinaFace: one pass over a photo gives face scores, boxes and five landmarks for every anchor.

The network only. Where the anchors lie and what its numbers mean in pixels is
`restorecli.faces.anchors`; running it on a photo of any size is `restorecli.faces.detection`.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.blocks import activated, convolution

Backbone = Literal["mobilenet0.25", "resnet50"]
ANCHORS_PER_CELL = 2
BOTTLENECK_EXPANSION = 4


@dataclass(frozen=True, kw_only=True)
class RetinaFaceConfig:
    """Shape of the network and of the numbers it wants.

    Attributes:
        backbone: `"mobilenet0.25"` (0.4 M parameters) or `"resnet50"` (27 M).
        channel_order: `"bgr"` for checkpoints trained on OpenCV's pictures.
        mean: Subtracted from the picture in [0, 1], in the order of `channel_order`.
        std: What the difference is divided by, same order.
    """

    backbone: Backbone = "mobilenet0.25"
    channel_order: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)

    def __post_init__(self) -> None:
        """Refuse a spread that nothing can be divided by.

        Raises:
            ValueError: A number of `std` is not positive.
        """
        if min(self.std) <= 0:
            raise ValueError(f"std {self.std}: only positive numbers")


class Predictions(NamedTuple):
    """Raw output for every anchor, in the order of `restorecli.faces.anchors.grid`.

    Attributes:
        boxes: Offsets (n, anchors, 4) relative to the anchors.
        logits: (n, anchors, 2), background before face; not yet a probability.
        landmarks: Offsets (n, anchors, 10): eye, eye, nose, mouth corner, mouth corner as x, y;
            left in the picture before right.
    """

    boxes: Float[Tensor, "n anchors 4"]
    logits: Float[Tensor, "n anchors 2"]
    landmarks: Float[Tensor, "n anchors 10"]


def separable(inputs: int, outputs: int, *, stride: int = 1, leak: float = 0.1) -> nn.Sequential:
    """MobileNet's block: a 3×3 convolution per channel, then a 1×1 convolution across them."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.LeakyReLU(leak, inplace=True),
        *convolution(inputs, outputs, kernel=1),
        nn.LeakyReLU(leak, inplace=True),
    )


class MobileNetQuarter(nn.Module):
    """MobileNet v1 (Howard et al. 2017) at a quarter of its width, without its classifier."""

    channels = (64, 128, 256)

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(
            activated(3, 8, stride=2, leak=0.1),
            separable(8, 16),
            separable(16, 32, stride=2),
            separable(32, 32),
            separable(32, 64, stride=2),
            separable(64, 64),
        )
        self.stage2 = nn.Sequential(
            separable(64, 128, stride=2), *(separable(128, 128) for _ in range(5))
        )
        self.stage3 = nn.Sequential(separable(128, 256, stride=2), separable(256, 256))

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/8, 1/16 and 1/32 of the picture's size."""
        fine = self.stage1(x)
        middle = self.stage2(fine)
        return fine, middle, self.stage3(middle)


class Bottleneck(nn.Module):
    """ResNet's three-convolution block (He et al. 2016), the stride in the 3×3 one."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * BOTTLENECK_EXPANSION
        self.conv1, self.bn1 = convolution(inputs, width, kernel=1)
        self.conv2, self.bn2 = convolution(width, width, stride=stride)
        self.conv3, self.bn3 = convolution(width, outputs, kernel=1)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(*convolution(inputs, outputs, kernel=1, stride=stride))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        """Input (or its projection) + residual, then ReLU."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + shortcut)


def bottlenecks(inputs: int, width: int, *, blocks: int, stride: int) -> nn.Sequential:
    """One stage of a ResNet; its first block reduces and widens."""
    outputs = width * BOTTLENECK_EXPANSION
    rest = (Bottleneck(outputs, width, 1) for _ in range(blocks - 1))
    return nn.Sequential(Bottleneck(inputs, width, stride), *rest)


class ResNet50(nn.Module):
    """ResNet-50 without its classifier, with torchvision's names."""

    channels = (512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(3, 64, kernel=7, stride=2)
        self.layer1 = bottlenecks(64, 64, blocks=3, stride=1)
        self.layer2 = bottlenecks(256, 128, blocks=4, stride=2)
        self.layer3 = bottlenecks(512, 256, blocks=6, stride=2)
        self.layer4 = bottlenecks(1024, 512, blocks=3, stride=2)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/8, 1/16 and 1/32 of the picture's size."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        fine = self.layer2(self.layer1(x))
        middle = self.layer3(fine)
        return fine, middle, self.layer4(middle)


class FeaturePyramid(nn.Module):
    """Carries what the coarse levels know down to the fine ones (Lin et al. 2017)."""

    def __init__(self, inputs: tuple[int, int, int], width: int, leak: float) -> None:
        super().__init__()
        self.output1 = activated(inputs[0], width, kernel=1, leak=leak)
        self.output2 = activated(inputs[1], width, kernel=1, leak=leak)
        self.output3 = activated(inputs[2], width, kernel=1, leak=leak)
        self.merge1 = activated(width, width, leak=leak)
        self.merge2 = activated(width, width, leak=leak)

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> list[Tensor]:
        """The same three levels, each `width` channels, finest first."""
        fine, middle, coarse = self.output1(fine), self.output2(middle), self.output3(coarse)
        middle = self.merge2(middle + F.interpolate(coarse, size=middle.shape[-2:]))
        fine = self.merge1(fine + F.interpolate(middle, size=fine.shape[-2:]))
        return [fine, middle, coarse]


class ContextModule(nn.Module):
    """SSH's context module (Najibi et al. 2017): windows of 3, 5 and 7 pixels side by side."""

    def __init__(self, width: int, leak: float) -> None:
        super().__init__()
        quarter = width // 4
        self.conv3X3 = nn.Sequential(*convolution(width, width // 2))
        self.conv5X5_1 = activated(width, quarter, leak=leak)
        self.conv5X5_2 = nn.Sequential(*convolution(quarter, quarter))
        self.conv7X7_2 = activated(quarter, quarter, leak=leak)
        self.conv7x7_3 = nn.Sequential(*convolution(quarter, quarter))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Same size, same number of channels."""
        wider = self.conv5X5_1(x)
        widest = self.conv7x7_3(self.conv7X7_2(wider))
        return F.relu(torch.cat([self.conv3X3(x), self.conv5X5_2(wider), widest], dim=1))


class Head(nn.Module):
    """One 1×1 convolution, reshaped to `values` numbers for each anchor."""

    def __init__(self, width: int, values: int) -> None:
        super().__init__()
        self.values = values
        self.conv1x1 = nn.Conv2d(width, ANCHORS_PER_CELL * values, 1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n anchors values"]:
        """Anchors row by row, the smaller one of a cell first."""
        cells: Tensor = self.conv1x1(x).permute(0, 2, 3, 1)
        return cells.reshape(x.shape[0], -1, self.values)


class RetinaFace(nn.Module):
    """RetinaFace: single-stage dense face localisation (Deng et al., CVPR 2020).

    Attribute names are those of the checkpoints published for `Pytorch_Retinaface` and
    `retinaface-pytorch`, so that these load through `restorecli.faces.import_retinaface`.
    """

    config_class: ClassVar = RetinaFaceConfig

    def __init__(self, config: RetinaFaceConfig) -> None:
        super().__init__()
        self.config = config
        small = config.backbone == "mobilenet0.25"
        self.body: MobileNetQuarter | ResNet50 = MobileNetQuarter() if small else ResNet50()
        width, leak = (64, 0.1) if small else (256, 0.0)
        self.fpn = FeaturePyramid(self.body.channels, width, leak)
        self.ssh1 = ContextModule(width, leak)
        self.ssh2 = ContextModule(width, leak)
        self.ssh3 = ContextModule(width, leak)
        self.ClassHead = nn.ModuleList(Head(width, 2) for _ in range(3))
        self.BboxHead = nn.ModuleList(Head(width, 4) for _ in range(3))
        self.LandmarkHead = nn.ModuleList(Head(width, 10) for _ in range(3))

    def forward(self, image: Float[Tensor, "n 3 h w"]) -> Predictions:
        """Predict for every anchor.

        Args:
            image: RGB in [0, 1], of any size.

        Returns:
            Offsets, logits and landmarks for the anchors of all three levels, finest first.
        """
        levels = self.fpn(*self.body(self._normalised(image)))
        contexts = [self.ssh1(levels[0]), self.ssh2(levels[1]), self.ssh3(levels[2])]

        def predicted(heads: nn.ModuleList) -> Tensor:
            return torch.cat([head(x) for head, x in zip(heads, contexts, strict=True)], dim=1)

        return Predictions(
            boxes=predicted(self.BboxHead),
            logits=predicted(self.ClassHead),
            landmarks=predicted(self.LandmarkHead),
        )

    def _normalised(self, image: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
        if self.config.channel_order == "bgr":
            image = image.flip(1)
        mean = image.new_tensor(self.config.mean).view(1, 3, 1, 1)
        std = image.new_tensor(self.config.std).view(1, 3, 1, 1)
        return (image - mean) / std
