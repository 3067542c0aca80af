"""The second look at faces: squares cut at one size, and places brought back into the photo."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from restorecli.faces import refinement
from restorecli.faces.detections import Detections
from restorecli.faces.refinement import CONTEXT, crop_squares, refined, squares
from restorecli.networks.face_refiner import FaceRefiner, FaceRefinerConfig, Refinements

CONFIG = FaceRefinerConfig(size=32, widths=(4, 4, 4, 8), summary=8)


def ramp(height: int, width: int) -> Tensor:
    """Red is x, green is y, of each pixel's centre; blue is 0."""
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    down, across = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([across, down, torch.zeros_like(down)]).unsqueeze(0)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(40, 300),
    st.integers(40, 300),
    st.floats(0.2, 0.8),
    st.floats(0.2, 0.8),
    st.floats(0.05, 0.35),
)
def test_a_crop_of_a_ramp_is_a_ramp(
    height: int, width: int, across: float, down: float, share: float
) -> None:
    """At any size and place, and however often the picture is halved."""
    half = share * min(height, width) / 2
    around = torch.tensor(
        [[across * width - half, down * height - half, across * width + half, down * height + half]]
    )
    crop = crop_squares(ramp(height, width), torch.zeros(1, dtype=torch.long), around, 16)[0]
    centres = (torch.arange(16) + 0.5) / 16
    assert torch.allclose(crop[0, 0], around[0, 0] + centres * 2 * half, atol=0.02)
    assert torch.allclose(crop[1, :, 0], around[0, 1] + centres * 2 * half, atol=0.02)


def test_each_square_is_cut_from_its_own_picture_and_may_reach_over_the_border() -> None:
    images = torch.cat([torch.zeros(1, 3, 50, 41), torch.ones(1, 3, 50, 41)])
    around = torch.tensor([[0.0, 0, 16, 16], [-200.0, -200, 300, 300], [5.0, 5, 9, 9]])
    crops = crop_squares(images, torch.tensor([1, 0, 1]), around, 16)
    assert [float(crop.min()) for crop in crops] == pytest.approx([1, 0, 1])
    assert [float(crop.max()) for crop in crops] == pytest.approx([1, 0, 1])


@pytest.mark.parametrize("share", [0.2, 1.0, 7.0])
def test_over_the_border_lies_the_nearest_pixel(share: float) -> None:
    """As `padding_mode="border"` has it, of which Metal knows nothing."""
    image = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    grid = (torch.rand(2, 16, 16, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1) * share
    expected = F.grid_sample(
        image, grid.flatten(0, 1)[None], padding_mode="border", align_corners=False
    )
    crops = refinement._sampled(image, grid)
    assert torch.allclose(torch.cat(list(crops), 1), expected[0], atol=1e-5)


def test_a_checkerboard_made_small_is_grey() -> None:
    board = (torch.arange(256)[:, None] + torch.arange(256)).remainder(2).float()
    image = board.expand(1, 3, 256, 256)
    crop = crop_squares(
        image, torch.zeros(1, dtype=torch.long), torch.tensor([[0.0, 0, 255, 255]]), 16
    )
    assert torch.allclose(crop, torch.full_like(crop, 0.5), atol=1e-4)


def test_squares_are_around_the_middle_of_boxes() -> None:
    boxes = torch.tensor([[10.0, 20, 30, 60], [5.0, 5, 5, 5]])
    high, empty = squares(boxes)
    assert high.tolist() == [
        20 - 20 * CONTEXT,
        40 - 20 * CONTEXT,
        20 + 20 * CONTEXT,
        40 + 20 * CONTEXT,
    ]
    assert float(empty[2] - empty[0]) > 0


class Centring(FaceRefiner):
    """Says that the face is the bright part of the crop."""

    def forward(self, crops: Tensor) -> Refinements:
        boxes = []
        for crop in crops:
            y, x = torch.nonzero(crop[0] > 0.5, as_tuple=True)
            low = torch.stack([x.min(), y.min()])
            high = torch.stack([x.max(), y.max()]) + 1
            boxes.append(torch.cat([low, high]) / crop.shape[-1])
        places = torch.stack(boxes)
        marks = places.reshape(-1, 2, 2).mean(1, keepdim=True).expand(-1, 5, 2)
        return Refinements(torch.linspace(-2, 2, len(crops)), places, marks)


def test_two_looks_bring_crooked_finds_onto_the_face(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinement, "CROPS_AT_ONCE", 2)
    image = torch.zeros(1, 3, 90, 120)
    image[..., 30:60, 50:80] = 1
    boxes = torch.tensor([[40.0, 25, 70, 55], [60.0, 35, 95, 80], [50.0, 30, 80, 60]])
    detections = Detections(boxes, torch.zeros(3, 5, 2), torch.tensor([0.3, 0.4, 0.5]))
    once = refined(Centring(CONFIG), image, detections)
    again = refined(Centring(CONFIG), image, once)
    assert torch.allclose(again.boxes, torch.tensor([50.0, 30, 80, 60]).expand(3, 4), atol=1.0)
    assert torch.allclose(again.landmarks, torch.tensor([65.0, 45]).expand(3, 5, 2), atol=1.0)
    logits = (torch.tensor([-2.0, 2, -2]) + detections.scores.logit()) / 2  # two at once, then one
    assert torch.allclose(once.scores, logits.sigmoid())
    assert detections.boxes.tolist() == boxes.tolist()


def test_a_look_does_not_forget_what_was_thought_before() -> None:
    """Not even where that was certain: of two who disagree wholly, nobody is right."""
    torch.manual_seed(0)
    box = torch.tensor([[2.0, 2, 18, 18]]).expand(3, 4)
    detections = Detections(box, torch.zeros(3, 5, 2), torch.tensor([0.0, 0.5, 1.0]))
    with torch.inference_mode():
        scores = refined(FaceRefiner(CONFIG).eval(), torch.rand(1, 3, 20, 20), detections).scores
    assert scores.isfinite().all()
    assert 0 < scores[0] < scores[1] < scores[2] < 1


def test_nothing_to_look_at() -> None:
    none = Detections(torch.zeros(0, 4), torch.zeros(0, 5, 2), torch.zeros(0))
    assert refined(FaceRefiner(CONFIG), torch.rand(1, 3, 20, 20), none) is none
