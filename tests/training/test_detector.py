"""The detector's training: scenes by seed, labels that fit, the losses, a run that goes on."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from restorecli import anchors, weights
from restorecli.degrade import DegradeConfig
from restorecli.detection import Faces
from restorecli.networks.retinaface import Predictions, RetinaFace, RetinaFaceConfig
from tests import tiny
from training.denoised_scenes import Denoise, DenoisedScenes, cropped, denoised_scenes, mirrored
from training.detector import DetectorTask, light, padded, settle, spoil
from training.detector_scenes import Scene, Stock
from training.detector_scores import labelled, made, print_made, score
from training.loop import Run
from training.multibox import (
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
from training.photos import PhotoPool
from training.recipe import Phase, Recipe

CPU = torch.device("cpu")
FACE_BOX = [30.0, 20.0, 70.0, 70.0]
EYES_AND_MOUTH = [[40.0, 40], [60, 40], [50, 50], [43, 60], [57, 60]]
UNTOUCHED = DegradeConfig(clean=1)
RECIPE = Recipe(network="retinaface", steps=2, phases=(Phase(until=1, size=64, batch=3),), ema=0.9)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    face = {"box": FACE_BOX, "landmarks": EYES_AND_MOUTH, "score": 0.99}
    doubtful = {**face, "score": 0.4}
    entries = [
        {"name": "a/face.png", "faces": [face]},
        {"name": "a/two.png", "faces": [face, doubtful]},
        {"name": "a/doubtful.png", "faces": [doubtful]},
        {"name": "a/empty.png", "faces": []},
        {"name": "a/elsewhere.png", "faces": [face]},
    ]
    path = tmp_path / "faces.json"
    path.write_text(json.dumps(entries), "utf-8")
    return path


@pytest.fixture
def pool(tmp_path: Path) -> PhotoPool:
    """Photos of 100 × 100 px; red marks the faces."""
    empty = np.full((100, 100, 3), (0, 90, 160), dtype=np.uint8)
    photo = empty.copy()
    photo[20:70, 30:70] = (255, 90, 160)
    (tmp_path / "photos" / "a").mkdir(parents=True)
    for name in ("face", "two", "doubtful", "empty"):
        pixels = empty if name == "empty" else photo
        Image.fromarray(pixels).save(tmp_path / "photos" / "a" / f"{name}.png")
    return PhotoPool.open(tmp_path / "photos", tmp_path / "pool", CPU)


@pytest.fixture
def stock(pool: PhotoPool, labels: Path, monkeypatch: pytest.MonkeyPatch) -> Stock:
    monkeypatch.setattr("training.photos._is_held_out", lambda name: False)
    return Stock.read(pool, labels, held_out=False)


def test_stock_joins_photos_and_labels(
    stock: Stock, pool: PhotoPool, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [len(portrait.boxes) for portrait in stock.portraits] == [1, 2]
    assert stock.portraits[1].trusted.tolist() == [True, False]
    assert len(stock.empty) == 1
    monkeypatch.setattr("training.detector_scenes.LONGEST_SIDE", 50)
    small = Stock.read(pool, labels, held_out=False).portraits[0]
    assert small.photo.shape == (50, 50, 3)
    assert small.boxes[0].tolist() == [15, 10, 35, 35]


def test_a_scene_depends_on_its_seed_alone(stock: Stock) -> None:
    one, again, other = stock.scene(5, 96), stock.scene(5, 96), stock.scene(6, 96)
    assert np.array_equal(one.pixels, again.pixels)
    assert np.array_equal(one.boxes, again.boxes)
    assert not np.array_equal(one.pixels, other.pixels)


def test_labels_lie_on_the_faces(stock: Stock) -> None:
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


def test_some_scenes_are_empty_and_some_are_crowds(stock: Stock) -> None:
    counts = [len(stock.scene(seed, 96).kinds) for seed in range(60)]
    assert 0 in counts
    assert max(counts) >= 4


def test_light_and_spoil_keep_the_range_and_the_seed(stock: Stock) -> None:
    image = torch.rand(6, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    seeds = torch.arange(6)
    task_config = DetectorTask.degradation_of(RECIPE)
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
    grid = anchors.priors(128, 128)
    tiny, ignored = [3.0, 3, 9, 10], [64.0, 64, 120, 120]
    faces = truth(
        (tiny, FACE), (FACE_BOX, FACE_WITH_LANDMARKS), (ignored, IGNORED), ([0.0] * 4, NOTHING)
    )
    found = match(faces, grid)
    assert set(found.face[found.positive].tolist()) == {0, 1}
    centre = grid[:, :2]
    inside = ((centre > 64) & (centre < 120)).all(1)
    assert not found.negative[0, inside].any()
    assert not (found.negative & found.positive).any()
    assert found.negative[0, ~inside].float().mean() > 0.9


def test_hard_negatives_are_the_worst_seven_for_each_positive() -> None:
    grid = anchors.priors(128, 128)
    found = match(truth((FACE_BOX, FACE)), grid)
    loss = torch.rand(found.positive.shape, generator=torch.Generator().manual_seed(0))
    hard = hard_negatives(loss, found)
    assert int(hard.sum()) == max(24, NEGATIVES_PER_POSITIVE * int(found.positive.sum()))
    assert not (hard & ~found.negative).any()
    assert loss[hard].min() >= loss[found.negative & ~hard].max()


def perfect(faces: Truth, grid: Tensor) -> Predictions:
    """What a network that knows the labels would answer."""
    found = match(faces, grid)
    row = found.face[0]
    sure = torch.where(found.positive, 20.0, -20.0)
    return Predictions(
        boxes=anchors.encode_boxes(faces.boxes[0, row], grid)[None],
        logits=torch.stack([-sure, sure], dim=-1),
        landmarks=anchors.encode_landmarks(faces.landmarks[0, row], grid)[None],
    )


def test_the_right_answer_costs_nothing() -> None:
    grid = anchors.priors(128, 128)
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
    grid = anchors.priors(64, 64)
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
    for name, value in {"BATCH": 2, "SETTLING_BATCHES": 1, "VALIDATION_BATCHES": 1}.items():
        monkeypatch.setattr(f"training.detector.{name}", value)

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


def test_denoised_scenes_are_made_once_and_keep_their_faces(stock: Stock, tmp_path: Path) -> None:
    def opened(denoise: Denoise) -> DenoisedScenes:
        make = partial(denoised_scenes, stock, denoise, UNTOUCHED, count=11, size=64, device=CPU)
        return DenoisedScenes.open(tmp_path / "scenes.npz", make)

    def never(image: Tensor) -> Tensor:
        raise AssertionError("made again")

    made = opened(lambda image: 1 - image)
    again = opened(never)
    assert len(again.scenes) == 11
    for seed, (one, two) in enumerate(zip(made.scenes, again.scenes, strict=True)):
        scene = stock.scene(seed, 64)
        np.testing.assert_array_equal(one.pixels, 255 - scene.pixels)
        np.testing.assert_array_equal(one.boxes, scene.boxes)
        np.testing.assert_array_equal(two.landmarks, scene.landmarks)
        np.testing.assert_array_equal(two.kinds, scene.kinds)
        np.testing.assert_array_equal(one.pixels, two.pixels)
    drawn = [made.scene(seed, 60).pixels.tobytes() for seed in range(40)]
    assert drawn == [again.scene(seed, 60).pixels.tobytes() for seed in range(40)]
    assert len(set(drawn)) > 11


def test_a_square_of_a_scene_has_what_it_shows_of_the_faces() -> None:
    boxes = np.array([[10, 10, 30, 40], [50, 50, 90, 90], [80, 80, 95, 95], [2, 10, 8, 20]])
    landmarks = np.stack([np.linspace(box[:2], box[2:], 5) for box in boxes])
    pixels = np.arange(100 * 100 * 3, dtype=np.uint32).astype(np.uint8).reshape(100, 100, 3)
    scene = Scene(pixels, boxes * 1.0, landmarks, np.full(4, FACE_WITH_LANDMARKS))
    square = cropped(scene, 4, 5, 71)
    np.testing.assert_array_equal(square.pixels, pixels[5:76, 4:75])
    assert square.boxes.tolist() == [[6, 5, 26, 35], [46, 45, 71, 71], [0, 5, 4, 15]]
    assert square.kinds.tolist() == [FACE_WITH_LANDMARKS, IGNORED, IGNORED]
    assert cropped(scene, 2, 14, 84).kinds.tolist() == [FACE, FACE, IGNORED, IGNORED]
    whole = cropped(scene, 0, 0, 100)
    np.testing.assert_array_equal(whole.landmarks, landmarks)


def test_a_mirrored_scene_mirrored_again_is_the_scene(stock: Stock) -> None:
    scene = next(s for s in (stock.scene(seed, 64) for seed in range(50)) if len(s.kinds))
    once, twice = mirrored(scene), mirrored(mirrored(scene))
    np.testing.assert_array_equal(once.pixels[:, 0], scene.pixels[:, -1])
    assert (once.landmarks[:, 0, 0] < once.landmarks[:, 1, 0]).all()
    for one, two in ((scene.boxes, twice.boxes), (scene.landmarks, twice.landmarks)):
        np.testing.assert_allclose(one, two)


def test_settling_gives_the_statistics_of_the_batches() -> None:
    norm = torch.nn.BatchNorm2d(2)
    first, second = torch.zeros(4, 2, 3, 3), torch.ones(4, 2, 3, 3)
    settle(torch.nn.Sequential(norm), [first, second])
    assert norm.running_mean is not None
    assert norm.running_mean.tolist() == [0.5, 0.5]
    assert norm.momentum == pytest.approx(0.1)
    assert not norm.training


def test_scores_of_a_known_case(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    for name in ("one", "two"):
        Image.new("RGB", (100, 100)).save(tmp_path / "clean" / f"{name}.png")
    face = {"box": FACE_BOX, "landmarks": EYES_AND_MOUTH, "score": 0.9}
    unsure = {**face, "box": [0, 0, 10, 10], "score": 0.3}
    entries = [{"name": "one", "faces": [face, unsure]}, {"name": "two", "faces": []}]
    (tmp_path / "faces.json").write_text(json.dumps(entries), "utf-8")
    boxes = torch.tensor([FACE_BOX, [0.0, 0, 10, 10], [80, 80, 90, 90]])
    marks = torch.tensor(EYES_AND_MOUTH).repeat(3, 1, 1) + torch.tensor([2.0, 0])
    finds = Faces(boxes, marks, torch.ones(3))
    result = score(lambda image: finds, labelled(tmp_path / "clean", tmp_path / "faces.json", 1))
    assert result.recall == 1
    assert result.precision == pytest.approx(1 / 5)
    assert result.landmark_error == pytest.approx(0.1)
    assert result.false_finds == 2


def test_made_scenes_ask_for_faces_of_some_widths_only(stock: Stock) -> None:
    samples = list(made(stock, count=30, size=96, narrowest=12, widest=24))
    again = [stock.scene(seed, 96) for seed in range(30)]
    asked = 0
    for (image, faces), scene in zip(samples, again, strict=True):
        assert image.shape == (1, 3, 96, 96)
        widths = faces.boxes[:, 2] - faces.boxes[:, 0]
        assert len(faces) == len(scene.kinds)
        for width, kind, counts in zip(widths, scene.kinds, faces.scores, strict=True):
            assert bool(counts) == (12 <= width < 24 and kind >= FACE)
        asked += int(faces.scores.sum())
    assert asked > 5


def test_made_scenes_are_scored(
    stock: Stock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.detector_scores.MADE_SCENES", 8)
    monkeypatch.setattr("training.detector_scores.MADE_SIDE", 64)
    nothing = Faces(torch.zeros(0, 4), torch.zeros(0, 5, 2), torch.zeros(0))
    monkeypatch.setattr("training.detector_scores.detect", lambda *_, **__: nothing)
    print_made(RetinaFace(RetinaFaceConfig()), stock, 0.5)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "0.5 made, 12 to 16 px",
        "0.5 made, 16 to 24 px",
        "0.5 made, 24 to 48 px",
        "0.5 made, no faces",
    ]
    assert all(line.endswith("recall 0.000") for line in lines[:3])
    assert "none found in 1.000 of" in lines[3]
