"""The pair of VAEs that restores one face, as it is used at run time.

Here: the encoder and decoder of both domains, the mapping between their latents, and how the parts
make one face. Not here: the second look (`restorecli.networks.guided_denoiser`), the fusion of all
pictures with the evidence (`restorecli.networks.face_fusion`), finding, aligning and pasting
(`restorecli.faces.restore`), sampling of latents, discriminators and the encoder of the clean
domain (`training.tasks.face_autoencoder`).
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
from restorecli.networks.face_fusion import Fusion
from restorecli.networks.guided_denoiser import GuidedDenoiser


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
        """Sides other than the native one stretch the codes."""
        n, channels, height, width = x.shape
        place: Tensor = self.place
        if place.shape[-2:] != (height, width):
            place = F.interpolate(place, (height, width), mode="bilinear", align_corners=False)
        tokens = self.norm((x + place).flatten(2).transpose(1, 2))  # (n, hw, c)
        split = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (n, heads, hw, c/heads)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        projected: Tensor = self.project(mixed).transpose(1, 2)
        return x + projected.reshape(n, channels, height, width)


LOG_VARIANCE_BOUND = 10.0
FLIP_ENSEMBLE_MAX_SIDE = 176  # px; half of all faces are no larger: there is time
Image = Float[Tensor, "n 3 h w"]
Latent = Float[Tensor, "n c h4 w4"]
LogOdds = Float[Tensor, "n 1 h w"]


@dataclass(frozen=True, kw_only=True)
class FaceVAEPairConfig:
    """Sizes of a `FaceVAEPair`.

    Attributes:
        size: Side in pixels of the crop for which the mapping's codes of places are made; a
            multiple of 8, as the next two are. The eyes of the middle portrait are 50 px apart,
            which makes a crop of 160 to 176 px.
        smallest: Least side of a crop; the faces of training are no smaller.
        largest: Greatest side; beyond it a face takes too long.
        latent: Channels of a latent; its side is a quarter of the crop's.
        widths: Channels at half and at a quarter of the crop's side.
        blocks: Residual blocks at a quarter of the side, in each encoder and decoder.
        mapping_widths: Channels of the latent mapping at a quarter and at an eighth of the side.
        mapping_blocks: Residual blocks at an eighth before, and again after, the attention.
        heads: Attention heads of the mapping.
        fusion_widths: Channels of the fusion at half, a quarter and an eighth of the side.
        fusion_blocks: Its residual blocks at each of these, on the way down and again upwards.
        look_widths: As the denoiser's sizes of the same names, for the second look; so are
            `look_encoder_blocks`, `look_decoder_blocks` and `look_gates`.
    """

    size: int = 160
    smallest: int = 128
    largest: int = 240
    latent: int = 16
    widths: tuple[int, int] = (32, 64)
    blocks: int = 3
    mapping_widths: tuple[int, int] = (64, 128)
    mapping_blocks: int = 1
    heads: int = 4
    fusion_widths: tuple[int, int, int] = (32, 64, 96)
    fusion_blocks: tuple[int, int, int] = (1, 1, 1)
    look_widths: tuple[int, ...] = (16, 32, 64, 128)
    look_encoder_blocks: tuple[int, ...] = (1, 2, 2, 2)
    look_decoder_blocks: tuple[int, ...] = (2, 2, 2)
    look_gates: tuple[int, ...] = (16, 16, 32, 64)

    def __post_init__(self) -> None:
        """Refuse impossible sizes in a sentence.

        Raises:
            ValueError: A size is out of its bounds.
        """
        for name in ("size", "smallest", "largest"):
            side = getattr(self, name)
            if side < 16 or side % 8:
                raise ValueError(f"{name} {side} is not a multiple of 8 from 16 on")
        if self.smallest > self.largest:
            raise ValueError(f"smallest {self.smallest} is more than largest {self.largest}")
        if self.mapping_widths[1] % self.heads:
            raise ValueError(
                f"{self.mapping_widths[1]} channels do not divide by {self.heads} heads"
            )


class FaceRestoration(NamedTuple):
    """Restored crops (n, 3, s, s), and the share of the prior in each pixel (n, 1, s, s)."""

    face: Tensor
    mask: Tensor


class FacePrediction(NamedTuple):
    """What the pair believes before the fidelity is known.

    Attributes:
        picture: The mixture of the next three, corrected (n, 3, s, s), sRGB, not clamped.
        logit: Log odds of the prior against the evidence in each pixel (n, 1, s, s).
        degraded: Picture of decoder A alone (n, 3, s, s).
        clean: Picture of decoder B alone (n, 3, s, s).
        second: Picture of the second look alone (n, 3, s, s).
    """

    picture: Tensor
    logit: Tensor
    degraded: Tensor
    clean: Tensor
    second: Tensor


class FaceEncoder(nn.Module):
    """Crop to the mean and log-variance of its latent, at a quarter of the side."""

    def __init__(self, config: FaceVAEPairConfig) -> None:
        super().__init__()
        half, quarter = config.widths
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, half, 3, padding=1),
            ResidualBlock(half),
            nn.Conv2d(half, quarter, 3, stride=2, padding=1),
            *(ResidualBlock(quarter) for _ in range(config.blocks)),
            nn.SiLU(),
            nn.Conv2d(quarter, 2 * config.latent, 3, padding=1),
        )

    def forward(self, image: Image) -> tuple[Latent, Latent]:
        """From sRGB in [0, 1], sides multiples of 4, to (mean, log-variance)."""
        mean, log_variance = self.body(image * 2 - 1).chunk(2, dim=1)
        return mean, log_variance.clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)


class FaceDecoder(nn.Module):
    """Latent to crop. No skip connections: all it draws comes from the latent."""

    def __init__(self, config: FaceVAEPairConfig) -> None:
        super().__init__()
        half, quarter = config.widths
        self.body = nn.Sequential(
            nn.Conv2d(config.latent, quarter, 3, padding=1),
            *(ResidualBlock(quarter) for _ in range(config.blocks)),
            nn.SiLU(),
            nn.Conv2d(quarter, 4 * half, 1),
            nn.PixelShuffle(2),
            ResidualBlock(half),
            nn.SiLU(),
            nn.Conv2d(half, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(self, latent: Latent) -> Image:
        """Returns sRGB around [0, 1], not clamped, at four times the latent's side."""
        picture: Tensor = self.body(latent)
        return picture * 0.5 + 0.5


