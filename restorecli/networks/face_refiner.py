"""The second look at a face: a square cut around a find → is it one, and where exactly.

The network only. Cutting the squares and what its numbers mean in pixels is
`restorecli.faces.refinement`.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from restorecli.networks.blocks import activated

LEAK = 0.1
HALVINGS = 4
FLATTEST = 0.02  # deviation of a crop below which its contrast is mostly grain


@dataclass(frozen=True, kw_only=True)
class FaceRefinerConfig:
    """Sizes of a `FaceRefiner`.

    Attributes:
        size: Side of the crops in pixels; a multiple of 16.
        widths: Channels at 1/2, 1/4, 1/8 and 1/16 of the crop's size.
        summary: Numbers that the crop is summed up in.
    """

    size: int = 64
    widths: tuple[int, int, int, int] = (32, 48, 80, 128)
    summary: int = 128

    def __post_init__(self) -> None:
        """Refuse impossible sizes in a sentence.

        Raises:
            ValueError: A size is out of its bounds.
        """
        if self.size < 2**HALVINGS or self.size % 2**HALVINGS:
            raise ValueError(f"size {self.size} is not a multiple of {2**HALVINGS}")
        if min(*self.widths, self.summary) < 1:
            raise ValueError("widths and summary: only positive numbers")


class Refinements(NamedTuple):
    """What a `FaceRefiner` says of crops; places in sides of the crop, (0, 0) its upper left.

    Attributes:
        logits: (n,) log odds that the crop is centred on a face.
        boxes: (n, 4) x0, y0, x1, y1 of that face.
        landmarks: (n, 5, 2) in the order of `restorecli.faces.detections.Detections`.
    """

    logits: Float[Tensor, " n"]
    boxes: Float[Tensor, "n 4"]
    landmarks: Float[Tensor, "n 5 2"]


def _exposed(crops: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 3 s s"]:
    """The crops with mean 0 and deviation 1: how light or flat a face is says nothing."""
    crops = crops.float()
    mean = crops.mean((1, 2, 3), keepdim=True)
    deviation = crops.var((1, 2, 3), keepdim=True, correction=0).sqrt()
    return (crops - mean) / (deviation + FLATTEST)


class FaceRefiner(nn.Module):
    """Scores a crop and places box and landmarks in it.

    The last stage of a cascade as in Zhang et al., "Joint Face Detection and Alignment Using
    Multitask Cascaded Convolutional Networks" (IEEE SPL 2016), behind RetinaFace instead of two
    smaller networks: a face that fills its crop is seen at one size, whatever its size in the
    photo, and all that the network has goes to it.
    """

    config_class: ClassVar = FaceRefinerConfig

    def __init__(self, config: FaceRefinerConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        inputs = 3
        for width in config.widths:
            layers += [
                activated(inputs, width, stride=2, leak=LEAK),
                activated(width, width, leak=LEAK),
            ]
            inputs = width
        cells = (config.size >> HALVINGS) ** 2
        self.look = nn.Sequential(*layers)
        self.sum_up = nn.Sequential(
            nn.Flatten(), nn.Linear(inputs * cells, config.summary), nn.LeakyReLU(LEAK)
        )
        self.score = nn.Linear(config.summary, 1)
        self.place = nn.Linear(config.summary, 14)

    def forward(self, crops: Float[Tensor, "n 3 s s"]) -> Refinements:
        """Look at crops, RGB in [0, 1], of the config's size."""
        summary = self.sum_up(self.look(_exposed(crops)))
        places = torch.sigmoid(self.place(summary).float()) * 2 - 0.5
        return Refinements(
            self.score(summary).float()[:, 0], places[:, :4], places[:, 4:].reshape(-1, 5, 2)
        )
