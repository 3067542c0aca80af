"""Step 1's network once more, on one face: what it sees when it knows what it looks at."""

from jaxtyping import Float
from torch import Tensor, nn

from restorecli.networks.denoiser import Denoiser, DenoiserConfig


class SecondLook(Denoiser):
    """A denoiser that is also shown what step 1 made of the picture.

    Training starts from step 1's weights and the hint at zero, so the first answer is step 1's to
    the crop; from there it learns faces only.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__(config)
        self.hint = nn.Conv2d(3, config.widths[0], 3, padding=1, bias=False)
        nn.init.zeros_(self.hint.weight)

    def look(
        self, source: Float[Tensor, "n 3 h w"], evidence: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """Restore crops, sides multiples of `multiple`.

        Args:
            source: As they came to step 1, sRGB in [0, 1].
            evidence: As step 1 left them.

        Returns:
            float32, not clamped.
        """
        x = self.body(self.enter(source) + self.hint(evidence - source))
        return self.attention.picture(x, source)
