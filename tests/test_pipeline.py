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
from restorecli.errors import DeviceError, PlanError, WeightsError
from restorecli.faces.detections import Detections
from restorecli.faces.restore import FaceRecord, FaceStatus
from restorecli.inspection.peaks import Peak
from restorecli.inspection.presence import Inspection
from restorecli.inspection.work_size import made_smaller
from restorecli.metrics import psnr
from restorecli.networks.denoiser import Denoiser
from restorecli.networks.face_vae import FaceRestoration, Fusion, LargeFace
from restorecli.options import Options, Stage
from restorecli.photo import Photo
from restorecli.photo.capacity import enlarged_size
from restorecli.pipeline import Restorer
from tests.support.tiny import photo, save, tiny_restorer

WITHOUT_FACES: tuple[Stage, ...] = ("relight", "denoise", "upscale")


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return tiny_restorer()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 4]))
def test_size_law(height: int, width: int, scale: int) -> None:
    restored = tiny_restorer()(photo(height, width), Options(scale=scale))
    assert (restored.height, restored.width) == (height * scale, width * scale)


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    scale=st.floats(0.1, 4),
    work_size=st.sampled_from(["1", "1/2"]),
)
def test_any_scale_has_its_size(
    height: int, width: int, scale: float, work_size: Literal["1", "1/2"]
) -> None:
    options = Options(scale=scale, work_size=work_size)
    record = tiny_restorer().restore(photo(height, width), options)
    size = record.photo.height, record.photo.width
    assert size == enlarged_size(height, width, scale)
    assert record.scale == scale


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), share=st.floats(0.1, 4))
def test_the_longer_side_can_be_asked_for(height: int, width: int, share: float) -> None:
    wanted = max(1, int(max(height, width) * share))
    restored = tiny_restorer()(photo(height, width), Options(to=wanted))
    assert max(restored.height, restored.width) == wanted
    assert min(restored.height, restored.width) == max(
        1, round(min(height, width) * wanted / max(height, width))
    )


def test_a_photo_that_is_too_small_is_refused(restorer: Restorer) -> None:
    with pytest.raises(PlanError, match=r"to 97: more than 4 times the 24 pixels"):
        restorer(photo(24, 20), Options(to=97))


def test_a_scale_between_is_the_next_larger_one_made_smaller(restorer: Restorer) -> None:
    source = photo(24, 20)
    between, larger = (restorer(source, Options(scale=scale)) for scale in (3, 4))
    assert np.array_equal(between.pixels, made_smaller(larger.pixels, 72, 60))


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


def test_presence_is_not_claimed_where_nobody_looked(restorer: Restorer) -> None:
    source = photo(24, 20)
    for stages in (("upscale",), ("relight", "faces"), ()):
        record = restorer.restore(source, Options(stages=stages, scale=1))
        assert (record.inspection, record.presence) == (None, None)
    looked = restorer.restore(source, Options(denoise="on", scale=1))
    assert (looked.inspection is None, looked.presence) == (False, 1)


def test_the_record_says_what_was_done(restorer: Restorer) -> None:
    record = restorer.restore(photo(24, 20), Options(scale=4, relight="on"))
    assert (record.scale, record.relit, record.device) == (4, True, "cpu")
    assert record.precision == "fp32"
    assert record.seconds > 0
    assert record.steps == {}
    assert not restorer.restore(photo(24, 20), Options(relight="off")).relit


def test_steps_are_kept_when_asked_for(restorer: Restorer) -> None:
    steps = restorer.restore(photo(24, 20), Options(relight="on"), keep_steps=True).steps
    assert list(steps) == ["relit", "denoised", "composed"]
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


