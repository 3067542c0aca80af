"""Refining: when the second look is taken, at what, and what it leaves to enlarging."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from restorecli.options import STAGES, Options, Stage
from restorecli.photo import Photo
from restorecli.pipeline import Restorer
from restorecli.tiling import strips
from tests.support.tiny import photo, tiny_restorer


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return tiny_restorer()


@pytest.mark.parametrize("scale", [1, 2])
def test_refining_is_a_step_of_its_own_and_once_was_called_upscaling(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch, scale: int
) -> None:
    def never(*inputs: Tensor) -> Tensor:
        raise AssertionError("looked at")

    source = photo(40, 33)
    monkeypatch.setattr(restorer.second_look, "look", never)
    monkeypatch.setattr(strips, "PIXELS_AT_ONCE", 700)
    alone = restorer(source, Options(scale=scale, stages=("upscale",)))
    if scale == 1:
        assert np.array_equal(alone.pixels, source.pixels)
        with pytest.raises(AssertionError, match="looked at"):
            restorer(source, Options(scale=1, stages=("denoise", "upscale")))
    else:
        restorer(source, Options(scale=scale, stages=("denoise", "upscale")))
    for stages in (("refine",), ("denoise", "refine"), ("refine", "upscale")):
        with pytest.raises(AssertionError, match="looked at"):
            restorer(source, Options(scale=scale, stages=stages))


@pytest.mark.parametrize("light", ["on", "off"])
def test_the_second_look_sees_the_photo_made_light(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch, light: Literal["on", "off"]
) -> None:
    calls = []
    look = restorer.second_look.look

    def noted(source: Tensor, evidence: Tensor) -> Tensor:
        calls.append((source, evidence))
        return look(source, evidence)

    monkeypatch.setattr(restorer.second_look, "look", noted)
    source = photo(40, 32)
    restored = restorer.restore(source, Options(relight=light), keep_steps=True)
    ((first, evidence),) = calls[:1]
    assert torch.equal(evidence, restored.steps["composed"])
    assert torch.equal(first, restored.steps["relit"])
    assert torch.equal(first, source.image()) is (light == "off")


def test_the_best_is_looked_at_once_more_mirrored(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Tensor, Tensor, Tensor]] = []
    look = restorer.second_look.look

    def noted(source: Tensor, evidence: Tensor) -> Tensor:
        calls.append((source, evidence, look(source, evidence)))
        return calls[-1][-1]

    monkeypatch.setattr(restorer.second_look, "look", noted)
    source = photo(40, 32)
    best = restorer(source, Options(scale=1, stages=("refine",), best=True)).image()
    (photo_, _, once), (mirrored, seen, twice) = calls
    assert torch.equal(mirrored, photo_.flip(3))
    assert torch.equal(seen, once.clamp(0, 1).flip(3))
    mean = (once + twice.flip(3)) / 2
    torch.testing.assert_close(best, mean.clamp(0, 1), atol=1 / 255, rtol=0)


def test_a_tile_that_was_left_as_it_was_is_not_looked_at_again(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    look = restorer.second_look.look

    def noted(degraded: Tensor, evidence: Tensor) -> Tensor:
        looks.append(int((degraded.mean() * 255).round()))
        return look(degraded, evidence)

    def left_half(tile: Tensor) -> Tensor:
        return tile + 0.1 * (tile.mean() < 0.5)

    monkeypatch.setattr(restorer.second_look, "look", noted)
    monkeypatch.setattr(restorer.denoiser, "picture", left_half)
    pixels = np.full((64, 600, 3), 50, np.uint8)
    pixels[:, 300:] = 200
    stages: tuple[Stage, ...] = ("denoise", "refine")
    options = Options(scale=1, stages=stages, denoise="on", tile=256)
    restorer(Photo(pixels=pixels), options)
    assert 50 in looks
    assert 200 not in looks


def test_seconds_are_counted_by_stage(restorer: Restorer) -> None:
    options = Options(scale=2, denoise="on")
    restoration = restorer.restore(photo(40, 32), options)
    others = [stage for stage in STAGES if stage != "relight"]  # done as the photo is read
    assert list(restoration.stage_seconds) == ["inspect", *others]
    assert 0 < sum(restoration.stage_seconds.values()) <= restoration.seconds


def test_a_decision_that_is_handed_on_has_cost_its_time(restorer: Restorer) -> None:
    image, options = photo(40, 32), Options(scale=1)
    decision = replace(restorer.decide(image, options), seconds=100.0)
    restoration = restorer.restore(image, options, decision=decision)
    assert decision.denoised is not None
    denoising = decision.denoised.seconds
    assert restoration.stage_seconds["inspect"] + denoising == pytest.approx(100)
    assert restoration.stage_seconds["denoise"] > denoising
    assert 100 < sum(restoration.stage_seconds.values()) <= restoration.seconds < 200
    assert 0 < restorer.decide(image, options).seconds < 100
    assert restorer.decide(image, options) == decision


def test_what_is_enlarged_was_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that says nothing enlarges what x1 gives, and projects it back."""
    grey, restorer = 0.4, tiny_restorer()
    for values in restorer.upscaler.heads["2"].parameters():
        torch.nn.init.zeros_(values)

    def constant(source: Tensor, evidence: Tensor) -> Tensor:
        return torch.full_like(evidence, grey)

    monkeypatch.setattr(restorer.second_look, "look", constant)
    restored = restorer(photo(40, 32), Options(scale=2, stages=("denoise", "refine", "upscale")))
    assert np.array_equal(np.unique(restored.pixels), [round(grey * 255)])
