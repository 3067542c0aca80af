"""The pair of VAEs: its promises hold for any weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.networks.face_vae import (
    FLIP_ENSEMBLE_MAX_SIDE,
    FaceVAEPair,
    FaceVAEPairConfig,
    LatentAttention,
)

TINY = FaceVAEPairConfig(
    size=32, latent=4, widths=(8, 8), blocks=1, mapping_widths=(8, 8), heads=2,
    fusion_widths=(8, 8, 8), fusion_blocks=(1, 1, 1),
    look_widths=(4, 8), look_encoder_blocks=(1, 1), look_decoder_blocks=(1,), look_gates=(4, 4),
)  # fmt: skip


@pytest.fixture(scope="module")
def pair() -> FaceVAEPair:
    torch.manual_seed(0)
    return FaceVAEPair(TINY).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def crops() -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def source() -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def test_fidelity_one_returns_the_crop_to_the_bit(
    pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor
) -> None:
    restored = pair(crops, source, 1.0)
    assert torch.equal(restored.face, crops)
    assert restored.mask.shape == (2, 1, 32, 32)
    assert not restored.mask.any()


def test_fidelity_zero_is_all_prior(
    pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor
) -> None:
    restored = pair(crops, source, 0.0)
    assert (restored.mask == 1).all()
    assert torch.equal(restored.face, pair.predict_ensemble(crops, source).picture.clamp(0, 1))


def test_half_fidelity_is_the_mask_as_predicted(
    pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor
) -> None:
    predicted = torch.sigmoid(pair.predict_ensemble(crops, source).logit)
    assert torch.equal(pair(crops, source, 0.5).mask, predicted)


def test_the_source_counts(pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor) -> None:
    assert not torch.equal(pair(crops, source, 0.5).face, pair(crops, crops, 0.5).face)


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 1), st.floats(0, 1))
def test_mask_falls_as_fidelity_rises(one: float, other: float) -> None:
    torch.manual_seed(0)
    pair = FaceVAEPair(TINY).eval().requires_grad_(False)
    crops = torch.rand(1, 3, 32, 32)
    low, high = sorted((one, other))
    source = torch.rand(1, 3, 32, 32)
    more, less = pair(crops, source, low).mask, pair(crops, source, high).mask
    assert (more >= less).all()
    assert 0 <= less.min() <= more.max() <= 1


def test_face_lies_between_the_evidence_and_the_prior(
    pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor
) -> None:
    face, prior = (
        pair(crops, source, 0.4).face,
        pair.predict_ensemble(crops, source).picture.clamp(0, 1),
    )
    assert (face >= torch.minimum(crops, prior) - 1e-6).all()
    assert (face <= torch.maximum(crops, prior) + 1e-6).all()


def test_a_mirrored_crop_gives_the_mirrored_face(
    pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor
) -> None:
    face, mirrored = pair(crops, source, 0.5).face, pair(crops.flip(3), source.flip(3), 0.5).face
    torch.testing.assert_close(mirrored.flip(3), face, atol=1e-6, rtol=0)
    once = pair.predict(crops, source).picture
    assert not torch.allclose(pair.predict(crops.flip(3), source.flip(3)).picture.flip(3), once)


def test_a_large_crop_is_seen_once(pair: FaceVAEPair) -> None:
    crops = torch.rand(1, 3, FLIP_ENSEMBLE_MAX_SIDE + 8, FLIP_ENSEMBLE_MAX_SIDE + 8)
    once, ensemble = pair.predict(crops, crops), pair.predict_ensemble(crops, crops)
    assert torch.equal(ensemble.picture, once.picture)


def test_other_sides_than_the_native_one_work(pair: FaceVAEPair) -> None:
    crops = torch.rand(1, 3, 48, 48)
    assert pair(crops, crops, 0.5).face.shape == (1, 3, 48, 48)


def test_a_face_does_not_depend_on_its_batch(
    pair: FaceVAEPair, crops: torch.Tensor, source: torch.Tensor
) -> None:
    together = pair(crops, source, 0.5).face
    alone = pair(crops[1:], source[1:], 0.5).face
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=0)


def test_bfloat16_weights_give_float32_faces(crops: torch.Tensor) -> None:
    torch.manual_seed(0)
    low = FaceVAEPair(TINY).eval().requires_grad_(False).to(torch.bfloat16)
    restored = low(crops, crops, 0.5)
    assert restored.face.dtype == restored.mask.dtype == torch.float32
    assert torch.equal(low(crops, crops, 1.0).face, crops)


def test_before_training_the_mapping_leaves_a_latent_alone(pair: FaceVAEPair) -> None:
    latent = torch.randn(1, 4, 8, 8)
    assert torch.equal(pair.mapping(latent), latent)


def test_attention_knows_the_place() -> None:
    torch.manual_seed(0)
    attention = LatentAttention(8, 2, 4)
    flat = torch.ones(1, 8, 4, 4)
    assert attention(flat).std(dim=(2, 3)).max() < 1e-6
    torch.nn.init.normal_(attention.place, std=3)
    same_place = attention(flat)
    assert same_place.shape == flat.shape
    assert not torch.allclose(attention(flat.flip(3)), same_place.flip(3))


def test_gradients_reach_every_part() -> None:
    torch.manual_seed(0)
    pair = FaceVAEPair(TINY)
    torch.nn.init.normal_(pair.mapping.leave.weight)
    torch.nn.init.normal_(pair.fusion.gate.leave.weight)
    pair(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32), 0.5).face.sum().backward()
    without = {name for name, value in pair.named_parameters() if value.grad is None}
    for_step_3 = {"features", "attention"}  # what the second look finds besides its picture
    assert {name.split(".")[-2] for name in without} == for_step_3
    assert all(name.startswith("second_look.attention.") for name in without)


def test_the_shipped_size_stays_within_its_budget() -> None:
    count = sum(value.numel() for value in FaceVAEPair(FaceVAEPairConfig()).parameters())
    assert 2_000_000 <= count <= 4_000_000


@pytest.mark.parametrize("fidelity", [-0.1, 1.1, float("nan")])
def test_impossible_fidelity(pair: FaceVAEPair, crops: torch.Tensor, fidelity: float) -> None:
    with pytest.raises(ValueError, match="fidelity"):
        pair(crops, crops, fidelity)


def test_impossible_sizes() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        FaceVAEPairConfig(size=100)
    with pytest.raises(ValueError, match="smallest 8 is not"):
        FaceVAEPairConfig(smallest=8)
    with pytest.raises(ValueError, match="smallest 128 is more than largest 64"):
        FaceVAEPairConfig(largest=64)
    with pytest.raises(ValueError, match="heads"):
        FaceVAEPairConfig(mapping_widths=(8, 10), heads=4)
