"""Screens that are laid are named by the product, and a picture without one is not."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from restorecli import Photo, Restorer
from tests.inspection.test_peaks import scenery
from training.evaluate import inspection
from training.evaluate.face_sets import STRONG
from training.evaluate.inspection import (
    CROSSED,
    SCREENS,
    Screened,
    angle_off,
    judged_small,
    lay,
    made_small,
    named,
)


def test_every_kind_is_named_and_scenery_is_not() -> None:
    restorer = Restorer.load(device="cpu", precision="fp32")
    clean = scenery(400, 480)
    for number, kind in enumerate(SCREENS):
        period, angle = 4.0 + 3 * number, 20.0 + 27 * number
        case = Screened(
            name="scenery", kind=kind, period=period, angle=angle, contrast=0.5,
            crossed=kind in CROSSED, image=lay(clean, kind, period, angle, 0.5),
        )  # fmt: skip
        right, answer = named(restorer, case)
        assert right, (kind, answer)
    assert restorer.inspect(Photo.from_image(clean)).peaks == ()


def test_angles_are_directions() -> None:
    assert angle_off(179, 1) == 2
    assert angle_off(90, 0) == 90


def test_screens_are_laid_over_what_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "SIDES", (64, 96))
    (tmp_path / "street").mkdir()
    Image.new("RGB", (120, 80), "grey").save(tmp_path / "street" / "a.png")
    Image.new("RGB", (40, 80), "grey").save(tmp_path / "street" / "small.png")
    paths = inspection.photos(tmp_path, scenes_only=True)
    assert [path.name for path in paths] == ["a.png"]
    cases = list(inspection.screened(paths, 4))
    assert [case.kind for case in cases] == list(SCREENS)[:4]
    assert cases[0].image.shape == (1, 3, 80, 96)
    assert torch.equal(cases[0].image, (cases[0].image * 255).round() / 255)
    assert (cases[0].period, round(cases[-1].period)) == (3.0, 40)


@pytest.mark.parametrize("size", [(256, 384), (256, 256), (128, 192)])
def test_what_is_made_small_covers_the_size_and_keeps_its_proportions(
    size: tuple[int, int],
) -> None:
    ramp = torch.linspace(0, 1, 800)[:, None].expand(1, 3, 800, 1000)
    small = made_small(ramp, *size)
    assert small.shape == (1, 3, *size)
    assert torch.equal(small, (small * 255).round() / 255)
    scale = max(size[0] / 800, size[1] / 1000)
    assert float(small[0, 0, -1, 0]) == pytest.approx(min(1, size[0] / (800 * scale)), abs=0.01)


def test_small_photos_are_left_alone_or_not(tmp_path: Path) -> None:
    restorer = Restorer.load(device="cpu", precision="fp32")
    grey = torch.full((1, 3, 400, 480), 0.5)
    pictures = {
        "plain": grey, "screened": lay(grey, "lines", 16.0, 30.0, 0.6), "tiny": grey[..., :100, :],
    }  # fmt: skip
    for name, image in pictures.items():
        Photo.from_image(image).write(tmp_path / f"{name}.png")
    paths = [tmp_path / f"{name}.png" for name in pictures]
    left, restored = judged_small(restorer, paths, 256, 256)
    assert [[Path(line.split(":")[0]).stem for line in lines] for lines in (left, restored)] == [
        ["plain"], ["screened"]
    ]  # fmt: skip
    degradation = replace(STRONG, families=("lines",))
    left, restored = judged_small(restorer, paths, 256, 256, degradation)
    assert left == []
    assert [line.split(":")[0] for line in restored] == [f"{path}, lines" for path in paths[:2]]


def test_training_photos_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "street").mkdir()
    for number in range(60):
        Image.new("RGB", (400, 400), "grey").save(tmp_path / "street" / f"{number}.png")
    every = inspection.photos(tmp_path, scenes_only=True)
    held_out = inspection.photos(tmp_path, scenes_only=True, held_out_only=True)
    assert 0 < len(held_out) < len(every) == 60
    assert every[: len(held_out)] == held_out
