"""The classical rivals: shapes, laws, and the notch on patterns made for it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from restorecli.bench import baselines
from restorecli.bench.baselines import (
    BASELINES,
    gaussian_blur,
    median,
    non_local_means,
    notch,
    untouched,
)
from restorecli.metrics import psnr, ssim


def scene(height: int, width: int) -> Float[Tensor, "1 3 h w"]:
    """Soft blobs of colour and a little grain, as a stand-in for a photo."""
    generator = torch.Generator().manual_seed(7)
    coarse = torch.rand((1, 3, 9, 11), generator=generator)
    blobs = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
    grain = 0.02 * torch.randn((1, 3, height, width), generator=generator)
    return (0.2 + 0.6 * blobs + grain).clamp(0.15, 0.85)


def wave(
    height: int, width: int, period: float, degrees: float, amplitude: float = 0.3
) -> Float[Tensor, "h w"]:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    turn = math.radians(degrees)
    return amplitude * torch.sin(2 * math.pi * (x * math.cos(turn) + y * math.sin(turn)) / period)


def test_names_and_their_order() -> None:
    expected = ["untouched", "notch", "non-local means", "median 5x5", "gaussian blur σ 3"]
    assert list(BASELINES) == expected


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 40), (130, 65)])
def test_any_size_is_kept_and_the_input_is_not_changed(name: str, height: int, width: int) -> None:
    image = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(1))
    before = image.clone()
    result = BASELINES[name](image)
    assert result.shape == image.shape
    assert result.dtype == torch.float32
    assert 0 <= float(result.min()) <= float(result.max()) <= 1
    assert torch.equal(image, before)


@pytest.mark.parametrize("name", BASELINES)
def test_a_flat_picture_stays_flat(name: str) -> None:
    colour = torch.tensor([0.2, 0.4, 0.8]).view(1, 3, 1, 1).expand(1, 3, 70, 90)
    assert (BASELINES[name](colour) - colour).abs().max() < 2 / 255


@pytest.mark.parametrize("name", ["notch", "median 5x5", "gaussian blur σ 3"])
def test_channels_are_filtered_each_for_itself(name: str) -> None:
    image = torch.rand((1, 3, 40, 50), generator=torch.Generator().manual_seed(2))
    swapped = BASELINES[name](image.flip(1)).flip(1)
    assert (swapped - BASELINES[name](image)).abs().max() < 1e-6


@pytest.mark.parametrize(("period", "degrees"), [(5.3, 20), (8.0, 0), (11.7, 67)])
def test_notch_takes_a_pure_sinusoid_away(period: float, degrees: float) -> None:
    clean = scene(160, 192)
    degraded = clean + wave(160, 192, period, degrees)
    assert ssim(degraded, clean) < 0.35
    assert ssim(notch(degraded), clean) >= 0.9


def test_notch_lets_a_clean_picture_and_slow_waves_pass() -> None:
    clean = scene(160, 192)
    assert ssim(notch(clean), clean) > 0.95
    slow = (clean + wave(160, 192, 128, 0, 0.1)).clamp(0, 1)
    assert psnr(notch(slow), slow) > 30


@settings(max_examples=5, deadline=None)
@given(period=st.floats(4, 14), degrees=st.floats(0, 180), phase=st.integers(0, 40))
def test_notch_always_gains_on_a_sinusoid(period: float, degrees: float, phase: int) -> None:
    clean = scene(128, 128)
    degraded = clean + wave(128, 128 + phase, period, degrees)[:, phase:]
    assert ssim(notch(degraded), clean) > ssim(degraded, clean) + 0.2


def test_notch_without_any_peak_is_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "THRESHOLD", math.inf)
    image = torch.rand((1, 3, 150, 201), generator=torch.Generator().manual_seed(3))
    assert (notch(image) - image).abs().max() < 1e-5


def test_untouched_median_and_blur_do_what_they_say() -> None:
    image = torch.rand((1, 3, 40, 40), generator=torch.Generator().manual_seed(4))
    assert untouched(image) is image
    assert median(image)[0, 1, 9, 9] == image[0, 1, 7:12, 7:12].median()
    point = torch.zeros(1, 3, 41, 41)
    point[..., 20, 20] = 1
    blurred = gaussian_blur(point)[0, 0]
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-5)
    assert float(blurred[20, 23] / blurred[20, 20]) == pytest.approx(math.exp(-0.5), rel=1e-4)


def test_non_local_means_removes_noise_and_keeps_colours_apart() -> None:
    clean = torch.full((1, 3, 48, 48), 0.4)
    clean[:, 0, :, 24:], clean[:, 2, :, :24] = 0.8, 0.7
    noise = 0.08 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(5))
    noisy = (clean + noise).clamp(0, 1)
    assert psnr(non_local_means(noisy), clean) > psnr(noisy, clean) + 3
