"""Make a photo light that was taken too dark, and leave every other one alone.

Here: the thumbnail, the decision, and the tone curve, which is applied where pixels are read: so
all steps see a light photo. The network that estimates the curve is
`restorecli.networks.relighter`.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.networks.relighter import LUMINANCE, Relighter, knots
from restorecli.tiling.sources import Canvas, ImageSource
from restorecli.tiling.strips import in_strips

Mode = Literal["auto", "on", "off"]
Gains = Float[Tensor, " table"]
MAX_GAIN = 10.0  # the darkest luminances are not multiplied by more: there is mostly noise in them
TABLE = 2048  # entries of the gain table, spaced evenly in √luminance
WHITE = 0.6  # luminance; dimming that counts as "too dark" leaves no more than 0.48
SURE = 0.9  # probability from which on a photo is dark that did not look so under its pattern
WHITES = 0.005  # share of the pixels; the date in a corner of a dark photo is less
BLACK = 0.2  # luminance; dimming darkens blacks too, fading and a blank sheet have none
BLACKS = 0.01  # share of the pixels


class LitSource:
    """A photo, made light by a curve as it is read."""

    def __init__(self, source: ImageSource, gains: Gains) -> None:
        self._source, self._gains = source, gains

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self._source.height

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self._source.width

    def read(self, top: int, left: int, bottom: int, right: int) -> Float[Tensor, "1 3 h w"]:
        """Give the rectangle as sRGB in [0, 1]; it shares no memory with the photo."""
        return brighten(self._source.read(top, left, bottom, right), self._gains)


def lit(source: ImageSource, gains: Gains | None) -> ImageSource:
    """The photo as all steps see it: made light, or itself where there are no gains."""
    return source if gains is None else LitSource(source, gains)


def estimate(
    source: ImageSource,
    relighter: Relighter,
    mode: Mode,
    strength: float = 1.0,
    *,
    again: bool = False,
) -> Gains | None:
    """Decide, and make the curve ready to apply.

    Args:
        source: Whole photo, sRGB; it is read strip by strip.
        relighter: On the CPU.
        mode: `"auto"` acts only where the network is sure that the photo was taken too dark, and
            never on one that `is_light`; `"on"` always, `"off"` never.
        strength: Share of the change, in [0, 1].
        again: Whether the network is asked once more, of the photo without its pattern: then it
            must be surer.

    Returns:
        Gains for `brighten`, or None if the photo is to stay as it is.
    """
    if mode == "off" or not strength or (mode == "auto" and is_light(source)):
        return None
    darkness, curve = relighter(thumbnail(source, relighter.config.thumbnail))
    least = max(SURE, relighter.config.threshold) if again else relighter.config.threshold
    if mode == "auto" and torch.sigmoid(darkness.float()).item() < least:
        return None
    gains = gain_table(curve[0].float())
    return torch.lerp(torch.ones_like(gains), gains, strength)


def lighten(image: Canvas, gains: Gains) -> None:
    """Make a picture light, in place, strip by strip."""
    for top, strip in in_strips(image):
        image.write(top, 0, brighten(strip, gains))


def thumbnail(source: ImageSource, side: int) -> Float[Tensor, "1 3 side side"]:
    """A small square copy, each pixel the mean over its area, whatever the photo's proportions."""
    edges = [(source.height * row // side, -(source.height * (row + 1) // -side))
             for row in range(side)]  # fmt: skip
    strips = (source.read(top, 0, bottom, source.width) for top, bottom in edges)
    return torch.cat([F.adaptive_avg_pool2d(strip, (1, side)) for strip in strips], dim=2)


def is_light(source: ImageSource) -> bool:
    """Whether a photo has whites, more than `WHITES` above `WHITE`, or fewer blacks than `BLACKS`.

    Then it got light enough, or is faded or blank, which no light mends. The network cannot see
    this: in its thumbnail white letters on black are a dark grey.
    """
    area = source.height * source.width
    white = black = 0
    for _, strip in in_strips(source):
        weights = strip.new_tensor(LUMINANCE).view(1, 3, 1, 1)
        luminance = (strip * weights).sum(1)
        white += int((luminance > WHITE).sum())
        black += int((luminance < BLACK).sum())
        if white > WHITES * area:  # of a light photo only a part is read
            return True
    return black < BLACKS * area


def gain_table(curve: Float[Tensor, " knots"]) -> Float[Tensor, " table"]:
    """Factor on the luminance for `TABLE` luminances, spaced evenly in their square root."""
    root = torch.linspace(0, 1, TABLE, device=curve.device)
    place = root * (len(curve) - 1)
    left = place.long().clamp(max=len(curve) - 2)
    start, end = (
        knots(len(curve) - 1, curve.device)[left],
        knots(len(curve) - 1, curve.device)[left + 1],
    )
    luminance = root.square()
    share = (luminance - start) / (end - start)
    raised = torch.lerp(curve[left], curve[left + 1], share)
    gains = raised[1:] / luminance[1:]
    return torch.cat((gains[:1], gains)).clamp(max=MAX_GAIN)


def brighten(
    strip: Float[Tensor, "n 3 h w"], gains: Float[Tensor, " table"]
) -> Float[Tensor, "n 3 h w"]:
    """Apply a curve to part of a photo; each pixel depends on itself alone.

    All three channels are multiplied by one factor, which keeps the hue. A colour that would leave
    [0, 1] is drawn towards the grey of its new luminance, just as far as it must.

    Args:
        strip: sRGB in [0, 1]; not modified.
        gains: From `estimate`; 1 everywhere changes nothing.

    Returns:
        A new image in [0, 1].
    """
    weights = strip.new_tensor(LUMINANCE).view(1, 3, 1, 1)
    luminance = (strip * weights).sum(1, keepdim=True).clamp(0, 1)
    entry = luminance.sqrt().mul_(TABLE - 1).round_().long()
    gain = gains.to(strip.dtype)[entry]
    grey = (luminance * gain).clamp(max=1)
    raised = strip * gain
    peak = raised.amax(1, keepdim=True)
    keep = ((1 - grey) / (peak - grey).clamp(min=1e-6)).clamp(max=1)
    return torch.lerp(grey, raised, keep).clamp_(0, 1)
