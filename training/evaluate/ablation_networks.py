"""Rivals of the denoiser in `ablation_denoiser`: other gates, and MPRNet's first stage."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.blocks import (
    ChannelAttentionBlock,
    SpectralGate,
    SupervisedAttention,
    inverse_rfft2,
)
from restorecli.networks.windows import Windows

WHOLE = Windows(side=1 << 20, overlap=0)


class FourierConvolution(SpectralGate):
    """1×1 convolutions over real and imaginary parts instead of a gate (Chi et al. 2020)."""

    def __init__(self, width: int, hidden: int, windows: Windows) -> None:
        super().__init__(width, hidden, windows)
        self.gate = nn.Sequential(
            nn.Conv2d(2 * hidden, 2 * hidden, 1),
            nn.PReLU(2 * hidden),
            nn.Conv2d(2 * hidden, 2 * hidden, 1),
        )

    def _filtered(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        spectrum = torch.fft.rfft2(x.float(), norm="ortho")
        real, imaginary = self.gate(torch.cat((spectrum.real, spectrum.imag), 1)).chunk(2, 1)
        turned = torch.complex(real.float(), imaginary.float())
        return inverse_rfft2(turned, x.shape[-1])


class GateWithoutContrast(SpectralGate):
    """A gate that sees magnitudes, but not how far they stand out of their neighbours."""

    def __init__(self, width: int, hidden: int, windows: Windows) -> None:
        super().__init__(width, hidden, windows)
        self.gate[0] = nn.Conv2d(hidden, hidden, 3, padding=1)

    def _filtered(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        spectrum = torch.fft.rfft2(x.float(), norm="ortho")
        gate = torch.sigmoid(self.gate(torch.log1p(spectrum.abs())))
        return inverse_rfft2(spectrum * gate, x.shape[-1])


@dataclass(frozen=True, kw_only=True)
class MPRNetConfig:
    """Channels of each level of `MPRNetFirstStage`."""

    widths: tuple[int, ...] = (80, 128, 176)


class MPRNetFirstStage(nn.Module):
    """The first stage of MPRNet for denoising (Zamir et al. 2021), without patches.

    Three levels of 80, 128 and 176 channels, two channel-attention blocks each on the way down and
    up, one on each skip connection, bilinear resampling, supervised attention. No gates.
    """

    def __init__(self, config: MPRNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths

        def blocks(width: int, count: int) -> nn.Sequential:
            return nn.Sequential(*[ChannelAttentionBlock(width, WHOLE) for _ in range(count)])

        pairs = list(pairwise(widths))
        self.enter = nn.Sequential(nn.Conv2d(3, widths[0], 3, padding=1), blocks(widths[0], 1))
        self.encoder = nn.ModuleList(blocks(width, 2) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 1) for fine, coarse in pairs)
        self.skip = nn.ModuleList(blocks(width, 1) for width in widths[:-1])
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairs)
        self.decoder = nn.ModuleList(blocks(width, 2) for width in widths)
        self.attention = SupervisedAttention(widths[0])

    def forward(
        self, degraded: Float[Tensor, "n 3 h w"]
    ) -> tuple[Float[Tensor, "n 3 h w"], Float[Tensor, "n c h w"]]:
        """The restored pictures and the features for a next stage."""
        x = self.enter(degraded)
        skips = []
        for level, down in enumerate(self.down):
            x = self.encoder[level](x)
            skips.append(x)
            x = down(F.interpolate(x, scale_factor=0.5, mode="bilinear"))
        x = self.decoder[-1](self.encoder[-1](x))
        for level in reversed(range(len(self.up))):
            x = F.interpolate(self.up[level](x), scale_factor=2.0, mode="bilinear")
            x = self.decoder[level](x + self.skip[level](skips[level]))
        image, features = self.attention(x, degraded)
        return image, features
