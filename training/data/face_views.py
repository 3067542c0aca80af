"""Views of faces: the same photo's face cut, turned, lit, reduced and degraded in several ways."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from restorecli.degrade import DegradeConfig, degrade
from restorecli.degrade.rng import Draws
from restorecli.faces.alignment import align
from restorecli.tiling.sources import TensorSource
from training.data.labelled_faces import Face, window
from training.data.photo_pool import PhotoPool

SURROUNDINGS = 160  # px of the window that is degraded
EYES = (3.7, 6.0)  # eye distances that it is wide
CLEAN = 0.2  # share of the views that nothing lies over
TURN = math.radians(8)  # at most
GROWN = (0.87, 1.15)
SHIFT = 0.05  # of the crop's side, at most
GAIN, GAMMA, TINT = (0.6, 1.5), (0.7, 1.4), (0.88, 1.14)
GREY = 0.08
SMALLER = 2.5  # at most; half of the views
STRONG = DegradeConfig(clean=0, plain=0.06, mild=0, dimmed=0)
MILD = DegradeConfig(clean=0, plain=0.1, mild=1, second=0, sigma=0.03, dimmed=0, strength=0.7)
Windows = Float[Tensor, "n 3 w w"]


class FaceViews:
    """Makes views of a list of faces; each degraded window is kept and seen again.

    Attributes:
        faces: Whose views.
        kept: Degraded windows of each face, every other one strongly.
    """

    def __init__(self, pool: PhotoPool, faces: Sequence[Face], kept: int) -> None:
        self.pool, self.faces, self.kept = pool, faces, kept
        self._windows: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def batch(
        self, which: Int[Tensor, " n"], seeds: Int[Tensor, " n"], side: int
    ) -> Float[Tensor, "n 3 s s"]:
        """A view of each of some faces, in [0, 1] and aligned up to a little.

        Args:
            which: Rows of `faces`.
            seeds: What happens to each.
            side: Of the crops in pixels.
        """
        draws = Draws(seeds, stream=61)
        degraded = 1 + draws.integers(0, self.kept)
        versions = torch.where(draws.chance(CLEAN), 0, degraded).tolist()
        self._make({(int(f), v) for f, v in zip(which.tolist(), versions, strict=True)})
        turns, grown = draws.uniform(-TURN, TURN).tolist(), draws.log_uniform(*GROWN).tolist()
        shifts = torch.stack([draws.uniform(-SHIFT, SHIFT), draws.uniform(-SHIFT, SHIFT)], 1)
        smaller = torch.where(draws.chance(0.5), draws.log_uniform(1, SMALLER), 1.0).tolist()
        crops = []
        for row, key in enumerate(zip(which.tolist(), versions, strict=True)):
            picture, landmarks = self._windows[key]
            marks = jittered(landmarks, turns[row], grown[row], shifts[row])
            image = picture[None].float() / 255
            if smaller[row] > 1:
                small = round(SURROUNDINGS / smaller[row])
                image = F.interpolate(image, (small, small), mode="bilinear", antialias=True)
                marks = marks * (small / SURROUNDINGS)
            crops.append(align(TensorSource(image), marks, side)[0])
        return _lit(torch.cat(crops), draws)

    def _make(self, wanted: set[tuple[int, int]]) -> None:
        """Make the windows that are missing: of a face, clean (version 0) or degraded."""
        missing = sorted(wanted - self._windows.keys())
        new = sorted({face for face, _ in missing if (face, 0) not in self._windows})
        if new:
            clean, landmarks = self.windows(new, torch.tensor(new))
            for face, picture, marks in zip(new, clean, landmarks, strict=True):
                self._windows[face, 0] = (picture * 255).round().byte(), marks
        for config, odd in ((STRONG, 1), (MILD, 0)):
            keys = [key for key in missing if key[1] and key[1] % 2 == odd]
            if keys:
                clean = torch.stack([self._windows[face, 0][0] for face, _ in keys]).float() / 255
                seeds = torch.tensor([face * 64 + version for face, version in keys])
                for key, picture in zip(keys, degrade(clean, seeds, config).image, strict=True):
                    marks = self._windows[key[0], 0][1]
                    self._windows[key] = (picture * 255).round().byte(), marks

    def windows(
        self, which: Sequence[int], seeds: Int[Tensor, " n"]
    ) -> tuple[Windows, Float[Tensor, "n 5 2"]]:
        """Clean windows around some faces, and their landmarks."""
        eyes = Draws(seeds, stream=67).uniform(*EYES).tolist()
        pairs = [
            window(self.pool, self.faces[face], SURROUNDINGS, (0, 0), wide)
            for face, wide in zip(which, eyes, strict=True)
        ]
        return torch.cat([picture for picture, _ in pairs]), torch.stack([m for _, m in pairs])


def jittered(
    landmarks: Float[Tensor, "5 2"], turn: float, grown: float, shift: Float[Tensor, " 2"]
) -> Float[Tensor, "5 2"]:
    """Landmarks turned (radians), grown and shifted (in crop sides): the crop follows them."""
    cosine, sine = math.cos(turn) * grown, math.sin(turn) * grown
    centre = landmarks.mean(0)
    offsets = (landmarks - centre) @ landmarks.new_tensor([[cosine, sine], [-sine, cosine]])
    side = 3.4 * float((landmarks[1] - landmarks[0]).norm())
    return centre + offsets + shift.to(landmarks) * side


def _lit(crops: Float[Tensor, "n 3 s s"], draws: Draws) -> Float[Tensor, "n 3 s s"]:
    """Mirrored at times, lighter or darker, tinted, a few in grey."""

    def each(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1, 1)

    crops = torch.where(each(draws.chance(0.5)), crops.flip(3), crops)
    crops = torch.where(each(draws.chance(GREY)), crops.mean(1, keepdim=True), crops)
    tint = torch.stack([draws.log_uniform(*TINT) for _ in range(3)], 1)[:, :, None, None]
    crops = crops.clamp(1e-4, 1) ** each(draws.log_uniform(*GAMMA))
    return (crops * each(draws.log_uniform(*GAIN)) * tint).clamp(0, 1)
