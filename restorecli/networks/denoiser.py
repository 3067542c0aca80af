"""The U-Net with spectral gates and supervised attention that takes the pattern away."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.blocks import ChannelAttentionBlock, SpectralGate, SupervisedAttention
from restorecli.networks.windows import Windows


@dataclass(frozen=True, kw_only=True)
class DenoiserConfig:
    """Sizes of the denoiser.

    Attributes:
        widths: Channels of each level, from full resolution down; each level halves the size.
        encoder_blocks: Channel-attention blocks of each level on the way down.
        decoder_blocks: The same on the way up; the deepest level has none.
        gates: Channels that each level's spectral gate works on; 0 leaves the gate out.
        window: Pixels of the photo along a side of the windows that gates and channel attention
            take their statistics over; a multiple of the deepest level's pixel.
        window_overlap: Pixels that neighbouring windows share, likewise.
    """

    widths: tuple[int, ...] = (24, 48, 96)
    encoder_blocks: tuple[int, ...] = (1, 2, 3)
    decoder_blocks: tuple[int, ...] = (2, 2)
    gates: tuple[int, ...] = (12, 24, 48)
    window: int = 256
    window_overlap: int = 64

    def __post_init__(self) -> None:
        """Refuse levels that do not fit together.

        Raises:
            ValueError: The tuples' lengths contradict each other.
        """
        levels = len(self.widths)
        if (
            not levels
            == len(self.encoder_blocks)
            == len(self.gates)
            == len(self.decoder_blocks) + 1
        ):
            raise ValueError(
                f"widths, encoder_blocks and gates need one number a level ({levels}), "
                f"decoder_blocks one fewer"
            )


class Denoiser(nn.Module):
    """U-Net (Ronneberger et al. 2015) of channel-attention blocks with a spectral gate a level.

    The encoder learns context and, through its gates, sees a repeating pattern whole; additive skip
    connections give localisation; supervised attention (Zamir et al. 2021) predicts the picture and
    weighs its features by it.
    """

    config_class: ClassVar[type[DenoiserConfig]] = DenoiserConfig

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        finest = Windows(side=config.window, overlap=config.window_overlap)
        windows = [finest.coarser(2**level) for level in range(len(widths))]
        self.enter = nn.Conv2d(3, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(
            nn.Sequential(
                *([SpectralGate(width, gate, level)] if gate else []),
                *[ChannelAttentionBlock(width, level) for _ in range(blocks)],
            )
            for width, gate, blocks, level in zip(
                widths, config.gates, config.encoder_blocks, windows, strict=True
            )
        )
        self.down = nn.ModuleList(
            nn.Conv2d(4 * fine, coarse, 1) for fine, coarse in pairwise(widths)
        )
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths))
        self.decoder = nn.ModuleList(
            nn.Sequential(*[ChannelAttentionBlock(width, level) for _ in range(blocks)])
            for width, blocks, level in zip(
                widths[:-1], config.decoder_blocks, windows[:-1], strict=True
            )
        )
        self.attention = SupervisedAttention(widths[0])

    @property
    def multiple(self) -> int:
        """Height and width must be multiples of this many pixels."""
        return int(2 ** (len(self.config.widths) - 1))

    @property
    def step(self) -> int:
        """Tiles must start at multiples of this many pixels to see the windows of the photo."""
        return self.config.window - self.config.window_overlap

    @property
    def overlap(self) -> int:
        """Pixels that tiles must share to fade into each other as their windows do."""
        return self.config.window_overlap

    def windowed(self, window: int) -> "Denoiser":
        """The same weights, which are not copied, over windows of another size in pixels."""
        with torch.device("meta"):
            other = type(self)(replace(self.config, window=window))
        other.load_state_dict(self.state_dict(), assign=True)
        return other.train(self.training)

    def forward(
        self, degraded: Float[Tensor, "n 3 h w"]
    ) -> tuple[Float[Tensor, "n 3 h w"], Float[Tensor, "n c h w"]]:
        """Restore photos.

        Args:
            degraded: RGB in [0, 1]; sides are multiples of `multiple`.

        Returns:
            The denoised photos (float32, not clamped) and the features that attention vouches for,
            at full size, `config.widths[0]` channels.
        """
        image, features = self.attention(self.body(self.enter(degraded)), degraded)
        return image, features

    def picture(self, degraded: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
        """As `forward`, without the features: in bfloat16 that takes a sixth less time."""
        return self.attention.picture(self.body(self.enter(degraded)), degraded)

    def body(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """All between the first convolution and the supervised attention."""
        return self.levels(x)[-1]

    def levels(self, x: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n d hl wl"]]:
        """As `body`, with what the decoder has at its coarser levels before it, coarsest first."""
        skips, decoded = [], []
        for level, blocks in enumerate(self.encoder):
            x = blocks(x)
            if level < len(self.down):
                skips.append(x)
                x = _halved(self.down[level], x)
        for level in reversed(range(len(self.decoder))):
            x = F.interpolate(self.up[level](x), scale_factor=2.0, mode="bilinear")
            x = self.decoder[level](x.to(skips[level].dtype) + skips[level])
            decoded.append(x)
        return decoded


def _halved(pointwise: nn.Module, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h/2 w/2"]:
    """A 1×1 convolution over the pixels of 2×2 squares, without `pixel_unshuffle`'s copy."""
    assert isinstance(pointwise, nn.Conv2d)
    weight = pointwise.weight.reshape(pointwise.out_channels, -1, 2, 2)
    return F.conv2d(x, weight, pointwise.bias, stride=2)
