"""Faces: which are restored, why the others are kept, and what the records say."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from restorecli.faces import restore as module
from restorecli.faces.alignment import align
from restorecli.faces.detections import Detections
from restorecli.faces.restore import (
    FaceRecord,
    draw_over,
    face_indices,
    missing,
    restore_faces,
)
from restorecli.networks.face_vae import (
    FaceRestoration,
    FaceVAEPair,
    FaceVAEPairConfig,
    Fusion,
    LargeFace,
)
from restorecli.options import Options
from restorecli.tiling.sources import TensorSource
from tests.faces.test_alignment import landmarks

CONFIG = FaceVAEPairConfig(smallest=32, largest=32)
SIDE = 32


class FakePair(FaceVAEPair):
    """Darkens the middle of a face by a tenth and says that half of it is the prior's.

    Attributes:
        batches: Sizes of the batches it was given.
        sources: The crops of the photo as it came.
        fault: Number that it adds to every face.
    """

    def __init__(self, fault: float = 0.0) -> None:
        torch.nn.Module.__init__(self)
        self.config, self.fault = CONFIG, fault
        self.batches: list[int] = []
        self.sources: list[Tensor] = []

    def forward(
        self, degraded: Tensor, source: Tensor, fidelity: float, *, enlarged: bool = False
    ) -> FaceRestoration:
        self.batches.append(len(degraded))
        self.sources.append(source)
        face = degraded.clone()
        face[..., 10:22, 10:22] -= 0.1 * (1 - fidelity)
        prior = torch.full_like(face[:, :1], 0.5)
        large = None
        if enlarged:
            count, _, side, _ = face.shape
            flat, ones = torch.zeros(count, 3, 2 * side, 2 * side), torch.ones(count, 1, 1, 1)
            correction = flat.clone()
            correction[..., 20:44, 20:44] -= 0.2 * (1 - fidelity)
            nothing = (-99 * ones).expand(-1, -1, 2 * side, 2 * side)
            large = LargeFace(Fusion(flat, nothing, correction, -nothing), torch.ones_like(nothing))
        return FaceRestoration(face + self.fault, prior, large)


def faces(*marks: Tensor) -> Detections:
    """Finds with these landmarks, each box as wide as the template's crop."""
    rows = torch.stack(marks)
    centre = rows.mean(1)
    reach = (rows[:, 1] - rows[:, 0]).norm(dim=-1, keepdim=True) * 1.1
    boxes = torch.cat([centre - reach, centre + reach], dim=1)
    return Detections(boxes, rows, torch.full((len(rows),), 0.9))


@pytest.fixture
def image() -> Tensor:
    return torch.rand(1, 3, 200, 300, generator=torch.Generator().manual_seed(0))


def restored(
    image: Tensor, detections: Detections, pair: FaceVAEPair, options: Options
) -> tuple[Tensor, tuple[FaceRecord, ...]]:
    """A copy of the photo with its faces restored, and their records."""
    result = image.clone()
    return result, restore_faces(TensorSource(result), detections, pair, options).records


def test_a_face_is_restored_and_measured(image: Tensor) -> None:
    detections = faces(landmarks(100, 0.1, 150, 100))
    result, (record,) = restored(image, detections, FakePair(), Options(fidelity=0.0))
    assert record.status == "restored"
    assert record.prior == pytest.approx(0.5, abs=1e-6)
    assert 0.02 < record.moved < 0.1
    assert record.score == pytest.approx(0.9)
    assert record.box == tuple(detections.boxes[0].tolist())
    assert record.landmarks[2] == tuple(detections.landmarks[0, 2].tolist())
    assert float((image - result)[..., 95:105, 145:155].mean()) > 0.03
    assert torch.equal(result[..., :40, :], image[..., :40, :])


def test_the_pair_sees_the_photo_as_it_came(image: Tensor) -> None:
    detections, pair = faces(landmarks(100, 0.1, 150, 100)), FakePair()
    for source in (None, TensorSource(1 - image)):
        restore_faces(TensorSource(image.clone()), detections, pair, Options(), source=source)
    crop, _ = align(TensorSource(image), detections.landmarks[0], SIDE)
    assert torch.equal(pair.sources[0], crop)
    torch.testing.assert_close(pair.sources[1], 1 - crop)


def test_full_fidelity_changes_nothing(image: Tensor) -> None:
    detections = faces(landmarks(100, 0.1, 150, 100))
    result, (record,) = restored(image, detections, FakePair(), Options(fidelity=1.0))
    assert torch.equal(result, image)
    assert record.moved == 0


def test_no_faces(image: Tensor) -> None:
    nobody = Detections(torch.zeros(0, 4), torch.zeros(0, 5, 2), torch.zeros(0))
    pair = FakePair()
    result, records = restored(image, nobody, pair, Options())
    assert torch.equal(result, image)
    assert records == ()
    assert pair.batches == []


@pytest.mark.parametrize(
    ("marks", "status"),
    [
        (landmarks(20, 0.0, 150, 100), "kept: too small"),
        (landmarks(100, 0.0, 10, 100), "kept: cut by the border"),
        (landmarks(100, 0.0, 150, 180), "kept: cut by the border"),
        (landmarks(100, math.pi, 150, 100), "restored"),
        (
            landmarks(100, 0.0, 150, 100)
            + torch.tensor([[0.0, 0], [0, 0], [25, 0], [0, 0], [0, 0]]),
            "kept: profile",
        ),
    ],
)
def test_why_a_face_is_kept(image: Tensor, marks: Tensor, status: str) -> None:
    result, (record,) = restored(image, faces(marks), FakePair(), Options(fidelity=0.0))
    assert record.status == status
    assert torch.equal(result, image) == (status != "restored")
    assert (record.moved > 0) == (status == "restored")


