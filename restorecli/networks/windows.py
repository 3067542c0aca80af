"""Windows of one size on a fixed grid, so that a network's statistics never depend on the tile.

Channel attention and spectral gates take statistics over a neighbourhood. If that were whatever
picture is given, a tile would be another model than the photo it was cut from. Here it is always a
window of `side` samples, on a grid that starts at the picture's first sample with a step of
`side - overlap`; the last window ends where the picture ends. A tile whose first pixel lies on the
grid therefore sees the windows that the whole photo has there.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The grid of one level.

    Attributes:
        side: Samples along a window's side; a smaller picture is one window.
        overlap: Samples that neighbours share at least, and over which one fades into the next.
    """

    side: int
    overlap: int

    def coarser(self, factor: int) -> "Windows":
        """The same windows on a level of `1 / factor` the resolution."""
        return Windows(side=max(1, self.side // factor), overlap=self.overlap // factor)

    def cover(self, height: int, width: int) -> bool:
        """Whether one window holds the whole picture."""
        return max(height, width) <= self.side

    def starts(self, length: int) -> tuple[int, ...]:
        """First sample of each window along an axis of `length` samples."""
        if length <= self.side:
            return (0,)
        return (*range(0, length - self.side, self.side - self.overlap), length - self.side)

    @lru_cache(maxsize=128)  # noqa: B019  # a frozen value, of which there are a few
    def boxes(self, length: int, device: torch.device) -> Float[Tensor, "windows length"]:
        """The matrix that takes the mean of each window. It is kept: not to be changed."""
        with torch.inference_mode(mode=False):  # what is kept must serve training too
            position = torch.arange(length, device=device)
            starts = torch.tensor(self.starts(length), device=device)[:, None]
            side = min(self.side, length)
            return ((position >= starts) & (position < starts + side)).float() / side

    @lru_cache(maxsize=128)  # noqa: B019
    def shares(self, length: int, device: torch.device) -> Float[Tensor, "windows length"]:
        """How much each window counts at each sample: raised cosines that sum to 1. It is kept."""
        with torch.inference_mode(mode=False):
            centres = torch.arange(length, device=device) + 0.5
            starts = self.starts(length)
            rows = [torch.ones(length, device=device)]
            for start, before in zip(starts[1:], starts, strict=False):
                shared = before + self.side - start
                progress = (centres - start) / shared if shared else (centres > start).float()
                arrived = 0.5 - 0.5 * torch.cos(torch.pi * progress.clamp(0, 1))
                rows = [*(row * (1 - arrived) for row in rows), arrived]
            return torch.stack(rows)
