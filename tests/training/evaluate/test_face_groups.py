"""Tables of the face step by group, and the command on tiny sets and networks."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from restorecli import weights
from restorecli.pipeline import Restoration, Restorer
from tests.support.tiny import tiny_restorer
from tests.training.conftest import CPU, EYES_AND_MOUTH, FACE_BOX
from training.data.photo_pool import PhotoPool
from training.evaluate import face_groups
from training.evaluate.face_groups import (
    Measured,
    Scores,
    face_box,
    group_table,
    sex,
    table,
    worst_third,
)
from training.evaluate.face_sets import (
    ALL,
    CAME,
    SETTINGS,
    WITHOUT,
    held_out_set,
    kept,
    labelled_set,
    restore,
)
from training.networks.embedder import Embedder, EmbedderConfig

TINY = EmbedderConfig(side=16, widths=(8, 8), dimensions=4)
MARKS = torch.tensor(EYES_AND_MOUTH)


@pytest.fixture
def folder(tmp_path: Path, pool: PhotoPool) -> Path:
    """A labelled set of two photos, one of which has a face."""
    folder = tmp_path / "set"
    for part in ("clean", "degraded"):
        (folder / part).mkdir(parents=True)
        for stem, source in (("000", "face"), ("001", "empty")):
            photo = tmp_path / "photos" / "a" / f"{source}.png"
            shutil.copy(photo, folder / part / f"{stem}.png")
    face = {"box": FACE_BOX, "landmarks": EYES_AND_MOUTH, "score": 0.99}
    entries = [{"name": "000", "faces": [face]}, {"name": "001", "faces": []}]
    (folder / "faces.json").write_text(json.dumps(entries), "utf-8")
    (folder / "pairs.csv").write_text("name,source\n000,x/woman_a.jpg\n001,x/b.jpg\n", "utf-8")
    return folder


def scores(ssim: list[float], vectors: torch.Tensor) -> Scores:
    return Scores(ssim=np.array(ssim), gradient=np.ones(len(ssim)), vectors=vectors)


@pytest.fixture
def measured() -> Measured:
    clean = torch.eye(3)
    far = torch.nn.functional.normalize(torch.tensor([[1.0, 1, 0], [0, 1, 1], [1, 0, 1]]), dim=1)
    settings = {
        CAME: scores([0.3, 0.3, 0.3], clean.roll(1, 0)),
        WITHOUT: scores([0.9, 0.8, 0.7], far),
        ALL: scores([0.91, 0.82, 0.7], clean),
    }
    angles: list[float | None] = [-20.0, 30.0, 60.0]
    sources = ["p/woman_girl.jpg", "p/man_boy.jpg", "q/woman-x.jpg"]
    return Measured(settings=settings, clean=clean, angles=angles,
                    lightness=[80.0, 40.0, 60.0], sources=sources)  # fmt: skip


def test_the_table_has_each_setting(measured: Measured) -> None:
    came, without, full = table(measured).splitlines()[2:]
    assert came.endswith("| 1.4142 | 0.000 | 0.2500 |")
    assert without.startswith("| steps 1 and 3 | 0.8000 | 0.7000 | 1.000 | 0.7654 |")
    assert full == "| steps 1 to 3 | 0.8100 | 0.7000 | 1.000 | 0.0000 | 1.000 | 1.0000 |"


def test_groups_show_gain_and_change(measured: Measured) -> None:
    lines = {line.split(" | ")[0][2:]: line for line in group_table(measured).splitlines()[2:]}
    assert list(lines) == [
        "all",
        "darker, ITA -20 to -20", "middle, ITA 30 to 30", "lighter, ITA 60 to 60",
        "darker, L* 40 to 40", "middle, L* 60 to 60", "lighter, L* 80 to 80",
        "women", "men",
    ]  # fmt: skip
    assert "| 1 | 0.9000 | +0.0100 ± nan | 0.7654 | -0.7654 ± nan (-100.0%)" in lines["women"]
    assert "| 1 | 0.8000 | +0.0200" in lines["men"]


def test_only_the_beginning_of_a_name_says_a_sex() -> None:
    assert sex("pixabay-faces/woman_man-8883630_1280.jpg") == "women"
    assert sex("pixabay-faces/man_boy-1.jpg") == "men"
    assert sex("us-officials-1024/house_mike-coffman.jpg") == ""


def test_the_worst_third_is_of_the_values_themselves() -> None:
    assert worst_third(np.array([0.9, 0.1, 0.5, 0.6, 0.3, 0.8])) == pytest.approx(0.2)
    assert worst_third(np.array([0.4])) == pytest.approx(0.4)


def test_the_box_holds_the_landmarks_and_ends_at_the_border() -> None:
    rows, columns = face_box(MARKS, 100, 100)
    assert rows.start < 40 < 60 < rows.stop <= 100
    assert columns.start < 40 < 60 < columns.stop
    assert face_box(MARKS - 30, 100, 100)[1].start == 0
    assert face_box(MARKS, 62, 58) == (slice(rows.start, 62), slice(columns.start, 58))


def test_held_out_faces_are_made_small(
    pool: PhotoPool, tmp_path: Path, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.data.photo_pool.is_held_out", lambda name: True)
    monkeypatch.setattr("training.data.labelled_faces.MIN_EYE_DISTANCE", 10)
    (first, second), again = held_out_set(pool, labels, 2, 0), held_out_set(pool, labels, 2, 1)
    assert first.clean.shape == (1, 3, 256, 256)
    assert first.degraded.shape == (1, 3, 128, 128)
    assert first.source == "a/face.png"
    assert second.name == "001"
    assert torch.equal(next(again).degraded, first.degraded)
    at_size = next(held_out_set(pool, labels, 1, 1))
    assert torch.equal(at_size.clean, first.clean)
    assert at_size.degraded.shape[-1] == 256


def test_what_is_kept_is_not_restored_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer, out = tiny_restorer(), tmp_path / "kept"
    restore(restorer, labelled_set(folder, 0), out)
    (face,) = kept(out)
    assert list(face.pictures) == [CAME, *SETTINGS]
    assert face.source == "x/woman_a.jpg"
    assert torch.equal(face.pictures[CAME], face.clean)
    monkeypatch.setattr(Restorer, "restore", None)
    restore(restorer, labelled_set(folder, 0), out)


def test_the_command(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(Restorer, "load", lambda **_: tiny_restorer())
    torch.manual_seed(0)
    weights.save(Embedder(TINY), "embedder", tmp_path / "embedder.safetensors", {})
    (tmp_path / "shown.txt").write_text("# whose\nx/woman_a.jpg\n", "utf-8")
    face_groups.main(["--set", str(folder), "--embedder", str(tmp_path), "--out",
                      str(tmp_path / "out"), "--device", str(CPU), "--sheet",
                      str(tmp_path / "s.png"), "--shown", str(tmp_path / "shown.txt")])  # fmt: skip
    with Image.open(tmp_path / "s.png") as drawn:
        assert drawn.width > 4 * face_groups.CELL
        assert face_groups.CELL <= drawn.height < 2 * face_groups.CELL
    said = capsys.readouterr().out
    assert "labelled-x1: 1 faces" in said
    assert "| women | 1 |" in said
    assert "| men |" not in said


def test_what_other_weights_made_is_not_measured(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Restorer, "load", lambda **_: tiny_restorer())
    weights.save(Embedder(TINY), "embedder", tmp_path / "embedder.safetensors", {})
    arguments = ["--set", str(folder), "--embedder", str(tmp_path), "--out", str(tmp_path / "out")]
    restored, way = [], Restorer.restore

    def restore_and_count(*arguments: Any, **options: Any) -> Restoration:  # noqa: ANN401
        restored.append(1)
        return way(*arguments, **options)

    monkeypatch.setattr(Restorer, "restore", restore_and_count)
    for expected, of in ((2, "a"), (2, "a"), (4, "b")):
        monkeypatch.setattr(weights, "set_hash", lambda _folder, of=of: of * 64)
        face_groups.main(arguments)
        assert len(restored) == expected