class LatentMapping(nn.Module):
    """Latent of the degraded face to that of the clean one, as a change to it.

    The last convolution starts at zero: both VAEs start from common weights, so their latents
    nearly agree and leaving a latent alone is the right first guess.
    """

    def __init__(self, config: FaceVAEPairConfig) -> None:
        super().__init__()
        fine, coarse = config.mapping_widths
        self.enter = nn.Conv2d(config.latent, fine, 3, padding=1)
        self.before = ResidualBlock(fine)
        self.coarse = nn.Sequential(
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1),
            *(ResidualBlock(coarse) for _ in range(config.mapping_blocks)),
            LatentAttention(coarse, config.heads, config.size // 8),
            *(ResidualBlock(coarse) for _ in range(config.mapping_blocks)),
            nn.SiLU(),
            nn.Conv2d(coarse, 4 * fine, 1),
            nn.PixelShuffle(2),
        )
        self.after = ResidualBlock(fine)
        self.leave = nn.Conv2d(fine, config.latent, 3, padding=1, bias=False)
        nn.init.zeros_(self.leave.weight)

    def forward(self, latent: Latent) -> Latent:
        """Both sides even."""
        near = self.before(self.enter(latent))
        change: Tensor = self.leave(F.silu(self.after(near + self.coarse(near))))
        return latent + change


