"""The way of a photo: size law, order of the steps, what options do, and repairs on the way."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from restorecli import host, pipeline
from restorecli.errors import DeviceError, WeightsError
from restorecli.faces.detections import Detections
from restorecli.faces.restore import FaceRecord, FaceStatus
from restorecli.inspection.peaks import Peak
from restorecli.inspection.presence import Inspection
from restorecli.metrics import psnr
from restorecli.networks.face_vae import FaceRestoration
from restorecli.networks.inspector import Inspector
from restorecli.options import STAGES, Options, Stage
from restorecli.photo import Photo
from restorecli.pipeline import Restorer
from tests.support.tiny import save, tiny_restorer

WITHOUT_FACES: tuple[Stage, ...] = ("denoise", "relight", "upscale")


def photo(height: int, width: int, *, bits: int = 8) -> Photo:
    """A smooth picture with a fine pattern over it."""
    y, x = np.mgrid[0:height, 0:width]
    grey = 0.4 + 0.2 * np.sin(x / 9 + y / 14) + 0.1 * np.cos(2.1 * x)
    rgb = np.stack([grey, grey * 0.9, grey * 0.8 + 0.1], 2)
    image = torch.from_numpy(rgb).permute(2, 0, 1)[None].float()
    made = Photo.from_image(image, "photo.png")
    if bits == 8:
        return made
    sixteen = (rgb * 65535).round().astype(np.uint16)
    return Photo(pixels=sixteen, alpha=None, metadata=made.metadata, name="photo.png")


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return tiny_restorer()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 4]))
def test_size_law(height: int, width: int, scale: int) -> None:
    restored = tiny_restorer()(photo(height, width), Options(scale=scale))
    assert (restored.height, restored.width) == (height * scale, width * scale)


@pytest.mark.parametrize("stages", [(), ("denoise",), ("faces",), ("upscale",), WITHOUT_FACES])
@pytest.mark.parametrize("scale", [1, 2])
def test_any_steps_can_be_left_out(
    restorer: Restorer, stages: tuple[Stage, ...], scale: int
) -> None:
    source = photo(24, 20)
    restored = restorer(source, Options(scale=scale, stages=stages))
    assert (restored.height, restored.width) == (24 * scale, 20 * scale)
    if not stages and scale == 1:
        assert np.array_equal(restored.pixels, source.pixels)


@pytest.mark.parametrize("scale", [1, 2])
def test_refining_is_a_step_of_its_own_and_once_was_called_upscaling(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch, scale: int
) -> None:
    def never(*inputs: Tensor) -> Tensor:
        raise AssertionError("looked at")

    source = photo(40, 33)
    monkeypatch.setattr(restorer.second_look, "look", never)
    monkeypatch.setattr(pipeline, "ROWS_AT_ONCE", 7)
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
def test_the_second_look_sees_the_photo_unless_it_was_relit(
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
    assert torch.equal(first, evidence if light == "on" else source.image())


def test_the_best_is_the_mean_of_the_photo_and_its_mirror_image(restorer: Restorer) -> None:
    source = photo(40, 32)
    mirrored = source.replaced(np.ascontiguousarray(source.pixels[:, ::-1]))
    stages: tuple[Stage, ...] = ("refine",)
    one, two = (
        restorer(picture, Options(scale=1, stages=stages)).pixels.astype(int)
        for picture in (source, mirrored)
    )
    best = restorer(source, Options(scale=1, stages=stages, best=True)).pixels
    mean, inside = (one + two[:, ::-1]) / 2, (abs(np.stack((one, two[:, ::-1])) - 127) < 127).all(0)
    assert abs(best - mean)[inside].max() <= 1
    assert abs(best - one).max() > 1


def test_a_tile_that_was_left_as_it_was_is_not_looked_at_again(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    look = restorer.second_look.look

    def noted(degraded: Tensor, evidence: Tensor) -> Tensor:
        looks.append(int((degraded.mean() * 255).round()))
        return look(degraded, evidence)

    def left_half(tile: Tensor) -> tuple[Tensor, Tensor]:
        return tile + 0.1 * (tile.mean() < 0.5), torch.zeros(1)

    monkeypatch.setattr(restorer.second_look, "look", noted)
    monkeypatch.setattr(restorer.denoiser, "forward", left_half)
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
    assert list(restoration.stage_seconds) == ["inspect", *STAGES]
    assert 0 < sum(restoration.stage_seconds.values()) <= restoration.seconds


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


def test_the_source_is_not_modified(restorer: Restorer) -> None:
    source = photo(24, 20)
    before = source.pixels.copy()
    restorer(source, Options(stages=(), scale=2))
    restorer(source, Options(relight="on"))
    assert np.array_equal(source.pixels, before)


def test_equal_photos_give_equal_bits(restorer: Restorer) -> None:
    first, second = (restorer(photo(40, 33)).pixels for _ in range(2))
    assert np.array_equal(first, second)


def test_sixteen_bits_in_sixteen_bits_out(restorer: Restorer) -> None:
    fine = restorer(photo(24, 20, bits=16), Options(scale=1, stages=WITHOUT_FACES))
    coarse = restorer(photo(24, 20), Options(scale=1, stages=WITHOUT_FACES))
    assert fine.pixels.dtype == np.uint16
    difference = fine.pixels.astype(float) / 65535 - coarse.pixels.astype(float) / 255
    assert abs(difference).mean() < 2 / 255
    assert len(np.unique(fine.pixels)) > 256


def test_a_grey_photo_stays_grey(restorer: Restorer) -> None:
    source = photo(24, 20)
    grey = Photo(pixels=source.pixels[:, :, 0], alpha=None, metadata=source.metadata, name="g.png")
    restored = restorer(grey, Options(scale=2))
    assert restored.pixels.shape == (48, 40)


def test_the_record_says_what_was_done(restorer: Restorer) -> None:
    record = restorer.restore(photo(24, 20), Options(scale=4, relight="on"))
    assert (record.scale, record.relit, record.device) == (4, True, "cpu")
    assert record.precision == "fp32"
    assert record.seconds > 0
    assert record.steps == {}
    assert not restorer.restore(photo(24, 20), Options(relight="off")).relit


def test_steps_are_kept_when_asked_for(restorer: Restorer) -> None:
    steps = restorer.restore(photo(24, 20), Options(relight="on"), keep_steps=True).steps
    assert list(steps) == ["denoised", "relit", "composed"]
    assert all(image.shape == (1, 3, 24, 20) for image in steps.values())
    assert not torch.equal(steps["denoised"], steps["relit"])


def test_steps_are_kept_as_small_as_asked_for(restorer: Restorer) -> None:
    whole = restorer.restore(photo(24, 20), keep_steps=True).steps
    small = restorer.restore(photo(24, 20), keep_steps=True, step_side=12).steps
    assert {name: image.shape for name, image in small.items()} == dict.fromkeys(
        whole, (1, 3, 12, 10)
    )
    for name, image in small.items():
        assert float(image.mean()) == pytest.approx(float(whole[name].mean()), abs=0.02)
    same = restorer.restore(photo(24, 20), keep_steps=True, step_side=24).steps
    assert all(torch.equal(image, whole[name]) for name, image in same.items())


def test_tiles_agree_with_the_whole_photo(restorer: Restorer) -> None:
    """Each sees a cut edge where the other sees the photo, so this is a bound, not an equality."""
    source = photo(200, 640)
    whole, tiled = (
        restorer(source, Options(scale=1, stages=WITHOUT_FACES, tile=tile)).image()
        for tile in (1024, 448)
    )
    assert float((whole - tiled).abs().mean()) < 0.2 / 255


def test_one_tile_runs_step_one_once(restorer: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = restorer.denoiser.forward

    def counted(degraded: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(degraded.shape)
        return forward(degraded)

    monkeypatch.setattr(restorer.denoiser, "forward", counted)
    restorer(photo(40, 40), Options(stages=WITHOUT_FACES))
    assert len(calls) == 1
    restorer(photo(150, 40), Options(stages=WITHOUT_FACES, tile=128))
    assert len(calls) > 3


def test_bfloat16_is_close_to_float32() -> None:
    source, options = photo(64, 48), Options(scale=1, stages=WITHOUT_FACES)
    full = tiny_restorer().restore(source, options)
    half = tiny_restorer(precision=torch.bfloat16).restore(source, options)
    assert half.precision == "bf16"
    assert psnr(half.photo.image(), full.photo.image()) > 45


def test_a_broken_low_precision_result_is_run_again_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    restorer = tiny_restorer(precision=torch.bfloat16)
    source, options = photo(24, 20), Options(scale=1, stages=WITHOUT_FACES)
    expected = tiny_restorer()(source, options)
    for part in (restorer.denoiser, restorer.upscaler):
        _break_under_autocast(part, monkeypatch)
    restored = restorer(source, options)
    assert psnr(restored.image(), expected.image()) > 45


def _break_under_autocast(network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = network.forward

    def broken(*inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        result: Tensor | tuple[Tensor, Tensor] = forward(*inputs)
        if not torch.is_autocast_enabled("cpu"):
            return result
        if isinstance(result, tuple):
            return torch.full_like(result[0], torch.nan), result[1]
        return torch.full_like(result, torch.nan)

    monkeypatch.setattr(network, "forward", broken)


def test_a_result_that_stays_broken_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = tiny_restorer()
    monkeypatch.setattr(
        restorer.denoiser, "forward", lambda image: (image * torch.nan, image[:, :1])
    )
    with pytest.raises(DeviceError):
        restorer(photo(24, 20))


def test_faces_found_are_restored_and_recorded(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    landmarks = torch.tensor([[[50, 52], [78, 52], [64, 66], [53, 80], [75, 80]]]).float()
    detections = Detections(torch.tensor([[36.0, 30, 92, 100]]), landmarks, torch.tensor([0.9]))
    monkeypatch.setattr(pipeline, "detect", lambda *_, **__: detections)

    def white(crop: Tensor, source: Tensor, fidelity: float) -> FaceRestoration:
        assert torch.equal(source, crop)
        assert fidelity == 0.25
        return FaceRestoration(torch.ones_like(crop), torch.ones_like(crop[:, :1]))

    monkeypatch.setattr(restorer.face_pair, "forward", white)
    options = Options(stages=("faces",), scale=1, fidelity=0.25)
    record = restorer.restore(photo(128, 128), options)
    assert [face.status for face in record.faces] == ["restored"]
    restored, source = record.photo.image(), photo(128, 128).image()
    assert float(restored[..., 60:70, 60:70].mean()) > float(source[..., 60:70, 60:70].mean()) + 0.1
    assert torch.equal(restored[..., :5, :5], source[..., :5, :5])


def test_load_builds_what_was_saved(restorer: Restorer, tmp_path: Path) -> None:
    save(restorer, tmp_path)
    loaded = Restorer.load(device="cpu", precision="fp32", folder=tmp_path)
    source = photo(24, 20)
    assert np.array_equal(loaded(source).pixels, restorer(source).pixels)
    (tmp_path / "orsnet.safetensors").unlink()
    with pytest.raises(WeightsError, match="orsnet"):
        Restorer.load(device="cpu", folder=tmp_path)


def test_what_is_hidden_under_transparency_does_not_bleed(restorer: Restorer) -> None:
    pixels = np.full((24, 24, 3), 230, np.uint8)
    alpha = np.full((24, 24), 255, np.uint8)
    pixels[:, 12:], alpha[:, 12:] = 0, 0
    metadata = photo(1, 1).metadata
    source = Photo(pixels=pixels, alpha=alpha, metadata=metadata, name="cut-out.png")
    restored = restorer(source, Options(stages=(), scale=2))
    assert restored.alpha is not None
    visible = restored.pixels[restored.alpha == 255]
    assert visible.min() >= 228


def judging(restorer: Restorer, odds: float) -> Restorer:
    """The same restorer, of one opinion about every photo."""
    inspector = Inspector(restorer.inspector.config).eval().requires_grad_(False)
    last = inspector.decide[-1]
    torch.nn.init.zeros_(last.weight)  # type: ignore[arg-type]
    torch.nn.init.constant_(last.bias, odds)  # type: ignore[arg-type]
    return replace(restorer, inspector=inspector)


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


def test_strength_mixes_the_restored_photo_with_the_original(restorer: Restorer) -> None:
    source = photo(45, 52)

    def pixels(strength: float) -> np.ndarray:
        options = Options(scale=1, strength=strength, relight="off")
        return restorer(source, options).pixels.astype(int)

    assert np.array_equal(pixels(0.0), source.pixels)
    between = (pixels(1.0) + source.pixels.astype(int)) / 2
    assert np.abs(pixels(0.5) - between).max() <= 1
    assert not np.array_equal(pixels(1.0), source.pixels)


def test_a_doubtful_pattern_is_taken_away_in_part(restorer: Restorer) -> None:
    source, options = photo(45, 52), Options(scale=1, relight="off")
    doubtful = judging(restorer, 0.0)
    inspection = doubtful.inspect(source)
    assert 0 < inspection.presence < 1
    part, whole = (r(source, options).pixels.astype(float) for r in (doubtful, restorer))
    expected = source.pixels + inspection.presence * (whole - source.pixels)
    assert np.abs(part - expected).max() <= 1


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("size", ["1/2", "1/4"])
def test_work_at_a_smaller_size_gives_the_size_that_was_asked_for(
    restorer: Restorer, scale: int, size: Literal["1/2", "1/4"]
) -> None:
    restored = restorer.restore(photo(131, 150), Options(scale=scale, work_size=size))
    assert restored.work_factor == int(size[-1])
    assert (restored.photo.height, restored.photo.width) == (131 * scale, 150 * scale)


@pytest.mark.parametrize(("period", "factor"), [(4.0, 1), (5.9, 1), (7.0, 2), (14.0, 4), (40.0, 4)])
def test_a_print_is_worked_on_where_its_screen_has_three_pixels_or_more(
    period: float, factor: int
) -> None:
    peaks = (Peak(period=period, angle=45.0, strength=0.1),)
    printed = Inspection(pattern=0.9, noise=0.0, printed=0.9, peaks=peaks)
    assert printed.work_factor == factor
    assert replace(printed, printed=0.1).work_factor == 1
    assert replace(printed, peaks=()).work_factor == 1


def test_faces_of_a_photo_made_smaller_are_told_in_its_own_pixels() -> None:
    face = FaceRecord(
        box=(1, 2, 3, 4), landmarks=((1, 2),) * 5, score=0.9, status=FaceStatus.RESTORED
    )
    assert face.enlarged(2).box == (2, 4, 6, 8)
    assert face.enlarged(4).landmarks[0] == (4, 8)


def test_a_cast_that_the_network_gives_one_third_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    restorer, source = tiny_restorer(), photo(200, 256)

    def beige(degraded: Tensor) -> tuple[Tensor, Tensor]:
        image = degraded.clone()
        image[:, 0, :60] += 0.15  # a third
        return image, degraded.new_zeros(1, 16, *degraded.shape[-2:])

    monkeypatch.setattr(restorer.denoiser, "forward", beige)
    restored = restorer(source, Options(scale=1, stages=("denoise",), denoise="on"))
    off = restored.image() - source.image()
    assert off[0, 0, :40].mean() < 0.15 / 3
    assert off[0, 0].abs().mean() < 0.06


def test_a_call_changes_nothing_of_the_process(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a photo takes is given back by who knows that more will come: the batch, the bench."""
    monkeypatch.setattr(host, "_malloc_trim", lambda: pytest.fail("gave memory back"))
    path = tmp_path / "photo.png"
    photo(24, 20).write(path)
    before = (list(warnings.filters), warnings.showwarning, torch.get_num_threads())
    restorer(Photo.read(path)).write(tmp_path / "restored.png")
    assert (list(warnings.filters), warnings.showwarning, torch.get_num_threads()) == before
    assert torch.is_grad_enabled()
