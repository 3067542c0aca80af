"""The field's kinds are made anew alike, of held-out photos; scores and table of known pictures."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restorecli.metrics import ssim
from restorecli.options import Options
from tests.support.tiny import save, tiny_restorer
from training.drawn.fonts import Fonts
from training.evaluate import field, field_sets
from training.evaluate.field import CEILING, Score, colour_error, measure, notes, table, thinned
from training.evaluate.field_sets import KINDS, SCREENS, SSIM_IN, Case, Held, squared, under


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Two scenes and a person, all held out; small pictures, Pillow's own font."""
    monkeypatch.setattr("training.data.photo_pool.is_held_out", lambda name: True)
    for name in ("SMALL", "PAGE", "LARGE"):
        monkeypatch.setattr(field_sets, name, 64)
    for name in ("PERIODS", "WIDE_PERIODS"):
        monkeypatch.setattr(field_sets, name, (24,))
    monkeypatch.setattr(field_sets, "SYSTEM_FOLDERS", ())
    monkeypatch.setattr(field_sets, "PAGES", {"text": 1, "checked": 1})
    rng = np.random.default_rng(0)
    for number, name in enumerate(("street/a", "street/b", "pixabay-faces/c", "drawn/text_1")):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(40, 200, (20, 18, 3), dtype=np.uint8))
        coarse.resize((330 + 30 * number, 400), Image.Resampling.BICUBIC).save(path)
    return Held.find(tmp_path / "photos")


def test_drawn_pictures_are_neither_scenes_nor_people(held: Held) -> None:
    assert [path.stem for path in held.scenes] == ["a", "b"]
    assert [path.stem for path in held.people] == ["c"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_made_anew_alike(kind: str, held: Held) -> None:
    first, again = (list(KINDS[kind](held)) for _ in range(2))
    assert first
    for one, other in zip(first, again, strict=True):
        assert one.kind == kind
        assert one.image.shape == one.clean.shape == (1, 3, 64, 64)
        assert torch.equal(one.image, other.image)
        assert torch.equal((one.image * 255).round() / 255, one.image)
        same = kind in ("scenes", "pages", "portraits")
        assert torch.equal(one.image, one.clean) == same


def test_a_screen_is_as_strong_as_asked(held: Held) -> None:
    clean = squared(field_sets.read(held.scenes[0]), 64)
    for pattern in SCREENS.values():
        plane = pattern(np.random.default_rng(0), 12, 64)
        assert plane.min() >= -1
        assert plane.max() <= 1
        image = under(clean, torch.from_numpy(plane).float()[None, None])
        assert ssim(image, clean) == pytest.approx(SSIM_IN, abs=0.03)


def case(kind: str, group: str, gain: float = 0.5) -> Case:
    clean = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    return Case(kind=kind, group=group, name="one", image=clean * gain, clean=clean)


def test_colour_is_off_by_what_was_added() -> None:
    clean = case("dark", "dark").clean * 0.5
    assert colour_error(clean + 10 / 255, clean) == pytest.approx(10, abs=0.01)
    assert colour_error(clean, clean) == 0


def test_a_perfect_restorer_and_an_idle_one(tmp_path: Path) -> None:
    cases = [case("dark", "dark"), case("presses", "silk"), case("presses", "tape", 1.0)]
    perfect = measure(lambda image: cases[0].clean, cases)
    assert all(score.ssim == pytest.approx(1) and score.psnr == CEILING for score in perfect)
    idle = measure(lambda image: image, cases, tmp_path)
    assert [score.ssim_in for score in idle] == [score.ssim for score in idle]
    assert idle[0].ssim < 0.9
    assert idle[0].ssim_fitted == pytest.approx(1, abs=1e-3)
    assert not idle[0].rivals
    assert set(idle[1].rivals) == {"notch", "gaussian"}
    with Image.open(tmp_path / "presses" / "silk-one.png") as saved:
        assert saved.size == (3 * 48, 48)
    said = table(perfect)
    assert "| presses: silk | 1 |" in said
    assert "| **presses** | 2 |" in said
    assert "dark: dark" not in said
    assert "tape: +0.000 on the best rival" in notes(idle)
    assert "SSIM 1.000" in notes(idle)


def test_thinning_keeps_each_group() -> None:
    cases = [case("noise", group) for group in "aababab"]
    assert [one.group for one in thinned(cases, 3)] == ["a", "b", "a"]


@pytest.mark.parametrize("alone", [False, True])
def test_the_command(
    alone: bool, held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    save(tiny_restorer(), tmp_path)
    words = ["--photos", str(held.folder), "--json", str(tmp_path / "scores.json")]
    words += ["--kinds", "portraits", "noise", "--quick", "--stages", "denoise"]
    words += ["--step1", f"{tmp_path}/denoiser.safetensors", "--window", "32"] if alone else []
    monkeypatch.setattr(sys, "argv", ["field", "--weights", str(tmp_path), *words])
    field.main()
    assert "2 scenes and 1 portraits are held out" in capsys.readouterr().out
    scores = [Score(**entry) for entry in json.loads((tmp_path / "scores.json").read_text())]
    assert {score.kind for score in scores} == {"portraits", "noise"}


def test_the_product_is_what_the_restorer_does() -> None:
    restorer, image = tiny_restorer(), case("scenes", "clean").clean
    options = Options(scale=1, stages=("denoise",))
    restored = field.product(restorer, options)(image)
    assert restored.shape == image.shape
    assert not torch.equal(restored, image)


def test_no_font_is_both_learnt_and_measured() -> None:
    learnt, measured = (set(Fonts.find(held_out=held).faces) for held in (False, True))
    assert not {face for face in learnt & measured if face.path}