class FaceVAEPair(nn.Module):
    """Two VAEs, one per domain, joined by a latent mapping and a fusion.

    After Wan et al., "Bringing Old Photos Back to Life" (CVPR 2020), the decoders' pictures
    combined as in "multi-autoencoder progressive image restoration". Encoder A → latent →
    decoder A draws the face as it came; latent → mapping → decoder B draws it clean. A departure
    from both: a denoiser looks at the source once more, having learnt faces only. The fusion
    mixes these three pictures, corrects the mixture, and predicts how much of it replaces the
    evidence. Latents are at a quarter of the side, as Wan et al.'s are: at an eighth, few channels
    can no longer tell one person from another.

    Encoder B is needed to train only, and lives in `training.tasks.face_autoencoder`.
    """

    config_class: ClassVar[type[FaceVAEPairConfig]] = FaceVAEPairConfig

    def __init__(self, config: FaceVAEPairConfig) -> None:
        super().__init__()
        self.config = config
        self.degraded_encoder = FaceEncoder(config)
        self.degraded_decoder = FaceDecoder(config)
        self.mapping = LatentMapping(config)
        self.clean_decoder = FaceDecoder(config)
        self.second_look = GuidedDenoiser(
            DenoiserConfig(
                widths=tuple(config.look_widths),
                encoder_blocks=tuple(config.look_encoder_blocks),
                decoder_blocks=tuple(config.look_decoder_blocks),
                gates=tuple(config.look_gates),
            )
        )
        self.fusion = Fusion(config.latent, config.fusion_widths, config.fusion_blocks)

    def draw(self, evidence: Image, source: Image) -> tuple[Image, Image, Image, Latent]:
        """Give the pictures of decoder A, decoder B and the second look, and B's latent."""
        mean, _ = self.degraded_encoder(evidence)
        mapped = self.mapping(mean)
        second = self.second_look.look(source, evidence)
        return self.degraded_decoder(mean), self.clean_decoder(mapped), second, mapped

    def predict(
        self, degraded: Float[Tensor, "n 3 s s"], source: Float[Tensor, "n 3 s s"]
    ) -> FacePrediction:
        """Draw faces and weigh them; arguments as in `forward`, pictures in float32."""
        kind = self.mapping.enter.weight.dtype
        evidence = degraded.to(kind)
        as_it_came, clean, second, latent = self.draw(evidence, source.to(kind))
        fused = self.fusion(evidence, second.to(kind), as_it_came, clean, latent)
        pictures = torch.stack([picture.float() for picture in (as_it_came, clean, second)])
        share = fused.choice.float().softmax(1).transpose(0, 1).unsqueeze(2)
        picture = (share * pictures).sum(0) + fused.correction.float()
        return FacePrediction(picture, fused.logit.float(), *pictures)

    def predict_ensemble(
        self, degraded: Float[Tensor, "n 3 s s"], source: Float[Tensor, "n 3 s s"]
    ) -> FacePrediction:
        """As `predict`; crops up to `FLIP_ENSEMBLE_MAX_SIDE` also mirrored, both answers averaged.

        The self-ensemble of Timofte et al. 2016: mirrored crops give mirrored faces.
        """
        once = self.predict(degraded, source)
        if degraded.shape[-1] > FLIP_ENSEMBLE_MAX_SIDE:
            return once
        mirrored = self.predict(degraded.flip(3), source.flip(3))
        return FacePrediction(
            *((one + two.flip(3)) / 2 for one, two in zip(once, mirrored, strict=True))
        )

    def forward(
        self, degraded: Float[Tensor, "n 3 s s"], source: Float[Tensor, "n 3 s s"], fidelity: float
    ) -> FaceRestoration:
        """Restore faces.

        The predicted mask gives the odds of the prior against the evidence; `fidelity` f
        multiplies them by (1 − f) / f. So the mask falls with fidelity in every pixel, is as
        predicted at 0.5, all prior at 0 and nothing at 1.

        Args:
            degraded: Crops as the denoiser left them, float32 sRGB in [0, 1], sides multiples of
                8; not modified.
            source: The same crops as they came to the denoiser; `degraded` itself where that tells
                nothing, as when the picture was made lighter since.
            fidelity: In [0, 1]; at 1 the very crop is returned, to the bit.

        Returns:
            The faces and the shares of the prior, float32.

        Raises:
            ValueError: `fidelity` is out of [0, 1].
        """
        if not 0 <= fidelity <= 1:
            raise ValueError(f"fidelity {fidelity} is not in [0, 1]")
        if fidelity == 1:
            return FaceRestoration(degraded, torch.zeros_like(degraded[:, :1]))
        prediction = self.predict_ensemble(degraded, source)
        mask = prior_share(prediction.logit, fidelity)
        return FaceRestoration(torch.lerp(degraded, prediction.picture.clamp(0, 1), mask), mask)


def prior_share(logit: LogOdds, fidelity: float) -> LogOdds:
    """Turn log odds of the prior into its share at a fidelity in [0, 1)."""
    if fidelity == 0:
        return torch.ones_like(logit)
    return torch.sigmoid(logit + math.log((1 - fidelity) / fidelity))
