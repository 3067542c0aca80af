"""The pair of VAEs that restores one face, at its size and at twice that.

VAE A sees the face as it came and as step 1 left it; VAE B (`restorecli.networks.face_prior`) knows
clean faces. A's latent is mapped to a distribution over B's, B's decoder draws from it with A's
evidence mixed in at every level, and what it draws is fused with what is there.

Not here: finding, aligning and pasting (`restorecli.faces`), encoder B and all losses
(`training.tasks.face_vae`).
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.blocks import ResidualBlock
from restorecli.networks.denoiser import DenoiserConfig
from restorecli.networks.face_prior import (
    LOG_VARIANCE_BOUND,
    LatentAttention,
    PriorDecoder,
    PriorDecoderConfig,
)
from restorecli.networks.guided_denoiser import GuidedDenoiser

FIRST_LOGITS = (2.0, -2.0)  # of the result against the evidence; of B's picture in it
LOGIT_BOUND = 12.0
Image = Float[Tensor, "n 3 h w"]
Latent = Float[Tensor, "n c h4 w4"]
LogOdds = Float[Tensor, "n 1 h w"]


@dataclass(frozen=True, kw_only=True)
class FaceVAEPairConfig(PriorDecoderConfig):
    """Sizes of a `FaceVAEPair`: decoder B's, and all others; A's latent has as many channels.

    Attributes:
        smallest: Least side of a crop in pixels; the faces of training are no smaller.
        largest: Greatest side; beyond it a face takes too long. Both are multiples of 8.
        look_widths: As the denoiser's sizes of the same names, for VAE A; so are the next three.
        look_encoder_blocks: See there.
        look_decoder_blocks: See there.
        look_gates: See there.
        mapping_widths: Channels of the mapping at a quarter and an eighth of the crop's side.
        mapping_blocks: Residual blocks at an eighth before, and again after, the attention.
    """

    smallest: int = 128
    largest: int = 240
    look_widths: tuple[int, ...] = (16, 32, 64, 128)
    look_encoder_blocks: tuple[int, ...] = (1, 2, 2, 2)
    look_decoder_blocks: tuple[int, ...] = (2, 2, 2)
    look_gates: tuple[int, ...] = (16, 16, 32, 64)
    mapping_widths: tuple[int, int] = (64, 128)
    mapping_blocks: int = 1

    def __post_init__(self) -> None:
        """Refuse impossible sizes in a sentence.

        Raises:
            ValueError: A size does not divide, a side is out of its bounds, or VAE A has not one
                level more than B.
        """
        super().__post_init__()
        for name in ("smallest", "largest"):
            side = getattr(self, name)
            if side < 16 or side % 8:
                raise ValueError(f"{name} {side} is not a multiple of 8 from 16 on")
        if self.smallest > self.largest:
            raise ValueError(f"smallest {self.smallest} is more than largest {self.largest}")
        if self.mapping_widths[1] % self.heads:
            raise ValueError(
                f"{self.mapping_widths[1]} channels do not divide by {self.heads} heads"
            )
        if len(self.look_widths) != len(self.widths) + 1:
            raise ValueError(f"look_widths {self.look_widths}: VAE A has four levels")

    @property
    def look(self) -> DenoiserConfig:
        """Of VAE A's U-Net."""
        return DenoiserConfig(
            widths=tuple(self.look_widths),
            encoder_blocks=tuple(self.look_encoder_blocks),
            decoder_blocks=tuple(self.look_decoder_blocks),
            gates=tuple(self.look_gates),
        )


class Fusion(NamedTuple):
    """What decoder B draws at one size, and how it is mixed into what is there.

    Attributes:
        prior: Picture of decoder B alone (n, 3, h, w), sRGB around [0, 1], not clamped.
        share: Log odds of it in the mixture with another picture (n, 1, h, w), bounded.
        correction: To the mixture (n, 3, h, w).
        logit: Log odds of the result against the evidence in each pixel (n, 1, h, w), bounded.
    """

    prior: Tensor
    share: Tensor
    correction: Tensor
    logit: Tensor

    def over(self, picture: Image) -> Image:
        """Mix with a picture of the same size, not clamped."""
        return torch.lerp(picture, self.prior, torch.sigmoid(self.share)) + self.correction


