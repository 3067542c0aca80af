"""Screens that are laid are named by the product, and a picture without one is not."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from restorecli import Photo, Restorer
from tests.inspection.test_peaks import scenery
from training.evaluate import inspection
from training.evaluate.inspection import CROSSED, SCREENS, Screened, angle_off, lay, named


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
