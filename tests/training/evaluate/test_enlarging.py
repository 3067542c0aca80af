"""Photos are measured as the product enlarges them, and the table says so."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restorecli import Restorer
from restorecli.networks.orsnet import bicubic
from tests.support.tiny import tiny_restorer
from training.evaluate import enlarging


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sharp scenes, one of them too small, and a sharp portrait."""
    monkeypatch.setattr(enlarging, "SMALLEST", 64)
    monkeypatch.setattr(enlarging, "SHARP", (0.0, 34.0))
    monkeypatch.setattr(enlarging, "LARGEST", (96, 96))
    monkeypatch.setattr(enlarging, "DEGRADED", 64)
    monkeypatch.setattr("training.data.photo_pool.is_held_out", lambda name: True)
    pixels = np.random.default_rng(0).integers(0, 256, (100, 110, 3), dtype=np.uint8)
    for name in ("street/a", "street/b", "pif-fellows/c", "drawn/d"):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[:50] if name == "street/b" else pixels).save(path)
    return tmp_path / "photos"


def test_groups(photos: Path) -> None:
    scenes = enlarging.sharp(photos, portraits=False, count=9)
    assert [(name, tuple(image.shape)) for name, image in scenes] == [
        ("street/a.png", (1, 3, 84, 96))
    ]
    portraits = enlarging.sharp(photos, portraits=True, count=9)
    assert [name for name, _ in portraits] == ["pif-fellows/c.png"]


def test_bicubic_gains_nothing_over_bicubic(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = enlarging.sharp(photos, portraits=False, count=9)
    monkeypatch.setattr(
        enlarging, "enlarged", lambda _, image, scale, **_alone: bicubic(image, scale).clamp(0, 1)
    )
    row = enlarging.measured(tiny_restorer(), "scenes", scenes, 2, torch.Tensor.clone, None)
    assert row.gains == [0.0]
    assert 0 < row.energies[0] < 1
    assert row.line().startswith("| scenes | x2 | 1 | +0.00 | +0.00 | 0.")


def test_the_command_tells_all(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Restorer, "load", lambda **_: tiny_restorer())
    save = tmp_path / "pictures"
    words = ["enlarging", "--photos", str(photos), "--save", str(save), "--threads", "1"]
    monkeypatch.setattr("sys.argv", words)
    enlarging.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" |")[:3] for line in lines[2:8]] == [
        [f"| {name}", f" x{scale}", " 1"]
        for name in ("scenes", "scenes, JPEG", "portraits")
        for scale in (2, 4)
    ]
    assert lines[8].startswith("under patterns, x2: SSIM 0.")
    assert len(list(save.glob("*.png"))) == 6


def test_amplified_by_nothing_it_is_bicubic_and_by_one_what_the_product_gives(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the truth's difference to bicubic: by two it is the truth itself."""
    truth = enlarging.sharp(photos, portraits=False, count=9)[0][1]
    monkeypatch.setattr(
        enlarging, "enlarged",
        lambda _, image, scale, **_alone: torch.lerp(bicubic(image, scale), truth, 0.5),
    )  # fmt: skip
    monkeypatch.setattr(Restorer, "load", lambda **_: tiny_restorer())
    words = ["enlarging", "--photos", str(photos), "--amplify", "--threads", "1"]
    monkeypatch.setattr("sys.argv", words)
    enlarging.main()
    lines = capsys.readouterr().out.splitlines()
    rows = {
        float(row[0]): [float(cell) for cell in row[1:]]
        for row in ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:])
    }
    assert list(rows) == list(enlarging.FACTORS)
    assert rows[0][0] == 0
    assert rows[0][0] < rows[1][0] < rows[2][0]
    assert rows[2][2:] == [1.0, 0.0]