class LargeFace(NamedTuple):
    """Faces of twice the crops' side, which wait for the enlarged photo.

    Attributes:
        fusion: What goes over it.
        mask: Share of the result (n, 1, 2s, 2s).
    """

    fusion: Fusion
    mask: Tensor

    def over(self, picture: Image) -> Image:
        """The faces, in [0, 1], where the enlarged photo has `picture`."""
        return torch.lerp(picture, self.fusion.over(picture).clamp(0, 1), self.mask)

    def to(self, where: torch.device | torch.dtype) -> "LargeFace":
        """The same on a device, or as numbers of a kind."""
        return LargeFace(Fusion(*(part.to(where) for part in self.fusion)), self.mask.to(where))

    def row(self, number: int) -> "LargeFace":
        """One face of several."""
        rows = slice(number, number + 1)
        return LargeFace(Fusion(*(part[rows] for part in self.fusion)), self.mask[rows])


class FaceRestoration(NamedTuple):
    """Restored crops (n, 3, s, s), the share of the prior in each pixel (n, 1, s, s), and more."""

    face: Tensor
    mask: Tensor
    large: LargeFace | None


class FaceDrawing(NamedTuple):
    """A face at the crop's size and at twice that, and what it was drawn from.

    Attributes:
        first: Picture of decoder A, at the crop's size (n, 3, h, w), sRGB, not clamped.
        small: What goes over it.
        large: What goes over a picture of twice the size, as step 3 enlarges the photo.
        latent: Mean and log-variance of A's latent.
        mapped: Mean and log-variance of B's latent.
    """

    first: Tensor
    small: Fusion
    large: Fusion
    latent: tuple[Tensor, Tensor]
    mapped: tuple[Tensor, Tensor]


class PriorMapping(nn.Module):
    """A's latent to the distribution of B's."""

    def __init__(self, config: FaceVAEPairConfig) -> None:
        super().__init__()
        fine, coarse = config.mapping_widths
        self.enter = nn.Conv2d(config.latent, fine, 3, padding=1)
        self.before = ResidualBlock(fine)
        self.coarse = nn.Sequential(
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1),
            *(ResidualBlock(coarse) for _ in range(config.mapping_blocks)),
            LatentAttention(coarse, config.heads, config.canvas // 16),
            *(ResidualBlock(coarse) for _ in range(config.mapping_blocks)),
            nn.SiLU(),
            nn.Conv2d(coarse, 4 * fine, 1),
            nn.PixelShuffle(2),
        )
        self.after = ResidualBlock(fine)
        self.leave = nn.Conv2d(fine, 2 * config.latent, 3, padding=1)

    def forward(self, latent: Latent) -> tuple[Latent, Latent]:
        """Mean and log-variance; both sides even."""
        near = self.before(self.enter(latent))
        mean, log_variance = self.leave(F.silu(self.after(near + self.coarse(near)))).chunk(2, 1)
        return mean, log_variance.clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)


