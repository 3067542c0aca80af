"""Blocks that several networks share. Nothing here knows what it is used for."""

import itertools
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from restorecli.networks.windows import Windows


class ChannelAttention(nn.Module):
    """Scale each channel by a weight found from the means of all (squeeze and excitation).

    Source: Hu et al. 2018; as used in Zamir et al. 2021 (MPRNet). There the mean is taken over the
    whole picture; here over each window, and the weights fade from window to window.
    """

    def __init__(self, width: int, windows: Windows, reduction: int = 4) -> None:
        super().__init__()
        self.windows = windows
        hidden = max(width // reduction, 4)
        self.squeeze = nn.Conv2d(width, hidden, 1)
        self.excite = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the channels of `x`, each times its weight in (0, 1)."""
        return x * self.weights(x)

    def weights(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c #h #w"]:
        """The weights alone; where one window holds the whole picture, one for each channel."""
        height, width = x.shape[-2:]
        if self.windows.cover(height, width):
            return self._excited(x.mean((2, 3), keepdim=True))
        boxes = (self.windows.boxes(side, x.device) for side in (height, width))
        shares = (self.windows.shares(side, x.device).T for side in (height, width))
        return _along_both(self._excited(_along_both(x, *boxes)), *shares)

    def _excited(self, means: Float[Tensor, "n c t l"]) -> Float[Tensor, "n c t l"]:
        return torch.sigmoid(self.excite(F.relu(self.squeeze(means))))


def _along_both(
    x: Float[Tensor, "n c h w"], rows: Float[Tensor, "t h"], columns: Float[Tensor, "l w"]
) -> Float[Tensor, "n c t l"]:
    """Multiply a picture by a matrix along each axis, in the memory order of channels_last.

    What grows, grows along its rows last: that is one large product instead of one for each row.
    """
    rows, columns, pixels = rows.to(x.dtype), columns.to(x.dtype), x.permute(0, 2, 3, 1)
    if len(rows) > x.shape[2]:
        return _along_rows(rows, columns @ pixels).permute(0, 3, 1, 2)
    return (columns @ _along_rows(rows, pixels)).permute(0, 3, 1, 2)


def _along_rows(
    matrix: Float[Tensor, "t h"], pixels: Float[Tensor, "n h w c"]
) -> Float[Tensor, "n t w c"]:
    return (matrix @ pixels.flatten(2)).reshape(len(pixels), len(matrix), *pixels.shape[2:])


class ChannelAttentionBlock(nn.Module):
    """Two 3×3 convolutions and channel attention, added to the input (MPRNet's CAB)."""

    def __init__(self, width: int, windows: Windows) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.activation = nn.PReLU(width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.attention = ChannelAttention(width, windows)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return `x` plus a correction of the same shape."""
        correction = self.second(self.activation(self.first(x)))
        return torch.addcmul(x, correction, self.attention.weights(correction))


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions around a SiLU, added to their input; no normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, channels, 3, padding=1)
        self.project = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Size and channels stay."""
        change: Tensor = self.project(F.silu(self.expand(F.silu(x))))
        return x + change


class SpectralGate(nn.Module):
    """Turn down the frequencies that a repeating pattern sits in.

    A periodic pattern is a handful of peaks in the Fourier plane, spread over every pixel of the
    picture: a convolution sees it through a few pixels, a gate on the spectrum of a window sees all
    of it at once. The gate is a real number in (0, 1) for each channel and frequency, found from
    the logarithm of the magnitude and from how far it stands out of its 7×7 neighbourhood; phases
    are kept. Windows fade into each other.

    Kin: Chi et al. 2020 (fast Fourier convolution, used by LaMa), Rao et al. 2021 (GFNet, static
    global filters), Mao et al. 2023 (DeepRFT), Kong et al. 2023 (FFTformer).
    """

    def __init__(self, width: int, hidden: int, windows: Windows) -> None:
        super().__init__()
        self.windows = windows
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
        entered = _planes(self.enter, x)
        correction: Tensor = self.leave(self._over_windows(entered))
        return x + correction

    def _over_windows(self, entered: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Gate the spectrum of each window, and fade them into each other."""
        height, width = entered.shape[-2:]
        if self.windows.cover(height, width):
            return self._filtered(entered)
        side = self.windows.side
        down = self.windows.shares(height, entered.device).to(entered.dtype)
        across = self.windows.shares(width, entered.device).to(entered.dtype)
        filtered = torch.zeros_like(entered)
        for top, rows in zip(self.windows.starts(height), down, strict=True):
            for left, columns in zip(self.windows.starts(width), across, strict=True):
                area = ..., slice(top, top + side), slice(left, left + side)
                share = rows[top : top + side, None] * columns[left : left + side]
                filtered[area].addcmul_(self._filtered(entered[area]), share)
        return filtered

    def _filtered(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Gate the spectrum of whole pictures."""
        with torch.autocast(x.device.type, enabled=False):
            spectrum = torch.fft.rfft2(x.float(), norm="ortho")
            level = torch.log1p(_magnitude(spectrum)).contiguous(memory_format=torch.channels_last)
            contrast = level - neighbourhood_mean(level)
        gate = torch.sigmoid(self.gate(torch.cat((level, contrast), 1).to(x.dtype)))
        with torch.autocast(x.device.type, enabled=False):
            filtered = inverse_rfft2(spectrum * gate.float().contiguous(), x.shape[-1])
        return filtered.to(x.dtype)


def inverse_rfft2(spectrum: Tensor, width: int) -> Float[Tensor, "... h w"]:
    """The inverse of `rfft2`, orthonormal, one axis after the other.

    A gate makes the first and the last column of the half-plane unlike any real picture's. What
    `irfft2` then gives is a library's choice, and cuFFT's is another than that of the CPU's; taken
    apart, the rows' transform leaves out what cannot be real, everywhere alike.
    """
    columns = torch.fft.ifft(spectrum, dim=-2, norm="ortho")
    picture: Tensor = torch.fft.irfft(columns, n=width, dim=-1, norm="ortho")
    return picture


def _planes(pointwise: nn.Conv2d, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n hidden h w"]:
    """A 1×1 convolution from channels_last to the planes that the Fourier transform wants."""
    assert pointwise.bias is not None
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
    weight = pointwise.weight.flatten(1).expand(len(x), -1, -1)
    planes = torch.baddbmm(pointwise.bias[:, None], weight, pixels.transpose(1, 2))
    return planes.reshape(len(x), -1, *x.shape[2:])


def _magnitude(spectrum: Tensor) -> Tensor:
    """As `abs`, in two thirds of its time; the least square keeps the gradient finite at 0."""
    real, imaginary = spectrum.real, spectrum.imag
    least = torch.full((), 1e-20, device=spectrum.device)
    return torch.addcmul(torch.addcmul(least, real, real), imaginary, imaginary).sqrt()


def neighbourhood_mean(level: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Mean over 7×7, at the border over what is inside.

    One filter for each channel: on a CPU that takes a seventh of the time of pooling.
    """
    sevens = level.new_ones(level.shape[1], 1, 7, 7)
    sums = F.conv2d(level, sevens, padding=3, groups=level.shape[1])
    return sums * _shares_of_sevens(*level.shape[-2:], level.device)


@lru_cache(maxsize=64)  # a few levels' windows, and small pictures
def _shares_of_sevens(height: int, width: int, device: torch.device) -> Float[Tensor, "h w"]:
    """One over the number of pixels of each 7×7 that lie inside."""
    with torch.inference_mode(mode=False):  # what is kept must serve training too
        down, across = (_inside(length, device) for length in (height, width))
        return 1 / (down[:, None] * across)


def _inside(length: int, device: torch.device) -> Tensor:
    """How many of each sample and the three on either side exist."""
    position = torch.arange(length, device=device)
    return (position + 3).clamp(max=length - 1) - (position - 3).clamp(min=0) + 1


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
        image = self.picture(x, degraded)
        attention = torch.sigmoid(self.attention(image.to(x.dtype)))
        return image, torch.addcmul(x, self.features(x), attention)

    def picture(
        self, x: Float[Tensor, "n c h w"], degraded: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """The restored picture alone, float32."""
        residual: Tensor = self.image(x).float()
        return residual + degraded


def convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution that keeps the size law ceil(side / stride), with its batch norm."""
    padding = kernel // 2
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
    ]


def activated(
    inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, leak: float
) -> nn.Sequential:
    """Convolution, batch norm, leaky ReLU."""
    layers = convolution(inputs, outputs, kernel=kernel, stride=stride)
    return nn.Sequential(*layers, nn.LeakyReLU(leak, inplace=True))


def fold_batch_norms(network: nn.Module) -> None:
    """Put each batch norm that follows a convolution in a row of layers into that convolution.

    The picture passes through memory once less for each; answers stay the same but for rounding.

    Args:
        network: In eval mode; changed in place, and no longer fit to be trained or saved.
    """
    for row in list(network.modules()):
        if not isinstance(row, nn.Sequential):
            continue
        for index, (layer, following) in enumerate(itertools.pairwise(list(row))):
            if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                row[index] = fuse_conv_bn_eval(layer, following)
                row[index + 1] = nn.Identity()
