"""The refiner's training: what squares are asked for, and a run that goes on."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from restorecli import weights
from restorecli.degrade.rng import Draws
from restorecli.faces.refinement import squares
from restorecli.networks.face_refiner import FaceRefiner, Refinements
from tests.support import tiny
from tests.training.conftest import CPU, EYES_AND_MOUTH, FACE_BOX, quick_scores
from training.data.photo_pool import PhotoPool
from training.engine.loop import Run
from training.engine.recipe import Phase, Recipe
from training.tasks.multibox import FACE, FACE_WITH_LANDMARKS, IGNORED, NOTHING, Truth
from training.tasks.refiner import RefinerTask, anywhere, draw_columns, errors, near, targets_of

RECIPE = Recipe(
    network="face_refiner", steps=2, phases=(Phase(until=1, size=64, batch=3),), ema=0.9,
    config={"size": 16, "widths": (4, 4, 4, 8), "summary": 8},
)  # fmt: skip
SQUARE = squares(torch.tensor(FACE_BOX))


def truth(kind: int) -> Truth:
    boxes = torch.tensor([[FACE_BOX, [0.0, 0, 0, 0]]])
    marks = torch.tensor([EYES_AND_MOUTH, [[0.0, 0]] * 5]).unsqueeze(0)
    return Truth(boxes, marks, torch.tensor([[kind, NOTHING]]))


def moved(share: float) -> torch.Tensor:
    """The face's own square, moved to the right by a share of its side."""
    return SQUARE + torch.tensor([share, 0, share, 0]) * (SQUARE[2] - SQUARE[0])


def test_what_is_wanted_of_squares_right_doubtful_and_wrong() -> None:
    around = torch.stack([moved(0), moved(0.5), moved(0.8)]).unsqueeze(0)
    targets = targets_of(around, truth(FACE_WITH_LANDMARKS))
    assert targets.face[[0, 2]].tolist() == [1, 0]
    assert targets.face[1].isnan()
    side = SQUARE[2] - SQUARE[0]
    for row in (0, 1):  # an overlap of a third is near enough to learn the place from
        corner = around[0, row, :2]
        box = (torch.tensor(FACE_BOX).reshape(2, 2) - corner) / side
        assert torch.allclose(targets.boxes[row], box.flatten())
        assert torch.allclose(
            targets.landmarks[row], (torch.tensor(EYES_AND_MOUTH) - corner) / side
        )
    assert targets.boxes[2].isnan().all()
    assert targets.landmarks[2].isnan().all()


def test_of_faces_without_landmarks_only_the_box_is_wanted_and_of_ignored_ones_nothing() -> None:
    around = moved(0).view(1, 1, 4)
    cut = targets_of(around, truth(FACE))
    assert cut.face.tolist() == [1]
    assert cut.boxes.isfinite().all()
    assert cut.landmarks.isnan().all()
    ignored = targets_of(around, truth(IGNORED))
    assert ignored.face.isnan().all()
    assert ignored.boxes.isnan().all()
    assert targets_of(moved(0.9).view(1, 1, 4), truth(IGNORED)).face.tolist() == [0]
    assert targets_of(around, truth(NOTHING)).face.tolist() == [0]


def test_squares_near_faces_are_mostly_faces_and_those_anywhere_mostly_not() -> None:
    seeds = torch.arange(200)
    faces = Truth(*(part.expand(200, *part.shape[1:]) for part in truth(FACE)))
    close = targets_of(near(faces, seeds), faces).face
    far = targets_of(anywhere(torch.zeros(200, 3, 200, 200), seeds), faces).face
    assert (close == 1).float().mean() > 0.7
    assert (far == 0).float().mean() > 0.8
    assert torch.equal(near(faces, seeds)[7:9], near(Truth(*(p[7:9] for p in faces)), seeds[7:9]))


def test_columns_are_drawn_by_their_shares() -> None:
    shares = torch.tensor([[0.0, 3, 1]]).expand(4000, 3)
    columns = draw_columns(shares, Draws(torch.arange(4000)))
    assert (columns == 0).float().mean() < 0.01
    assert float((columns == 1).float().mean()) == pytest.approx(0.75, abs=0.03)
    assert draw_columns(torch.zeros(5, 4), Draws(torch.arange(5))).max() < 4


def test_errors_count_the_wrong_side_and_eye_distances() -> None:
    targets = targets_of(
        torch.stack([moved(0), moved(0.8)]).unsqueeze(0), truth(FACE_WITH_LANDMARKS)
    )
    eyes = targets.landmarks[0, 1] - targets.landmarks[0, 0]
    places = targets.landmarks.nan_to_num() + 0.1 * eyes
    values = errors(Refinements(torch.tensor([1.0, 1.0]), targets.boxes, places), targets)
    assert float(values["wrong"]) == 0.5
    assert float(values["eye_distances"]) == pytest.approx(0.1)


def test_a_run_trains_stops_goes_on_and_exports(
    tmp_path: Path, pool: PhotoPool, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.save(tiny.tiny_restorer(), tmp_path / "weights")
    everything = list(range(len(pool.names)))
    monkeypatch.setattr(PhotoPool, "split", lambda self, held_out: everything)
    quick_scores(monkeypatch, "training.tasks.refiner")

    def task() -> RefinerTask:
        return RefinerTask(RECIPE, pool, labels, tmp_path / "weights", tmp_path / "scenes")

    Run(task(), RECIPE, tmp_path / "whole", CPU).go(every=2)
    parts = Run(task(), RECIPE, tmp_path / "parts", CPU)
    parts.go(minutes=0, every=1)
    assert parts.step == 1
    assert Run(task(), RECIPE, tmp_path / "parts", CPU).go(every=1)
    one = weights.load(FaceRefiner, "face_refiner", folder=tmp_path / "parts")
    two = weights.load(FaceRefiner, "face_refiner", folder=tmp_path / "whole")
    assert one.config.widths == (4, 4, 4, 8)
    for value, other in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(value, other)
    still = replace(RECIPE, seed=1)
    assert not torch.equal(
        next(RefinerTask(still, pool, labels, tmp_path / "weights", tmp_path).network.parameters()),
        next(task().network.parameters()),
    )