class EvidenceGate(nn.Module):
    """Changes a decoder's features by the evidence, as far as a gate lets it at each place.

    A spatial feature transform (Wang et al. 2018): scale and shift of each value are found from the
    evidence. They start at nothing.
    """

    def __init__(self, evidence: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(evidence, width, 3, padding=1)
        self.gate = nn.Conv2d(2 * width, width, 1)
        self.leave = nn.Conv2d(width, 2 * width, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(
        self, x: Float[Tensor, "n c h w"], evidence: Float[Tensor, "n d h w"]
    ) -> Float[Tensor, "n c h w"]:
        """Size and channels of `x` stay."""
        seen = F.silu(self.enter(evidence))
        scale, shift = self.leave(seen).chunk(2, dim=1)
        trust = torch.sigmoid(self.gate(torch.cat((x, seen), 1)))
        changed: Tensor = x + trust * (scale * x + shift)
        return changed


class FaceVAEPair(nn.Module):
    """Two VAEs of faces, one for each domain, joined by a mapping, gates and a fusion.

    After Wan et al., "Bringing Old Photos Back to Life" (CVPR 2020), and "multi-autoencoder
    progressive image restoration". VAE A is the denoiser's U-Net, which sees the crop as it came
    and as step 1 left it: its encoder gives the latent, its decoder the face as the evidence has
    it. VAE B's decoder draws what faces are like.
    """

    config_class: ClassVar[type[FaceVAEPairConfig]] = FaceVAEPairConfig

    def __init__(self, config: FaceVAEPairConfig) -> None:
        super().__init__()
        self.config = config
        self.first = GuidedDenoiser(config.look)
        evidence = tuple(config.look_widths[2::-1])
        self.latent = nn.Sequential(
            ResidualBlock(evidence[0]),
            nn.SiLU(),
            nn.Conv2d(evidence[0], 2 * config.latent, 3, padding=1),
        )
        self.mapping = PriorMapping(config)
        self.prior = PriorDecoder(config)
        self.gates = nn.ModuleList(
            EvidenceGate(seen, width) for seen, width in zip(evidence, config.widths, strict=True)
        )
        finest = config.widths[-1]
        self.fuse_small = nn.Conv2d(finest, 5, 3, padding=1)
        self.fuse_large = nn.Conv2d(finest, 20, 3, padding=1)
        for layer, places in ((self.fuse_small, 1), (self.fuse_large, 4)):
            nn.init.zeros_(layer.weight)
            with torch.no_grad():
                layer.bias.zero_()  # type: ignore[union-attr]
                first = torch.tensor(FIRST_LOGITS).repeat_interleave(places)
                layer.bias[: len(first)] = first  # type: ignore[index]

    def draw(self, degraded: Image, source: Image, *, sample: bool = False) -> FaceDrawing:
        """Draw faces.

        Args:
            degraded: Crops as step 1 left them, sRGB in [0, 1], sides multiples of 8.
            source: The same crops as they came.
            sample: Draw both latents from their distributions, as training does, and not their
                means.
        """
        look = self.first
        levels = look.levels(look.enter(source) + look.hint(degraded - source))
        first: Tensor = look.attention.picture(levels[-1], source)
        latent = _bounded(self.latent(levels[0]))
        mapped: tuple[Tensor, Tensor] = self.mapping(drawn(latent, sample))
        gates = [_Gated(gate, seen) for gate, seen in zip(self.gates, levels, strict=True)]
        features = self.prior.features(drawn(mapped, sample), gates)
        prior = self.prior.pictures(features)
        small = _fusion(self.fuse_small(features), prior.half)
        large = _fusion(F.pixel_shuffle(self.fuse_large(features), 2), prior.full)
        return FaceDrawing(first.float(), small, large, latent, mapped)

    def forward(
        self, degraded: Image, source: Image, fidelity: float, *, enlarged: bool = False
    ) -> FaceRestoration:
        """Restore faces.

        What is predicted gives the odds of the prior against the evidence; `fidelity` f multiplies
        them by (1 − f) / f. So the mask falls with fidelity in every pixel, is as predicted at 0.5,
        all prior at 0 and nothing at 1.

        Args:
            degraded: Crops as step 1 left them, float32 sRGB in [0, 1], sides multiples of 8; not
                modified.
            source: The same crops as they came; `degraded` itself where that tells nothing, as
                when the picture was made lighter since.
            fidelity: In [0, 1]; at 1 the very crop is returned, to the bit.
            enlarged: Whether faces of twice the size are asked for, too.

        Raises:
            ValueError: `fidelity` is out of [0, 1].
        """
        if not 0 <= fidelity <= 1:
            raise ValueError(f"fidelity {fidelity} is not in [0, 1]")
        if fidelity == 1:
            return FaceRestoration(degraded, torch.zeros_like(degraded[:, :1]), None)
        kind = self.fuse_small.weight.dtype
        drawing = self.draw(degraded.to(kind), source.to(kind))
        mask = prior_share(drawing.small.logit, fidelity)
        picture = drawing.small.over(drawing.first).clamp(0, 1)
        large = None
        if enlarged:
            large = LargeFace(drawing.large, prior_share(drawing.large.logit, fidelity))
        return FaceRestoration(torch.lerp(degraded, picture, mask), mask, large)


def prior_share(logit: LogOdds, fidelity: float) -> LogOdds:
    """Turn log odds of the prior into its share at a fidelity in [0, 1)."""
    if fidelity == 0:
        return torch.ones_like(logit)
    return torch.sigmoid(logit + math.log((1 - fidelity) / fidelity))


class _Gated:
    """A gate with the evidence it looks at."""

    def __init__(self, gate: nn.Module, evidence: Tensor) -> None:
        self.gate, self.evidence = gate, evidence

    def __call__(self, x: Tensor) -> Tensor:
        changed: Tensor = self.gate(x, self.evidence)
        return changed


def _bounded(latent: Tensor) -> tuple[Latent, Latent]:
    mean, log_variance = latent.chunk(2, dim=1)
    return mean, log_variance.clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)


def drawn(latent: tuple[Latent, Latent], sample: bool) -> Latent:
    """A latent from a normal distribution's mean and log-variance: a sample, or the mean."""
    mean, log_variance = latent
    return mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance) if sample else mean


def _fusion(maps: Float[Tensor, "n 5 h w"], prior: Image) -> Fusion:
    maps = maps.float()
    logits, correction = maps[:, :2].clamp(-LOGIT_BOUND, LOGIT_BOUND), maps[:, 2:]
    return Fusion(prior.float(), logits[:, 1:], correction, logits[:, :1])
