"""Cutting a face out of a photo, upright, and putting it back: the two halves of one transform.

Pure functions on tensors. Coordinates are edges: pixel i covers [i, i + 1).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.colour import luma
from restorecli.tiling.sources import Canvas, ImageSource
from restorecli.tiling.strips import bands, downsampled

# Mean layout of the 2,922 surest faces of the training set (Procrustes), made symmetric; the crop
# is 3.4 eye distances wide, so that it holds forehead and chin.
TEMPLATE = ((0.3529, 0.3941), (0.6471, 0.3941), (0.5, 0.5718), (0.3654, 0.6926), (0.6346, 0.6926))
MASK_CENTRE = (0.5, 0.52)
MASK_RADII = (0.42, 0.47)
MASK_ROUNDNESS = 3.0  # exponent of the superellipse: 2 is an ellipse
MASK_FEATHER = 0.22  # of the radius
COLOUR_CELLS = 8  # in a row of a crop; over more than one of them its chroma stays the photo's
COLOUR_SHIFT = 0.1  # the face's rim is brought to the photo's by at most this much
STEP = 8  # px; sides of crops are multiples of it
TILT = math.radians(20)  # a face tilted by less is not turned upright


@dataclass(frozen=True, eq=False)
class Placement:
    """Where an upright crop lies in its photo.

    Attributes:
        matrix: (2, 3) float64: point of the crop, in pixels of the crop → point of the photo.
        size: Side of the crop in pixels.
    """

    matrix: Float[Tensor, "2 3"]
    size: int

    @property
    def scale(self) -> float:
        """Pixels of the photo for each pixel of the crop."""
        return float(self.matrix[:, :2].det().abs().sqrt())

    def to_photo(self, points: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Points of the crop in the photo."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]

    def enlarged(self, drawn: int, photo: int) -> "Placement":
        """Where a crop `drawn` times as large lies in a photo that is `photo` times as large."""
        linear, shift = self.matrix[:, :2] * (photo / drawn), self.matrix[:, 2:] * photo
        return Placement(torch.cat([linear, shift], 1), self.size * drawn)

    def to_crop(self, points: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Points of the photo in the crop."""
        inverse: Tensor = torch.linalg.inv(self.matrix[:, :2])
        return (points - self.matrix[:, 2]) @ inverse.T

    def region(self, height: int, width: int, margin: float = 0) -> tuple[int, int, int, int]:
        """Top, left, bottom, right of the part of a photo that the crop covers; may be empty."""
        side = float(self.size)
        corners = torch.tensor([[0, 0], [side, 0], [0, side], [side, side]], dtype=torch.float64)
        points = self.to_photo(corners)
        low, high = (points.amin(0) - margin).floor(), (points.amax(0) + margin).ceil()
        left, right = (int(v.clamp(0, width)) for v in (low[0], high[0]))
        top, bottom = (int(v.clamp(0, height)) for v in (low[1], high[1]))
        return top, left, bottom, right


def fit_similarity(landmarks: Float[Tensor, "5 2"], size: int) -> Placement:
    """The similarity that brings the template nearest to five landmarks (Umeyama 1991).

    Raises:
        ValueError: All landmarks are one point.
    """
    source = torch.tensor(TEMPLATE, dtype=torch.float64) * size
    target = landmarks.detach().cpu().double()
    source_mean, target_mean = source.mean(0), target.mean(0)
    covariance = (target - target_mean).T @ (source - source_mean)
    u, singular, v = torch.linalg.svd(covariance)
    flip = torch.ones(2, dtype=torch.float64)
    flip[1] = (u.det() * v.det()).sign()
    turn = u @ (flip.unsqueeze(1) * v)
    scale = (singular * flip).sum() / (source - source_mean).square().sum()
    if not scale > 0:
        raise ValueError("the five landmarks do not span a face")
    linear = scale * turn
    return Placement(torch.cat([linear, (target_mean - linear @ source_mean)[:, None]], 1), size)


def fit_pixel_aligned(landmarks: Float[Tensor, "5 2"], smallest: int, largest: int) -> Placement:
    """Place a crop on the photo's own pixels if it can be, and as `fit_similarity` does otherwise.

    The crop's side is what the face has in the photo. If that is in bounds and the face is nearly
    upright, or nearly so after quarter turns, the crop is cut straight out: nothing is resampled,
    so a pattern in it keeps its period and the face its finest detail.

    Args:
        landmarks: Of one face, in pixels of the photo.
        smallest: Least side of the crop; smaller faces are enlarged to it.
        largest: Greatest side; larger faces are reduced to it. Both are multiples of `STEP`.

    Raises:
        ValueError: All landmarks are one point.
    """
    natural = round(fit_similarity(landmarks, STEP).scale) * STEP
    size = min(max(natural, smallest), largest)
    placement = fit_similarity(landmarks, size)
    linear = placement.matrix[:, :2]
    angle = math.atan2(float(linear[1, 0]), float(linear[0, 0]))
    quarters = round(angle / (math.pi / 2))
    if size != natural or abs(angle - quarters * math.pi / 2) > TILT:
        return placement
    turn = _QUARTER_TURN.matrix_power(quarters % 4)
    middle = torch.full((1, 2), size / 2, dtype=torch.float64)
    corner = placement.to_photo(middle)[0] - turn @ middle[0]
    return Placement(torch.cat([turn, corner.round()[:, None]], 1), size)


_QUARTER_TURN = torch.tensor([[0, -1], [1, 0]], dtype=torch.float64)


