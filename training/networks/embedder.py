"""A face as a point on a sphere: pictures of one photo's face near, others far."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.faces.alignment import feather_mask

MEASURES = Path(__file__).parents[1] / "weights"  # of the one that nothing learns with
GROUPS = 8  # of channels that are normalised together
LEAST_SPREAD = 0.02  # standard deviation of a face from which on it is not divided by less


@dataclass(frozen=True, kw_only=True)
class EmbedderConfig:
    """Sizes of an `Embedder`.

    Attributes:
        side: Of the aligned crop in pixels; a multiple of 2 to the number of widths.
        widths: Channels of the stages, each at half the size of the last.
        dimensions: Of the sphere's space.
    """

    side: int = 96
    widths: tuple[int, ...] = (16, 48, 96, 160)
    dimensions: int = 128

    def __post_init__(self) -> None:
        """Refuse impossible sizes in a sentence.

        Raises:
            ValueError: A size does not divide.
        """
        if self.side % 2 ** len(self.widths):
            raise ValueError(f"side {self.side} is not a multiple of {2 ** len(self.widths)}")
        if any(width % GROUPS for width in self.widths):
            raise ValueError(f"widths {self.widths} are not multiples of {GROUPS}")


class Embedder(nn.Module):
    """Residual convolutions over an aligned face, averaged.

    What lies outside the face step's oval is not seen, so hair, clothes and walls say little; the
    mean and the spread of the pixels within it are taken out, so light says little.
    """

    config_class: ClassVar[type[EmbedderConfig]] = EmbedderConfig
    oval: Tensor

    def __init__(self, config: EmbedderConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("oval", feather_mask(config.side), persistent=False)
        stages, inputs = list[nn.Module](), 3
        for width in config.widths:
            stages += [nn.Conv2d(inputs, width, 3, stride=2, padding=1), _Residual(width)]
            inputs = width
        self.stages = nn.Sequential(*stages)
        self.last = nn.Linear(inputs, config.dimensions)

    def forward(self, faces: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """Unit vectors of faces in [0, 1], cut by `restorecli.faces.alignment.align`."""
        count = 3 * self.oval.sum()
        centred = (faces - (faces * self.oval).sum((1, 2, 3), keepdim=True) / count) * self.oval
        spread = (centred.square().sum((1, 2, 3), keepdim=True) / count).sqrt()
        features = self.stages(centred / spread.clamp(min=LEAST_SPREAD))
        return F.normalize(self.last(features.mean((2, 3))).float(), dim=1)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.before = nn.GroupNorm(GROUPS, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.between = nn.GroupNorm(GROUPS, width)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(F.silu(self.before(x)))
        result: Tensor = x + self.second(F.silu(self.between(inner)))
        return result


def distance(one: Float[Tensor, "n d"], other: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Euclidean distance of unit vectors, row by row: 0 the same, √2 where nothing is shared."""
    return (one - other).square().sum(1).sqrt()


def rank_one(probes: Float[Tensor, "n d"], gallery: Float[Tensor, "n d"]) -> float:
    """Share of the probes whose nearest in the gallery is their own row."""
    nearest = (probes @ gallery.T).argmax(1)
    return float((nearest == torch.arange(len(probes), device=nearest.device)).float().mean())


def roc_area(probes: Float[Tensor, "n d"], gallery: Float[Tensor, "n d"]) -> float:
    """Chance that a probe is nearer to its own row than any probe is to another's row.

    The area under the receiver operating characteristic of "same or other" over all pairs.
    """
    cosines = probes @ gallery.T
    own = torch.eye(len(probes), dtype=torch.bool, device=cosines.device)
    same, others = cosines[own], cosines[~own]
    above = (same[:, None] > others).double() + 0.5 * (same[:, None] == others).double()
    return float(above.mean())
