"""Alignment: similarities are recovered, and paste undoes align outside and inside the mask."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from restorecli.colour import luma
from restorecli.faces.alignment import (
    TEMPLATE,
    TILT,
    Placement,
    align,
    feather_mask,
    fit_pixel_aligned,
    fit_similarity,
    paste,
    pixel_centres,
    sample_crop,
)
from restorecli.tiling.sources import TensorSource

angles = st.floats(-math.pi, math.pi)


def landmarks(scale: float, angle: float, x: float, y: float) -> Tensor:
    """The template turned, enlarged and moved, in float32 as a detector gives it."""
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return (torch.tensor(TEMPLATE) - 0.5) @ turn.T * scale + torch.tensor([x, y])


def gradient(height: int, width: int) -> Tensor:
    """A picture whose red and green say where a pixel's middle is, in [0, 1]."""
    centres = pixel_centres(0, 0, height, width).float()
    x, y = centres.unbind(-1)
    return torch.stack([x / width, y / height, torch.full_like(x, 0.5)])[None]


def pasted_over(image: Tensor, face: Tensor, placement: Placement) -> Tensor:
    """A copy of the photo with the face in it."""
    result = image.clone()
    paste(TensorSource(result), face, placement)
    return result


@settings(deadline=None)
@given(st.floats(10, 500), angles, st.floats(-50, 900), st.floats(-50, 900))
def test_a_similarity_is_recovered(scale: float, angle: float, x: float, y: float) -> None:
    placement = fit_similarity(landmarks(scale, angle, x, y), 64)
    assert placement.scale == pytest.approx(scale / 64, rel=1e-3)
    centre = placement.to_photo(torch.tensor([[32.0, 32.0]], dtype=torch.float64))
    assert centre[0].tolist() == pytest.approx([x, y], abs=1e-2 * scale)
    corner = torch.tensor([[3.0, 60.0]], dtype=torch.float64)
    assert torch.allclose(placement.to_crop(placement.to_photo(corner)), corner)


def test_mirrored_landmarks_do_not_mirror_the_crop() -> None:
    marks = landmarks(100, 0.0, 60, 60) * torch.tensor([-1.0, 1.0]) + torch.tensor([120.0, 0])
    assert float(fit_similarity(marks, 64).matrix[:, :2].det()) > 0


def test_one_point_is_no_face() -> None:
    with pytest.raises(ValueError, match="do not span a face"):
        fit_similarity(torch.ones(5, 2), 64)


@settings(deadline=None, max_examples=40)
@given(
    st.floats(28, 60),
    st.floats(-0.95 * TILT, 0.95 * TILT),
    st.integers(-2, 2),
    st.floats(40, 60),
    st.floats(30, 50),
    st.integers(0, 2**31),
)
def test_a_nearly_upright_face_is_cut_straight_out(
    scale: float, tilt: float, quarters: int, x: float, y: float, seed: int
) -> None:
    image = torch.rand(1, 3, 80, 100, generator=torch.Generator().manual_seed(seed))
    marks = landmarks(scale, tilt + quarters * math.pi / 2, x, y)
    placement = fit_pixel_aligned(marks, 24, 64)
    assert placement.size % 8 == 0
    assert abs(placement.size - scale) <= 4 + 1e-3
    crop = sample_crop(TensorSource(image), placement)
    top, left, bottom, right = placement.region(80, 100)
    upright = image[..., top:bottom, left:right].rot90(quarters % 4, (-2, -1))
    if upright.shape[-2:] == (placement.size, placement.size):
        torch.testing.assert_close(crop, upright, atol=1e-4, rtol=0)
    middle = placement.to_photo(torch.full((1, 2), placement.size / 2, dtype=torch.float64))
    assert middle[0].tolist() == pytest.approx([x, y], abs=0.51 + 1e-3)


def test_paste_into_the_photos_own_pixels_is_exact() -> None:
    image = torch.rand(1, 3, 200, 200, generator=torch.Generator().manual_seed(0))
    placement = fit_pixel_aligned(landmarks(100, 0.1, 101.3, 99.8), 64, 128)
    crop = sample_crop(TensorSource(image), placement)
    spot = torch.zeros_like(crop)
    spot[..., 40:60, 40:60] = 0.1 * torch.rand(20, 20, generator=torch.Generator().manual_seed(1))
    top, left, bottom, right = placement.region(200, 200)
    pasted = pasted_over(image, crop + spot, placement)
    expected = (image[..., top:bottom, left:right] + spot).clamp(0, 1)
    torch.testing.assert_close(pasted[..., top:bottom, left:right], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("scale", "tilt", "size"),
    [(20, 0.0, 32), (500, 0.0, 64), (48, 1.5 * TILT, 48), (48, math.pi / 4, 48)],
)
def test_what_does_not_fit_the_pixels_is_placed_freely(
    scale: float, tilt: float, size: int
) -> None:
    marks = landmarks(scale, tilt, 100, 100)
    placement = fit_pixel_aligned(marks, 32, 64)
    assert placement.size == size
    assert torch.equal(placement.matrix, fit_similarity(marks, size).matrix)


@pytest.mark.parametrize(("scale", "tolerance"), [(40, 0.01), (64, 0.01), (300, 0.015)])
def test_the_crop_shows_what_lies_there(scale: float, tolerance: float) -> None:
    image = gradient(500, 400)
    crop, placement = align(TensorSource(image), landmarks(scale, 0.4, 200, 240), 64)
    expected = placement.to_photo(pixel_centres(0, 0, 64, 64)) / torch.tensor([400, 500])
    assert torch.allclose(crop[0, :2], expected.permute(2, 0, 1).float(), atol=tolerance)


