"""The photo's colours are the photo's: low frequencies of the result come from the source.

A pattern repeats within a few pixels. So over an area of several periods the restored picture has
the colour that the photo had there, up to one change of tone and white point for the whole photo: a
pattern may darken, fade or tint all of it alike, it cannot turn green into beige in one house.

    result + G(T(source) − result)     G: Gaussian blur, T: one line a channel, for all pixels

The line is what the restoration believes; as far as that is not believed, T is the identity, as in
the wavelet colour correction of StableSR (Wang et al. 2023).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.tiling.sources import Canvas, ImageSource
from restorecli.tiling.strips import ROWS, bands, in_strips

CELL = ROWS  # px along a side of the squares whose mean colours are compared
MOST_CELLS = 2**17  # that a line is fitted to: all of a photo of eight megapixels
SIGMA = 16.0  # px, of the blur that leaves large-scale colour
PERIODS = 0.75  # of the longest wave, which the blur must not let through
_ROUNDS = 6  # of the robust fit
_RIDGE = 1e-4  # variance of values below which a slope of 1 is assumed


def correct_colours(
    image: Canvas, source: ImageSource, longest_period: float = 0.0, *, believed: float = 1.0
) -> None:
    """Give a restored picture the large-scale colours of the photo, in place.

    Args:
        image: Restored, sRGB in [0, 1]; a canvas that does not round may leave it a little.
        source: The photo as it came, of the same size.
        longest_period: Of the waves that were found, in pixels; 0 for none.
        believed: Share in [0, 1] of the change of tone that is taken from the restored picture;
            with 0 all large-scale colour is the photo's.
    """
    restored, photo = (large_scale(picture, longest_period) for picture in (image, source))
    _add(image, torch.lerp(photo, toned(photo, restored), believed) - restored)


def large_scale(picture: ImageSource, longest_period: float = 0.0) -> Float[Tensor, "1 3 h w"]:
    """Mean colours of a picture's squares of `CELL`² pixels, blurred by a Gaussian.

    Args:
        picture: In [0, 1].
        longest_period: As of `correct_colours`.
    """
    return _blurred(_cells(picture), max(SIGMA, PERIODS * longest_period) / CELL)


def toned(
    photo: Float[Tensor, "1 3 h w"], restored: Float[Tensor, "1 3 h w"]
) -> Float[Tensor, "1 3 h w"]:
    """The photo's large-scale colours after the change that the restoration made to all of it.

    For each channel the line from the one's values to the other's that most of them lie on: least
    squares, weighted anew a few times by the inverse of the deviation, which is nearly the line of
    least absolute deviations. A channel of one value gets a slope of 1.
    """
    step = math.ceil(math.sqrt(photo[0, 0].numel() / MOST_CELLS))
    x, y = (cells[0, :, ::step, ::step].flatten(1).double() for cells in (photo, restored))
    weight = torch.ones_like(x)
    for _ in range(_ROUNDS):
        weight = weight / weight.sum(1, keepdim=True)
        mean_x, mean_y = ((weight * values).sum(1, keepdim=True) for values in (x, y))
        variance = (weight * (x - mean_x) ** 2).sum(1, keepdim=True)
        covariance = (weight * (x - mean_x) * (y - mean_y)).sum(1, keepdim=True)
        slope = (covariance + _RIDGE) / (variance + _RIDGE)
        deviation = (y - mean_y - slope * (x - mean_x)).abs()
        weight = 1 / (deviation + deviation.median(1, keepdim=True).values + 1e-3)
    slope, mean_x, mean_y = (line[..., None].float() for line in (slope, mean_x, mean_y))
    return mean_y + slope * (photo - mean_x)


def _cells(picture: ImageSource) -> Float[Tensor, "1 3 h w"]:
    """Mean colours of squares of `CELL`² pixels; those at the far edges may be cut."""
    # made first: what stays between the strips' memory would leave holes that no strip fits into
    cells = torch.empty(1, 3, -(-picture.height // CELL), -(-picture.width // CELL))
    for top, strip in in_strips(picture):
        row = F.avg_pool2d(strip, CELL, ceil_mode=True)
        cells[..., top // CELL : top // CELL + row.shape[2], :] = row
    return cells


def _blurred(cells: Float[Tensor, "1 3 h w"], sigma: float) -> Float[Tensor, "1 3 h w"]:
    """Gaussian blur; beyond the edges nothing is counted."""
    down, across = (_gaussian(side, sigma) for side in cells.shape[-2:])
    return down @ cells @ across.T


def _gaussian(length: int, sigma: float) -> Float[Tensor, "length length"]:
    place = torch.arange(length)
    weights = torch.exp(-0.5 * ((place[:, None] - place) / sigma) ** 2)
    return weights / weights.sum(1, keepdim=True)


def _add(image: Canvas, cells: Float[Tensor, "1 3 _ _"]) -> None:
    """Add a picture of cells, bilinearly interpolated between their middles, band by band."""
    left, right, across = _neighbours(image.width)
    above, below, down = _neighbours(image.height)
    for top, bottom in bands(image.height, image.width):
        near, far = (cells[..., rows[top:bottom], :] for rows in (above, below))
        rows = torch.lerp(near, far, down[top:bottom, None])
        added = torch.lerp(rows[..., left], rows[..., right], across)
        image.write(top, 0, image.read(top, 0, bottom, image.width) + added)


def _neighbours(length: int) -> tuple[Tensor, Tensor, Float[Tensor, " length"]]:
    """Of each pixel along an axis: the cells whose middles are about it, and the latter's share."""
    last = -(-length // CELL) - 1
    place = ((torch.arange(length) + 0.5) / CELL - 0.5).clamp(0, last)
    before = place.floor().long()
    return before, (before + 1).clamp(max=last), place - before
