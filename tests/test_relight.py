"""The brightness step: when it acts, what it keeps, and that it can run in strips."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.inspection.presence import Inspection
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.relighter import LUMINANCE, Relighter, Relighting, knots
from restorecli.options import Options
from restorecli.pipeline import Restorer
from restorecli.relight import (
    BLACK,
    BLACKS,
    MAX_GAIN,
    WHITE,
    WHITES,
    Mode,
    brighten,
    estimate,
    gain_table,
    is_light,
    lit,
    thumbnail,
)
from restorecli.tiling import strips
from restorecli.tiling.sources import TensorSource, whole
from tests.support.tiny import certain_relighter, photo, tiny_restorer

CLEAN = Inspection(pattern=0.0, noise=0.0, printed=0.0)


@pytest.fixture
def restorer() -> Restorer:
    return tiny_restorer()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, 70, 41, generator=torch.Generator().manual_seed(2)) * 0.3


@pytest.mark.parametrize(("mode", "dark", "acts"), [
    ("auto", True, True), ("auto", False, False), ("on", False, True), ("off", True, False),
])  # fmt: skip
def test_modes(image: torch.Tensor, mode: Mode, dark: bool, acts: bool) -> None:
    before, source = image.clone(), TensorSource(image)
    gains = estimate(source, certain_relighter(dark=dark), mode)
    light = lit(source, gains)
    assert torch.equal(image, before)
    if acts:
        result = whole(light)
        assert result.mean() > 1.5 * image.mean()
        assert result.min() >= 0
        assert result.max() <= 1
    else:
        assert gains is None
        assert light is source


def test_white_letters_on_black_stay_as_they_are() -> None:
    page = torch.full((1, 3, 200, 200), 0.05)
    page[..., 20:180:10, 20:150] = 0.9
    assert estimate(TensorSource(page), certain_relighter(dark=True), "auto") is None
    assert estimate(TensorSource(page), certain_relighter(dark=True), "on") is not None


@given(st.floats(0, 1))
@settings(deadline=None, max_examples=20)
def test_strength_mixes_the_photo_and_the_light_one(strength: float) -> None:
    image = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(2)) * 0.1
    full, part = (
        whole(
            lit(
                TensorSource(image),
                estimate(TensorSource(image), certain_relighter(dark=True), "on", share),
            )
        )
        for share in (1.0, strength)
    )
    torch.testing.assert_close(part, torch.lerp(image, full, strength), atol=1e-5, rtol=0)
    assert estimate(TensorSource(image), certain_relighter(dark=True), "on", 0.0) is None


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 2 * WHITES))
def test_whites_are_counted_over_all_strips(height: int, width: int, share: float) -> None:
    image = torch.zeros(1, 3, height, width)
    count = round(share * height * width)
    image.view(3, -1)[:, torch.randperm(height * width)[:count]] = WHITE + 0.01
    assert is_light(TensorSource(image)) is (count > WHITES * height * width)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 2 * BLACKS))
def test_so_are_blacks(height: int, width: int, share: float) -> None:
    image = torch.full((1, 3, height, width), BLACK + 0.01)
    count = round(share * height * width)
    image.view(3, -1)[:, torch.randperm(height * width)[:count]] = BLACK - 0.01
    assert is_light(TensorSource(image)) is (count < BLACKS * height * width)


@pytest.mark.parametrize("grey", [0.22, 0.3, 0.4, 0.5])
def test_grey_cards_and_faded_prints_are_not_dark(grey: float) -> None:
    noise = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(1)) * 0.08
    photo = TensorSource(grey + noise)
    assert estimate(photo, certain_relighter(dark=True), "auto") is None
    assert estimate(photo, certain_relighter(dark=True), "on") is not None


def test_strips_give_what_the_whole_gives(
    image: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    light = lit(TensorSource(image), gain_table(knots(32).sqrt()))
    part = light.read(10, 5, 50, 40)
    torch.testing.assert_close(part, whole(light)[..., 10:50, 5:40])
    counted = is_light(light)
    monkeypatch.setattr(strips, "PIXELS_AT_ONCE", 100)
    assert is_light(light) is counted


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 70))
def test_a_thumbnail_is_the_mean_over_each_area(height: int, width: int, side: int) -> None:
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(3))
    expected = torch.nn.functional.adaptive_avg_pool2d(image, side)
    torch.testing.assert_close(thumbnail(TensorSource(image), side), expected)


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 9), st.integers(1, 9))
def test_any_size(height: int, width: int) -> None:
    source = TensorSource(torch.full((1, 3, height, width), 0.1))
    gains = estimate(source, certain_relighter(dark=True), "auto")
    assert gains is not None
    assert whole(lit(source, gains)).shape == (1, 3, height, width)


def test_hue_is_kept(image: torch.Tensor) -> None:
    gains = gain_table(knots(32).sqrt())
    result = brighten(image, gains)
    weights = torch.tensor(LUMINANCE).view(1, 3, 1, 1)
    before = image - (image * weights).sum(1, keepdim=True)
    after = result - (result * weights).sum(1, keepdim=True)
    cosine = (before * after).sum(1) / (before.norm(dim=1) * after.norm(dim=1)).clamp(min=1e-9)
    coloured = (before.norm(dim=1) > 0.02) & (after.norm(dim=1) > 0.01)
    assert cosine[coloured].min() > 0.999


def test_grey_stays_grey() -> None:
    grey = torch.rand(1, 1, 20, 20).expand(1, 3, 20, 20)
    result = brighten(grey, gain_table(knots(32).sqrt()))
    assert (result.amax(1) - result.amin(1)).max() < 1e-6


def test_identity_curve_changes_nothing_to_speak_of(image: torch.Tensor) -> None:
    torch.testing.assert_close(brighten(image, gain_table(knots(32))), image, atol=1e-5, rtol=0)


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
@settings(deadline=None, max_examples=30)
def test_brighter_stays_brighter(steps: list[float]) -> None:
    curve = torch.nn.functional.pad(torch.tensor(steps).softmax(0).cumsum(0), (1, 0)).clamp(max=1)
    ramp = torch.linspace(0, 1, 500).view(1, 1, 1, -1).expand(1, 3, 1, -1).contiguous()
    raised = brighten(ramp, gain_table(curve))[0, 0, 0]
    assert (raised.diff() > -2e-3).all()  # one entry of the table


def test_black_is_not_multiplied_without_bound() -> None:
    steep = torch.ones(33)
    steep[0] = 0
    assert gain_table(steep).max() <= MAX_GAIN


def test_a_dark_photo_is_restored_as_the_light_one_is(restorer: Restorer) -> None:
    lighter = replace(restorer, relighter=certain_relighter(dark=True))
    dark = photo(48, 40, bits=16)
    dark = dark.replaced(dark.pixels // 8)
    restored = lighter.restore(dark, Options(scale=2), keep_steps=True)
    assert restored.relit
    light = np.round(restored.steps["relit"][0].permute(1, 2, 0).numpy() * 65535)
    other = restorer.restore(
        dark.replaced(light.astype(np.uint16)), Options(scale=2, relight="off")
    )
    difference = restored.photo.pixels.astype(int) - other.photo.pixels.astype(int)
    assert abs(difference).mean() < 65535 / 2000
    assert not lighter.restore(photo(48, 40).replaced(photo(48, 40).pixels | 192)).relit


def test_a_dark_photo_under_a_light_pattern_is_made_light_without_it(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lighter = replace(restorer, relighter=certain_relighter(dark=True))
    monkeypatch.setattr(Denoiser, "picture", lambda _, tile: tile * 0.1)
    source = photo(48, 40).replaced(photo(48, 40).pixels | 192)
    assert not lighter.decide(source).relit
    restored = lighter.restore(source, keep_steps=True)
    assert restored.relit
    assert restored.steps["denoised"].mean() > 0.15
    assert not lighter.restore(source, Options(relight="off")).relit
    once = lighter.restore(source, Options(relight="on"), keep_steps=True)
    assert once.steps["denoised"].mean() < 0.11
    doubting = replace(restorer, relighter=certain_relighter(dark=True))
    doubting.relighter.decide[-1].bias[0] = 1.0  # type: ignore[operator]
    assert not doubting.restore(source).relit  # a probability of 0.73 is enough as it comes alone
    dark = photo(48, 40).replaced(photo(48, 40).pixels // 8)
    assert not doubting.decide(dark).relit
    monkeypatch.setattr("restorecli.pipeline.inspect", lambda *_, **__: CLEAN)
    assert doubting.decide(dark).relit


@pytest.mark.parametrize(
    ("pattern", "noise", "denoise", "relit"),
    [
        (0.95, 0.0, "auto", True),
        (0.0, 0.95, "auto", True),
        (0.8, 0.3, "auto", False),
        (0.8, 0.3, "on", True),
    ],
)
def test_only_where_a_pattern_is_sure_a_photo_is_dark_without_it(
    restorer: Restorer,
    monkeypatch: pytest.MonkeyPatch,
    pattern: float,
    noise: float,
    denoise: Literal["auto", "on"],
    relit: bool,
) -> None:
    """Else what was taken away may have been white letters on black."""
    lighter = replace(restorer, relighter=certain_relighter(dark=True))
    monkeypatch.setattr(Denoiser, "picture", lambda _, tile: tile * 0.1)
    found = Inspection(pattern=pattern, noise=noise, printed=0.0)
    monkeypatch.setattr("restorecli.pipeline.inspect", lambda *_, **__: found)
    source = photo(48, 40).replaced(photo(48, 40).pixels | 192)
    restored = lighter.restore(source, Options(denoise=denoise))
    assert restored.presence == 1
    assert restored.relit == relit


@pytest.mark.parametrize("denoise", ["auto", "on"])
def test_what_a_pattern_alone_made_dark_is_not_made_light(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch, denoise: Literal["auto", "on"]
) -> None:
    class ByMean(Relighter):
        def forward(self, thumbnail: torch.Tensor) -> Relighting:
            _, curve = super().forward(thumbnail)
            return Relighting(10 - 200 * thumbnail.mean((1, 2, 3)), curve)  # dark below 0.05

    certain = certain_relighter(dark=True)
    relighter = ByMean(certain.config)
    relighter.load_state_dict(certain.state_dict())
    lighter = replace(restorer, relighter=relighter)
    source = photo(48, 40).replaced(photo(48, 40).pixels // 16)
    options = Options(denoise=denoise)
    monkeypatch.setattr(Denoiser, "picture", lambda _, tile: tile.clone())
    assert lighter.restore(source, options).relit
    monkeypatch.setattr(Denoiser, "picture", lambda _, tile: tile * 3)
    left = lighter.restore(source, options)
    assert not left.relit
    assert left.inspection is not None
    off = replace(options, relight="off")
    assert np.array_equal(left.photo.pixels, lighter.restore(source, off).photo.pixels)
    assert lighter.restore(source, replace(options, relight="on")).relit
    monkeypatch.setattr("restorecli.inspection.residual.MOST_WHOLE", 1000)  # pixels: a large photo
    decision = lighter.decide(source, options)
    assert (decision.relit, decision.denoised) == (False, None)