def test_a_crop_beyond_the_border_is_mirrored_and_finite() -> None:
    crop, _ = align(TensorSource(gradient(60, 60)), landmarks(80, 0.2, 55, 10), 32)
    assert crop.isfinite().all()
    assert crop.max() <= 1


def test_a_face_wholly_outside_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the photo"):
        align(TensorSource(gradient(20, 20)), landmarks(10, 0.0, 100, 100), 16)


@settings(deadline=None, max_examples=25)
@given(st.floats(12, 200), angles, st.floats(0, 100), st.floats(0, 80), st.integers(0, 2**31))
def test_only_the_mask_changes(scale: float, angle: float, x: float, y: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 3, 80, 100, generator=draw)
    crop, placement = align(TensorSource(image), landmarks(scale, angle, x, y), 32)
    pasted = pasted_over(image, 1 - crop, placement)
    assert pasted.min() >= 0
    assert pasted.max() <= 1
    points = placement.to_crop(pixel_centres(0, 0, 80, 100)) / 32 - torch.tensor([0.5, 0.52])
    radius = (points.abs() / torch.tensor([0.42, 0.47])).pow(3).sum(-1)
    outside = radius > 1.0001
    assert torch.equal(pasted[..., outside], image[..., outside])
    assert torch.equal(pasted_over(image, crop, placement), image)


def test_the_middle_becomes_the_face() -> None:
    """At equal scale, the whole change arrives inside; a mere colour cast is taken out."""
    image = gradient(160, 160)
    crop, placement = align(TensorSource(image), landmarks(96, 0.0, 80, 80), 96)
    spot = torch.zeros_like(crop)
    spot[..., 40:56, 40:56] = 0.3
    pasted = pasted_over(image, crop + spot, placement)
    assert torch.allclose(pasted[..., 76:84, 76:84], image[..., 76:84, 76:84] + 0.3, atol=0.01)
    cast = pasted_over(image, crop + 0.05, placement)
    assert torch.allclose(cast, image, atol=1e-4)


def test_detail_finer_than_the_crop_stays() -> None:
    checks = (torch.arange(200).view(1, -1) + torch.arange(200).view(-1, 1)) % 2
    image = (0.4 + 0.2 * checks.float()).expand(1, 3, 200, 200)
    crop, placement = align(TensorSource(image), landmarks(160, 0.0, 100, 100), 32)
    spot = torch.zeros_like(crop)
    spot[..., 12:20, 12:20] = 0.1
    pasted = pasted_over(image, crop + spot, placement)
    middle = pasted[..., 95:105, 95:105]
    assert float(middle.amax() - middle.amin()) == pytest.approx(0.2, abs=0.01)
    assert float((pasted - image)[..., 98:102, 98:102].mean()) == pytest.approx(0.1, abs=0.02)


def test_the_oval_fades_before_the_border() -> None:
    mask = feather_mask(64)[0, 0]
    assert mask.max() == 1
    assert torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).abs().max() == 0


def test_a_region_is_clipped_to_the_photo() -> None:
    matrix = torch.tensor([[2.0, 0, -10], [0, 2, 30]], dtype=torch.float64)
    assert Placement(matrix, 32).region(40, 50) == (30, 0, 40, 50)


@settings(deadline=None, max_examples=30)
@given(st.floats(20, 300), angles, st.floats(-50, 200), st.floats(-50, 200),
       st.sampled_from([2, 4]), st.sampled_from([1, 2]))  # fmt: skip
def test_an_enlarged_crop_shows_the_same_place_of_the_enlarged_photo(
    scale: float, angle: float, x: float, y: float, photo: int, drawn: int
) -> None:
    placement = fit_similarity(landmarks(scale, angle, x, y), 32)
    enlarged = placement.enlarged(drawn, photo)
    assert enlarged.size == 32 * drawn
    points = torch.rand(5, 2, dtype=torch.float64) * 32
    there = placement.to_photo(points) * photo
    torch.testing.assert_close(enlarged.to_photo(points * drawn), there)


@settings(deadline=None, max_examples=20)
@given(st.floats(0.05, 0.3), st.integers(0, 2), st.integers(0, 10**6))
def test_a_cast_of_the_whole_face_is_not_pasted(cast: float, channel: int, seed: int) -> None:
    """Lightness may change, detail may have colours; what covers the face does not."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 3, 96, 96, generator=generator) * 0.2 + 0.4
    placement = fit_similarity(landmarks(64, 0.0, 48, 48), 64)
    crop = sample_crop(TensorSource(image), placement)
    tinted, lighter = crop.clone(), crop + cast
    tinted[:, channel] += cast
    plain = pasted_over(image, crop, placement)
    middle = ..., slice(40, 56), slice(40, 56)
    shown = pasted_over(image, tinted, placement)[middle] - plain[middle]
    assert float((shown - luma(shown)).abs().max()) < 0.02
    light = pasted_over(image, lighter, placement)[middle] - plain[middle]
    assert float((light - luma(light)).abs().max()) < 1e-5
    spot = crop.clone()
    spot[:, channel, 30:34, 30:34] += cast
    seen = pasted_over(image, spot, placement)[..., 47:49, 47:49] - plain[..., 47:49, 47:49]
    others = [other for other in range(3) if other != channel]
    assert float(seen[:, channel].mean() - seen[:, others].mean()) > 0.5 * cast
