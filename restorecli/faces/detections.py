"""The faces of one picture, as detection hands them on.

Coordinates are edges, not centres: pixel i covers [i, i + 1). So a picture of another size has the
same coordinates times one factor, which is the half-pixel rule without the halves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Detections:
    """Faces of one picture, largest box first; float32 on the CPU.

    Attributes:
        boxes: (n, 4) in pixels of the picture; may reach over its border.
        landmarks: (n, 5, 2): eye, eye, nose, mouth corner, mouth corner, the person's right side
            (left in an upright picture) first.
        scores: (n,) in [0, 1].
    """

    boxes: Float[Tensor, "n 4"]
    landmarks: Float[Tensor, "n 5 2"]
    scores: Float[Tensor, " n"]

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.scores)

    @classmethod
    def joined(cls, parts: "Sequence[Detections]") -> "Detections":
        """All faces of one or more lists, in that order."""
        return cls(
            torch.cat([faces.boxes for faces in parts]),
            torch.cat([faces.landmarks for faces in parts]),
            torch.cat([faces.scores for faces in parts]),
        )

    def select(self, rows: Int[Tensor, " m"]) -> "Detections":
        """Some of the faces, in the order of `rows`."""
        return Detections(self.boxes[rows], self.landmarks[rows], self.scores[rows])

    def scaled(self, across: float, down: float) -> "Detections":
        """The same faces in a picture that is so many times wider and higher."""
        factor = torch.tensor([across, down])
        boxes = (self.boxes.reshape(-1, 2, 2) * factor).reshape(-1, 4)
        return Detections(boxes, self.landmarks * factor, self.scores)

    def turned_back(self, turns: int, height: int, width: int) -> "Detections":
        """Undo `torch.rot90(image, turns)` of a picture of this height and width."""
        boxes, landmarks = self.boxes.reshape(-1, 2, 2), self.landmarks
        sides = (height, width) if turns % 2 == 0 else (width, height)
        for _ in range(turns % 4):
            boxes, landmarks = _turn_back(boxes, sides[0]), _turn_back(landmarks, sides[0])
            sides = (sides[1], sides[0])
        edges = torch.cat([boxes.amin(1), boxes.amax(1)], dim=1)
        return Detections(edges, landmarks, self.scores)


def _turn_back(points: Float[Tensor, "n k 2"], turned_height: int) -> Float[Tensor, "n k 2"]:
    """Points of a picture turned once counter-clockwise, in the picture as it was."""
    x, y = points.unbind(-1)
    return torch.stack([turned_height - y, x], dim=-1)
