"""What a restored picture is judged by while training."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from restorecli.colour import luma as luma_of
from restorecli.metrics import ssim_per_image

Image = Float[Tensor, "n 3 h w"]


def charbonnier(image: Tensor, target: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Smooth absolute error, mean of √(d² + ε²) (Charbonnier et al. 1994)."""
    return torch.sqrt((image - target) ** 2 + epsilon**2).mean()


def luma(image: Image, target: Image) -> Tensor:
    """`charbonnier` of the luma, in which the eye sees detail."""
    return charbonnier(luma_of(image), luma_of(target))


def structure(image: Image, target: Image) -> Tensor:
    """1 − SSIM, the mean over every other picture: SSIM costs as much as a small network."""
    return 1 - ssim_per_image(image[::2], target[::2]).mean()


def spectrum(image: Image, target: Image) -> Tensor:
    """Mean absolute difference of the Fourier coefficients, orthonormal (Cho et al. 2021)."""
    coefficients: Tensor = torch.fft.rfft2(image - target, norm="ortho")
    return coefficients.abs().mean()


def gradient(image: Image, target: Image) -> Tensor:
    """Mean absolute difference of the forward differences along both axes."""
    difference = image - target
    return difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()


def texture(image: Image, target: Image, side: int = 16) -> Tensor:
    """Mean absolute difference of the mean gradient magnitudes of squares of `side` pixels.

    Errors that average out make a picture softer than any that could be true; this does not ask
    where an edge is, only that there is as much of it.
    """
    amounts = []
    for picture in (image, target):
        down, across = picture.diff(dim=2)[..., :-1], picture.diff(dim=3)[..., :-1, :]
        amounts.append(F.avg_pool2d(torch.sqrt(down**2 + across**2 + 1e-6), side, ceil_mode=True))
    return (amounts[0] - amounts[1]).abs().mean()


def colour(image: Image, target: Image, side: int = 32) -> Tensor:
    """Mean absolute difference of the mean colours of overlapping squares of `side` pixels.

    A pattern's error averages out over a square, a cast does not.
    """
    side = min(side, *image.shape[-2:])
    return F.avg_pool2d(image - target, side, stride=max(1, side // 2)).abs().mean()


def divergence(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Kullback-Leibler divergence of a normal distribution from another, or from the standard one.

    Both are means and log-variances, each element by itself; the mean over the elements.
    """
    mean, log_variance = (part.float() for part in one)
    if other is None:
        return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
    place, spread = (part.float() for part in other)
    away = log_variance.exp() + (mean - place) ** 2
    return 0.5 * (spread - log_variance + away / spread.exp() - 1).mean()


TERMS = {
    "charbonnier": charbonnier,
    "luma": luma,
    "structure": structure,
    "spectrum": spectrum,
    "gradient": gradient,
    "texture": texture,
    "colour": colour,
}


def picture_loss(image: Image, target: Image, weights: dict[str, float]) -> dict[str, Tensor]:
    """Each weighted term by name; their sum is what training lowers.

    Raises:
        KeyError: A weight names no term.
    """
    image = image.float()
    return {name: weight * TERMS[name](image, target) for name, weight in weights.items()}
