"""The fusion of the face pair: what the two decoders drew of a face, and what was there before."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.blocks import ResidualBlock, SpectralGate
from restorecli.networks.windows import Windows

LOGIT_BOUND = 12.0
GATE = 16  # channels whose spectra are gated
Image = Float[Tensor, "n 3 h w"]


class FusionOutput(NamedTuple):
    """What a fusion says of each pixel.

    Attributes:
        logit: Log odds of the prior against the evidence (n, 1, h, w), bounded.
        choice: Logits of decoder A, decoder B and the second look (n, 3, h, w), bounded.
        correction: To the mixture of these three pictures (n, 3, h, w), sRGB.
    """

    logit: Tensor
    choice: Tensor
    correction: Tensor


class Fusion(nn.Module):
    """Mixes three pictures of a face, corrects the mixture, and weighs it against the evidence.

    A latent at a quarter of the side holds who a face is, but less of its texture than the denoiser
    has kept, and the denoiser has lost some that the second look still finds. The fusion is a small
    U-Net (Ronneberger et al. 2015) over all four pictures, with the mapped latent at its own
    resolution; a gate on the spectrum finds what is left of a repeating pattern.

    Args:
        latent: Channels of the mapped latent.
        widths: Channels at half, a quarter and an eighth of the side.
        blocks: Residual blocks at each of these, on the way down and again on the way up.
    """

    def __init__(
        self, latent: int, widths: tuple[int, int, int], blocks: tuple[int, int, int]
    ) -> None:
        super().__init__()
        half, quarter, eighth = widths
        self.enter = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(48, half, 3, padding=1), *_blocks(half, blocks[0])
        )
        self.gate = SpectralGate(half, min(GATE, half), Windows(side=128, overlap=32))
        self.down = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.latent = nn.Conv2d(latent, quarter, 1)
        self.encode = nn.Sequential(*_blocks(quarter, blocks[1]))
        self.coarse = nn.Sequential(
            nn.Conv2d(quarter, eighth, 3, stride=2, padding=1),
            *_blocks(eighth, 2 * blocks[2]),
            nn.SiLU(),
            nn.Conv2d(eighth, 4 * quarter, 1),
            nn.PixelShuffle(2),
        )
        self.decode = nn.Sequential(
            *_blocks(quarter, blocks[1]),
            nn.SiLU(),
            nn.Conv2d(quarter, 4 * half, 1),
            nn.PixelShuffle(2),
        )
        self.leave = nn.Sequential(
            *_blocks(half, blocks[0]),
            nn.SiLU(),
            nn.Conv2d(half, 28, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(
        self,
        evidence: Image,
        second: Image,
        degraded: Image,
        clean: Image,
        latent: Float[Tensor, "n c h4 w4"],
    ) -> FusionOutput:
        """Fuse pictures in sRGB, sides multiples of 8.

        Args:
            evidence: As the denoiser left the face.
            second: As the second look sees it.
            degraded: As decoder A draws it.
            clean: As decoder B draws it.
            latent: What decoder B drew from.
        """
        pictures = (evidence - 0.5, second - evidence, degraded - evidence, clean - evidence)
        half: Tensor = self.gate(self.enter(torch.cat(pictures, dim=1)))
        quarter: Tensor = self.encode(self.down(F.silu(half)) + self.latent(latent))
        near = self.decode(quarter + self.coarse(quarter))
        maps: Tensor = self.leave(half + near)
        logits = maps[:, :4].clamp(-LOGIT_BOUND, LOGIT_BOUND)
        return FusionOutput(logits[:, :1], logits[:, 1:], maps[:, 4:])


def _blocks(channels: int, count: int) -> list[nn.Module]:
    return [ResidualBlock(channels) for _ in range(count)]
