"""Finding pairs by name, reading them, and everything a set can have wrong."""

import itertools
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorecli.bench import dataset
from restorecli.errors import DatasetError, PhotoReadError
from restorecli.photo import Photo


def write(path: Path, height: int = 12, width: int = 13) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((height, width, 3), 90, np.uint8)
    pixels[0, 0] = 250, 3, 7
    Photo(pixels=pixels).write(path)


def make(folder: Path, clean: Sequence[str], degraded: Sequence[str]) -> Path:
    for name in clean:
        write(folder / "clean" / name)
    for name in degraded:
        write(folder / "degraded" / name)
    return folder


@pytest.mark.parametrize(
    ("clean", "degraded"),
    [
        ("clean", "degraded"),
        ("gt", "lq"),
        ("GT", "LQ"),
        ("target", "input"),
        ("HR", "LR"),
        ("hq", "lq"),
        ("GroundTruth", "Input"),
    ],
)
def test_the_usual_names_of_the_two_folders(tmp_path: Path, clean: str, degraded: str) -> None:
    write(tmp_path / clean / "a.png")
    write(tmp_path / degraded / "a.jpg")
    (pair,) = dataset.find(tmp_path)
    assert (pair.name, pair.clean.parent.name) == ("a", clean)
    assert pair.degraded == tmp_path / degraded / "a.jpg"


def test_by_name_not_by_position(tmp_path: Path) -> None:
    make(tmp_path, ["b.png", "a.png", "in/c.v2.png"], ["in/c.v2.webp", "a.bmp", "b.jpg"])
    pairs = dataset.find(tmp_path)
    assert [pair.name for pair in pairs] == ["a", "b", "in/c.v2"]
    for pair in pairs:
        assert pair.clean.stem == pair.degraded.stem == pair.name.split("/")[-1]


def test_small_photos_may_carry_their_scale(tmp_path: Path) -> None:
    make(tmp_path, ["0001.png", "0002.png", "x2.png"], ["0001x2.png", "0002X4.png", "x2.png"])
    stems = {pair.name: pair.degraded.stem for pair in dataset.find(tmp_path)}
    assert stems == {"0001": "0001x2", "0002": "0002X4", "x2": "x2"}


def test_two_scales_of_one_photo_are_refused(tmp_path: Path) -> None:
    make(tmp_path, ["b/1.png"], ["b/1x2.png", "b/1x4.png"])
    with pytest.raises(DatasetError, match=r"/b/1x2\.png and 1x4\.png .*/clean/b/1\.png"):
        dataset.find(tmp_path)


def test_accents_may_be_composed_or_not(tmp_path: Path) -> None:
    composed = unicodedata.normalize("NFC", "한글é")
    make(tmp_path, [f"{composed}.png"], [unicodedata.normalize("NFD", composed) + ".png"])
    assert dataset.find(tmp_path)[0].name == composed


def test_other_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, ["a.png", ".hidden.png"], ["a.png", ".trash/b.png"])
    (tmp_path / "clean" / "notes.txt").write_text("x")
    (tmp_path / "clean" / "folder.png").mkdir()
    assert len(dataset.find(tmp_path)) == 1


def test_two_photos_of_one_name_are_refused(tmp_path: Path) -> None:
    make(tmp_path, ["a.png", "b/a.png", "b/a.jpg"], ["a.png", "b/a.png"])
    with pytest.raises(DatasetError, match=r"/clean/b/a\.jpg and a\.png have one name"):
        dataset.find(tmp_path)


def test_photos_without_partner_are_named(tmp_path: Path) -> None:
    make(tmp_path, ["a.png", "b.png", "c.png"], ["a.png", "d.png", "e.png"])
    with pytest.raises(DatasetError, match=r"4 of 5 names .*\(b, c, d and 1 more\)"):
        dataset.find(tmp_path)


def test_what_is_no_labelled_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        dataset.find(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no folder named clean or gt"):
        dataset.find(tmp_path)
    (tmp_path / "clean").mkdir()
    with pytest.raises(DatasetError, match="no folder named degraded or lq"):
        dataset.find(tmp_path)
    (tmp_path / "degraded").mkdir()
    with pytest.raises(DatasetError, match="no photos in its two folders"):
        dataset.find(tmp_path)
    (tmp_path / "GT").mkdir()
    with pytest.raises(DatasetError, match="both GT and clean are there"):
        dataset.find(tmp_path)


def test_families_come_from_the_table_by_name_with_or_without_suffix(tmp_path: Path) -> None:
    make(tmp_path, ["a.v2.png", "b.png", "c.png"], ["a.v2.jpg", "b.jpg", "c.jpg"])
    table = "\ufeffname,ssim_in,family\na.v2,0.3,grid\nb.jpg,0.2,sine\nc,0.1,\nz,0.1,dots\n"
    (tmp_path / "pairs.csv").write_text(table, encoding="utf-8")
    assert [pair.family for pair in dataset.find(tmp_path)] == ["grid", "sine", None]


@pytest.mark.parametrize(
    ("table", "fact"),
    [(b"photo,family\na,grid\n", "no column called name"), (b"name\n\xff\xfe\n", "not readable")],
)
def test_a_broken_table_is_refused(tmp_path: Path, table: bytes, fact: str) -> None:
    make(tmp_path, ["a.png"], ["a.png"])
    (tmp_path / "pairs.csv").write_bytes(table)
    with pytest.raises(DatasetError, match=fact):
        dataset.find(tmp_path)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_scale_is_the_ratio_of_the_sizes(tmp_path: Path, scale: int) -> None:
    write(tmp_path / "clean" / "a.png", 12 * scale, 14 * scale)
    write(tmp_path / "degraded" / "a.png", 12, 14)
    read = dataset.read(dataset.find(tmp_path)[0])
    assert read.scale == scale
    assert (read.clean.height, read.degraded.width) == (12 * scale, 14)


@pytest.mark.parametrize(("height", "width"), [(36, 39), (24, 25), (6, 6), (24, 13)])
def test_sizes_that_do_not_fit_are_named(tmp_path: Path, height: int, width: int) -> None:
    write(tmp_path / "clean" / "a.png", height, width)
    write(tmp_path / "degraded" / "a.png")
    with pytest.raises(
        DatasetError, match=rf"clean/a\.png: {width}×{height}, and .*/degraded/a\.png 13×12\."
    ):
        dataset.read(dataset.find(tmp_path)[0])


def test_too_small_to_be_scored(tmp_path: Path) -> None:
    for part in ("clean", "degraded"):
        write(tmp_path / part / "a.png", 40, 10)
    with pytest.raises(DatasetError, match=r"clean/a\.png: 10×40 is too small to be scored"):
        dataset.read(dataset.find(tmp_path)[0])


def test_a_photo_that_is_none(tmp_path: Path) -> None:
    make(tmp_path, ["a.png"], ["a.png"])
    (tmp_path / "degraded" / "a.png").write_bytes(b"not a photo")
    with pytest.raises(PhotoReadError):
        dataset.read(dataset.find(tmp_path)[0])


@given(count=st.integers(0, 60), limit=st.none() | st.integers(1, 70))
def test_spread_keeps_the_order_and_the_limit(count: int, limit: int | None) -> None:
    spread = dataset.spread(range(count), limit)
    assert list(spread) == sorted(set(spread))
    assert len(spread) == min(count, count if limit is None else limit)
    gaps = {b - a for a, b in itertools.pairwise(spread)}
    assert not gaps or max(gaps) - min(gaps) <= 1
