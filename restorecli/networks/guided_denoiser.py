"""The denoiser once more: it sees the photo, and what the first look made of it."""

from jaxtyping import Float
from torch import Tensor, nn

from restorecli.networks.denoiser import Denoiser, DenoiserConfig


class GuidedDenoiser(Denoiser):
    """A denoiser that is also shown what the earlier steps made of the picture.

    Training starts from the denoiser's weights and the hint at zero: the first answer is its own.
    The face pair has one for faces alone, refine one for whole photos.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__(config)
        self.hint = nn.Conv2d(3, config.widths[0], 3, padding=1, bias=False)
        nn.init.zeros_(self.hint.weight)

    def look(
        self, source: Float[Tensor, "n 3 h w"], evidence: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """Restore pictures, sides multiples of `multiple`.

        Args:
            source: As they came to the denoiser, sRGB in [0, 1].
            evidence: As the earlier steps left them.

        Returns:
            float32, not clamped.
        """
        x = self.body(self.enter(source) + self.hint(evidence - source))
        return self.attention.picture(x, source)

    def look_twice(
        self, source: Float[Tensor, "n 3 h w"], evidence: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """As `look`, the mean of it and of one more, at what it gave, with the pictures mirrored.

        As in the self-ensemble of Timofte et al. 2016, what a pattern leaves behind differs in the
        mirror, the picture does not; and what is left of it is seen once more.
        """
        first = self.look(source, evidence)
        again = self.look(source.flip(3), first.clamp(0, 1).flip(3)).flip(3)
        return (first + again) / 2
