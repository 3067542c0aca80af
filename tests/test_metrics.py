"""SSIM and PSNR: laws, hand-computed cases, agreement with scikit-image."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from restorecli import metrics
from restorecli.metrics import psnr, psnr_y, ssim, ssim_per_image

seeds = st.integers(0, 2**31 - 1)
sides = st.integers(11, 40)


def noise(seed: int, height: int = 24, width: int = 31, n: int = 1) -> Float[Tensor, "n 3 h w"]:
    return torch.rand((n, 3, height, width), generator=torch.Generator().manual_seed(seed))


def scenes(seed: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """A smooth bright picture and the same under a little noise: the hard case for float32."""
    rows = torch.linspace(0.7, 1, height).view(1, 1, height, 1)
    clean = rows.expand(1, 3, height, width).contiguous()
    return clean, (clean + 0.02 * (noise(seed, height, width) - 0.5)).clamp(0, 1)


def skimage_ssim(image: Tensor, reference: Tensor) -> float:
    def array(tensor: Tensor) -> np.ndarray:
        return tensor[0].permute(1, 2, 0).double().numpy()

    value = structural_similarity(  # type: ignore[no-untyped-call]
        array(image),
        array(reference),
        channel_axis=2,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(value)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, height=sides, width=sides, amount=st.floats(0, 1))
def test_agrees_with_scikit_image(seed: int, height: int, width: int, amount: float) -> None:
    clean = noise(seed, height, width)
    other = torch.lerp(clean, noise(seed + 1, height, width), amount)
    expected = skimage_ssim(other, clean)
    assert ssim(other, clean) == pytest.approx(expected, abs=1e-6)
    assert float(ssim_per_image(other, clean)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_float32_suffices_on_flat_bright_pictures(seed: int) -> None:
    clean, other = scenes(seed, 60, 80)
    expected = skimage_ssim(other, clean)
    assert ssim(other, clean) == pytest.approx(expected, abs=1e-6)
    assert float(ssim_per_image(other, clean)) == pytest.approx(expected, abs=1e-5)


def test_two_flat_pictures_by_hand() -> None:
    black, grey = torch.zeros(1, 3, 11, 11), torch.full((1, 3, 11, 11), 0.5)
    assert ssim(black, grey) == pytest.approx(1e-4 / (0.25 + 1e-4), rel=1e-9)
    assert psnr(black, grey) == pytest.approx(20 * math.log10(2), abs=1e-9)
    assert psnr_y(black, grey) == pytest.approx(-20 * math.log10(0.5 * 219 / 255), abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=seeds, height=sides, width=sides)
def test_symmetric_and_best_at_equality(seed: int, height: int, width: int) -> None:
    a, b = noise(seed, height, width), noise(seed + 1, height, width)
    for metric in (ssim, psnr, psnr_y):
        assert metric(a, b) == pytest.approx(metric(b, a), rel=1e-12)
        assert metric(a, b) < metric(a, a)
    assert ssim(a, a) == pytest.approx(1, abs=1e-12)
    assert psnr(a, a) == math.inf
    assert psnr_y(a, a) == math.inf


@settings(max_examples=15, deadline=None)
@given(seed=seeds, turns=st.integers(0, 3), mirrored=st.booleans())
def test_turning_both_pictures_changes_nothing(seed: int, turns: int, mirrored: bool) -> None:
    a, b = noise(seed), noise(seed + 1)
    turned = [torch.rot90(picture, turns, (2, 3)) for picture in (a, b)]
    if mirrored:
        turned = [picture.flip(3) for picture in turned]
    assert ssim(*turned) == pytest.approx(ssim(a, b), abs=1e-12)
    assert psnr(*turned) == pytest.approx(psnr(a, b), abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(seed=seeds, shift=st.floats(0.001, 0.5))
def test_psnr_of_a_constant_shift_and_of_scikit_image(seed: int, shift: float) -> None:
    a, b = noise(seed).double() / 2, noise(seed + 1).double()
    assert psnr(a, a + shift) == pytest.approx(-20 * math.log10(shift), abs=1e-6)
    expected = peak_signal_noise_ratio(  # type: ignore[no-untyped-call]
        a.numpy(), b.numpy(), data_range=1.0
    )
    assert psnr(a, b) == pytest.approx(float(expected), abs=1e-9)


def test_grey_pictures_by_luma_differ_only_by_the_range_of_luma() -> None:
    a, b = noise(1)[:, :1].expand(1, 3, -1, -1), noise(2)[:, :1].expand(1, 3, -1, -1)
    assert psnr_y(a, b) == pytest.approx(psnr(a, b) - 20 * math.log10(219 / 255), abs=1e-6)


def test_strips_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = noise(1, 47, 33), noise(2, 47, 33)
    whole = [metric(a, b) for metric in (ssim, psnr, psnr_y)]
    for rows in (1, 11, 37):
        monkeypatch.setattr(metrics, "_STRIP_VALUES", rows * 3 * 33)
        assert [metric(a, b) for metric in (ssim, psnr, psnr_y)] == pytest.approx(whole, abs=1e-12)


def test_each_picture_of_a_batch_is_judged_alone() -> None:
    a, b = noise(1, n=3), noise(2, n=3)
    alone = [ssim(a[i : i + 1], b[i : i + 1]) for i in range(3)]
    assert ssim_per_image(a, b).tolist() == pytest.approx(alone, abs=1e-5)


def test_gradient_is_that_of_small_steps_and_leads_uphill() -> None:
    reference, direction = noise(3, 12, 13).double(), noise(5, 12, 13).double() - 0.5
    image = noise(4, 12, 13).double().requires_grad_()
    (gradient,) = torch.autograd.grad(ssim_per_image(image, reference).sum(), image)
    start = image.detach()
    step = 1e-5 * direction
    slope = (ssim(start + step, reference) - ssim(start - step, reference)) / 2e-5
    assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-6)
    assert ssim(start + 0.1 * gradient, reference) > ssim(start, reference)


def test_half_precision_and_autocast_are_raised_to_float32() -> None:
    a, b = noise(5), noise(6)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ssim_per_image(a, b), ssim_per_image(a, b))
        assert float(ssim_per_image(a, b)) == pytest.approx(ssim(a, b), abs=1e-5)
    assert ssim_per_image(a.bfloat16(), b.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(("height", "width"), [(10, 40), (40, 10), (1, 1)])
def test_smaller_than_the_window_is_refused(height: int, width: int) -> None:
    image = torch.zeros(1, 3, height, width)
    for metric in (ssim, ssim_per_image):
        with pytest.raises(ValueError, match=f"{width}×{height} px is smaller than SSIM's window"):
            metric(image, image)


def test_the_conventions_are_said() -> None:
    assert "1.5" in metrics.SSIM_CONVENTION
    assert "data range 1" in metrics.SSIM_CONVENTION
    assert "luma" in metrics.PSNR_Y_CONVENTION


@pytest.mark.parametrize("side", [11, 40])
def test_the_window_is_the_same_as_a_product_of_matrices(side: int) -> None:
    """The way of a GPU; what inference made first must not stand in training's way."""
    image = noise(0, side, 33, n=2).requires_grad_()
    with torch.inference_mode():
        metrics._blur_by_matrices(image)
    with torch.autocast("cpu", torch.bfloat16):
        product = metrics._blur_by_matrices(image)
    plain = metrics._blur(image)
    assert torch.allclose(product, plain, atol=1e-6)
    upstream = noise(1, plain.shape[2], plain.shape[3], n=2)
    (theirs,) = torch.autograd.grad(product, image, upstream)
    (ours,) = torch.autograd.grad(plain, image, upstream)
    assert torch.allclose(theirs, ours, atol=1e-6)
