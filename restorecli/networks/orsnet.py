"""The original-resolution network that enlarges the composed picture."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.blocks import ChannelAttention
from restorecli.networks.windows import Windows

CUBIC = -0.75  # the slope of Keys's kernel at 1, as `F.interpolate` and OpenCV have it
REACH = 2  # pixels that the kernel reaches to either side


@dataclass(frozen=True, kw_only=True)
class ORSNetConfig:
    """Sizes of ORSNet.

    Attributes:
        width: Channels of the features, which have one place for each 2×2 pixels.
        blocks: Pairs of convolutions of each original-resolution block.
        scales: Sizes of the result over the size of the source, one sub-pixel head each.
        window: Pixels along a side of the windows that channel attention takes its means over.
        window_overlap: Pixels that neighbouring windows share.
    """

    width: int = 64
    blocks: tuple[int, ...] = (2, 2, 2)
    scales: tuple[int, ...] = (2, 4)
    window: int = 256
    window_overlap: int = 64


class ConvolutionPair(nn.Module):
    """Two 3×3 convolutions around a ReLU, added to their input; no normalisation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Size and channels stay."""
        change: Tensor = self.second(F.relu_(self.first(x)))
        return x + change


class OriginalResolutionBlock(nn.Module):
    """Convolutions, then channel attention, added to the input.

    MPRNet's ORB has the attention behind every pair of convolutions. Here it is once for all of
    them, to save passes over the picture; what that costs in quality was not measured.
    """

    def __init__(self, width: int, pairs: int, windows: Windows) -> None:
        super().__init__()
        self.pairs = nn.Sequential(*[ConvolutionPair(width) for _ in range(pairs)])
        self.leave = nn.Conv2d(width, width, 3, padding=1)
        self.attention = ChannelAttention(width, windows)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return `x` plus a correction of the same shape."""
        correction = self.leave(self.pairs(x))
        return torch.addcmul(x, correction, self.attention.weights(correction))


class ORSNet(nn.Module):
    """Original-resolution blocks over the picture so far and the photo as it came.

    Nothing is lost on the way in: 2×2 pixels become channels (Shi et al. 2016, the other way), so
    every convolution sees twice as far and a matrix unit has channels enough to be busy. Zamir et
    al. 2021, section 3.3, has the blocks at full size and feeds them the features of the stage
    before; those cost a run of the denoiser for each tile and a photo without a pattern has none.

    A head for each scale turns the result into a residual by sub-pixel convolution, which is added
    to the picture so far, enlarged bicubically: what was improved stays improved.
    """

    config_class: ClassVar[type[ORSNetConfig]] = ORSNetConfig

    def __init__(self, config: ORSNetConfig) -> None:
        super().__init__()
        self.config = config
        windows = Windows(side=config.window, overlap=config.window_overlap).coarser(2)
        self.enter = nn.Conv2d(4 * 6, config.width, 3, padding=1)
        self.blocks = nn.Sequential(
            *[OriginalResolutionBlock(config.width, pairs, windows) for pairs in config.blocks]
        )
        self.heads = nn.ModuleDict(
            {
                str(scale): nn.Conv2d(config.width, 3 * (2 * scale) ** 2, 3, padding=1)
                for scale in config.scales
            }
        )
        for head in self.heads.values():
            nn.init.zeros_(head.weight)  # type: ignore[arg-type]
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(
        self, composed: Float[Tensor, "n 3 h w"], degraded: Float[Tensor, "n 3 h w"], scale: int
    ) -> Float[Tensor, "n 3 sh sw"]:
        """Enlarge.

        Args:
            composed: The picture after all that comes before, RGB in [0, 1].
            degraded: The photo as it came, same size and range.
            scale: One of `config.scales`.

        Returns:
            float32 RGB, not clamped, `scale` times the size.
        """
        return self.enlarged(self.features(composed, degraded), composed, scale)

    def features(
        self, composed: Float[Tensor, "n 3 h w"], degraded: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, "n c rows columns"]:
        """What the heads of all scales see; sides are rounded up."""
        both = torch.cat((composed, degraded), 1)
        height, width = both.shape[-2:]
        if height % 2 or width % 2:
            both = F.pad(both, (0, width % 2, 0, height % 2), mode="replicate")
        squares = F.pixel_unshuffle(both, 2).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.blocks(self.enter(squares))
        return features

    def enlarged(
        self,
        features: Float[Tensor, "n c rows columns"],
        composed: Float[Tensor, "n 3 h w"],
        scale: int,
    ) -> Float[Tensor, "n 3 sh sw"]:
        """The picture at a scale, of `features` that were found for it."""
        height, width = composed.shape[-2:]
        residual = F.pixel_shuffle(self.heads[str(scale)](features), 2 * scale)
        plain = bicubic(composed.float(), scale)
        return plain + residual[..., : height * scale, : width * scale]


def bicubic(image: Float[Tensor, "n c h w"], scale: int) -> Float[Tensor, "n c sh sw"]:
    """As `F.interpolate` enlarges, in float32 and in half of its time on a CPU.

    By a whole number the kernel's weights are the same around every pixel, so it is a convolution
    with an output for each place within the pixel. GPUs may round the factors of a convolution to
    ten bits (TF32), fewer than a photo has, so they interpolate.
    """
    if image.device.type != "cpu":
        return F.interpolate(image, scale_factor=float(scale), mode="bicubic")
    count, channels, height, width = image.shape
    rows = _cubic_weights(scale, image.device)
    kernels = (rows[:, None, :, None] * rows[:, None, :]).reshape(scale**2, 1, *[rows.shape[1]] * 2)
    planes = image.reshape(count * channels, 1, height, width)
    with torch.autocast(image.device.type, enabled=False):
        places = F.conv2d(F.pad(planes, [REACH] * 4, mode="replicate"), kernels)
    return F.pixel_shuffle(places, scale).view(count, channels, height * scale, width * scale)


def _cubic_weights(scale: int, device: torch.device) -> Float[Tensor, "places taps"]:
    """Weights of the neighbours, at each place within a pixel (Keys 1981)."""
    place = (torch.arange(scale, device=device) + 0.5) / scale - 0.5
    away = (torch.arange(-REACH, REACH + 1, device=device) - place[:, None]).abs()
    near = (CUBIC + 2) * away**3 - (CUBIC + 3) * away**2 + 1
    far = CUBIC * (away**3 - 5 * away**2 + 8 * away - 4)
    return torch.where(away <= 1, near, torch.where(away < 2, far, torch.zeros_like(away)))
