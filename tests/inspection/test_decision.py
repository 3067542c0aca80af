"""What follows for a photo from what is found: nothing, a part, all; and nothing is done twice."""

from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor

from restorecli.faces import detection
from restorecli.faces.detections import Detections
from restorecli.inspection.presence import LITTLE_SIDE
from restorecli.networks.inspector import Inspector, ResidualInspector
from restorecli.options import Options
from restorecli.photo import Photo
from restorecli.pipeline import Restorer
from restorecli.previews.part import restored_part
from restorecli.tiling.networks import TileSteps
from tests.support.tiny import photo, tiny_restorer

JudgeT = TypeVar("JudgeT", Inspector, ResidualInspector)


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return tiny_restorer()


def judging(restorer: Restorer, odds: float, second: float | None = None) -> Restorer:
    """The same restorer, of one opinion about every photo, and perhaps of another second one."""
    other = ResidualInspector(restorer.residual_inspector.config)
    return replace(
        restorer,
        inspector=sure(Inspector(restorer.inspector.config), odds),
        residual_inspector=sure(other, odds if second is None else second),
    )


def sure(inspector: JudgeT, odds: float) -> JudgeT:
    """An inspector that says the same of every photo."""
    last = inspector.eval().requires_grad_(False).decide[-1]
    torch.nn.init.zeros_(last.weight)  # type: ignore[arg-type]
    torch.nn.init.constant_(last.bias, odds)  # type: ignore[arg-type]
    return inspector


@pytest.mark.parametrize("scale", [1, 2])
def test_a_photo_without_a_pattern_comes_back_as_it_came(restorer: Restorer, scale: int) -> None:
    calm, source = judging(restorer, -6.0), photo(45, 52)
    left = calm.restore(source, Options(scale=scale, relight="off"))
    assert left.inspection is not None
    assert left.inspection.presence == 0
    assert left.faces == ()
    enlarged = restorer(source, Options(scale=scale, stages=("upscale",)))
    assert np.array_equal(left.photo.pixels, enlarged.pixels)
    if scale == 1:
        assert np.array_equal(left.photo.pixels, source.pixels)
    forced = calm(source, Options(scale=scale, denoise="on", relight="off"))
    assert np.array_equal(
        forced.pixels, restorer(source, Options(scale=scale, relight="off")).pixels
    )
    assert not np.array_equal(forced.pixels, left.photo.pixels)


@pytest.mark.parametrize("side", [45, 1500])
def test_the_second_opinion_counts_where_the_first_sees_something(
    restorer: Restorer, side: int
) -> None:
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    source = Photo(pixels=np.stack([np.broadcast_to(ramp, (side, side))] * 3, 2))
    options = Options(scale=1, relight="off")
    overruled = judging(restorer, 4.0, second=-6.0).restore(source, options)
    assert overruled.presence == 0
    assert np.array_equal(overruled.photo.pixels, source.pixels)
    assert judging(restorer, 4.0, second=5.0).decide(source, options).presence == 1
    assert judging(restorer, -6.0, second=5.0).decide(source, options).presence == 0
    forced = replace(options, denoise="on")
    assert judging(restorer, 4.0, second=-6.0).decide(source, forced).denoised is None


@pytest.mark.parametrize("side", [45, 400])
@pytest.mark.parametrize("faces", [0, 1])
def test_of_a_small_photo_with_a_face_the_second_is_enough(
    restorer: Restorer, side: int, faces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = Detections(
        boxes=torch.zeros(faces, 4), landmarks=torch.zeros(faces, 5, 2), scores=torch.ones(faces)
    )
    monkeypatch.setattr(detection, "detect", lambda *_, **__: some)
    seen = judging(restorer, -6.0, second=5.0).decide(
        photo(side, side), Options(scale=1, relight="off")
    )
    assert seen.presence == (faces if side < LITTLE_SIDE else 0)


def test_a_small_photo_is_denoised_once(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was denoised to decide is step 1, to the bit; a part of the photo is denoised anew."""
    source, options = photo(45, 52), Options(scale=1, relight="off")
    sizes: list[tuple[int, ...]] = []
    denoise = TileSteps.denoise

    def noted(self: TileSteps, tile: Tensor) -> Tensor:
        sizes.append(tuple(tile.shape))
        return denoise(self, tile)

    monkeypatch.setattr(TileSteps, "denoise", noted)
    once = restorer.restore(source, options)
    assert len(sizes) == 1
    decision = restorer.decide(source, options)
    anew = restorer.restore(source, options, decision=replace(decision, denoised=None))
    assert np.array_equal(once.photo.pixels, anew.photo.pixels)
    again = restorer.restore(source, options, decision=decision)  # nothing was written into it
    assert np.array_equal(once.photo.pixels, again.photo.pixels)
    sizes.clear()
    restored_part(restorer, source, options, decision)
    assert len(sizes) == 1


def test_a_photo_that_is_made_smaller_is_denoised_once_at_that_size(restorer: Restorer) -> None:
    source = photo(300, 520)
    assert restorer.decide(source, Options(work_size="1/2")).denoised is None
    assert restorer.decide(source, Options(work_size="1")).denoised is not None


def test_of_a_large_photo_a_few_patches_are_denoised_to_decide(restorer: Restorer) -> None:
    assert restorer.decide(photo(1450, 1450)).denoised is None
    small = restorer.decide(photo(300, 520), Options(work_size="1")).denoised
    assert small is not None
    assert (small.image.height, small.image.width) == (300, 520)
    assert small.seconds > 0


def test_a_doubtful_pattern_is_taken_away_in_part(restorer: Restorer) -> None:
    source, options = photo(45, 52), Options(scale=1, relight="off")
    doubtful = judging(restorer, -0.6)  # a probability of 0.35, between nothing and all
    inspection = doubtful.inspect(source)
    assert 0 < inspection.presence < 1
    part, whole = (r(source, options).pixels.astype(float) for r in (doubtful, restorer))
    expected = source.pixels + inspection.presence * (whole - source.pixels)
    assert np.abs(part - expected).max() <= 1
