"""How a flat sheet gets into a picture: as it is, through a scanner, or photographed askew."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Pixels = UInt8[np.ndarray, "h w 3"]
Plane = Float[np.ndarray, "h w"]


def smooth_noise(rng: np.random.Generator, height: int, width: int, grain: float) -> Plane:
    """Noise whose blotches measure about `grain` px; mean 0, deviation 1."""
    rows, columns = max(2, round(height / grain) + 1), max(2, round(width / grain) + 1)
    small = rng.standard_normal((rows, columns), dtype=np.float32)
    field = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field / max(float(field.std()), 1e-6), dtype=np.float32)


def on_paper(rng: np.random.Generator, pixels: Pixels, *, strength: float = 1.0) -> Pixels:
    """Give a sheet the unevenness of paper, of its lighting and of a lens."""
    height, width = pixels.shape[:2]
    image = pixels.astype(np.float32)
    fibre = smooth_noise(rng, height, width, 1.5) * rng.uniform(0, 2.5)
    blotches = smooth_noise(rng, height, width, rng.uniform(20, 90)) * rng.uniform(0, 3)
    image += ((fibre + blotches) * strength)[..., None]
    image *= 1 + (_light(rng, height, width) * rng.uniform(0.02, 0.22) * strength)[..., None]
    image *= 1 + rng.uniform(-0.06, 0.03, 3).astype(np.float32) * strength
    if rng.random() < 0.6:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.8)))
    return rounded(image)


def scanned(rng: np.random.Generator, pixels: Pixels, height: int, width: int) -> Pixels:
    """Turn a sheet by a few degrees and put it on paper."""
    angle = float(rng.normal(0, 2.5)) if rng.random() < 0.7 else float(rng.uniform(-90, 90))
    shape = pixels.shape
    turn = cv2.getRotationMatrix2D((shape[1] / 2, shape[0] / 2), angle, rng.uniform(1, 1.15))
    turned = cv2.warpAffine(pixels, turn, (shape[1], shape[0]), flags=cv2.INTER_CUBIC,
                            borderMode=cv2.BORDER_REFLECT)  # fmt: skip
    return on_paper(rng, shrunk(turned, height, width))


def photographed(
    rng: np.random.Generator, pixels: Pixels, height: int, width: int, desk: Pixels
) -> Pixels:
    """Lay a sheet on a desk and photograph it from a slant.

    Args:
        rng: Where the camera stands, and how the light falls.
        pixels: The sheet, drawn larger than it will appear.
        height: Of the picture.
        width: Of the picture.
        desk: What lies behind, of the picture's size.
    """
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    wander = rng.uniform(-0.12, 0.16, (4, 2)).astype(np.float32)
    spread = np.float32(rng.uniform(0.92, 1.25))
    quadrangle = (corners - 0.5) * spread + 0.5 + wander * np.sign(0.5 - corners)
    size = np.array([width, height], np.float32) * 2
    sheet = np.array([pixels.shape[1], pixels.shape[0]], np.float32)
    view = cv2.getPerspectiveTransform(corners * sheet, quadrangle * size)
    doubled = (width * 2, height * 2)
    page = cv2.warpPerspective(pixels, view, doubled, flags=cv2.INTER_LINEAR)
    cover = cv2.warpPerspective(np.ones(pixels.shape[:2], np.float32), view, doubled)
    page = cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA)
    shadow = 1 - 0.5 * cv2.GaussianBlur(cover, (0, 0), 9)[..., None]
    share = cover[..., None]
    image = np.asarray(page, np.float32) * share + desk.astype(np.float32) * shadow * (1 - share)
    return on_paper(rng, rounded(image), strength=0.9)


def shrunk(pixels: Pixels, height: int, width: int) -> Pixels:
    """Bring to a size; no smaller picture is made larger by more than rounding."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return rounded(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))


def rounded(image: np.ndarray) -> Pixels:
    """Values of 0 to 255 as bytes."""
    return np.asarray(np.clip(np.rint(image), 0, 255), dtype=np.uint8)


def _light(rng: np.random.Generator, height: int, width: int) -> Plane:
    """A slope of light over the picture, from −1 to 1."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    slope = x * np.cos(angle) + y * np.sin(angle)
    return np.asarray(slope - 0.4 * (x * x + y * y), dtype=np.float32)
