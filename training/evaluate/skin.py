"""Lightness of skin from the cheeks: the individual typology angle (ITA, Chardon et al. 1991)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from restorecli.faces.alignment import fit_similarity, pixel_centres, sample_crop
from restorecli.tiling.sources import TensorSource

SIDE = 96  # px of the aligned crop that cheeks are looked for in
DOWN = 0.55  # of the way from an eye to the corner of the mouth below it
RADIUS = 0.05  # of the crop's side: a sixth of the distance of the eyes
LEAST_CHROMA = 3.0  # of CIELAB; less is a grey photo
_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750),
           (0.0193339, 0.1191920, 0.9503041))  # fmt: skip  # sRGB, IEC 61966-2-1
_WHITE = (0.95047, 1.0, 1.08883)  # D65
_BEND = (6 / 29) ** 3


def lab(colour: Float[Tensor, " 3"]) -> tuple[float, float, float]:
    """L*, a* and b* (D65) of an sRGB colour in [0, 1]."""
    rgb = colour.double()
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear.new_tensor(_TO_XYZ) @ linear / linear.new_tensor(_WHITE)
    straight = xyz / (3 * (6 / 29) ** 2) + 4 / 29
    x, y, z = torch.where(xyz > _BEND, xyz.clamp(min=0) ** (1 / 3), straight).tolist()
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def typology_angle(colour: Float[Tensor, " 3"]) -> float | None:
    """ITA of an sRGB colour in degrees, arctan((L* − 50) / b*): the lower, the darker.

    None for a colour that no skin has: grey, or bluer than grey.
    """
    lightness, a, b = lab(colour)
    if b <= 0 or math.hypot(a, b) < LEAST_CHROMA:
        return None
    return math.degrees(math.atan2(lightness - 50, b))


def cheeks(landmarks: Float[Tensor, "5 2"]) -> Float[Tensor, "2 2"]:
    """Middles of both cheeks: on the line from each eye to the corner of the mouth below it."""
    eyes, corners = landmarks[:2], landmarks[3:]
    return eyes + DOWN * (corners - eyes)


def cheek_colour(
    image: Float[Tensor, "1 3 h w"], landmarks: Float[Tensor, "5 2"]
) -> Float[Tensor, " 3"]:
    """Median of each channel over discs of `RADIUS` on both cheeks."""
    placement = fit_similarity(landmarks, SIDE)
    crop = sample_crop(TensorSource(image), placement)[0]
    points = pixel_centres(0, 0, SIDE, SIDE)
    middles = placement.to_crop(cheeks(landmarks.double()))
    near = (points[None] - middles[:, None, None]).norm(dim=-1) <= RADIUS * SIDE
    return crop[:, near.any(0)].median(1).values


def thirds(angles: list[float | None]) -> list[str]:
    """Group of each face: "darker", "middle", "lighter" by rank, or "" without an angle."""
    ranked = sorted((angle, row) for row, angle in enumerate(angles) if angle is not None)
    groups = [""] * len(angles)
    for rank, (_, row) in enumerate(ranked):
        groups[row] = ("darker", "middle", "lighter")[3 * rank // len(ranked)]
    return groups
