"""The pair of VAEs: its promises hold for any weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.networks.face_prior import LatentAttention, PriorDecoderConfig
from restorecli.networks.face_vae import FaceVAEPair, FaceVAEPairConfig
from tests.support.tiny import FACE_PAIR


def made() -> FaceVAEPair:
    """A pair whose fusion says something else of each pixel."""
    torch.manual_seed(0)
    pair = FaceVAEPair(FACE_PAIR).eval().requires_grad_(False)
    for layer in (pair.fuse_small, pair.fuse_large):
        torch.nn.init.normal_(layer.weight, std=0.3)
    for gate in pair.gates:
        torch.nn.init.normal_(gate.leave.weight, std=0.3)  # type: ignore[union-attr,arg-type]
    return pair


@pytest.fixture(scope="module")
def pair() -> FaceVAEPair:
    return made()


@pytest.fixture(scope="module")
def crops() -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def source() -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def test_fidelity_one_returns_the_crop_to_the_bit(
    pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor
) -> None:
    restored = pair(crops, source, 1.0, enlarged=True)
    assert torch.equal(restored.face, crops)
    assert restored.mask.shape == (2, 1, 32, 32)
    assert not restored.mask.any()
    assert restored.large is None


def test_fidelity_zero_is_all_prior(
    pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor
) -> None:
    restored, drawing = pair(crops, source, 0.0, enlarged=True), pair.draw(crops, source)
    assert (restored.mask == 1).all()
    assert torch.equal(restored.face, drawing.small.over(drawing.first).clamp(0, 1))
    assert (restored.large.mask == 1).all()
    below = torch.rand(2, 3, 64, 64)
    assert torch.equal(restored.large.over(below), drawing.large.over(below).clamp(0, 1))


def test_half_fidelity_is_the_mask_as_predicted(
    pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor
) -> None:
    drawing, restored = pair.draw(crops, source), pair(crops, source, 0.5, enlarged=True)
    assert torch.equal(restored.mask, torch.sigmoid(drawing.small.logit))
    assert torch.equal(restored.large.mask, torch.sigmoid(drawing.large.logit))
    assert float(restored.mask.std()) > 0.01


def test_a_large_face_is_drawn_only_if_asked_for(
    pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor
) -> None:
    without, restored = pair(crops, source, 0.4), pair(crops, source, 0.4, enlarged=True)
    assert without.large is None
    assert torch.equal(without.face, restored.face)
    below = torch.rand(2, 3, 64, 64)
    above = restored.large.over(below)
    prior = restored.large.fusion.over(below).clamp(0, 1)
    assert above.shape == below.shape
    assert (above >= torch.minimum(below, prior) - 1e-6).all()
    assert (above <= torch.maximum(below, prior) + 1e-6).all()


def test_the_source_counts(pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor) -> None:
    assert not torch.equal(pair(crops, source, 0.5).face, pair(crops, crops, 0.5).face)


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 1), st.floats(0, 1))
def test_mask_falls_as_fidelity_rises(one: float, other: float) -> None:
    pair = made()
    crops = torch.rand(1, 3, 32, 32)
    low, high = sorted((one, other))
    source = torch.rand(1, 3, 32, 32)
    more, less = (pair(crops, source, fidelity, enlarged=True) for fidelity in (low, high))
    assert (more.mask >= less.mask).all()
    assert 0 <= less.mask.min() <= more.mask.max() <= 1
    if less.large is not None:
        assert (more.large.mask >= less.large.mask).all()


def test_face_lies_between_the_evidence_and_the_prior(
    pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor
) -> None:
    face, drawing = pair(crops, source, 0.4).face, pair.draw(crops, source)
    prior = drawing.small.over(drawing.first).clamp(0, 1)
    assert (face >= torch.minimum(crops, prior) - 1e-6).all()
    assert (face <= torch.maximum(crops, prior) + 1e-6).all()


def test_other_sides_than_the_native_one_work(pair: FaceVAEPair) -> None:
    crops = torch.rand(1, 3, 48, 48)
    restored = pair(crops, crops, 0.5, enlarged=True)
    assert restored.face.shape == (1, 3, 48, 48)
    assert restored.large.over(torch.rand(1, 3, 96, 96)).shape == (1, 3, 96, 96)


def test_a_face_does_not_depend_on_its_batch(
    pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor
) -> None:
    together = pair(crops, source, 0.5).face
    alone = pair(crops[1:], source[1:], 0.5).face
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=0)


def test_bfloat16_weights_give_float32_faces(crops: torch.Tensor) -> None:
    torch.manual_seed(0)
    low = FaceVAEPair(FACE_PAIR).eval().requires_grad_(False).to(torch.bfloat16)
    restored = low(crops, crops, 0.5, enlarged=True)
    assert restored.face.dtype == restored.mask.dtype == torch.float32
    assert all(part.dtype == torch.float32 for part in restored.large.fusion)
    assert torch.equal(low(crops, crops, 1.0).face, crops)


def test_before_training_the_gates_change_nothing() -> None:
    torch.manual_seed(0)
    pair = FaceVAEPair(FACE_PAIR).requires_grad_(False)
    for gate, width, seen in zip(pair.gates, FACE_PAIR.widths, (8, 8, 4), strict=True):
        x = torch.randn(1, width, 8, 8)
        assert torch.equal(gate(x, torch.randn(1, seen, 8, 8)), x)


def test_attention_knows_the_place() -> None:
    torch.manual_seed(0)
    attention = LatentAttention(8, 2, 4)
    flat = torch.ones(1, 8, 4, 4)
    assert attention(flat).std(dim=(2, 3)).max() < 1e-6
    torch.nn.init.normal_(attention.place, std=3)
    same_place = attention(flat)
    assert same_place.shape == flat.shape
    assert not torch.allclose(attention(flat.flip(3)), same_place.flip(3))


def test_attention_sees_a_large_face_by_fours() -> None:
    torch.manual_seed(0)
    attention = LatentAttention(8, 2, 6)
    small = torch.randn(2, 8, 6, 6)
    large = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = attention(small).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(attention(large), expected, atol=1e-5, rtol=1e-5)
    assert attention(torch.randn(1, 8, 9, 7)).shape == (1, 8, 9, 7)


def test_gradients_reach_every_part() -> None:
    pair = made().requires_grad_(True)
    drawing = pair.draw(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32), sample=True)
    shown = (
        drawing.small.over(drawing.first).sum() + drawing.large.over(torch.rand(1, 3, 64, 64)).sum()
    )
    (shown + drawing.small.logit.sum() + drawing.large.logit.sum()).backward()  # type: ignore[no-untyped-call]
    without = {name for name, value in pair.named_parameters() if value.grad is None}
    for_step_3 = {"features", "attention"}  # what the U-Net finds besides its picture
    assert {name.split(".")[-2] for name in without} == for_step_3
    assert all(name.startswith("first.attention.") for name in without)


def test_the_shipped_size_stays_within_its_budget() -> None:
    count = sum(value.numel() for value in FaceVAEPair(FaceVAEPairConfig()).parameters())
    assert 2_000_000 <= count <= 4_000_000


@pytest.mark.parametrize("fidelity", [-0.1, 1.1, float("nan")])
def test_impossible_fidelity(pair: FaceVAEPair, crops: torch.Tensor, fidelity: float) -> None:
    with pytest.raises(ValueError, match="fidelity"):
        pair(crops, crops, fidelity)


def test_impossible_sizes() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        PriorDecoderConfig(canvas=100)
    with pytest.raises(ValueError, match="four levels"):
        FaceVAEPairConfig(look_widths=(16, 32, 64))
    with pytest.raises(ValueError, match="smallest 8 is not"):
        FaceVAEPairConfig(smallest=8)
    with pytest.raises(ValueError, match="smallest 128 is more than largest 64"):
        FaceVAEPairConfig(largest=64)
    with pytest.raises(ValueError, match="heads"):
        FaceVAEPairConfig(mapping_widths=(8, 10), heads=4)