def test_coinciding_landmarks_are_kept(image: Tensor) -> None:
    detections = Detections(
        torch.tensor([[50.0, 50, 150, 150]]), torch.full((1, 5, 2), 100.0), torch.ones(1)
    )
    result, (record,) = restored(image, detections, FakePair(), Options())
    assert record.status == "kept: too small"
    assert torch.equal(result, image)


@pytest.mark.parametrize("fault", [math.nan, math.inf])
def test_a_broken_face_is_kept_and_said(image: Tensor, fault: float) -> None:
    detections = faces(landmarks(100, 0.0, 150, 100))
    result, (record,) = restored(image, detections, FakePair(fault), Options())
    assert record.status == "kept: not restorable"
    assert torch.equal(result, image)


def test_choice_and_order(image: Tensor) -> None:
    detections = faces(
        landmarks(90, 0.0, 60, 60), landmarks(80, 0.0, 160, 60), landmarks(70, 0.0, 240, 60)
    )
    _, records = restored(image, detections, FakePair(), Options(faces="0,2"))
    statuses = ["restored", "kept: not chosen", "restored"]
    assert [record.status for record in records] == statuses
    assert [record.box for record in records] == [tuple(box) for box in detections.boxes.tolist()]


def test_many_faces_go_in_batches(image: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIXELS_AT_ONCE", 8 * SIDE**2)
    marks = [landmarks(60, 0.0, 60 + 8 * i, 100) for i in range(11)]
    pair = FakePair()
    _, records = restored(image, faces(*marks), pair, Options())
    assert pair.batches == [8, 3]
    assert {record.status for record in records} == {"restored"}


def test_faces_of_one_size_go_together(image: Tensor) -> None:
    """Each at the size it has in the photo, within bounds; results stay in the order of finds."""
    marks = [landmarks(side, 0.0, 60 + 30 * i, 100) for i, side in enumerate((64, 40, 66, 120))]
    pair = FakePair()
    pair.config = FaceVAEPairConfig(smallest=32, largest=64)
    _, records = restored(image, faces(*marks), pair, Options(fidelity=0.0))
    assert pair.batches == [1, 3]
    assert [source.shape[-1] for source in pair.sources] == [40, 64]
    assert [record.status for record in records] == ["restored"] * 4
    assert [record.landmarks[2] for record in records] == [
        tuple(mark[2].tolist()) for mark in marks
    ]


@pytest.mark.parametrize(
    ("choice", "count", "expected"),
    [("all", 3, {0, 1, 2}), ("largest", 3, {0}), ("largest", 0, set()), ("0, 2,7", 3, {0, 2})],
)
def test_chosen(choice: str, count: int, expected: set[int]) -> None:
    assert face_indices(choice, count) == expected


@pytest.mark.parametrize(
    ("choice", "count", "said"),
    [
        ("7", 1, ("--faces 7: no such face, the last one is 0",)),
        ("0, 2,9", 2, ("--faces 2, 9: no such face, the last one is 1",)),
        ("0", 0, ("--faces 0: no such face, none was found",)),
        ("0,1", 2, ()),
        ("all", 0, ()),
        ("largest", 0, ()),
    ],
)
def test_a_face_that_is_asked_for_and_not_there_is_said(
    choice: str, count: int, said: tuple[str, ...]
) -> None:
    assert missing(choice, count) == said


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("place", [(150, 100), (8, 190)])
def test_faces_are_drawn_over_the_enlarged_photo(
    image: Tensor, place: tuple[int, int], kind: type, scale: int
) -> None:
    """Darker by a fifth in the middle, by as much as their share says; elsewhere to the bit."""
    detections = faces(landmarks(120, 0.3, *place), landmarks(30, 0.0, 250, 60))
    canvas, options = TensorSource(image), Options(fidelity=0.0, min_face=1)
    done = restore_faces(canvas, detections, FakePair(), options, enlarged=True)
    count = sum(record.status == "restored" for record in done.records)
    assert len(done.drawn) == count
    assert count >= 1
    most = np.iinfo(kind).max
    smooth = (0.3 + 0.4 * np.random.default_rng(0).random((200 * scale, 300 * scale, 3))) * most
    before: np.ndarray = smooth.astype(kind)
    after, half, same = before.copy(), before.copy(), before.copy()
    draw_over(after, done.drawn, scale=scale)
    draw_over(half, done.drawn, scale=scale, share=0.5)
    draw_over(same, done.drawn, scale=scale, share=0.0)
    assert np.array_equal(same, before)
    change, less = ((before.astype(float) - drawn) / most for drawn in (after, half))
    x, y = (round(float(value) * scale) for value in detections.landmarks[-1, 2])
    middle = slice(y - scale, y + scale), slice(x - scale, x + scale)
    assert float(change[middle].mean()) == pytest.approx(0.2, abs=0.03)
    assert float(less[middle].mean()) == pytest.approx(0.1, abs=0.02)
    outside = np.ones(before.shape[:2], bool)
    for drawn in done.drawn:
        region = drawn.placement.enlarged(2, scale).region(200 * scale, 300 * scale, margin=1)
        top, left, bottom, right = region
        outside[top:bottom, left:right] = False
    assert not change[outside].any()


def test_nothing_is_drawn_large_that_was_not_asked_for(image: Tensor) -> None:
    detections = faces(landmarks(100, 0.0, 150, 100))
    done = restore_faces(TensorSource(image), detections, FakePair(), Options())
    assert done.drawn == ()
