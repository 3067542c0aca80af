"""Anchors: their order, encode and decode as inverses, overlap and suppression by their laws."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.faces import anchors

seeds = st.integers(0, 2**31)


def random_boxes(seed: int, count: int, side: float = 200) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=draw) * side
    return torch.cat([low, low + 1 + torch.rand(count, 2, generator=draw) * side], dim=1)


def test_order_of_the_anchors() -> None:
    grid = anchors.grid(40, 24)
    assert len(grid) == 2 * (5 * 3 + 3 * 2 + 2 * 1)
    assert grid[0].tolist() == [4, 4, 16, 16]
    assert grid[1].tolist() == [4, 4, 32, 32]
    assert grid[2].tolist() == [12, 4, 16, 16]
    assert grid[6].tolist() == [4, 12, 16, 16]
    assert grid[30].tolist() == [8, 8, 64, 64]
    assert grid[-1].tolist() == [16, 48, 512, 512]


@settings(deadline=None)
@given(seeds)
def test_decoding_undoes_encoding(seed: int) -> None:
    grid = anchors.grid(64, 64)
    boxes = random_boxes(seed, len(grid))
    landmarks = random_boxes(seed + 1, 5 * len(grid))[:, :2].reshape(-1, 5, 2)
    again = anchors.decode_boxes(anchors.encode_boxes(boxes, grid), grid)
    points = anchors.decode_landmarks(anchors.encode_landmarks(landmarks, grid), grid)
    assert torch.allclose(again, boxes, atol=0.02)
    assert torch.allclose(points, landmarks, atol=0.01)


def test_wild_offsets_stay_finite() -> None:
    grid = anchors.grid(8, 8)
    wild = torch.full((len(grid), 4), 1e4)
    assert anchors.decode_boxes(wild, grid).isfinite().all()


def test_overlap_of_known_boxes() -> None:
    one = torch.tensor([[0.0, 0, 2, 2]])
    others = torch.tensor([[0.0, 0, 2, 2], [1, 0, 3, 2], [2, 2, 4, 4], [5, 5, 4, 4]])
    expected = torch.tensor([[1.0, 1 / 3, 0, 0]])
    assert torch.allclose(anchors.iou(one, others), expected, atol=1e-6)


def test_candidates_agree_by_their_scores() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [40, 40, 50, 50], [0, 0, 2, 2]])
    scores = torch.tensor([0.6, 0.2, 0.9, 0.9])
    values = torch.tensor([[1.0], [5.0], [7.0], [100.0]])
    mean = anchors.box_voting(values, boxes, scores, torch.tensor([2, 0]), 0.5)
    assert mean[:, 0].tolist() == pytest.approx([7, 2])


@settings(deadline=None)
@given(seeds, st.integers(0, 30), st.floats(0.05, 0.95))
def test_suppression(seed: int, count: int, threshold: float) -> None:
    boxes = random_boxes(seed, count, side=40)
    scores = torch.rand(count, generator=torch.Generator().manual_seed(seed + 1))
    rows = anchors.nms(boxes, scores, threshold)
    shared = anchors.iou(boxes, boxes)
    survivors = rows.tolist()
    assert scores[rows].tolist() == sorted(scores[rows].tolist(), reverse=True)
    for place, index in enumerate(survivors):
        assert all(shared[index, other] <= threshold for other in survivors[:place])
    for index in set(range(count)) - set(survivors):
        better = [other for other in survivors if scores[other] >= scores[index]]
        assert any(shared[index, other] > threshold for other in better)
