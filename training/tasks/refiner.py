"""The task of the face refiner: squares cut out of made scenes in, scores and places out.

Of every twelve squares two lie where the detector sees something, four where it is wrong to (on
ears and hands above all), four around faces, two anywhere.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from restorecli import weights
from restorecli.degrade.rng import Draws
from restorecli.faces import anchors
from restorecli.faces.refinement import crop_squares, squares
from restorecli.networks.face_refiner import FaceRefiner, FaceRefinerConfig
from restorecli.networks.retinaface import RetinaFace
from training.data.photo_pool import PhotoPool
from training.data.scene_batches import Image, SceneBatches
from training.data.scenes import FacePhotos
from training.engine.recipe import Phase, Recipe
from training.tasks.multibox import FACE, FACE_WITH_LANDMARKS, IGNORED, NOTHING, Truth

SEEN, MISTAKEN, NEAR_FACES, ANYWHERE = 2, 4, 4, 2  # squares in a scene
CENTRED = 0.4  # overlap with a face's own square from which on a square is centred on it
BESIDE = 0.2  # overlap below which it is not
NEAR = 0.3  # overlap from which on box and landmarks are learnt
SHIFT, GROWTH = 0.3, 0.45  # reach of the squares around faces, in sides and in log sides
SMALLEST_SQUARE = 12.0  # px
BOX_KNEE, LANDMARK_KNEE = 0.03, 0.01  # sides of the crop; from there on a loss grows evenly
LEAST_SHARE = 1e-6  # of what is drawn by its score
SETTLING_BATCHES = 8
VALIDATION_BATCHES = 4
Boxes = Float[Tensor, "n k 4"]


class Targets(NamedTuple):
    """What the refiner should say of squares; places in sides of the square.

    Attributes:
        face: (m,) 1 where the square is centred on a face, 0 where it is not, NaN where nobody can
            say.
        boxes: (m, 4), NaN where there is nothing to learn.
        landmarks: (m, 5, 2), likewise.
    """

    face: Float[Tensor, " m"]
    boxes: Float[Tensor, "m 4"]
    landmarks: Float[Tensor, "m 5 2"]


class RefinerTask:
    """Trains `FaceRefiner` on squares cut out of scenes of pasted portraits.

    Args:
        recipe: `losses` weighs score, box and landmarks; the rest is for `SceneBatches`.
        pool: Photos.
        labels: `faces.json` of the pool's photos.
        steps_folder: Of the denoiser's and relighter's weights and of retinaface.
        cache: Where denoised scenes are kept.
    """

    def __init__(
        self, recipe: Recipe, pool: PhotoPool, labels: Path, steps_folder: Path, cache: Path
    ) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.config = FaceRefinerConfig(**recipe.config)
        self.network: nn.Module = FaceRefiner(self.config)
        self.scenes = SceneBatches(recipe, pool, labels, steps_folder, cache)
        detector = weights.load(RetinaFace, "retinaface", folder=steps_folder)
        self._detector = detector.to(pool.pixels.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def losses(self, network: nn.Module, seeds: Tensor, phase: Phase) -> dict[str, Tensor]:
        """Weighted loss terms of the squares of one batch of fresh scenes."""
        with torch.no_grad(), torch.autocast(seeds.device.type, enabled=False):
            image, truth = self.scenes.batch(self.scenes.train, seeds, phase.size)
            crops, targets = self._squares(image, truth, seeds)
        return self._terms(network, crops, targets)

    def score(self, network: nn.Module) -> dict[str, float]:
        """The losses on squares of held-out scenes, and how often and how far it errs there."""
        device = next(network.parameters()).device
        with torch.no_grad():
            settling = self._held_out(self.scenes.train, SETTLING_BATCHES, device)
            update_bn(settling, network)
            network.eval()
            rows = [
                {**self._terms(network, crops, targets), **errors(network(crops), targets)}
                for crops, targets in self._held_out(
                    self.scenes.held_out, VALIDATION_BATCHES, device
                )
            ]
        return {f"held_out_{k}": float(torch.stack([r[k] for r in rows]).mean()) for k in rows[0]}

    def _held_out(
        self, stock: FacePhotos, count: int, device: torch.device
    ) -> list[tuple[Image, Targets]]:
        return [
            self._squares(image, truth, torch.arange(len(image), device=device) + number * 1000)
            for number, (image, truth) in enumerate(
                self.scenes.held_out_batches(stock, count, device)
            )
        ]

    def _squares(
        self, image: Image, truth: Truth, seeds: Int[Tensor, " n"]
    ) -> tuple[Image, Targets]:
        """Crops of a batch of scenes, and what is to be said of them."""
        around = torch.cat(
            [self._where_detected(image, truth, seeds), near(truth, seeds), anywhere(image, seeds)],
            dim=1,
        )
        rows = torch.arange(len(image), device=image.device).repeat_interleave(around.shape[1])
        crops = crop_squares(image, rows, around.flatten(0, 1), self.config.size)
        return crops, targets_of(around, truth)

    def _where_detected(self, image: Image, truth: Truth, seeds: Int[Tensor, " n"]) -> Boxes:
        """Squares where the detector sees something, drawn by its scores; some errors only."""
        predictions = self._detector(image.contiguous(memory_format=torch.channels_last))
        scores = predictions.logits.float().softmax(-1)[..., 1]
        grid = anchors.grid(image.shape[-2], image.shape[-1], image.device)
        around = squares(anchors.decode_boxes(predictions.boxes.float(), grid))
        mistaken = targets_of(around, truth).face.view_as(scores) == 0
        draws = Draws(seeds, stream=40)
        columns = torch.stack(
            [draw_columns(scores.sqrt(), draws) for _ in range(SEEN)]  # doubtful finds too
            + [draw_columns(scores * mistaken, draws) for _ in range(MISTAKEN)],
            dim=1,
        )
        return around.gather(1, columns[..., None].expand(-1, -1, 4))

    def _terms(self, network: nn.Module, crops: Image, targets: Targets) -> dict[str, Tensor]:
        answer = network(crops.contiguous(memory_format=torch.channels_last))
        certain = targets.face.isfinite()
        score = F.binary_cross_entropy_with_logits(answer.logits[certain], targets.face[certain])
        boxes, landmarks = targets.boxes.isfinite(), targets.landmarks.isfinite()
        terms = {
            "score": score,
            "box": _distance(answer.boxes[boxes], targets.boxes[boxes], BOX_KNEE),
            "landmarks": _distance(
                answer.landmarks[landmarks], targets.landmarks[landmarks], LANDMARK_KNEE
            ),
        }
        return {name: term * self.recipe.losses.get(name, 1.0) for name, term in terms.items()}


def _distance(guess: Tensor, truth: Tensor, knee: float) -> Tensor:
    total = F.smooth_l1_loss(guess, truth, beta=knee, reduction="sum")
    return total / max(1, len(truth))


def errors(answer: tuple[Tensor, ...], targets: Targets) -> dict[str, Tensor]:
    """Share of the squares scored on the wrong side of one half; landmark error, eye distances."""
    logits, _, landmarks = answer
    certain = targets.face.isfinite()
    wrong = (logits[certain] > 0) != (targets.face[certain] > 0)
    known = targets.landmarks.isfinite().all((1, 2))
    distance = (landmarks[known] - targets.landmarks[known]).norm(dim=-1).mean(1)
    eyes = (targets.landmarks[known, 1] - targets.landmarks[known, 0]).norm(dim=-1)
    return {"wrong": wrong.float().mean(), "eye_distances": (distance / eyes).mean()}


def draw_columns(shares: Float[Tensor, "n k"], draws: Draws) -> Int[Tensor, " n"]:
    """One column a row, each as likely as its share of the row."""
    sums = (shares + LEAST_SHARE).cumsum(1)
    place = (draws.uniform().unsqueeze(1) * sums[:, -1:]).to(sums)
    return torch.searchsorted(sums, place)[:, 0].clamp(max=shares.shape[1] - 1)


def near(truth: Truth, seeds: Int[Tensor, " n"]) -> Boxes:
    """Squares around faces of each scene, some almost right and some far off."""
    draws = Draws(seeds, stream=41)
    own = squares(truth.boxes)
    faces = (truth.kinds != NOTHING).float()
    parts = []
    for _ in range(NEAR_FACES):
        row = draw_columns(faces, draws)
        square = own.gather(1, row.view(-1, 1, 1).expand(-1, 1, 4))[:, 0]
        centre, side = (square[:, :2] + square[:, 2:]) / 2, square[:, 2:] - square[:, :2]
        care = draws.log_uniform(0.1, 1.6).unsqueeze(1)
        shift = torch.stack([draws.uniform(-1, 1) for _ in range(2)], 1) * care * SHIFT
        half = side / 2 * (draws.uniform(-1, 1).unsqueeze(1) * care * GROWTH).exp()
        parts.append(torch.cat([centre + shift * side - half, centre + shift * side + half], 1))
    return torch.stack(parts, 1)


def anywhere(image: Image, seeds: Int[Tensor, " n"]) -> Boxes:
    """Squares of any size at any place."""
    draws = Draws(seeds, stream=42)
    width = image.shape[-1]
    parts = []
    for _ in range(ANYWHERE):
        centre = torch.stack([draws.uniform(0, width), draws.uniform(0, image.shape[-2])], 1)
        half = draws.log_uniform(SMALLEST_SQUARE / 2, width * 0.6).unsqueeze(1)
        parts.append(torch.cat([centre - half, centre + half], 1))
    return torch.stack(parts, 1)


def targets_of(around: Boxes, truth: Truth) -> Targets:
    """What is to be said of squares, by the face whose own square overlaps them most.

    Args:
        around: (n, k, 4) squares of n scenes.
        truth: The faces of those scenes.

    Returns:
        For n · k squares, scene by scene.
    """
    real = (truth.kinds != NOTHING).unsqueeze(1)
    shared, face = torch.where(real, anchors.iou(around, squares(truth.boxes)), -1.0).max(-1)

    def of_face(values: Tensor) -> Tensor:
        index = face.view(*face.shape, *[1] * (values.ndim - 2))
        return values.gather(1, index.expand(*face.shape, *values.shape[2:]))

    kind = of_face(truth.kinds)
    certain = torch.where(shared >= CENTRED, 1.0, torch.where(shared < BESIDE, 0.0, torch.nan))
    certain = torch.where((kind == IGNORED) & (shared >= BESIDE), torch.nan, certain)
    corner, side = around[..., None, :2], (around[..., 2:3] - around[..., :1])[..., None]
    boxes = ((of_face(truth.boxes.reshape(*truth.boxes.shape[:2], 2, 2)) - corner) / side).flatten(
        -2
    )
    landmarks = (of_face(truth.landmarks) - corner) / side
    learnt = shared >= NEAR
    boxes = torch.where((learnt & (kind >= FACE))[..., None], boxes, torch.nan)
    learnt = (learnt & (kind == FACE_WITH_LANDMARKS))[..., None, None]
    landmarks = torch.where(learnt, landmarks, torch.nan)
    return Targets(certain.flatten(), boxes.flatten(0, 1), landmarks.flatten(0, 1))
