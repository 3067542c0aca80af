"""Brighten a photo that was taken too dark, and leave every other one alone.

Here: the thumbnail, the decision, and the tone curve over the whole photo, strip by strip. The
network that estimates the curve is `restorecli.networks.relighter`.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.networks.relighter import LUMINANCE, Relighter, knots

Mode = Literal["auto", "on", "off"]
MAX_GAIN = 10.0  # the darkest luminances are not multiplied by more: there is mostly noise in them
PIXELS_AT_ONCE = 2**18  # pixels in a strip: about 16 MB of temporary memory
TABLE = 2048  # entries of the gain table, spaced evenly in √luminance
WHITE = 0.6  # luminance; dimming that counts as "too dark" leaves no more than 0.48
WHITES = 0.005  # share of the pixels; the date in a corner of a dark photo is less


def relight(
    image: Float[Tensor, "1 3 h w"],
    relighter: Relighter,
    mode: Mode,
    *,
    in_place: bool = False,
) -> tuple[Float[Tensor, "1 3 h w"], bool]:
    """Brighten a photo if it was taken too dark.

    Args:
        image: Whole photo, sRGB in [0, 1].
        relighter: On the same device.
        mode: `"auto"` acts only where the network is sure that the photo was taken too dark, and
            never on one that `has_whites`; `"on"` applies its curve always, `"off"` never.
        in_place: Write into `image`, so that no second photo has to be held.

    Returns:
        The photo and whether it was changed. If not, it is `image` itself, untouched.
    """
    gains = estimate(image, relighter, mode)
    if gains is None:
        return image, False
    target = image if in_place else torch.empty_like(image)
    rows = max(1, PIXELS_AT_ONCE // image.shape[-1])
    for top in range(0, image.shape[-2], rows):
        target[..., top : top + rows, :] = brighten(image[..., top : top + rows, :], gains)
    return target, True


def estimate(
    image: Float[Tensor, "1 3 h w"], relighter: Relighter, mode: Mode
) -> Float[Tensor, " table"] | None:
    """Decide, from the whole photo or a small copy of it, and make the curve ready to apply.

    A small copy of a dark page may have no whites left of thin letters; so give the whole.

    Returns:
        Gains for `brighten`, or None if the photo is to stay as it is.
    """
    if mode == "off" or (mode == "auto" and has_whites(image)):
        return None
    side = relighter.config.thumbnail
    thumbnail = F.adaptive_avg_pool2d(image, (side, side))
    darkness, curve = relighter(thumbnail)
    if mode == "auto" and torch.sigmoid(darkness.float()).item() < relighter.config.threshold:
        return None
    return gain_table(curve[0].float())


def has_whites(image: Float[Tensor, "1 3 h w"]) -> bool:
    """Whether more than `WHITES` of a photo are brighter than `WHITE`: then it got light enough.

    The network cannot see this: in its thumbnail white letters on black are a dark grey.
    """
    weights = image.new_tensor(LUMINANCE).view(1, 3, 1, 1)
    rows = max(1, PIXELS_AT_ONCE // image.shape[-1])
    strips = torch.split(image, rows, dim=-2)
    white = sum(int(((strip * weights).sum(1) > WHITE).sum()) for strip in strips)
    return white > WHITES * image.shape[-2] * image.shape[-1]


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
        gains: From `estimate`.

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
