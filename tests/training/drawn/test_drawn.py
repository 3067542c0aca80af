"""Drawn truth: each kind is drawn, from its seed alone, and never as a screen over everything."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.drawn import __main__ as command
from training.drawn.canvas import Canvas
from training.drawn.fonts import SCRIPTS, Face, Fonts, word, words
from training.drawn.pictures import KINDS, SCENES, Material, picture
from training.drawn.sheets import hatch

SIZE = (96, 128)


@pytest.fixture
def material() -> Material:
    """Pillow's own font, no photos."""
    return Material(Fonts.find([]))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_drawn_in_its_size_with_detail(kind: str, material: Material) -> None:
    name, pixels = picture(0, 3, material, kind=kind, size=SIZE)
    assert name == kind
    assert pixels.shape == (*SIZE, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(np.diff(pixels.astype(float), axis=1)).mean() > 0.2


def test_seed_and_index_say_everything(material: Material) -> None:
    first, again = (picture(1, 5, material, size=SIZE) for _ in range(2))
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])
    other = picture(1, 6, material, kind=first[0], size=SIZE)
    assert not np.array_equal(first[1], other[1])


def test_sizes_vary_within_their_bounds(material: Material) -> None:
    sizes = {picture(2, n, material, kind="codes")[1].shape[:2] for n in range(4)}
    assert len(sizes) > 1
    assert all(480 <= max(size) <= 1000 and min(size) >= 400 for size in sizes)


@pytest.mark.parametrize("kind", sorted({"fence", "grille", "clothing"} & set(SCENES)))
def test_some_of_the_photo_stays_bare(kind: str, material: Material) -> None:
    for index in range(4):
        _, pixels = picture(3, index, material, kind=kind, size=(160, 160))
        _, again = picture(3, index, material, kind="stairs", size=(160, 160))
        bare = np.abs(pixels.astype(int) - again).max(-1) < 3
        assert bare.any()


def test_a_font_says_what_it_can_write() -> None:
    own = Face(None)
    assert own.writes("latin")
    assert not own.writes("hangul")


def test_fonts_are_found_and_split(tmp_path: Path) -> None:
    assert Fonts.find([tmp_path / "nowhere"]).faces == (Face(None),)
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert Fonts.find([tmp_path], held_out=None).faces == (Face(None),)


@pytest.mark.parametrize("script", SCRIPTS)
def test_words_are_of_their_script(script: str) -> None:
    rng = np.random.default_rng(0)
    letters = set("".join(word(rng, script) for _ in range(40))) - set("0123456789")
    if SCRIPTS[script]:
        assert letters <= set(SCRIPTS[script])
    assert len(words(rng, 7, script)) == 7


def test_hatching_stays_inside_its_outline() -> None:
    canvas = Canvas(60, 60, (255, 255, 255))
    hatch(canvas, [(10, 10), (50, 10), (50, 50), (10, 50)], 5, 0.7, (0, 0, 0), 1)
    pixels = canvas.reduced()
    assert pixels[12:48, 12:48].min() < 80
    assert pixels[:8].min() == pixels[:, :8].min() == pixels[53:].min() == 255


def test_the_command_writes_named_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    (photos / "a").mkdir(parents=True)
    Image.effect_noise((64, 48), 60).convert("RGB").save(photos / "a" / "one.png")
    words = ["drawn", str(tmp_path / "out"), "--count", "2", "--first", "7", "--kind", "curtain"]
    monkeypatch.setattr(sys, "argv", [*words, "--photos", str(photos), "--fonts", str(tmp_path)])
    command.main()
    assert "2 pictures" in capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["curtain_00007.webp", "curtain_00008.webp"]


def test_photos_for_measuring_do_not_stand_behind(tmp_path: Path) -> None:
    for name in [*"abcdefghijklmnopqrstuvwxyz"]:
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    training = Material.find([tmp_path], tmp_path).photos
    held_out = Material.find([tmp_path], tmp_path, held_out=True).photos
    assert len(training) + len(held_out) == 26
    assert not set(training) & set(held_out)
