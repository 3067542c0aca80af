"""The network that says how far to believe the change of tone that the denoiser makes to a photo.

A raster that was drawn over a photo, or dots of ink, darken or fade it, and the denoiser takes that
back. Paper under raking light, noise, tape and four plates leave its tone as it was. Which of these
it was shows in what was taken away: how its values are spread, where in the photo's brightness,
over which frequencies. So statistics of it are enough, and a perceptron over them.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

_LUMA = (0.299, 0.587, 0.114)
_QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
_BLURS = (1, 2, 4, 8)  # px, standard deviations
_RINGS = (0.0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.22, 0.32, 0.5, 0.8)  # cycles a pixel
_STRONGEST = (1, 5, 17, 65, 257, 1025)  # frequencies whose share of all energy is told
_QUARTERS = 4  # of the pixels, by brightness
_FAINT, _SEEN = 1 / 255, 4 / 255  # of what was taken away
_CLIPPED = 0.01  # from black and from white
_FARTHEST = 5.0  # deviations from the mean at which a statistic is cut off
STATISTICS = 82
Image = Float[Tensor, "n 3 h w"]
Plane = Float[Tensor, "n h w"]
Flat = Float[Tensor, "n p"]


@dataclass(frozen=True, kw_only=True)
class ToneInspectorConfig:
    """Sizes of a `ToneInspector`.

    Attributes:
        hidden: Width of both hidden layers.
    """

    hidden: int = 64


class ToneInspector(nn.Module):
    """A perceptron over `statistics`."""

    config_class: ClassVar[type[ToneInspectorConfig]] = ToneInspectorConfig

    def __init__(self, config: ToneInspectorConfig) -> None:
        super().__init__()
        self.config = config
        self.middle: Tensor
        self.spread: Tensor
        self.register_buffer("middle", torch.zeros(STATISTICS))
        self.register_buffer("spread", torch.ones(STATISTICS))
        self.look = nn.Sequential(
            nn.Linear(STATISTICS, config.hidden), nn.PReLU(config.hidden), nn.Dropout(0.2),
            nn.Linear(config.hidden, config.hidden), nn.PReLU(config.hidden),
        )  # fmt: skip
        self.decide = nn.Linear(config.hidden, 1)

    def forward(self, told: Float[Tensor, "n 82"]) -> Float[Tensor, " n"]:
        """Log odds that the change of tone is right, of the `statistics` of photos or patches."""
        odds: Tensor = self.decide(self.features(told))
        return odds[:, 0]

    def features(self, told: Float[Tensor, "n 82"]) -> Float[Tensor, "n c"]:
        """What it sees in `statistics`, `config.hidden` values."""
        scaled = (told - self.middle) / self.spread
        seen: Tensor = self.look(scaled.clamp(-_FARTHEST, _FARTHEST))
        return seen

    def standardise(self, told: Float[Tensor, "n 82"]) -> None:
        """Take means and deviations of these `statistics` for those of all."""
        self.middle.copy_(told.mean(0))
        self.spread.copy_(told.std(0) + 1e-6)


def statistics(photo: Image, denoised: Image) -> Float[Tensor, "n 82"]:
    """Statistics of what the denoiser took away, of photos or patches in [0, 1], of any size."""
    taken = photo - denoised
    seen, left, luma = (_luma(picture) for picture in (photo, denoised, taken))
    deviation = _deviation(luma.flatten(1)) + 1e-4
    told = (
        *(taken.mean((2, 3)) * 20).unbind(1),
        *(_deviation(taken.flatten(2)) * 10).unbind(1),
        *_values(luma.flatten(1), deviation),
        *_by_brightness(luma.flatten(1), left.flatten(1), deviation),
        *_by_scale(luma, deviation),
        *_correlations(taken.flatten(2)),
        *_spectrum(luma),
        *_brightness(seen, left, photo, denoised),
    )
    return torch.stack(told, 1).float().nan_to_num()


def _values(luma: Flat, deviation: Float[Tensor, " n"]) -> list[Tensor]:
    """How the values are spread."""
    mean = luma.mean(1)
    scaled = (luma - mean[:, None]) / deviation[:, None]
    every = max(1, luma.shape[1] // 2**14)
    points = torch.tensor(_QUANTILES, device=luma.device)
    moments = [
        mean / deviation,
        deviation.log(),
        scaled.pow(3).mean(1),
        scaled.pow(4).mean(1).log1p(),
    ]
    shares = (luma.abs() < _FAINT, luma.abs() < _SEEN, luma > _SEEN, luma < -_SEEN)
    quantiles = torch.quantile(scaled[:, ::every], points, dim=1)
    return moments + list(quantiles) + [share.float().mean(1) for share in shares]


def _by_brightness(luma: Flat, left: Flat, deviation: Float[Tensor, " n"]) -> list[Tensor]:
    """What was taken from each quarter of the pixels, from the darkest to the brightest."""
    order = left.argsort(1)
    told: list[Tensor] = []
    for places in order.tensor_split(_QUARTERS, 1):
        values = luma.gather(1, places)
        mean, own = values.mean(1), _deviation(values) + 1e-4
        skew = ((values - mean[:, None]) / own[:, None]).pow(3).mean(1)
        brightness = left.gather(1, places).mean(1)
        told += [mean * 20, own * 10, mean / deviation, own / deviation, skew, brightness]
    return told


def _by_scale(luma: Plane, deviation: Float[Tensor, " n"]) -> list[Tensor]:
    """How much is left of it blurred, and between neighbours along both axes, the lesser first."""
    flat = luma - luma.mean((1, 2), keepdim=True)
    blurred = [
        _gaussian(luma.shape[1], sigma, luma) @ flat @ _gaussian(luma.shape[2], sigma, luma).T
        for sigma in _BLURS
    ]
    steps = [luma.diff(dim=axis).flatten(1) for axis in (1, 2)]
    across = torch.stack([_deviation(step) for step in steps]).nan_to_num().sort(0).values
    planes = torch.stack([_deviation(plane.flatten(1)) for plane in blurred])
    return list((torch.cat((planes, across)) / deviation + 1e-3).log())


def _correlations(taken: Float[Tensor, "n 3 p"]) -> list[Tensor]:
    """Of red and green, red and blue, green and blue."""
    flat = taken - taken.mean(2, keepdim=True)
    covariance = flat @ flat.mT / flat.shape[2]
    own = covariance.diagonal(dim1=1, dim2=2).clamp(min=1e-8).sqrt()
    return [
        covariance[:, one, other] / (own[:, one] * own[:, other])
        for one, other in ((0, 1), (0, 2), (1, 2))
    ]


def _spectrum(luma: Plane) -> list[Tensor]:
    """Shares of its energy in rings and in the strongest frequencies, and where that one is."""
    height, width = luma.shape[1:]
    down, across = (torch.hann_window(side, device=luma.device) for side in (height, width))
    flat = luma - luma.mean((1, 2), keepdim=True)
    energy = torch.fft.rfft2(flat.float() * (down[:, None] * across)).abs().square().flatten(1)
    energy = energy / (energy.sum(1, keepdim=True) + 1e-9)
    rows = torch.fft.fftfreq(height, device=luma.device)[:, None].abs()
    columns = torch.fft.rfftfreq(width, device=luma.device)[None]
    far = torch.hypot(rows, columns).flatten()
    rings = [(energy * ((far >= low) & (far < high))).sum(1) for low, high in pairwise(_RINGS)]
    running = energy.sort(1, descending=True).values.cumsum(1)
    last = running.shape[1] - 1
    strongest = energy.argmax(1)
    axes = torch.stack(
        [axis.expand(height, columns.shape[1]).flatten() for axis in (rows, columns)]
    )
    direction = (axes[:, strongest] / (far[strongest] + 1e-6)).sort(0).values
    shares = [running[:, min(count - 1, last)] for count in _STRONGEST]
    return [*rings, *shares, far[strongest], *direction]


def _brightness(seen: Plane, left: Plane, photo: Image, denoised: Image) -> list[Tensor]:
    """Of the photo, and of what is left of it."""
    told = []
    for plane in (seen, left):
        told += [plane.mean((1, 2)), _deviation(plane.flatten(1))]
    for picture in (photo, denoised):
        black, white = picture < _CLIPPED, picture > 1 - _CLIPPED
        told += [black.float().mean((1, 2, 3)), white.float().mean((1, 2, 3))]
    return told


def _luma(picture: Image) -> Plane:
    return torch.einsum("c,nchw->nhw", picture.new_tensor(_LUMA), picture)


def _deviation(values: Float[Tensor, "*n p"]) -> Float[Tensor, "*n"]:
    """Standard deviation along the last axis, 0 of one value."""
    return (values - values.mean(-1, keepdim=True)).square().mean(-1).sqrt()


def _gaussian(length: int, sigma: float, like: Tensor) -> Float[Tensor, "length length"]:
    """Matrix that blurs along an axis."""
    place = torch.arange(length, device=like.device, dtype=like.dtype)
    weights = torch.exp(-0.5 * ((place[:, None] - place) / sigma) ** 2)
    return weights / weights.sum(1, keepdim=True)
