"""How far the denoiser's change of tone is believed, and what follows for a photo."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.inspection.tone import ALL, NONE, believed_tone, share_of
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.tone_inspector import (
    STATISTICS,
    ToneInspector,
    ToneInspectorConfig,
    statistics,
)
from restorecli.options import Options
from restorecli.tiling.sources import TensorSource
from tests.support.tiny import photo, tiny_restorer


def sure(odds: float) -> ToneInspector:
    """An inspector that always says the same."""
    inspector = tiny_restorer().tone_inspector
    torch.nn.init.zeros_(inspector.decide.weight)
    torch.nn.init.constant_(inspector.decide.bias, odds)
    return inspector


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 900), seed=st.integers(0, 99))
def test_it_is_a_share_of_photos_of_any_size(height: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    inspector = ToneInspector(ToneInspectorConfig(hidden=8)).eval()
    source, denoised = (TensorSource(torch.rand(1, 3, height, width)) for _ in range(2))
    share = believed_tone(inspector, source, denoised)
    assert 0 <= share <= 1
    assert believed_tone(inspector, source, denoised) == share


def test_nothing_is_taken_of_what_is_hardly_believed_and_all_of_what_is_likely() -> None:
    chances = torch.tensor([0.0, NONE / 2, NONE, (NONE + ALL) / 2, ALL, (1 + ALL) / 2, 1.0])
    expected = torch.tensor([0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0])
    torch.testing.assert_close(share_of(chances.logit()), expected, atol=1e-5, rtol=0)


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(1, 80),
    width=st.integers(1, 80),
    seed=st.integers(0, 99),
    nothing=st.booleans(),
)
def test_statistics_are_numbers_and_of_each_photo_alone(
    height: int, width: int, seed: int, nothing: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    came = torch.rand(3, 3, height, width, generator=generator)
    left = came.clone() if nothing else torch.rand(3, 3, height, width, generator=generator)
    told = statistics(came, left)
    assert told.shape == (3, STATISTICS)
    assert told.isfinite().all()
    torch.testing.assert_close(statistics(came[1:2], left[1:2])[0], told[1], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("turned", [lambda x: x.flip(3), lambda x: x.flip(2), lambda x: x.mT])
def test_a_photo_that_is_turned_or_mirrored_is_judged_alike(
    turned: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    generator = torch.Generator().manual_seed(0)
    left = torch.rand(1, 3, 96, 96, generator=generator) * 0.5
    lines = 0.3 * torch.sin(torch.arange(96.0) / 2 + torch.arange(96.0)[:, None] / 5)
    came = left + lines + 0.3
    told, again = statistics(came, left), statistics(turned(came), turned(left))
    torch.testing.assert_close(again, told, atol=0.02, rtol=0.02)


def test_an_even_change_and_an_uneven_one_are_told_apart() -> None:
    left = torch.full((1, 3, 64, 64), 0.4)
    wave = 0.1 * torch.sin(torch.arange(64.0) * torch.pi / 4).expand(1, 3, 64, 64)
    told = statistics(torch.cat((left + wave, left + wave - 0.1)), left.expand(2, 3, 64, 64))
    assert told[0, :3].abs().max() < 1e-4
    assert (told[1, :3] + 0.1 * 20).abs().max() < 1e-4
    torch.testing.assert_close(told[0, 3:6], told[1, 3:6])


@pytest.mark.parametrize("denoise", ["auto", "on"])
def test_a_photo_keeps_its_tone_where_the_change_is_not_believed(
    denoise: Literal["auto", "on"], monkeypatch: pytest.MonkeyPatch
) -> None:
    def darkened(_: Denoiser, image: torch.Tensor) -> torch.Tensor:
        return image * 0.5

    monkeypatch.setattr(Denoiser, "picture", darkened)
    source = photo(120, 90)
    options = Options(scale=1, stages=("denoise",), denoise=denoise)
    middle = float(torch.tensor((NONE + ALL) / 2).logit())
    results = [
        replace(tiny_restorer(), tone_inspector=sure(odds)).restore(source, options)
        for odds in (-20.0, middle, 20.0)
    ]
    assert [result.believed_tone for result in results] == pytest.approx([0, 0.5, 1], abs=1e-5)
    means = [float(result.photo.pixels.mean()) for result in results]
    before = float(source.pixels.mean())
    assert means == pytest.approx([before, 0.75 * before, 0.5 * before], rel=0.01)


def test_nothing_is_said_of_the_tone_of_a_photo_that_is_not_denoised() -> None:
    options = Options(scale=1, stages=())
    assert tiny_restorer().restore(photo(12, 9), options).believed_tone is None