def test_a_tile_is_denoised_once(restorer: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    look = Denoiser.picture

    def counted(network: Denoiser, degraded: Tensor) -> Tensor:
        calls.append(degraded.shape)
        return look(network, degraded)

    monkeypatch.setattr(Denoiser, "picture", counted)
    restorer(photo(40, 40), Options(stages=WITHOUT_FACES))
    assert len(calls) == 1
    restorer(photo(150, 40), Options(stages=WITHOUT_FACES, tile=128))
    assert len(calls) == 3  # to enlarge takes nothing of it


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
    _break_under_autocast(restorer.denoiser, "picture", monkeypatch)
    _break_under_autocast(restorer.upscaler, "forward", monkeypatch)
    restored = restorer(source, options)
    assert psnr(restored.image(), expected.image()) > 45


def _break_under_autocast(
    network: torch.nn.Module, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = getattr(network, method)

    def broken(*inputs: Tensor) -> Tensor:
        result: Tensor = whole(*inputs)
        return torch.full_like(result, torch.nan) if torch.is_autocast_enabled("cpu") else result

    monkeypatch.setattr(network, method, broken)


def test_a_result_that_stays_broken_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = tiny_restorer()
    monkeypatch.setattr(restorer.denoiser, "picture", lambda image: image * torch.nan)
    with pytest.raises(DeviceError):
        restorer(photo(24, 20))


def test_faces_found_are_restored_and_recorded(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    landmarks = torch.tensor([[[50, 52], [78, 52], [64, 66], [53, 80], [75, 80]]]).float()
    detections = Detections(torch.tensor([[36.0, 30, 92, 100]]), landmarks, torch.tensor([0.9]))
    monkeypatch.setattr(pipeline, "detect", lambda *_, **__: detections)

    def white(crop: Tensor, source: Tensor, fidelity: float, *, enlarged: bool) -> FaceRestoration:
        assert torch.equal(source, crop)
        assert fidelity == 0.25
        assert not enlarged
        return FaceRestoration(torch.ones_like(crop), torch.ones_like(crop[:, :1]), None)

    monkeypatch.setattr(restorer.face_pair, "forward", white)
    options = Options(stages=("faces",), scale=1, fidelity=0.25)
    record = restorer.restore(photo(128, 128), options)
    assert [face.status for face in record.faces] == ["restored"]
    restored, source = record.photo.image(), photo(128, 128).image()
    assert float(restored[..., 60:70, 60:70].mean()) > float(source[..., 60:70, 60:70].mean()) + 0.1
    assert torch.equal(restored[..., :5, :5], source[..., :5, :5])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_faces_are_drawn_over_the_enlarged_photo(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch, scale: int
) -> None:
    """What is drawn large is seen in the result, as far as the restoration's strength says."""
    landmarks = torch.tensor([[[50, 52], [78, 52], [64, 66], [53, 80], [75, 80]]]).float()
    detections = Detections(torch.tensor([[36.0, 30, 92, 100]]), landmarks, torch.tensor([0.9]))
    monkeypatch.setattr(pipeline, "detect", lambda *_, **__: detections)

    def white(crop: Tensor, source: Tensor, fidelity: float, *, enlarged: bool) -> FaceRestoration:
        assert enlarged
        ones = torch.ones(1, 1, 2 * crop.shape[-1], 2 * crop.shape[-1])
        fusion = Fusion(ones.expand(-1, 3, -1, -1), 99 * ones, 0 * ones, 99 * ones)
        return FaceRestoration(crop, torch.zeros_like(crop[:, :1]), LargeFace(fusion, ones))

    plain = restorer(photo(128, 128), Options(scale=scale, denoise="on", fidelity=1))
    monkeypatch.setattr(restorer.face_pair, "forward", white)
    drawn, half = (
        restorer(photo(128, 128), Options(scale=scale, denoise="on", strength=strength))
        for strength in (1, 0.5)
    )
    weak = restorer(photo(128, 128), Options(scale=scale, denoise="on", strength=0.5, fidelity=1))
    middle = ..., slice(58 * scale, 70 * scale), slice(58 * scale, 70 * scale)
    assert float(drawn.image()[middle].mean()) > float(plain.image()[middle].mean()) + 0.1
    change = (drawn.image() - plain.image())[middle].mean()
    assert float((half.image() - weak.image())[middle].mean()) < 0.8 * float(change)
    assert np.array_equal(drawn.pixels[: 6 * scale], plain.pixels[: 6 * scale])


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


@pytest.mark.parametrize("relight", ["off", "on"])
def test_of_a_photo_worked_on_smaller_strength_mixes_in_the_original_at_its_own_size(
    restorer: Restorer, relight: Literal["off", "on"]
) -> None:
    source = photo(131, 150)
    whole = Options(scale=1, work_size="1/2", relight=relight)

    def pixels(strength: float) -> np.ndarray:
        return restorer(source, replace(whole, strength=strength)).pixels.astype(float)

    assert np.array_equal(pixels(0), source.pixels)
    assert np.abs(pixels(1e-4) - source.pixels).max() <= 1
    if relight == "off":
        assert np.abs(pixels(0.5) - (source.pixels + pixels(1)) / 2).max() <= 1


def test_a_photo_that_nothing_is_taken_from_is_not_made_smaller(restorer: Restorer) -> None:
    source = photo(131, 150)
    for options in (Options(strength=0, work_size="1/4"), Options(stages=("upscale",))):
        assert restorer.decide(source, options).work_factor == 1
    enlarged = restorer(source, Options(stages=("upscale",)))
    left = restorer(source, Options(strength=0, work_size="1/2"))
    assert np.array_equal(left.pixels, enlarged.pixels)


def test_strength_mixes_the_restored_photo_with_the_original(restorer: Restorer) -> None:
    source = photo(45, 52)

    def pixels(strength: float) -> np.ndarray:
        options = Options(scale=1, strength=strength, relight="off")
        return restorer(source, options).pixels.astype(int)

    assert np.array_equal(pixels(0.0), source.pixels)
    between = (pixels(1.0) + source.pixels.astype(int)) / 2
    assert np.abs(pixels(0.5) - between).max() <= 1
    assert not np.array_equal(pixels(1.0), source.pixels)


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("size", ["1/2", "1/4"])
def test_work_at_a_smaller_size_gives_the_size_that_was_asked_for(
    restorer: Restorer, scale: int, size: Literal["1/2", "1/4"]
) -> None:
    restored = restorer.restore(photo(131, 150), Options(scale=scale, work_size=size))
    assert restored.work_factor == int(size[-1])
    assert (restored.photo.height, restored.photo.width) == (131 * scale, 150 * scale)


@pytest.mark.parametrize(
    ("period", "factor"), [(4.0, 1), (11.9, 1), (12.5, 2), (23.0, 2), (40.0, 4)]
)
def test_a_print_is_worked_on_where_its_screen_has_six_pixels_or_more(
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
    assert face.scaled(2).box == (2, 4, 6, 8)
    assert face.scaled(4).landmarks[0] == (4, 8)


def test_a_cast_that_the_network_gives_one_third_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    restorer, source = tiny_restorer(), photo(200, 256)

    def beige(_: Denoiser, degraded: Tensor) -> Tensor:
        image = degraded.clone()
        image[:, 0, :60] += 0.15  # a third
        return image

    monkeypatch.setattr(Denoiser, "picture", beige)
    restored = restorer(source, Options(scale=1, stages=("denoise",), denoise="on"))
    off = restored.image() - source.image()
    assert off[0, 0, :40].mean() < 0.15 / 3
    assert off[0, 0].abs().mean() < 0.06


def test_a_call_changes_nothing_of_the_process(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a photo takes is given back by who knows that more will come: the batch, the bench.

    Photos of `LARGE` pixels do it themselves, before each canvas.
    """
    monkeypatch.setattr(host, "_malloc_trim", lambda: pytest.fail("gave memory back"))
    path = tmp_path / "photo.png"
    photo(24, 20).write(path)
    before = (list(warnings.filters), warnings.showwarning, torch.get_num_threads())
    restorer(Photo.read(path)).write(tmp_path / "restored.png")
    assert (list(warnings.filters), warnings.showwarning, torch.get_num_threads()) == before
    assert torch.is_grad_enabled()
