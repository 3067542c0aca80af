"""Making labelled sets: the rule, reproducibility to the byte, and what is refused."""

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ImageCms

from restorecli.bench import dataset, make_dataset
from restorecli.bench.make_dataset import MadeSet, make
from restorecli.errors import DatasetError, NothingToDoError, PlanError
from restorecli.metrics import ssim
from restorecli.options import LEAST_SSIM
from restorecli.photo import Metadata, Photo

NAMES = ("b.png", "a.jpg", "한글/c.webp")


def scene(seed: int, height: int = 48, width: int = 56) -> Photo:
    coarse = torch.rand((1, 3, 6, 7), generator=torch.Generator().manual_seed(seed))
    size = (height, width)
    return Photo.from_image(torch.nn.functional.interpolate(coarse, size=size, mode="bicubic"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, name in enumerate(NAMES):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        scene(seed).write(path)
    return tmp_path / "photos"


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def made_in_order(made: MadeSet) -> list[str]:
    return [label.name for label in made.labels]


def test_pairs_obey_the_rule_and_the_table_tells_the_truth(photos: Path, tmp_path: Path) -> None:
    made = make(photos, tmp_path / "set", seed=3)
    assert (made_in_order(made), made.failures, made.exit_code) == (["a", "b", "한글/c"], (), 0)
    pairs = dataset.find(tmp_path / "set")
    with (tmp_path / "set" / "pairs.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["name"] for row in table] == [pair.name for pair in pairs]
    for pair, row, label in zip(pairs, table, made.labels, strict=True):
        photo = dataset.read(pair)
        value = ssim(photo.degraded.image(), photo.clean.image())
        assert LEAST_SSIM <= value <= 0.5
        assert float(row["ssim_in"]) == pytest.approx(value, abs=1e-4)
        assert pair.family == row["family"] == label.family != "none"
    assert table[0]["source"] == "a.jpg"


def test_equal_seeds_give_equal_bytes_and_others_do_not(photos: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("other", 2)):
        make(photos, tmp_path / name, seed=seed)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    other = digests(tmp_path / "other")
    changed = {name for name, digest in digests(tmp_path / "one").items() if other[name] != digest}
    assert changed == {"pairs.csv"} | {f"degraded/{name}.png" for name in ("a", "b", "한글/c")}


def test_a_photo_does_not_depend_on_the_others(photos: Path, tmp_path: Path) -> None:
    make(photos, tmp_path / "all", seed=1)
    made = make(photos, tmp_path / "some", seed=1, count=2)
    assert made_in_order(made) == ["a", "b"]
    whole = digests(tmp_path / "all")
    for name, digest in digests(tmp_path / "some").items():
        assert name == "pairs.csv" or whole[name] == digest


def test_clean_photos_are_kept_to_the_pixel_with_their_profile(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = Photo(pixels=scene(1).pixels, metadata=Metadata(icc=profile))
    photo.write(tmp_path / "photos" / "a.png")
    make(tmp_path / "photos", tmp_path / "set", seed=0)
    clean = Photo.read(tmp_path / "set" / "clean" / "a.png")
    assert np.array_equal(clean.pixels, photo.pixels)
    assert clean.metadata.icc == profile
    assert Photo.read(tmp_path / "set" / "degraded" / "a.png").metadata.icc == profile


def test_what_one_plate_printed_is_asked_back_in_its_ink(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = replace(make_dataset._config(1.0), families=("newsprint",))
    monkeypatch.setattr(make_dataset, "_config", lambda _strength: only)
    made = make(photos, tmp_path / "set", seed=1)
    assert {label.family for label in made.labels} == {"newsprint"}
    for pair in dataset.find(tmp_path / "set"):
        degraded, clean = Photo.read(pair.degraded).image(), Photo.read(pair.clean).image()
        label = next(label for label in made.labels if label.name == pair.name)
        assert ssim(degraded, clean) == pytest.approx(label.ssim_in, abs=2e-3)
        ink = (1 - clean) / (1 - clean).amax((2, 3), keepdim=True)
        assert float((ink - ink[:, :1]).abs().amax()) < 0.03  # one picture in every channel


def test_one_bad_photo_does_not_stop_the_rest(photos: Path, tmp_path: Path) -> None:
    (photos / "broken.png").write_bytes(b"nonsense")
    scene(9, 10, 40).write(photos / "tiny.png")
    made = make(photos, tmp_path / "set", seed=0)
    assert made_in_order(made) == ["a", "b", "한글/c"]
    assert [source for source, _ in made.failures] == ["broken.png", "tiny.png"]
    assert made.failures[1][1].startswith(f"{photos / 'tiny.png'}: 40×10 is too small")
    assert made.exit_code == 1
    assert len(dataset.find(tmp_path / "set")) == 3


def test_running_out_of_memory_is_a_failure_of_that_photo(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(make_dataset, "degrade", greedy)
    made = make(photos, tmp_path / "set", seed=0, count=1)
    assert made.failures == (("a.jpg", "a.jpg: MemoryError"),)


def test_strength_grows_until_the_rule_is_met(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_dataset, "_FIRM", 0)
    monkeypatch.setattr(make_dataset, "LEAST_SSIM", 0.1)
    made = make(photos, tmp_path / "set", seed=0, max_ssim=0.25)
    assert all(label.ssim_in <= 0.25 for label in made.labels)
    assert all(label.strength >= make_dataset._GROWTH for label in made.labels)


def test_the_faintest_outline_is_taken_if_none_is_clear(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_dataset, "ATTEMPTS", 6)
    usual = make(photos, tmp_path / "usual", seed=0)
    monkeypatch.setattr(make_dataset, "LEAST_SSIM", 0.499)
    made = make(photos, tmp_path / "set", seed=0, max_ssim=0.4999)
    for label, before in zip(made.labels, usual.labels, strict=True):
        assert 0.4999 >= label.ssim_in >= min(before.ssim_in, 0.4999)


def test_a_photo_that_no_pattern_spoils_enough_is_a_failure(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_dataset, "LEAST_SSIM", 0.0)
    monkeypatch.setattr(make_dataset, "ATTEMPTS", 1)
    made = make(photos, tmp_path / "set", seed=0, max_ssim=1e-9)
    assert made.labels == ()
    assert "none of 1 patterns brought its SSIM down to 1e-09" in made.failures[0][1]
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("max_ssim", [0.0, 0.08, 1.01])
def test_bounds_of_the_rule(photos: Path, tmp_path: Path, max_ssim: float) -> None:
    with pytest.raises(PlanError, match="max ssim"):
        make(photos, tmp_path / "set", seed=0, max_ssim=max_ssim)


def test_a_target_in_use_is_refused_and_nothing_is_deleted(photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "set"
    make(photos, target, seed=0, count=2)
    before = digests(target)
    with pytest.raises(DatasetError, match="not empty"):
        make(photos, target, seed=0)
    assert digests(target) == before
    make(photos, target, seed=1, overwrite=True)
    assert len(dataset.find(target)) == 3
    with pytest.raises(DatasetError, match="that the new set does not have"):
        make(photos, target, seed=1, count=1, overwrite=True)
    (target / "notes.txt").write_text("kept")
    make(photos, target, seed=0, overwrite=True)
    assert (target / "notes.txt").read_text() == "kept"


def test_an_empty_target_is_taken(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert len(make(photos, tmp_path / "set", seed=0, count=1).labels) == 1


def test_targets_and_sources_that_cannot_be(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="lies in"):
        make(photos, photos / "set", seed=0)
    with pytest.raises(PlanError, match="lies in"):
        make(photos, photos, seed=0)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasetError, match="file: not a folder"):
        make(photos, tmp_path / "file", seed=0)
    with pytest.raises(DatasetError, match="no such folder"):
        make(tmp_path / "nowhere", tmp_path / "set", seed=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToDoError, match="no photos in it"):
        make(tmp_path / "empty", tmp_path / "set", seed=0)
    scene(5).write(photos / "한글" / "c.jpg")
    with pytest.raises(DatasetError, match=r"한글/c\.jpg and c\.webp would make one pair"):
        make(photos, tmp_path / "set", seed=0)
