"""The pictures between the steps of one photo, kept for those who want to see them."""

import math

from jaxtyping import Float
from torch import Tensor

from restorecli.tiling.sources import ImageSource, whole
from restorecli.tiling.strips import downsampled


class StageImages:
    """The pictures between the steps, as far as they are asked for."""

    def __init__(self, keep: bool, side: int | None) -> None:
        """Keep nothing yet; see `Restorer.restore` for what is wanted."""
        self._keep, self._side = keep, side
        self.images: dict[str, Float[Tensor, "1 3 h w"]] = {}

    def keep(self, name: str, image: ImageSource) -> None:
        """Copy a picture, which later steps may write into, reduced if that is enough."""
        if not self._keep:
            return
        factor = (self._side or math.inf) / max(image.height, image.width)
        if factor >= 1:
            self.images[name] = whole(image).clone()
            return
        height, width = (max(1, round(side * factor)) for side in (image.height, image.width))
        self.images[name] = downsampled(image, (height, width))
