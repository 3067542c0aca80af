"""The network that brightens dark photos: a thumbnail in, a tone curve out.

Here: whether a photo was taken too dark, and the curve that undoes it. Not here: when the curve is
used and how it is applied to a photo (`restorecli.relight`).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, on sRGB values


@dataclass(frozen=True, kw_only=True)
class RelighterConfig:
    """Sizes of a `Relighter`.

    Attributes:
        thumbnail: Side of the thumbnail in pixels; a multiple of 8.
        width: Channels of the convolutions.
        bins: Bins of the luminance histogram that the network sees beside the thumbnail.
        segments: Straight pieces of the tone curve.
        threshold: Darkness in [0, 1] from which on a photo counts as really dark.
    """

    thumbnail: int = 64
    width: int = 24
    bins: int = 48
    segments: int = 32
    threshold: float = 0.5

    def __post_init__(self) -> None:
        """Refuse impossible sizes in a sentence.

        Raises:
            ValueError: A size is out of its bounds.
        """
        if self.thumbnail < 16 or self.thumbnail % 8:
            raise ValueError(f"thumbnail {self.thumbnail} is not a multiple of 8 from 16 on")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold {self.threshold} does not lie between 0 and 1")


class Relighting(NamedTuple):
    """What a `Relighter` thinks of photos.

    Attributes:
        darkness: (n,) log odds that the photo was taken too dark, and not meant so.
        curve: (n, segments + 1) luminance in [0, 1] at the knots of `knots`; rises from 0 to 1.
    """

    darkness: Tensor
    curve: Tensor


def knots(segments: int, device: torch.device | None = None) -> Float[Tensor, " knots"]:
    """Luminances at which a curve is given: squares, so that most of them lie in the dark."""
    return torch.linspace(0, 1, segments + 1, device=device) ** 2


class Relighter(nn.Module):
    """Estimates the tone curve that undoes underexposure.

    After Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement" (CVPR
    2020), whose curves are applied where the photo is too; but supervised, one curve a photo, and
    a free monotone curve in place of iterated parabolas, since eightfold dimming needs a steep
    start and a flat end. The histogram's bins are spaced like the knots.
    """

    config_class: ClassVar[type[RelighterConfig]] = RelighterConfig

    def __init__(self, config: RelighterConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.look = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.SiLU(),
        )
        self.decide = nn.Sequential(
            nn.Linear(4 * width + config.bins, 96),
            nn.SiLU(),
            nn.Linear(96, 96),
            nn.SiLU(),
            nn.Linear(96, config.segments + 1),
        )
        # softmax of these is the identity curve: the network predicts the change to it
        steps = knots(config.segments).diff()
        self.identity: Tensor
        self.register_buffer("identity", steps.log(), persistent=False)

    def forward(self, thumbnail: Float[Tensor, "n 3 s s"]) -> Relighting:
        """Look at thumbnails, sRGB in [0, 1] (mean over each of their pixels' areas)."""
        features = self.look(thumbnail * 2 - 1)
        summary = torch.cat(
            (features.mean((2, 3)), features.amax((2, 3)), self._histogram(thumbnail)), 1
        )
        decided = self.decide(summary)
        steps = F.softmax(decided[:, 1:] + self.identity, dim=1)
        return Relighting(decided[:, 0], F.pad(steps.cumsum(1), (1, 0)).clamp(max=1))

    def _histogram(self, thumbnail: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n bins"]:
        """Share of the pixels at or below each of `bins` luminances, spaced like the knots."""
        weights = thumbnail.new_tensor(LUMINANCE).view(1, 3, 1, 1)
        luminance = (thumbnail * weights).sum(1).flatten(1)
        edges = knots(self.config.bins, thumbnail.device)[1:].to(luminance.dtype)
        return (luminance.unsqueeze(2) <= edges).to(luminance.dtype).mean(1)
