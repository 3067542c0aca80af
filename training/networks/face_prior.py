"""What clean faces look like: an autoencoder that has seen nothing else.

`FacePrior` is VAE B of the pair: an encoder, which training alone needs, and the decoder that the
pair draws with (`restorecli.networks.face_prior`).
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from restorecli.networks.blocks import ResidualBlock
from restorecli.networks.face_prior import (
    LOG_VARIANCE_BOUND,
    PriorDecoder,
    PriorDecoderConfig,
    PriorPictures,
)

Image = Float[Tensor, "n 3 h w"]
Latent = Float[Tensor, "n c h8 w8"]


@dataclass(frozen=True, kw_only=True)
class FacePriorConfig(PriorDecoderConfig):
    """Sizes of a `FacePrior`: its decoder's, and its encoder's.

    Attributes:
        encoder_widths: Channels of the encoder at half, a quarter and an eighth of the side.
        encoder_blocks: Residual blocks at each of these.
    """

    encoder_widths: tuple[int, int, int] = (24, 48, 96)
    encoder_blocks: tuple[int, int, int] = (1, 2, 2)


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
