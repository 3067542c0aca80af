"""What clean faces look like: an autoencoder that has seen nothing else.

`FacePrior` is VAE B of the pair: an encoder, which training alone needs, and `PriorDecoder`, which
the pair draws with. The decoder's levels lie at an eighth, a quarter and half of the canvas, and so
at a quarter, half and the whole of a crop that is half as wide as the canvas: features of that crop
can be mixed in where they belong.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.blocks import ResidualBlock
from restorecli.networks.face_vae import LOG_VARIANCE_BOUND, LatentAttention

Image = Float[Tensor, "n 3 h w"]
Latent = Float[Tensor, "n c h8 w8"]


@dataclass(frozen=True, kw_only=True)
class FacePriorConfig:
    """Sizes of a `FacePrior`.

    Attributes:
        canvas: Side in pixels of the picture for which the codes of places are made; a multiple
            of 8. Others stretch them.
        latent: Channels of the latent; its side is an eighth of the canvas's.
        widths: Channels of the decoder at an eighth, a quarter and half of the canvas's side.
        blocks: Residual blocks at each of these.
        heads: Attention heads at an eighth of the side.
        encoder_widths: Channels of the encoder at half, a quarter and an eighth of the side.
        encoder_blocks: Residual blocks at each of these.
    """

    canvas: int = 256
    latent: int = 16
    widths: tuple[int, int, int] = (96, 48, 24)
    blocks: tuple[int, int, int] = (3, 2, 2)
    heads: int = 4
    encoder_widths: tuple[int, int, int] = (24, 48, 96)
    encoder_blocks: tuple[int, int, int] = (1, 2, 2)

    def __post_init__(self) -> None:
        """Refuse impossible sizes in a sentence.

        Raises:
            ValueError: A size does not divide.
        """
        if self.canvas % 8:
            raise ValueError(f"canvas {self.canvas} is not a multiple of 8")
        if self.widths[0] % self.heads:
            raise ValueError(f"{self.widths[0]} channels do not divide by {self.heads} heads")


class PriorPictures(NamedTuple):
    """A face as it is drawn, sRGB around [0, 1], not clamped.

    Attributes:
        half: At half the canvas's side (n, 3, h/2, w/2).
        full: At the canvas's side (n, 3, h, w).
    """

    half: Tensor
    full: Tensor


class PriorEncoder(nn.Module):
    """Clean face to the mean and log-variance of its latent, at an eighth of the side."""

    def __init__(self, config: FacePriorConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        inputs = 12
        for level, (width, blocks) in enumerate(
            zip(config.encoder_widths, config.encoder_blocks, strict=True)
        ):
            layers.append(nn.Conv2d(inputs, width, 3, stride=2 if level else 1, padding=1))
            layers += [ResidualBlock(width) for _ in range(blocks)]
            inputs = width
        layers += [nn.SiLU(), nn.Conv2d(inputs, 2 * config.latent, 3, padding=1)]
        self.body = nn.Sequential(*layers)

    def forward(self, image: Image) -> tuple[Latent, Latent]:
        """From sRGB in [0, 1], sides multiples of 8, to (mean, log-variance)."""
        mean, log_variance = self.body(image * 2 - 1).chunk(2, dim=1)
        return mean, log_variance.clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)


class PriorDecoder(nn.Module):
    """Latent to face, at half the canvas's side and at the whole.

    At the coarsest level every place of the face is seen from every other.
    """

    def __init__(self, config: FacePriorConfig) -> None:
        super().__init__()
        coarse, *_ = config.widths
        self.enter = nn.Conv2d(config.latent, coarse, 3, padding=1)
        self.attention = LatentAttention(coarse, config.heads, config.canvas // 8)
        self.levels = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
            for width, blocks in zip(config.widths, config.blocks, strict=True)
        )
        self.up = nn.ModuleList(
            nn.Sequential(nn.SiLU(), nn.Conv2d(above, 4 * below, 1), nn.PixelShuffle(2))
            for above, below in zip(config.widths[:-1], config.widths[1:], strict=True)
        )
        finest = config.widths[-1]
        self.small_picture = nn.Conv2d(finest, 3, 3, padding=1)
        self.large_picture = nn.Conv2d(finest, 12, 3, padding=1)

    def forward(self, latent: Latent) -> PriorPictures:
        """Draw from a latent alone, at an eighth of the canvas's side."""
        return self.pictures(self.features(latent))

    def features(
        self, latent: Latent, mix: Sequence[Callable[[Tensor], Tensor]] = ()
    ) -> Float[Tensor, "n c h2 w2"]:
        """What the pictures are drawn from, at half the canvas's side.

        Args:
            latent: At an eighth of the canvas's side.
            mix: For each level what is applied to its features before its blocks; nothing if empty.
        """
        x: Tensor = self.enter(latent)
        for number, level in enumerate(self.levels):
            x = self.up[number - 1](x) if number else x
            x = mix[number](x) if mix else x
            x = level(x)
            x = x if number else self.attention(x)
        return F.silu(x)

    def pictures(self, features: Float[Tensor, "n c h2 w2"]) -> PriorPictures:
        """Draw from `features`."""
        full: Tensor = F.pixel_shuffle(self.large_picture(features), 2)
        return PriorPictures(self.small_picture(features) * 0.5 + 0.5, full * 0.5 + 0.5)


class FacePrior(nn.Module):
    """VAE of clean faces (Kingma and Welling 2014) on a canvas as large as what is written."""

    config_class: ClassVar[type[FacePriorConfig]] = FacePriorConfig

    def __init__(self, config: FacePriorConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = PriorEncoder(config)
        self.decoder = PriorDecoder(config)

    def forward(self, image: Image) -> PriorPictures:
        """Draw a face anew from the mean of its latent."""
        pictures: PriorPictures = self.decoder(self.encoder(image)[0])
        return pictures


def sampled(mean: Latent, log_variance: Latent) -> Latent:
    """A latent drawn from a normal distribution, differentiable in both arguments."""
    return mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
