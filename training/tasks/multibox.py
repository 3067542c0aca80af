"""What RetinaFace is trained on: faces matched to anchors, and the three losses of the match.

Boxes and landmarks of a batch come padded to the same number of faces; `kinds` says what each row
is worth.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from restorecli.faces import anchors
from restorecli.networks.retinaface import Predictions

NOTHING, IGNORED, FACE, FACE_WITH_LANDMARKS = range(4)
MATCHED = 0.35
UNDECIDED = 0.3
NEGATIVES_PER_POSITIVE = 7
LEAST_NEGATIVES = 24
LANDMARK_KNEE = 0.3  # offset from which on the loss grows evenly: a label is no better than that


class Truth(NamedTuple):
    """The faces of a batch.

    Attributes:
        boxes: (n, k, 4) in pixels of the scene.
        landmarks: (n, k, 5, 2), likewise.
        kinds: (n, k), one of NOTHING (padding), IGNORED, FACE, FACE_WITH_LANDMARKS.
    """

    boxes: Float[Tensor, "n k 4"]
    landmarks: Float[Tensor, "n k 5 2"]
    kinds: Int[Tensor, "n k"]


class Match(NamedTuple):
    """What each anchor should answer.

    Attributes:
        face: (n, p) row of the face that the anchor stands for.
        positive: (n, p) whether it stands for one.
        negative: (n, p) whether it certainly sees none.
    """

    face: Int[Tensor, "n p"]
    positive: Tensor
    negative: Tensor


def match(truth: Truth, grid: Float[Tensor, "p 4"]) -> Match:
    """Give each anchor the face it overlaps most, and each face its best anchor.

    An anchor stands for a face from an overlap of `MATCHED` on, and is a negative below
    `UNDECIDED`, unless a good part of it lies on a face that is to be ignored.
    """
    squares = torch.cat([grid[:, :2] - grid[:, 2:] / 2, grid[:, :2] + grid[:, 2:] / 2], dim=1)
    shared = anchors.iou(truth.boxes, squares.expand(len(truth.boxes), -1, -1))
    is_face = (truth.kinds >= FACE).unsqueeze(-1)
    ours = torch.where(is_face, shared, -1.0)
    best, face = ours.max(dim=1)
    favourite = ours.max(dim=2).indices
    favourites = torch.zeros_like(ours).scatter_(2, favourite.unsqueeze(-1), 1.0) * is_face
    forced, forced_face = favourites.max(dim=1)
    face = torch.where(forced > 0, forced_face, face)
    positive = (best >= MATCHED) | (forced > 0)
    centre = grid[:, :2].view(1, 1, -1, 2)
    low, high = truth.boxes[..., None, :2], truth.boxes[..., None, 2:]
    inside = ((centre > low) & (centre < high)).all(-1)
    spared = (inside & (truth.kinds == IGNORED).unsqueeze(-1)).any(dim=1)
    return Match(face, positive, (best < UNDECIDED) & ~positive & ~spared)


def hard_negatives(loss: Float[Tensor, "n p"], matches: Match) -> Tensor:
    """The worst negatives of each scene, seven for each positive anchor."""
    hardness = torch.where(matches.negative, loss.detach(), -1.0)
    rank = hardness.argsort(dim=1, descending=True).argsort(dim=1)
    count = (matches.positive.sum(1) * NEGATIVES_PER_POSITIVE).clamp(min=LEAST_NEGATIVES)
    return (rank < count.unsqueeze(1)) & matches.negative


def multibox_loss(
    predictions: Predictions, truth: Truth, grid: Float[Tensor, "p 4"]
) -> dict[str, Tensor]:
    """Score, box and landmark loss of a batch, each a mean over the anchors it is about.

    Returns:
        `score` (cross-entropy with hard negatives), `box` and `landmarks` (smooth L1 on offsets).
    """
    matches = match(truth, grid)
    logits = predictions.logits.float()
    target = matches.positive.long()
    entropy = F.cross_entropy(logits.transpose(1, 2), target, reduction="none")
    used = matches.positive | hard_negatives(entropy, matches)
    positives = matches.positive.sum().clamp(min=1)
    score = (entropy * used).sum() / positives

    sample, anchor = torch.nonzero(matches.positive, as_tuple=True)
    face = matches.face[sample, anchor]
    box_targets = anchors.encode_boxes(truth.boxes[sample, face], grid[anchor])
    box = F.smooth_l1_loss(predictions.boxes[sample, anchor].float(), box_targets, reduction="sum")

    with_landmarks = truth.kinds[sample, face] == FACE_WITH_LANDMARKS
    points = anchors.encode_landmarks(truth.landmarks[sample, face], grid[anchor])[with_landmarks]
    guess = predictions.landmarks[sample, anchor].float()[with_landmarks]
    distance = F.smooth_l1_loss(guess, points, reduction="sum", beta=LANDMARK_KNEE)
    landmarks = distance / with_landmarks.sum().clamp(min=1)
    return {"score": score, "box": box / positives, "landmarks": landmarks}
