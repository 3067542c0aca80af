"""The original-resolution network that enlarges the composed picture."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.blocks import ChannelAttentionBlock
from restorecli.networks.windows import Windows

CHANGED = 10 / 255  # mean change of a photo's pixels that is half way from clean to degraded


@dataclass(frozen=True, kw_only=True)
class ORSNetConfig:
    """Sizes of ORSNet.

    Attributes:
        width: Channels throughout.
        feature_width: Channels of the denoiser's features, `DenoiserConfig.widths[0]`.
        blocks: Channel-attention blocks of each original-resolution block.
        scales: Sizes of the result over the size of the source, one sub-pixel head each.
        window: Pixels along a side of the windows that channel attention takes its means over.
        window_overlap: Pixels that neighbouring windows share.
    """

    width: int = 16
    feature_width: int = 16
    blocks: tuple[int, ...] = (8, 8, 8)
    scales: tuple[int, ...] = (1, 2, 4)
    window: int = 256
    window_overlap: int = 64


class OriginalResolutionBlock(nn.Module):
    """Channel-attention blocks and a convolution, added to the input (MPRNet's ORB)."""

    def __init__(self, width: int, blocks: int, windows: Windows) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*[ChannelAttentionBlock(width, windows) for _ in range(blocks)])
        self.leave = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return `x` plus a correction of the same shape."""
        correction: Tensor = self.leave(self.blocks(x))
        return x + correction


class ORSNet(nn.Module):
    """Three original-resolution blocks over picture, photo and the denoiser's features.

    Nothing is ever made smaller, so fine detail need not survive a bottleneck (Zamir et al. 2021,
    section 3.3). The denoiser's attention-guided features enter before every block, each time
    through a 1×1 convolution of its own (their cross-stage feature fusion). A head for each scale
    turns the result into a residual by sub-pixel convolution (Shi et al. 2016), which is added to
    the composed picture, enlarged bicubically: what was improved stays improved. Last, what the
    enlarged picture would lose or add when it is made small again is put back or taken out (one
    step of back-projection, Irani and Peleg 1991), but not where the photo was clean: there the
    residual knows better than the picture so far, which has lost a little in the denoiser.
    """

    config_class: ClassVar[type[ORSNetConfig]] = ORSNetConfig

    def __init__(self, config: ORSNetConfig) -> None:
        super().__init__()
        self.config = config
        self.enter = nn.Conv2d(6, config.width, 3, padding=1)
        self.fusion = nn.ModuleList(
            nn.Conv2d(config.feature_width, config.width, 1) for _ in config.blocks
        )
        windows = Windows(side=config.window, overlap=config.window_overlap)
        self.blocks = nn.ModuleList(
            OriginalResolutionBlock(config.width, count, windows) for count in config.blocks
        )
        self.heads = nn.ModuleDict(
            {
                str(scale): nn.Conv2d(config.width, 3 * scale * scale, 3, padding=1)
                for scale in config.scales
            }
        )
        for head in self.heads.values():
            nn.init.zeros_(head.weight)  # type: ignore[arg-type]
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(
        self,
        composed: Float[Tensor, "n 3 h w"],
        degraded: Float[Tensor, "n 3 h w"],
        features: Float[Tensor, "n c h w"],
        scale: int,
    ) -> Float[Tensor, "n 3 sh sw"]:
        """Sharpen and enlarge.

        Args:
            composed: The picture after all that comes before, RGB in [0, 1].
            degraded: The photo as it came, same size and range.
            features: The denoiser's second output for `degraded`.
            scale: One of `config.scales`.

        Returns:
            float32 RGB, not clamped, `scale` times the size.
        """
        x = self.enter(torch.cat((composed, degraded), 1))
        for fusion, block in zip(self.fusion, self.blocks, strict=True):
            x = block(x + fusion(features))
        residual = F.pixel_shuffle(self.heads[str(scale)](x), scale).float()
        if scale == 1:
            return composed.float() + residual
        picture = _enlarged(composed.float(), scale) + residual
        size = list(composed.shape[-2:])
        reduced = F.interpolate(picture, size, mode="bicubic", antialias=True)
        missing = (composed.float() - reduced) * _doubt(composed, degraded)
        return picture + _enlarged(missing, scale)


def _doubt(
    composed: Float[Tensor, "n 3 h w"], degraded: Float[Tensor, "n 3 h w"]
) -> Float[Tensor, "n 1 h w"]:
    """Near 0 where the earlier steps left the photo as it was, near 1 where they changed it."""
    change = (composed - degraded).float().abs().mean(1, keepdim=True)
    square = F.avg_pool2d(change, 9, stride=1, padding=4, count_include_pad=False).square()
    return square / (square + CHANGED**2)


def _enlarged(image: Float[Tensor, "n 3 h w"], scale: int) -> Float[Tensor, "n 3 sh sw"]:
    return F.interpolate(image, scale_factor=float(scale), mode="bicubic", align_corners=False)
