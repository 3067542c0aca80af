"""Degradations: each sample hangs on its own seed alone, stays in range, and does what it says."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from restorecli.degrade import FAMILIES, DegradeConfig, degrade
from restorecli.degrade.corruption import add_noise, gaussian_blur, jpeg
from restorecli.degrade.patterns import FIELDS
from restorecli.degrade.rng import Draws, mix
from restorecli.metrics import psnr, ssim_per_image

PATTERN_ONLY = DegradeConfig(clean=0, plain=0, mild=0, second=0, dimmed=0)


def photos(count: int, height: int = 48, width: int = 40) -> Tensor:
    """Smooth pictures, unlike noise and unlike patterns."""
    y, x = torch.linspace(0, 1, height).view(-1, 1), torch.linspace(0, 1, width).view(1, -1)
    photo = torch.stack([0.2 + 0.6 * x * y, 0.3 + 0.4 * y * x**2, 0.7 - 0.5 * y * x**0])
    return torch.stack([photo * (0.7 + 0.3 * (n % 3) / 2) for n in range(count)])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=4, unique=True), st.integers(11, 50))
def test_a_sample_hangs_on_its_seed_alone(seeds: list[int], size: int) -> None:
    clean = photos(len(seeds), size, size)
    together = degrade(clean, torch.tensor(seeds)).image
    for row, seed in enumerate(seeds):
        alone = degrade(clean[row : row + 1], torch.tensor([seed])).image
        torch.testing.assert_close(alone[0], together[row], atol=1.5 / 255, rtol=0)


def test_equal_seeds_give_equal_bits() -> None:
    first, second = (degrade(photos(6), torch.arange(6)) for _ in range(2))
    assert torch.equal(first.image, second.image)
    assert first.family == second.family


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_disturbs_and_stays_in_range(family: str) -> None:
    config = replace(PATTERN_ONLY, families=(family,), sigma=0, jpeg=0, soften=0)
    pair = degrade(photos(8), torch.arange(8), config)
    assert set(pair.family) == {family}
    assert torch.isfinite(pair.image).all()
    assert float(pair.image.amin()) >= 0
    assert float(pair.image.amax()) <= 1
    changed = (pair.image - pair.target).abs().mean((1, 2, 3))
    assert float(changed.amax()) > (0.01 if family == "banding" else 0.02)
    assert torch.equal(pair.image, torch.round(pair.image * 255) / 255)


@pytest.mark.parametrize("name", FIELDS)
def test_patterns_are_numbers_a_hair_beside_their_seams(name: str) -> None:
    draws = Draws(torch.arange(40))
    hairs = torch.tensor([-1e-7, -1e-9, -0.0, 0.0, 1e-9, 1e-7])
    u, v = (part.expand(40, 6, 6) for part in torch.meshgrid(hairs, hairs, indexing="ij"))
    pattern = FIELDS[name](u, v, draws)
    assert pattern.isfinite().all()


def test_strong_patterns_meet_the_papers_rule() -> None:
    drawn = replace(PATTERN_ONLY, presses=0)
    pair = degrade(photos(60, 64, 64), torch.arange(60), drawn)
    strong = ssim_per_image(pair.image, pair.target) <= 0.5
    assert float(strong.float().mean()) > 0.6


def test_clean_photos_are_left_as_they_are() -> None:
    clean = photos(5)
    pair = degrade(clean, torch.arange(5), DegradeConfig(clean=1))
    assert torch.equal(pair.image, clean)
    assert set(pair.family) == {"none"}


def test_plain_photos_have_noise_of_the_stated_strength() -> None:
    clean = torch.full((16, 3, 64, 64), 0.5)
    config = DegradeConfig(clean=0, plain=1, jpeg=0, soften=0, dimmed=0, plain_sigma=0.1)
    pair = degrade(clean, torch.arange(16), config)
    assert set(pair.family) == {"none"}
    measured = (pair.image - clean).std((1, 2, 3))
    assert float((measured / pair.sigma - 1).abs().amax()) < 0.35


def test_dimmed_photos_have_dimmed_targets() -> None:
    clean = photos(12)
    pair = degrade(clean, torch.arange(12), DegradeConfig(clean=0, dimmed=1))
    factor = clean.mean((1, 2, 3)) / pair.target.mean((1, 2, 3))
    assert float(factor.amin()) >= 1.49
    assert float(factor.amax()) <= 8.01


def test_coarse_patterns_are_as_their_families_have_them_but_larger() -> None:
    """Scan lines of 2 to 8 px become ones of up to 32; what a press does stays as it is."""
    usual = replace(PATTERN_ONLY, families=("scan", "newsprint"), sigma=0, jpeg=0, soften=0)
    flat, seeds = torch.full((24, 3, 96, 96), 0.5), torch.arange(24)
    before, after = (degrade(flat, seeds, replace(usual, coarse=c)) for c in (0.0, 1.0))
    assert before.family == after.family
    for row, family in enumerate(before.family):
        if family == "newsprint":
            assert torch.equal(before.image[row], after.image[row])
            continue
        waves = []
        for picture in (before.image[row], after.image[row]):
            rows = picture.mean((0, 2))
            waves.append(int(torch.fft.rfft(rows - rows.mean()).abs().argmax()))
        assert waves[1] < waves[0]
        assert waves[0] / waves[1] <= 4.5


def test_clean_is_not_modified() -> None:
    clean = photos(6)
    before = clean.clone()
    degrade(clean, torch.arange(6))
    assert torch.equal(clean, before)


@pytest.mark.parametrize(("quality", "subsampled"), [(40, False), (75, True), (90, False)])
def test_jpeg_is_what_a_codec_does(quality: int, subsampled: bool) -> None:
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    image = gaussian_blur(noise, torch.tensor([1.5]))
    image = torch.round(image * 255) / 255
    ours = jpeg(image, torch.tensor([float(quality)]), torch.tensor([subsampled]))
    pixels = (image[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=quality, subsampling=2 * subsampled)
    decoded = np.asarray(Image.open(buffer).convert("RGB"))
    theirs = torch.from_numpy(decoded.copy()).permute(2, 0, 1)[None].float() / 255
    assert psnr(ours, theirs) > psnr(image, theirs) + (3 if quality < 90 else 1)


def test_jpeg_of_any_size() -> None:
    image = photos(1, 13, 27)
    pressed = jpeg(image, torch.tensor([95.0]), torch.tensor([True]))
    assert pressed.shape == image.shape
    assert psnr(pressed, image) > 35


def test_blur_keeps_the_mean_of_a_flat_picture_and_grows_with_sigma() -> None:
    flat = torch.full((1, 3, 20, 20), 0.25)
    assert torch.allclose(gaussian_blur(flat, torch.tensor([2.0])), flat, atol=1e-6)
    spot = torch.zeros(2, 3, 25, 25)
    spot[:, :, 12, 12] = 1
    blurred = gaussian_blur(spot, torch.tensor([0.5, 2.0]))
    assert float(blurred[0].amax()) > float(blurred[1].amax())
    assert torch.allclose(blurred.sum((2, 3)), torch.ones(2, 3), atol=1e-4)


def test_noise_is_standard_normal_and_uncorrelated() -> None:
    field = Draws(torch.arange(4)).normal_field(3, 64, 64)
    assert abs(float(field.mean())) < 0.01
    assert abs(float(field.std()) - 1) < 0.01
    assert abs(float((field[..., 1:] * field[..., :-1]).mean())) < 0.02
    assert abs(float((field[0] * field[1]).mean())) < 0.02


def test_no_noise_changes_nothing() -> None:
    image = photos(2)
    assert torch.equal(add_noise(image, torch.zeros(2), Draws(torch.arange(2))), image)


@given(st.integers(0, 2**31), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_draws_stay_in_their_bounds(seed: int, skipped: int) -> None:
    draws = Draws(torch.tensor([seed, seed + 1]))
    for _ in range(skipped % 300):
        draws.uniform()
    drawn = draws.uniform(2, 3)
    assert bool(((drawn >= 2) & (drawn <= 3)).all())  # 3 itself only by float32's rounding
    assert set(draws.integers(0, 3).tolist()) <= {0, 1, 2}
    assert set(draws.sign().tolist()) <= {-1.0, 1.0}
    assert bool((draws.log_uniform(1, 10) >= 1).all())


def test_draws_beyond_the_table_are_new() -> None:
    draws = Draws(torch.tensor([5]))
    numbers = [float(draws.uniform()) for _ in range(600)]
    assert len(set(numbers)) > 590


def test_a_subset_goes_on_with_the_same_numbers() -> None:
    draws = Draws(torch.tensor([1, 2, 3]))
    draws.uniform()
    part = draws.subset(torch.tensor([2]))
    assert float(part.uniform()) == float(draws.uniform()[2])


def test_hash_spreads_neighbours() -> None:
    hashed = mix(torch.arange(4096))
    assert len(set(hashed.tolist())) == 4096
    assert abs(float(hashed.float().mean()) / 2**32 - 0.5) < 0.02
