"""Large-scale colour is the source's, up to one line a channel; fine detail is the result's."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from restorecli.colour_correction import correct_colours, large_scale
from restorecli.tiling.sources import TensorSource


def smooth(seed: int, height: int, width: int) -> torch.Tensor:
    """A picture of soft spots of colour."""
    rng = torch.Generator().manual_seed(seed)
    spots = torch.rand((1, 3, 5, 5), generator=rng) * 0.6 + 0.2
    return F.interpolate(spots, (height, width), mode="bicubic").clamp(0, 1)


def corrected_copy(
    image: torch.Tensor,
    photo: torch.Tensor,
    *,
    longest_period: float = 0.0,
    believed: float = 1.0,
) -> torch.Tensor:
    """A copy of the picture with the photo's colours."""
    result = image.clone()
    correct_colours(
        TensorSource(result),
        TensorSource(photo),
        longest_period=longest_period,
        believed=believed,
    )
    return result


sides = st.integers(1, 150)


@settings(max_examples=30, deadline=None)
@given(
    height=sides,
    width=sides,
    seed=st.integers(0, 99),
    slopes=st.tuples(*[st.floats(0.7, 1.3)] * 3),
    offset=st.floats(-0.1, 0.1),
)
def test_a_change_that_all_of_the_photo_has_is_kept(
    height: int, width: int, seed: int, slopes: tuple[float, float, float], offset: float
) -> None:
    photo = smooth(seed, height, width)
    changed = photo * torch.tensor(slopes).view(1, 3, 1, 1) + offset
    corrected = corrected_copy(changed, photo)
    assert (corrected - changed).abs().max() < 0.01


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), tall=st.booleans())
def test_what_is_as_it_came_stays(seed: int, tall: bool) -> None:
    photo = smooth(seed, (4100 if tall else 90), 71)
    photo = (photo + torch.randn(photo.shape) * 0.05).clamp(0, 1)
    corrected = corrected_copy(photo, photo)
    assert torch.allclose(corrected, photo, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_a_cast_in_one_place_is_taken_back_and_detail_stays(seed: int) -> None:
    photo = smooth(seed, 256, 320)
    detail = torch.randn(photo.shape, generator=torch.Generator().manual_seed(seed)) * 0.05
    cast = torch.zeros_like(photo)
    cast[:, 0, 40:200, 40:140], cast[:, 2, 40:200, 40:140] = 0.2, -0.2  # beige
    corrected = corrected_copy(photo + detail + cast, photo)
    inside = (corrected - photo)[..., 80:160, 70:110].mean((2, 3)).abs().max()
    assert inside < 0.2 / 4  # of a cast over a fifth of the photo
    fine = corrected - F.avg_pool2d(corrected, 5, 1, 2)
    expected = detail - F.avg_pool2d(detail, 5, 1, 2)
    assert (fine - expected)[..., 90:150, 80:100].abs().mean() < 0.01


@settings(max_examples=20, deadline=None)
@given(
    period=st.floats(2, 64),
    angle=st.floats(0, np.pi),
    amplitude=st.floats(0.05, 0.4),
    seed=st.integers(0, 99),
)
def test_a_pattern_that_was_taken_away_does_not_come_back(
    period: float, angle: float, amplitude: float, seed: int
) -> None:
    clean = smooth(seed, 320, 320)
    y, x = torch.meshgrid(torch.arange(320.0), torch.arange(320.0), indexing="ij")
    wave = torch.sin((x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / period))
    photo = clean + amplitude * wave
    corrected = corrected_copy(clean, photo, longest_period=period)
    middle = (corrected - clean)[..., 80:-80, 80:-80]
    assert middle.abs().max() < 0.05 * amplitude + 0.004


@settings(max_examples=20, deadline=None)
@given(
    height=sides,
    width=sides,
    seed=st.integers(0, 99),
    slope=st.floats(0.7, 1.3),
    offset=st.floats(-0.2, 0.2),
    period=st.sampled_from((0.0, 40.0)),
)
def test_a_change_of_tone_is_taken_as_far_as_it_is_believed(
    height: int, width: int, seed: int, slope: float, offset: float, period: float
) -> None:
    photo = smooth(seed, height, width)
    detail = torch.randn(photo.shape, generator=torch.Generator().manual_seed(seed)) * 0.02
    changed = slope * photo + offset + detail
    shares = (0.0, 0.25, 1.0)
    results = [
        corrected_copy(changed, photo, longest_period=period, believed=share) for share in shares
    ]
    assert torch.equal(results[2], corrected_copy(changed, photo, longest_period=period))
    expected = results[0] + (results[2] - results[0]) * 0.25
    torch.testing.assert_close(results[1], expected, atol=1e-5, rtol=0)
    for one, other in itertools.combinations(results, 2):  # of the tone alone
        flat = one - other
        rough = flat - F.avg_pool2d(flat, 3, 1, 1, count_include_pad=False)
        assert rough.abs().max() < 0.01
    if min(height, width) >= 64:
        left, goal = (large_scale(TensorSource(one), period) for one in (results[0], photo))
        assert (left - goal).abs().mean() < 0.01
