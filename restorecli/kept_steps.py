"""Pictures between the steps, for those who ask for them: whole, or small."""

import math

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


class KeptSteps:
    """The pictures between the steps, as far as they are asked for."""

    def __init__(self, wanted: bool, side: int | None) -> None:
        """Keep nothing yet; see `Restorer.restore` for what is wanted."""
        self._wanted, self._side = wanted, side
        self.kept: dict[str, Float[Tensor, "1 3 h w"]] = {}

    def keep(self, name: str, image: Float[Tensor, "1 3 h w"]) -> None:
        """Copy a picture, which later steps may write into, reduced if that is enough."""
        if not self._wanted:
            return
        factor = (self._side or math.inf) / max(image.shape[-2:])
        if factor >= 1:
            self.kept[name] = image.clone()
            return
        size = [max(1, round(side * factor)) for side in image.shape[-2:]]
        self.kept[name] = F.interpolate(image, size, mode="bilinear", antialias=True)
