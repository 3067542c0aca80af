"""Detection: mapping back from any size and turn, merging, and the second tries."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from restorecli.faces import anchors, detection
from restorecli.faces.detection import detect, find, merged, outermost
from restorecli.faces.detections import Detections
from restorecli.faces.refinement import CONTEXT
from restorecli.networks.face_refiner import FaceRefiner, FaceRefinerConfig, Refinements
from restorecli.networks.retinaface import Predictions, RetinaFace, RetinaFaceConfig
from restorecli.tiling.sources import TensorSource

MARKS = torch.tensor([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.75], [0.65, 0.75]])


def seen(
    detector: RetinaFace, image: Tensor, *, threshold: float, refiner: FaceRefiner | None = None
) -> Detections:
    """The faces of a picture."""
    return detect(detector, TensorSource(image), threshold=threshold, refiner=refiner)


class BrightFace(RetinaFace):
    """Answers with one face: the upright bounding box of what is bright in the picture.

    Attributes:
        sees: Says of a picture whether the face is recognised in it.
        sizes: (height, width) of the pictures it was given.
    """

    def __init__(self, sees: Callable[[Tensor], bool] = lambda image: True) -> None:
        super().__init__(RetinaFaceConfig())
        self.eval()
        self.sees = sees
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, image: Tensor) -> Predictions:
        self.sizes.append(tuple(image.shape[-2:]))
        grid = anchors.grid(*image.shape[-2:])
        logits = torch.tensor([8.0, 0.0]).repeat(1, len(grid), 1)
        boxes, marks = torch.zeros(1, len(grid), 4), torch.zeros(1, len(grid), 10)
        y, x = torch.nonzero(image[0, 0] > 0.5, as_tuple=True)
        if len(x) and self.sees(image):
            low = torch.stack([x.min(), y.min()]).float()
            high = torch.stack([x.max(), y.max()]).float() + 1
            box = torch.cat([low, high])
            best = int((grid[:, :2] - (low + high) / 2).square().sum(1).argmin())
            logits[0, best] = torch.tensor([0.0, 6.0])
            boxes[0, best] = anchors.encode_boxes(box, grid[best])
            marks[0, best] = anchors.encode_landmarks(low + MARKS * (high - low), grid[best])
        return Predictions(boxes=boxes, logits=logits, landmarks=marks)


def picture(height: int, width: int, box: tuple[int, int, int, int]) -> Tensor:
    image = torch.zeros(1, 3, height, width)
    left, top, right, bottom = box
    image[..., top:bottom, left:right] = 1
    return image


@pytest.mark.parametrize("side", [100, 64, 250])
def test_boxes_come_back_in_pixels_of_the_photo(side: int) -> None:
    faces = find(BrightFace(), picture(80, 100, (20, 10, 60, 70)), side=side, threshold=0.5)
    assert faces.boxes[0].tolist() == pytest.approx([20, 10, 60, 70], abs=1.2)
    expected = torch.tensor([20.0, 10.0]) + MARKS * torch.tensor([40.0, 60.0])
    assert torch.allclose(faces.landmarks[0], expected, atol=1.2)


def test_large_photos_are_looked_at_twice_and_each_face_counts_once() -> None:
    detector = BrightFace()
    faces = seen(detector, picture(600, 1500, (300, 100, 600, 500)), threshold=0.5)
    assert detector.sizes == [(410, 1024), (128, 320)]
    assert len(faces) == 1
    assert faces.boxes[0].tolist() == pytest.approx([300, 100, 600, 500], abs=6)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_face_is_found_and_turned_back(turns: int) -> None:
    upright = picture(80, 60, (20, 10, 40, 50))

    def sees(image: Tensor) -> bool:
        return image.shape[-2:] == (80, 60) and bool(image[0, 0, 11, 21] > 0.5)

    lying = torch.rot90(upright, -turns, (2, 3))
    detections = seen(BrightFace(sees), lying, threshold=0.5)
    assert len(detections) == 1
    left, top, right, bottom = detections.boxes[0].round().int().tolist()
    assert bool((lying[0, 0, top:bottom, left:right] == 1).all())
    assert (right - left) * (bottom - top) == 800
    eyes = detections.landmarks[0, 1] - detections.landmarks[0, 0]
    angle = torch.atan2(eyes[1], eyes[0]).rad2deg().round()
    assert int(angle) % 360 == 90 * turns


def test_the_second_scale_finds_what_the_first_does_not() -> None:
    detector = BrightFace(lambda image: image.shape[-1] == detection.SECOND_SIDES[0])
    faces = seen(detector, picture(64, 64, (10, 10, 20, 20)), threshold=0.5)
    assert detector.sizes == [(64, 64), (640, 640)]
    assert faces.boxes[0].tolist() == pytest.approx([10, 10, 20, 20], abs=0.5)


def test_a_very_large_face_is_found_on_a_small_copy() -> None:
    detector = BrightFace(lambda image: image.shape[-1] == detection.SECOND_SIDES[1])
    faces = seen(detector, picture(500, 500, (10, 10, 490, 490)), threshold=0.5)
    assert detector.sizes[-1] == (160, 160)
    assert faces.boxes[0].tolist() == pytest.approx([10, 10, 490, 490], abs=4)


def test_nothing_is_found_on_nothing() -> None:
    detector = BrightFace()
    faces = seen(detector, torch.zeros(1, 3, 1, 1), threshold=0.5)
    assert len(faces) == 0
    assert (faces.boxes.shape, faces.landmarks.shape) == ((0, 4), (0, 5, 2))
    assert len(detector.sizes) == 5


def test_later_tries_must_be_surer() -> None:
    detector = BrightFace(lambda image: image.shape[-1] == detection.SECOND_SIDES[0])
    image = picture(64, 64, (10, 10, 20, 20))
    certainty = 1 / (1 + torch.tensor(-6.0).exp())
    assert len(seen(detector, image, threshold=float(2 * certainty - 1) + 1e-4)) == 0
    assert len(seen(detector, image, threshold=float(2 * certainty - 1) - 1e-4)) == 1


class Doubting(FaceRefiner):
    """Is as sure as it is told, and moves nothing but the nose."""

    def __init__(self, score: float) -> None:
        super().__init__(FaceRefinerConfig(size=16, widths=(1, 1, 1, 1), summary=1))
        self.logit = torch.tensor(score).logit()
        self.seen = 0

    def forward(self, crops: Tensor) -> Refinements:
        self.seen += len(crops)
        margin = (1 - 1 / CONTEXT) / 2
        box = torch.tensor([margin, margin, 1 - margin, 1 - margin])
        return Refinements(
            self.logit.repeat(len(crops)),
            box.repeat(len(crops), 1),
            torch.full((len(crops), 5, 2), 0.5),
        )


def test_the_second_look_decides() -> None:
    """The detector says 6 in log odds, each look -2: (6 - 2) / 2 is 2, (2 - 2) / 2 is 0."""
    image = picture(96, 96, (20, 20, 60, 60))
    doubt = Doubting(1 / (1 + math.exp(2)))
    faces = seen(BrightFace(), image, threshold=0.3, refiner=doubt)
    assert faces.scores.tolist() == pytest.approx([0.5], abs=1e-4)
    assert faces.boxes[0].tolist() == pytest.approx([20, 20, 60, 60], abs=0.01)
    assert faces.landmarks[0].flatten().tolist() == pytest.approx([40] * 10, abs=0.01)
    assert len(seen(BrightFace(), image, threshold=0.51, refiner=doubt)) == 0


def test_a_part_of_a_surer_larger_face_is_none() -> None:
    boxes = torch.tensor(
        [[0.0, 0, 100, 100], [10, 10, 30, 30], [90, 90, 120, 120], [40, 40, 60, 60], [5, 5, 9, 9]]
    )
    scores = torch.tensor([0.9, 0.8, 0.8, 0.95, 0.9])
    assert outermost(
        Detections(boxes, torch.zeros(5, 5, 2), scores)
    ).scores.tolist() == pytest.approx([0.9, 0.8, 0.95, 0.9])
    assert len(outermost(Detections(boxes[:0], torch.zeros(0, 5, 2), scores[:0]))) == 0


def test_a_doubtful_find_gets_a_second_look_and_an_impossible_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = picture(96, 96, (20, 20, 60, 60))
    certainty = 1 / (1 + float(torch.tensor(-6.0).exp()))
    monkeypatch.setattr(detection, "POSSIBLE", certainty - 1e-3)
    sure = Doubting(0.9999)
    assert len(seen(BrightFace(), image, threshold=0.9985, refiner=sure)) == 1
    assert sure.seen == detection.LOOKS
    monkeypatch.setattr(detection, "POSSIBLE", certainty + 1e-3)
    unasked = Doubting(0.9999)
    assert len(seen(BrightFace(), image, threshold=0.9985, refiner=unasked)) == 0
    assert unasked.seen == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3), st.integers(1, 50), st.integers(1, 50), st.integers(0, 2**31))
def test_turning_back_is_the_inverse_of_rot90(
    turns: int, height: int, width: int, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    y = int(torch.randint(height, (), generator=draw))
    x = int(torch.randint(width, (), generator=draw))
    image = torch.zeros(height, width)
    image[y, x] = 1
    row, column = torch.nonzero(torch.rot90(image, turns))[0].tolist()
    box = torch.tensor([[column, row, column + 1, row + 1]], dtype=torch.float32)
    marks = box[:, :2].repeat(5, 1).reshape(1, 5, 2) + 0.5
    back = Detections(box, marks, torch.ones(1)).turned_back(turns, height, width)
    assert back.boxes[0].tolist() == [x, y, x + 1, y + 1]
    assert back.landmarks[0, 0].tolist() == [x + 0.5, y + 0.5]


def test_merged_faces_are_sound_and_sorted_by_size() -> None:
    boxes = torch.tensor(
        [[0.0, 0, 10, 10], [50, 50, 90, 90], [51, 50, 91, 90], [7, 7, 5, 9], [0, 0, torch.inf, 9]]
    )
    faces = Detections(boxes, torch.zeros(5, 5, 2), torch.tensor([0.9, 0.7, 0.8, 0.99, 0.99]))
    once = merged([faces])
    left = (51 * 0.8 + 50 * 0.7) / 1.5
    assert once.boxes[0].tolist() == pytest.approx([left, 50, left + 40, 90])
    assert once.boxes[1].tolist() == [0, 0, 10, 10]
    assert once.scores.tolist() == pytest.approx([0.8, 0.9])


def test_a_real_network_on_noise_gives_faces_of_the_right_shapes() -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        faces = find(
            RetinaFace(RetinaFaceConfig()).eval(), torch.rand(1, 3, 64, 96), side=96, threshold=0.01
        )
    assert faces.boxes.shape[1:] == (4,)
    assert faces.boxes.dtype == torch.float32
