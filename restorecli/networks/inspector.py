"""The network that says whether there is anything to restore: a few windows of a photo in.

A pattern laid over a photo lies over all of it: at the same frequencies in every window, across the
edges of what is shown. A texture that belongs to the photo stays within its object. So the network
sees what the spectra of windows have in common, beside the windows themselves. Which windows are
looked at, and what follows from the answer, is the business of `restorecli.inspection.presence`.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from restorecli.networks.blocks import neighbourhood_mean

_TO_YCC = ((0.299, 0.587, 0.114), (-0.1687, -0.3313, 0.5), (0.5, -0.4187, -0.0813))
_EVIDENCE = 12  # channels of `WindowSummary.consensus`
_SMALL, _RANGE = 4, 8  # of 255, up to where a residual counts in proportion; of what is above


@dataclass(frozen=True, kw_only=True)
class InspectorConfig:
    """Sizes of an `Inspector`.

    Attributes:
        side: Of a window in pixels; a multiple of 16.
        widths: Channels of the convolutions over windows, each at half the size of the last.
        spectral_widths: The same over what the spectra have in common.
        hidden: Width of the layer that decides.
        levels: Sizes that a photo is looked at in: itself, half of it, and so on.
    """

    side: int = 128
    widths: tuple[int, ...] = (16, 24, 32, 48)
    spectral_widths: tuple[int, ...] = (24, 32, 48, 64)
    hidden: int = 64
    levels: int = 3

    def __post_init__(self) -> None:
        """Refuse impossible sizes in a sentence.

        Raises:
            ValueError: A size is out of its bounds.
        """
        if self.side < 32 or self.side % 16:
            raise ValueError(f"side {self.side} is not a multiple of 16 from 32 on")


class Findings(NamedTuple):
    """What an `Inspector` thinks of photos, as log odds.

    Attributes:
        pattern: (n,) a repeating pattern lies over the photo.
        noise: (n,) there is noise that can be seen.
        printed: (n,) the pattern is a screen that carries the photo, as in a print.
    """

    pattern: Tensor
    noise: Tensor
    printed: Tensor


class WindowSummary(nn.Module):
    """Sums up a picture by windows of it at a few sizes.

    Each size is looked at by the same layers: strided convolutions over every window, averaged, and
    strided convolutions over the consensus of their spectra. What the sizes say is joined by mean
    and maximum. Kin of the gates of `SpectralGate`, which look at a window alone.
    """

    def __init__(self, config: InspectorConfig) -> None:
        super().__init__()
        self.config = config
        self.look = _pyramid(3, config.widths)
        self.listen = _pyramid(_EVIDENCE, config.spectral_widths)
        features = 3 * config.widths[-1] + 2 * config.spectral_widths[-1]
        self.join = nn.Sequential(nn.Linear(features, config.hidden), nn.PReLU(config.hidden))

    def summary(self, levels: list[Float[Tensor, "n _ 3 s s"]]) -> Float[Tensor, "n c"]:
        """Sum up pictures in twice `config.hidden` features.

        Args:
            levels: For each size the pictures were looked at in, the largest first, k windows of
                each picture, RGB in [0, 1]; k may differ from size to size.
        """
        answers = torch.stack([self._answers(windows) for windows in levels])
        return torch.cat((answers.mean(0), answers.amax(0)), 1)

    def _answers(self, windows: Float[Tensor, "n k 3 s s"]) -> Float[Tensor, "n c"]:
        n, k, _, side, _ = windows.shape
        ycc = torch.einsum("ij,nkjhw->nkihw", windows.new_tensor(_TO_YCC), windows)
        features = self.look((ycc * 2 - 1).reshape(n * k, 3, side, side)).view(
            n, k, -1, side // 16, side // 16
        )
        each = features.mean((3, 4))
        heard = self.listen(self.consensus(ycc))
        over_windows = each.mean(1), each.amax(1), features.amax((1, 3, 4))
        answers: Tensor = self.join(
            torch.cat((*over_windows, heard.mean((2, 3)), heard.amax((2, 3))), 1)
        )
        return answers

    def consensus(self, ycc: Float[Tensor, "n k 3 s s"]) -> Float[Tensor, "n e s b"]:
        """What the spectra of a photo's windows have in common, low frequencies in the middle row.

        Args:
            ycc: Luma and colour differences of the windows.

        Returns:
            For each of the three channels the mean over windows of the logarithmic magnitude, the
            mean of how far it stands out of its 7×7 neighbourhood, and the least and the greatest
            of these.
        """
        side = ycc.shape[-1]
        taper = torch.hann_window(side, device=ycc.device)
        flat = ycc - ycc.mean((3, 4), keepdim=True)
        spectrum = torch.fft.rfft2(flat.float() * (taper[:, None] * taper), norm="ortho")
        level = torch.log1p(16 * spectrum.abs())
        around = neighbourhood_mean(level.flatten(0, 1)).view_as(level)
        contrast = level - around
        evidence = (level.mean(1), contrast.mean(1), contrast.amin(1), contrast.amax(1))
        return torch.cat(evidence, 1).roll(side // 2, 2)


class Inspector(WindowSummary):
    """Judges a photo by windows of it at a few sizes."""

    config_class: ClassVar[type[InspectorConfig]] = InspectorConfig

    def __init__(self, config: InspectorConfig) -> None:
        super().__init__(config)
        self.decide = _decision(2 * config.hidden, config.hidden)

    def forward(self, levels: list[Float[Tensor, "n _ 3 s s"]]) -> Findings:
        """Judge photos; `levels` as of `summary`."""
        return Findings(*self.decide(self.summary(levels)).float().unbind(1))


class ResidualInspector(nn.Module):
    """Judges a photo by windows of it and of what the denoiser takes away from it.

    Of a clean photo the denoiser takes next to nothing, or what is like one of its textures; of a
    patterned one it takes the same everywhere, from calm places too.
    """

    config_class: ClassVar[type[InspectorConfig]] = InspectorConfig

    def __init__(self, config: InspectorConfig) -> None:
        super().__init__()
        self.config = config
        self.photo, self.residual = WindowSummary(config), WindowSummary(config)
        self.decide = _decision(4 * config.hidden, config.hidden)

    def forward(
        self,
        photo: list[Float[Tensor, "n _ 3 s s"]],
        residual: list[Float[Tensor, "n _ 3 s s"]],
    ) -> Findings:
        """Judge photos.

        Args:
            photo: As of `WindowSummary.summary`.
            residual: The same windows of `residual_picture`.
        """
        summaries = self.photo.summary(photo), self.residual.summary(residual)
        return Findings(*self.decide(torch.cat(summaries, 1)).float().unbind(1))


def residual_picture(
    photo: Float[Tensor, "n 3 h w"], denoised: Float[Tensor, "n 3 h w"]
) -> Float[Tensor, "n 3 h w"]:
    """What the denoiser took away as a picture in [0, 1], 0.5 where it took nothing.

    An inverse hyperbolic sine makes a step of 1/255 as large as eight, and 60 not much larger.
    """
    return (torch.asinh((photo - denoised) * (255 / _SMALL)) / _RANGE + 0.5).clamp(0, 1)


def _decision(inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.PReLU(hidden), nn.Linear(hidden, 3))


def _pyramid(inputs: int, widths: tuple[int, ...]) -> nn.Sequential:
    """3×3 convolutions, each of stride 2 but those of a second look at the last size."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(inputs, width, 3, stride=2, padding=1), nn.PReLU(width)]
        inputs = width
    return nn.Sequential(*layers, nn.Conv2d(inputs, inputs, 3, padding=1), nn.PReLU(inputs))
