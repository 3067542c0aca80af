"""Blocks that several networks share. Nothing here knows what it is used for."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelAttention(nn.Module):
    """Scale each channel by a weight found from the means of all (squeeze and excitation).

    Source: Hu et al. 2018; as used in Zamir et al. 2021 (MPRNet). The mean is taken over whatever
    is given, so a tile sees another mean than the photo it was cut from.
    """

    def __init__(self, width: int, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(width // reduction, 4)
        self.squeeze = nn.Conv2d(width, hidden, 1)
        self.excite = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the channels of `x`, each times its weight in (0, 1)."""
        weight = F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.excite(weight))


class ChannelAttentionBlock(nn.Module):
    """Two 3×3 convolutions and channel attention, added to the input (MPRNet's CAB)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.activation = nn.PReLU(width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.attention = ChannelAttention(width)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return `x` plus a correction of the same shape."""
        correction: Tensor = self.attention(self.second(self.activation(self.first(x))))
        return x + correction


class SpectralGate(nn.Module):
    """Turn down the frequencies that a repeating pattern sits in.

    A periodic pattern is a handful of peaks in the Fourier plane, spread over every pixel of the
    picture: a convolution sees it through a window, a gate on the spectrum sees all of it at once.
    The gate is a real number in (0, 1) for each channel and frequency, found from the logarithm of
    the magnitude and from how far it stands out of its 7×7 neighbourhood; phases are kept.

    Kin: Chi et al. 2020 (fast Fourier convolution, used by LaMa), Rao et al. 2021 (GFNet, static
    global filters), Mao et al. 2023 (DeepRFT), Kong et al. 2023 (FFTformer).
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(width, hidden, 1)
        self.gate = nn.Sequential(
            nn.Conv2d(2 * hidden, hidden, 3, padding=1),
            nn.PReLU(hidden),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.PReLU(hidden),
            nn.Conv2d(hidden, hidden, 1),
        )
        self.leave = nn.Conv2d(hidden, width, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return `x` plus what the gated spectrum says; the transform itself runs in float32."""
        entered = self.enter(x)
        with torch.autocast(x.device.type, enabled=False):
            spectrum = torch.fft.rfft2(entered.float(), norm="ortho")
            level = torch.log1p(spectrum.abs())
            contrast = level - F.avg_pool2d(level, 7, stride=1, padding=3, count_include_pad=False)
        gate = torch.sigmoid(self.gate(torch.cat((level, contrast), 1).to(entered.dtype)))
        with torch.autocast(x.device.type, enabled=False):
            filtered = torch.fft.irfft2(spectrum * gate.float(), s=x.shape[-2:], norm="ortho")
        correction: Tensor = self.leave(filtered.to(entered.dtype))
        return x + correction


class SupervisedAttention(nn.Module):
    """Predict the picture, be supervised on it, and pass on the features it vouches for.

    Source: Zamir et al. 2021, "Multi-Stage Progressive Image Restoration", fig. 4 (there "SAM").
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = nn.Conv2d(width, width, 3, padding=1)
        self.image = nn.Conv2d(width, 3, 3, padding=1)
        self.attention = nn.Conv2d(3, width, 3, padding=1)

    def forward(
        self, x: Float[Tensor, "n c h w"], degraded: Float[Tensor, "n 3 h w"]
    ) -> tuple[Float[Tensor, "n 3 h w"], Float[Tensor, "n c h w"]]:
        """Return the restored picture (input plus residual) and the attention-guided features."""
        image = self.image(x).float() + degraded
        attention = torch.sigmoid(self.attention(image))
        return image, x + self.features(x) * attention
