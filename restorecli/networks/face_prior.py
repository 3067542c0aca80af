"""What clean faces look like, drawn: the decoder of VAE B.

Its levels lie at an eighth, a quarter and half of the canvas, and so at a quarter, half and the
whole of a crop that is half as wide: features of that crop can be mixed in where they belong. Its
encoder, which training alone needs, is in `training.networks.face_prior`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.blocks import ResidualBlock

LOG_VARIANCE_BOUND = 10.0
Latent = Float[Tensor, "n c h8 w8"]


@dataclass(frozen=True, kw_only=True)
class PriorDecoderConfig:
    """Sizes of a `PriorDecoder`.

    Attributes:
        canvas: Side in pixels of the picture for which the codes of places are made; a multiple
            of 8. Others stretch them.
        latent: Channels of the latent; its side is an eighth of the canvas's.
        widths: Channels at an eighth, a quarter and half of the canvas's side.
        blocks: Residual blocks at each of these.
        heads: Attention heads at an eighth of the side.
    """

    canvas: int = 256
    latent: int = 16
    widths: tuple[int, int, int] = (96, 48, 24)
    blocks: tuple[int, int, int] = (3, 2, 2)
    heads: int = 4

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


class LatentAttention(nn.Module):
    """Self-attention, with a learned code for each place in the face.

    Where structure is lost, the rest of the face says what it was (the partial non-local block of
    Wan et al. 2020 has the same end); the code of the place is what the alignment makes meaningful.
    """

    def __init__(self, channels: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.place = nn.Parameter(torch.zeros(1, channels, side, side))
        self.norm = nn.LayerNorm(channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Other sides than the native one stretch the codes; larger ones are seen by fours."""
        n, channels, height, width = x.shape
        place: Tensor = self.place
        native = place.shape[-2] * place.shape[-1]
        if place.shape[-2:] != (height, width):
            place = F.interpolate(place, (height, width), mode="bilinear", align_corners=False)
        placed = x + place
        seen = F.avg_pool2d(placed, 2, ceil_mode=True) if height * width > native else placed
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        query = F.linear(self._tokens(placed), weight[:channels], bias[:channels])
        seen = F.linear(self._tokens(seen), weight[channels:], bias[channels:])
        query, key, value = (self._heads(part) for part in (query, *seen.chunk(2, 2)))
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        projected: Tensor = self.project(mixed).transpose(1, 2)
        return x + projected.reshape(n, channels, height, width)

    def _tokens(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n hw c"]:
        tokens: Tensor = self.norm(x.flatten(2).transpose(1, 2))
        return tokens

    def _heads(self, tokens: Float[Tensor, "n hw c"]) -> Float[Tensor, "n heads hw d"]:
        n, places, channels = tokens.shape
        return tokens.reshape(n, places, self.heads, channels // self.heads).transpose(1, 2)


class PriorDecoder(nn.Module):
    """Latent to face, at half the canvas's side and at the whole.

    At the coarsest level every place of the face is seen from every other.
    """

    def __init__(self, config: PriorDecoderConfig) -> None:
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
    ) -> Float[Tensor, "n d h2 w2"]:
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
