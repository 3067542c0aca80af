"""Presses, papers and displays: tone and colour are kept, what a plate takes is not asked back."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from restorecli.colour import luma
from restorecli.degrade import FAMILIES, PRESSES, TRUTHS, DegradeConfig, degrade
from restorecli.degrade.inks import one_plate, separate, stock
from restorecli.degrade.patterns import coordinates
from restorecli.degrade.presses import level_table, look_up, spot
from restorecli.degrade.rng import Draws

PRESS_ONLY = DegradeConfig(families=tuple(PRESSES), clean=0, plain=0, mild=0, second=0, dimmed=0,
                           soften=0, sigma=0, jpeg=0)  # fmt: skip


def colours(count: int, height: int = 48, width: int = 40) -> Tensor:
    """Smooth colour pictures, each of another hue."""
    y, x = torch.linspace(0, 1, height).view(-1, 1), torch.linspace(0, 1, width).view(1, -1)
    photo = torch.stack([0.2 + 0.6 * x * y, 0.3 + 0.4 * y * x**2, 0.7 - 0.5 * y * x**0])
    return torch.stack([photo.roll(n, 0) for n in range(count)])


def printed(family: str, photo: Tensor, first_seed: int = 0) -> Tensor:
    """Photos through one family, straight from it."""
    draws = Draws(torch.arange(first_seed, first_seed + len(photo)))
    level = torch.zeros(len(photo), dtype=torch.bool)
    u, v = coordinates(draws, photo.shape[-2], photo.shape[-1], level)
    return PRESSES[family](photo, u, v, draws)


@pytest.mark.parametrize("family", PRESSES)
@settings(max_examples=5, deadline=None)
@given(seeds=st.lists(st.integers(0, 2**40), min_size=2, max_size=4, unique=True))
def test_a_print_hangs_on_its_seed_alone(family: str, seeds: list[int]) -> None:
    clean, config = colours(len(seeds), 37, 50), replace(PRESS_ONLY, families=(family,))
    together = degrade(clean, torch.tensor(seeds), config)
    for row, seed in enumerate(seeds):
        alone = degrade(clean[row : row + 1], torch.tensor([seed]), config)
        torch.testing.assert_close(alone.image[0], together.image[row], atol=1.5 / 255, rtol=0)
        torch.testing.assert_close(alone.target[0], together.target[row])


@pytest.mark.parametrize("family", PRESSES)
def test_large_areas_keep_their_tone_and_order(family: str) -> None:
    tones = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]).view(-1, 1, 1, 1, 1)
    photo = tones.expand(5, 8, 3, 96, 96)
    means = torch.stack([printed(family, level).clamp(0, 1).mean((1, 2, 3)) for level in photo])
    assert float((means - tones.view(-1, 1)).abs().mean(1).amax()) < 0.12
    assert float((means - tones.view(-1, 1)).abs().amax()) < 0.2
    assert bool((means.diff(dim=0) > 0.05).all())


@pytest.mark.parametrize("family", [name for name in PRESSES if name not in TRUTHS])
def test_large_areas_keep_their_hue(family: str) -> None:
    photo = torch.tensor([0.7, 0.45, 0.3]).view(1, 3, 1, 1).expand(12, 3, 96, 96)
    mean = printed(family, photo).clamp(0, 1).mean((2, 3))
    assert bool((mean[:, 0] > mean[:, 1] + 0.1).all())
    assert bool((mean[:, 1] > mean[:, 2] + 0.05).all())


@pytest.mark.parametrize("shape", [0, 1, 2])
@pytest.mark.parametrize("slope", [0.8, 2.0, 12.0])
def test_a_screen_covers_as_much_as_the_tone_asks(shape: int, slope: float) -> None:
    kind, slopes = torch.tensor([shape]), torch.tensor([slope])
    along = torch.arange(80) * (3 * 8.03 / 80)  # three periods
    y, x = torch.meshgrid(along, along, indexing="ij")
    dots = spot(x[None], y[None], torch.tensor([8.03]), kind)
    for tone in (0.0, 0.05, 0.3, 0.5, 0.8, 1.0):
        level = look_up(level_table(kind, slopes), torch.full((1, 80, 80), tone))
        cover = ((level - dots) * slope + 0.5).clamp(0, 1).mean()
        assert float(cover) == pytest.approx(tone, abs=0.015)


def test_four_plates_keep_tone_and_colour() -> None:
    photo = torch.tensor([[0.75, 0.6, 0.5], [0.4, 0.5, 0.6], [0.5, 0.5, 0.5], [0.3, 0.25, 0.2]])
    photo = photo.view(4, 3, 1, 1).expand(4, 3, 192, 192)
    off = torch.stack([printed("process", photo, 50 * k).mean((2, 3)) for k in range(6)])
    paper = 0.965  # of the bare sheet, on average
    assert float((off.mean(0) / paper - photo.mean((2, 3))).abs().amax()) < 0.03


def test_separations_mix_to_the_photo() -> None:
    photo = 0.35 + 0.4 * colours(3)
    inks = torch.tensor([[0.9, 0.2, 0.05], [0.1, 0.9, 0.3], [0.0, 0.05, 0.9]]).expand(3, 3, 3)
    black = torch.full((3, 1, 48, 40), 0.95)
    cover = separate(photo, inks, black)
    mixed = black * torch.ones_like(photo)
    for i in range(3):
        mixed = mixed * (1 - cover[:, i : i + 1] * inks[:, i].view(-1, 3, 1, 1))
    torch.testing.assert_close(mixed, photo, atol=0.01, rtol=0)


@pytest.mark.parametrize("family", TRUTHS)
def test_one_plate_leaves_one_ink(family: str) -> None:
    clean, seeds = colours(40), torch.arange(40)
    pair = degrade(clean, seeds, replace(PRESS_ONLY, families=(family,)))
    chroma = (pair.target - pair.target.mean(1, keepdim=True)).abs().amax((1, 2, 3))
    grey = chroma < 1e-6
    assert 0.6 < float(grey.float().mean()) < 1
    torch.testing.assert_close(pair.target[grey], luma(clean[grey]).expand(-1, 3, -1, -1))
    rest = 1 - pair.target  # of every sample: the same picture in each channel, but for a factor
    assert torch.allclose(rest / rest.amax((2, 3), keepdim=True),
                          (1 - luma(clean)) / (1 - luma(clean)).amax((2, 3), keepdim=True),
                          atol=1e-4)  # fmt: skip
    assert float(luma(pair.target).sub(luma(clean)).abs().mean()) < 0.03


def test_other_families_ask_the_photo_back() -> None:
    clean = colours(30)
    families = tuple(name for name in FAMILIES if name not in TRUTHS)
    pair = degrade(clean, torch.arange(30), replace(PRESS_ONLY, families=families))
    assert torch.equal(pair.target, clean)


def test_ink_and_paper_hang_on_the_seed_not_on_what_was_drawn() -> None:
    draws = Draws(torch.arange(3))
    before = one_plate(colours(3), draws)
    draws.normal_field(1, 5, 5)
    draws.uniform()
    assert torch.equal(one_plate(colours(3), draws), before)
    assert float(stock(draws).paper.amin()) > 0.7


@pytest.mark.parametrize("share", [0.0, 0.35, 1.0])
def test_presses_have_the_share_they_are_given(share: float) -> None:
    config = DegradeConfig(clean=0, plain=0, presses=share)
    pair = degrade(colours(300, 12, 12), torch.arange(300), config)
    measured = sum(name in PRESSES for name in pair.family) / 300
    assert measured == pytest.approx(share, abs=0.09)


def test_faint_prints_show_a_share_of_themselves() -> None:
    config = replace(PRESS_ONLY, families=("process",))
    strong = degrade(colours(6), torch.arange(6), config)
    faint = degrade(colours(6), torch.arange(6), replace(config, mild=1))
    strengths = [(pair.image - pair.target).abs().mean() for pair in (faint, strong)]
    assert float(strengths[0]) < 0.8 * float(strengths[1])


def test_a_comb_is_of_two_fields() -> None:
    photo = F.interpolate(torch.rand(1, 3, 1, 24, generator=torch.Generator().manual_seed(0)),
                          (48, 96), mode="bilinear").expand(8, -1, -1, -1)  # fmt: skip
    combed = printed("interlace", photo)
    still = (combed - photo).abs().amax((1, 3)) < 1e-5  # (n, rows)
    assert bool(still.any(1).all())
    assert bool((~still).any(1).all())


@pytest.mark.parametrize("family", PRESSES)
def test_a_photo_a_hair_above_white_comes_out_finite(family: str) -> None:
    white = torch.ones(8, 3, 32, 32).nextafter(torch.tensor(2.0))
    config = replace(PRESS_ONLY, families=(family,))
    assert bool(degrade(white, torch.arange(8), config).image.isfinite().all())