def align(
    image: ImageSource, landmarks: Float[Tensor, "5 2"], size: int
) -> tuple[Float[Tensor, "1 3 s s"], Placement]:
    """Cut a face out of a photo at a given size, upright, the landmarks near the template.

    Args:
        image: Whole photo, in [0, 1].
        landmarks: Of one face, in pixels of the photo.
        size: Side of the crop.

    Returns:
        The crop, as `sample_crop` gives it, and where `paste` must put it.

    Raises:
        ValueError: The landmarks are one point, or the face lies wholly outside the photo.
    """
    placement = fit_similarity(landmarks, size)
    return sample_crop(image, placement), placement


def sample_crop(image: ImageSource, placement: Placement) -> Float[Tensor, "1 3 s s"]:
    """Sample a crop; the part of the photo below it is reduced first where it has more pixels.

    Args:
        image: Whole photo, in [0, 1]; no more of it is read than the crop needs.
        placement: Where the crop lies.

    Returns:
        The crop, mirrored where it reaches over the border.

    Raises:
        ValueError: It lies wholly outside the photo.
    """
    margin = 4 * placement.scale
    top, left, bottom, right = placement.region(image.height, image.width, margin=margin)
    if bottom <= top or right <= left:
        raise ValueError("the face lies wholly outside the photo")
    points = placement.to_photo(pixel_centres(0, 0, placement.size, placement.size))
    points = points - torch.tensor([left, top], dtype=torch.float64)
    height, width, step = bottom - top, right - left, placement.scale
    if step > 1:
        size = _size(height, width, step)
        part = downsampled(image, size, (top, left, bottom, right))
    else:
        part = image.read(top, left, bottom, right)
    return _sampled(part, points.to(part) / part.new_tensor([width, height]))


def paste(image: Canvas, face: Float[Tensor, "1 3 s s"], placement: Placement) -> None:
    """Blend a restored face back into the photo it was cut from, in place.

    What is added is the change from the crop to the face, so a large face keeps the detail that
    the crop had no room for, and an unchanged face changes nothing.

    Args:
        image: Whole photo, in [0, 1]; pixels outside the feathered mask stay as they are, to the
            bit.
        face: Restored crop in the aligned frame, same range.
        placement: Where the crop was cut from.

    Raises:
        ValueError: `placement` lies wholly outside the photo.
    """
    paste_change(image, face - sample_crop(image, placement), placement)


def paste_change(image: Canvas, change: Float[Tensor, "1 3 s s"], placement: Placement) -> None:
    """As `paste`, by what a face differs in from the crop that `sample_crop` gives."""
    change = _colour_matched(change)
    if placement.scale < 1:
        size = _size(placement.size, placement.size, 1 / placement.scale)
        change = F.interpolate(change, size, mode="bilinear", antialias=True)
    top, left, bottom, right = placement.region(image.height, image.width)
    for first, end in bands(bottom - top, right - left):
        points = placement.to_crop(pixel_centres(top + first, left, top + end, right)).to(change)
        part = image.read(top + first, left, top + end, right)
        mask = _mask(points / placement.size)
        added = _sampled(change, points / placement.size)
        changed = (added != 0).any(1, keepdim=True) & (mask > 0)
        blended = (part + mask * added).clamp(0, 1)
        image.write(top + first, left, torch.where(changed, blended, part))


def feather_mask(size: int) -> Float[Tensor, "1 1 s s"]:
    """The feathered mask of a crop: 1 over the face, falling to 0 before the crop's border."""
    return _mask(pixel_centres(0, 0, size, size) / size).float()


def radii(points: Float[Tensor, "h w 2"]) -> Float[Tensor, "h w"]:
    """How far out points lie that are given in sides of the crop: 1 on the mask's edge."""
    offset = (points - points.new_tensor(MASK_CENTRE)) / points.new_tensor(MASK_RADII)
    return offset.abs().pow(MASK_ROUNDNESS).sum(-1).pow(1 / MASK_ROUNDNESS)


def _size(height: int, width: int, step: float) -> tuple[int, int]:
    """Of a picture in which points `step` pixels apart become neighbours."""
    return max(1, math.ceil(height / step)), max(1, math.ceil(width / step))


def _sampled(
    part: Float[Tensor, "1 c h w"], points: Float[Tensor, "rows columns 2"]
) -> Float[Tensor, "1 c rows columns"]:
    """Values at points (x, y), given in [0, 1] of the part's sides."""
    grid = (points * 2 - 1).unsqueeze(0)
    return F.grid_sample(
        part, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def pixel_centres(top: int, left: int, bottom: int, right: int) -> Float[Tensor, "h w 2"]:
    """Middles (x, y) of the pixels of a region, float64 on the CPU."""
    y = torch.arange(top, bottom, dtype=torch.float64) + 0.5
    x = torch.arange(left, right, dtype=torch.float64) + 0.5
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def _mask(points: Float[Tensor, "h w 2"]) -> Float[Tensor, "1 1 h w"]:
    """The feathered rounded oval at points given in sides of the crop: 1 inside, 0 outside."""
    ramp = ((1 - radii(points)) / MASK_FEATHER).clamp(0, 1)
    return (ramp * ramp * (3 - 2 * ramp))[None, None]


def _colour_matched(change: Float[Tensor, "1 3 s s"]) -> Float[Tensor, "1 3 s s"]:
    """The change without what is not the face step's to change.

    That is its mean colour along the feather, where it would show as a rim, and colour that spreads
    over an eighth of the crop: whose skin is how yellow the photo says, not the prior.
    """
    chroma = change - luma(change)
    spread = F.adaptive_avg_pool2d(chroma, COLOUR_CELLS)
    change = change - F.interpolate(spread, change.shape[-2:], mode="bilinear")
    mask = feather_mask(change.shape[-1]).to(change)
    rim = mask * (1 - mask)
    shift = (change * rim).sum((2, 3), keepdim=True) / rim.sum()
    return change - shift.clamp(-COLOUR_SHIFT, COLOUR_SHIFT)
