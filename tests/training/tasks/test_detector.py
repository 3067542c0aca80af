"""The detector's training: scenes by seed, labels that fit, the losses, a run that goes on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import BatchNorm2d

from restorecli import weights
from restorecli.degrade import DegradeConfig
from restorecli.faces import anchors
from restorecli.networks.retinaface import Predictions, RetinaFace
from tests.support import tiny
from tests.training.conftest import CPU, EYES_AND_MOUTH, FACE_BOX, quick_scores
from training.data.photo_pool import PhotoPool
from training.data.scene_batches import light, padded, spoil
from training.data.scenes import FacePhotos, Scene
from training.engine.loop import Run
from training.engine.recipe import Phase, Recipe
from training.tasks import detector
from training.tasks.detector import DetectorTask
from training.tasks.multibox import (
    FACE,
    FACE_WITH_LANDMARKS,
    IGNORED,
    LANDMARK_KNEE,
    NEGATIVES_PER_POSITIVE,
    NOTHING,
    Truth,
    hard_negatives,
    match,
    multibox_loss,
)

RECIPE = Recipe(network="retinaface", steps=2, phases=(Phase(until=1, size=64, batch=3),), ema=0.9)


def test_stock_joins_photos_and_labels(
    stock: FacePhotos, pool: PhotoPool, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [len(portrait.boxes) for portrait in stock.portraits] == [1, 2]
    assert stock.portraits[1].trusted.tolist() == [True, False]
    assert len(stock.empty) == 1
    monkeypatch.setattr("training.data.scenes.LONGEST_SIDE", 50)
    small = FacePhotos.read(pool, labels, held_out=False).portraits[0]
    assert small.photo.shape == (50, 50, 3)
    assert small.boxes[0].tolist() == [15, 10, 35, 35]


def test_a_scene_depends_on_its_seed_alone(stock: FacePhotos) -> None:
    one, again, other = stock.scene(5, 96), stock.scene(5, 96), stock.scene(6, 96)
    assert np.array_equal(one.pixels, again.pixels)
    assert np.array_equal(one.boxes, again.boxes)
    assert not np.array_equal(one.pixels, other.pixels)


def test_labels_lie_on_the_faces(stock: FacePhotos) -> None:
    """Red is only where a face was pasted, so labels and red must cover each other."""
    kinds: set[int] = set()
    for seed in range(60):
        scene = stock.scene(seed, 96)
        assert scene.pixels.shape == (96, 96, 3)
        assert ((scene.boxes >= 0) & (scene.boxes <= 96)).all()
        kinds.update(scene.kinds.tolist())
        for box, marks, kind in zip(scene.boxes, scene.landmarks, scene.kinds, strict=True):
            if kind != FACE_WITH_LANDMARKS or box[2] - box[0] < 16:
                continue
            x, y = np.clip(marks.astype(int), 0, 95).T
            assert (scene.pixels[y, x, 0] > 128).mean() >= 0.6, seed
            assert marks[0, 0] < marks[1, 0], "left in the picture comes first"
    assert kinds == {IGNORED, FACE, FACE_WITH_LANDMARKS}


def test_some_scenes_are_empty_and_some_are_crowds(stock: FacePhotos) -> None:
    counts = [len(stock.scene(seed, 96).kinds) for seed in range(60)]
    assert 0 in counts
    assert max(counts) >= 4


def test_light_and_spoil_keep_the_range_and_the_seed(stock: FacePhotos) -> None:
    image = torch.rand(6, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    seeds = torch.arange(6)
    task_config = DegradeConfig(**RECIPE.degrade)
    both = spoil(light(image, seeds), seeds, task_config)
    alone = spoil(light(image[4:], seeds[4:]), seeds[4:], task_config)
    assert both.min() >= 0
    assert both.max() <= 1
    assert torch.allclose(both[4:], alone, atol=1 / 255 + 1e-6)
    assert not torch.equal(both, image)


def truth(*rows: tuple[list[float], int]) -> Truth:
    boxes = torch.tensor([[box for box, _ in rows]])
    marks = torch.tensor(EYES_AND_MOUTH).repeat(1, len(rows), 1, 1)
    return Truth(boxes, marks, torch.tensor([[kind for _, kind in rows]]))


def test_every_face_has_an_anchor_and_ignored_ones_are_spared() -> None:
    grid = anchors.grid(128, 128)
    tiny, ignored = [3.0, 3, 9, 10], [64.0, 64, 120, 120]
    faces = truth(
        (tiny, FACE), (FACE_BOX, FACE_WITH_LANDMARKS), (ignored, IGNORED), ([0.0] * 4, NOTHING)
    )
    matches = match(faces, grid)
    assert set(matches.face[matches.positive].tolist()) == {0, 1}
    centre = grid[:, :2]
    inside = ((centre > 64) & (centre < 120)).all(1)
    assert not matches.negative[0, inside].any()
    assert not (matches.negative & matches.positive).any()
    assert matches.negative[0, ~inside].float().mean() > 0.9


def test_hard_negatives_are_the_worst_seven_for_each_positive() -> None:
    grid = anchors.grid(128, 128)
    matches = match(truth((FACE_BOX, FACE)), grid)
    loss = torch.rand(matches.positive.shape, generator=torch.Generator().manual_seed(0))
    hard = hard_negatives(loss, matches)
    assert int(hard.sum()) == max(24, NEGATIVES_PER_POSITIVE * int(matches.positive.sum()))
    assert not (hard & ~matches.negative).any()
    assert loss[hard].min() >= loss[matches.negative & ~hard].max()


def perfect(faces: Truth, grid: Tensor) -> Predictions:
    """What a network that knows the labels would answer."""
    matches = match(faces, grid)
    row = matches.face[0]
    sure = torch.where(matches.positive, 20.0, -20.0)
    return Predictions(
        boxes=anchors.encode_boxes(faces.boxes[0, row], grid)[None],
        logits=torch.stack([-sure, sure], dim=-1),
        landmarks=anchors.encode_landmarks(faces.landmarks[0, row], grid)[None],
    )


def test_the_right_answer_costs_nothing() -> None:
    grid = anchors.grid(128, 128)
    faces = truth((FACE_BOX, FACE_WITH_LANDMARKS))
    answer = perfect(faces, grid)
    assert all(float(term) < 1e-3 for term in multibox_loss(answer, faces, grid).values())
    missed = answer._replace(logits=-answer.logits)
    assert float(multibox_loss(missed, faces, grid)["score"]) > 10
    shifted = answer._replace(landmarks=answer.landmarks + 1)
    expected = 10 * (1 - LANDMARK_KNEE / 2)
    assert float(multibox_loss(shifted, faces, grid)["landmarks"]) == pytest.approx(expected)
    no_marks = truth((FACE_BOX, FACE))
    assert float(multibox_loss(shifted, no_marks, grid)["landmarks"]) == 0


def test_a_batch_without_faces_has_a_finite_loss() -> None:
    grid = anchors.grid(64, 64)
    nothing = padded(
        [
            Scene(
                np.zeros((64, 64, 3), np.uint8),
                np.zeros((0, 4)),
                np.zeros((0, 5, 2)),
                np.zeros(0, np.int64),
            )
        ],
        CPU,
    )
    predictions = Predictions(
        boxes=torch.zeros(1, len(grid), 4),
        logits=torch.zeros(1, len(grid), 2),
        landmarks=torch.zeros(1, len(grid), 10),
    )
    terms = multibox_loss(predictions, nothing, grid)
    assert float(terms["score"]) == pytest.approx(24 * np.log(2), rel=1e-4)
    assert float(terms["box"]) == float(terms["landmarks"]) == 0


@pytest.mark.parametrize("kept", [0, 3])
def test_a_run_trains_stops_goes_on_and_exports(
    tmp_path: Path, pool: PhotoPool, labels: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """From fresh scenes alone, and with half of them as a denoiser left them."""
    tiny.save(tiny.tiny_restorer(), tmp_path / "weights")
    recipe = replace(
        RECIPE, options={"denoised_scenes": kept, "denoised_share": 0.5, "denoised_side": 96}
    )
    everything = list(range(len(pool.names)))
    monkeypatch.setattr(PhotoPool, "split", lambda self, held_out: everything)
    quick_scores(monkeypatch, "training.tasks.detector")

    def task() -> DetectorTask:
        return DetectorTask(recipe, pool, labels, tmp_path / "weights", tmp_path / "scenes")

    whole = Run(task(), recipe, tmp_path / "whole", CPU)
    assert (tmp_path / "scenes-train.npz").exists() == bool(kept)
    whole.go(every=2)
    parts = Run(task(), recipe, tmp_path / "parts", CPU)
    parts.go(minutes=0, every=1)
    assert parts.step == 1
    assert Run(task(), recipe, tmp_path / "parts", CPU).go(every=1)
    network = weights.load(RetinaFace, "retinaface", folder=tmp_path / "parts")
    again = weights.load(RetinaFace, "retinaface", folder=tmp_path / "whole")
    for one, two in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)


def test_scores_are_those_of_statistics_of_its_own(
    tmp_path: Path, pool: PhotoPool, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.save(tiny.tiny_restorer(), tmp_path / "weights")
    everything = list(range(len(pool.names)))
    monkeypatch.setattr(PhotoPool, "split", lambda self, held_out: everything)
    quick_scores(monkeypatch, "training.tasks.detector")
    task = DetectorTask(RECIPE, pool, labels, tmp_path / "weights", tmp_path / "scenes")
    norms = [module for module in task.network.modules() if isinstance(module, BatchNorm2d)]
    for norm in norms:
        norm.get_buffer("running_mean").fill_(1e6)
    task.score(task.network)
    assert all(norm.get_buffer("running_mean").abs().max() < 1e3 for norm in norms)
    counts = {int(norm.get_buffer("num_batches_tracked")) for norm in norms}
    assert counts == {detector.SETTLING_BATCHES}
    assert {norm.momentum for norm in norms} == {BatchNorm2d(1).momentum}
    assert not task.network.training
