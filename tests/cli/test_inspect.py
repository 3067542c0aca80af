"""`restore inspect`: what is said of photos in a table, as JSON and on a page; other files."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.cli import main
from restorecli.cli.inspect import table
from restorecli.pipeline import Restorer
from tests.inspection.test_peaks import scenery, wave
from tests.support.tiny import certain_relighter, tiny_restorer

PERIOD, ANGLE = 8.0, 30.0
FIELDS = {
    "source", "error", "height", "width", "dpi", "pattern", "noise", "printed", "flat", "combed",
    "partial", "presence", "peaks", "work_size", "relit", "restores",
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo under a wave at 300 dpi, and networks that find a pattern in everything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Restorer, "load", lambda **_: tiny_restorer())
    image = 0.6 * scenery(160, 200) + 0.4 * wave(160, 200, PERIOD, ANGLE)
    pixels = (image[0].permute(1, 2, 0).clamp(0, 1) * 255).round().numpy().astype(np.uint8)
    Image.fromarray(pixels).save("a.png", dpi=(300, 300))
    Path("text.jpg").write_text("no photo")


def test_json_names_period_angle_and_lines_per_inch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "a.png", "a.png", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == second
    assert set(first) == FIELDS
    assert (first["source"], first["error"], first["width"]) == ("a.png", None, 200)
    wave = first["peaks"][0]
    assert wave["period"] == pytest.approx(PERIOD, rel=0.05)
    assert wave["angle"] == pytest.approx(ANGLE, abs=2)
    assert wave["lines_per_inch"] == pytest.approx(300 / PERIOD, rel=0.05)
    assert 0.9 <= wave["coverage"] <= 1
    assert first["work_size"] in ("1", "1/2", "1/4")
    assert first["restores"] is True


def test_the_answer_is_that_of_restoring(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "a.png", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert main(["a.png", "--json", "--scale", "1", "-o", "b.png"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (said["presence"], said["work_size"]) == (done["presence"], done["work_size"])
    waves = [{name: value for name, value in wave.items() if name != "lines_per_inch"}
             for wave in said["peaks"]]  # fmt: skip
    assert waves == done["peaks"]


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "a.png"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "a.png: 200×160 px, 300 dpi"
    assert lines[1].split()[:2] == ["wave", "period,"]
    assert re.fullmatch(r"  1 +[78]\.\d\d +3\d\.\d +(29|30|31)\.\d +0\.\d{3} +\d+ %", lines[2])
    assert "would be restored" in lines[-1]


def test_what_is_no_photo_is_a_line_and_the_others_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["inspect", "text.jpg", "gone.jpg", "a.png", "--json"]) == 1
    captured = capsys.readouterr()
    records = [json.loads(line) for line in captured.out.splitlines()]
    assert [record["error"] is None for record in records] == [False, False, True]
    assert len(captured.err.splitlines()) == 2
    assert all(line.startswith("restore: ") for line in captured.err.splitlines())


def test_a_folder_is_refused_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos").mkdir()
    assert main(["inspect", "photos"]) == 2
    assert "Name its photos" in capsys.readouterr().err


def test_a_dark_photo_is_looked_at_in_the_light(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    restorer = replace(tiny_restorer(), relighter=certain_relighter(dark=True))
    monkeypatch.setattr(Restorer, "load", lambda **_: restorer)
    Image.fromarray(np.asarray(Image.open("a.png")) // 4).save("dark.png")
    assert main(["inspect", "dark.png"]) == 0
    assert "would be brightened and restored in full" in capsys.readouterr().out
    assert main(["inspect", "dark.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["relit"] is True
    assert main(["inspect", "dark.png", "--report", "page.html"]) == 0


def test_combs_of_video_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    image = scenery(400, 400)
    image[:, :, 1::2] = image.roll(40, 3)[:, :, 1::2]
    pixels = (image[0].permute(1, 2, 0) * 255).round().numpy().astype(np.uint8)
    Image.fromarray(pixels).save("still.png")
    assert main(["inspect", "still.png"]) == 0
    assert "combs, as of interlaced video; would be restored in full" in capsys.readouterr().out
    assert main(["inspect", "still.png", "a.png", "--json"]) == 0
    still, other = map(json.loads, capsys.readouterr().out.splitlines())
    assert still["combed"]
    assert not other["combed"]


@pytest.mark.parametrize(("odds", "said"), [(0.2, "noise, no pattern"), (0.9, "could be named")])
def test_a_pattern_without_waves_is_not_called_noise(odds: float, said: str) -> None:
    record = {"source": "a.png", "width": 9, "height": 9, "dpi": None, "peaks": [], "noise": 0.95,
              "pattern": odds, "combed": False, "partial": False, "presence": 1.0,
              "work_size": "1", "relit": False, "restores": True}  # fmt: skip
    assert said in table(record)


def test_what_is_of_a_thing_shown_is_told_from_nothing_at_all() -> None:
    record = {"source": "a.png", "width": 9, "height": 9, "dpi": None, "peaks": [], "noise": 0.1,
              "pattern": 0.9, "combed": False, "partial": True, "presence": 0.0, "work_size": "1",
              "relit": False, "restores": False}  # fmt: skip
    assert "in a part of the photo, taken for what it shows; nothing would be done" in table(record)
    assert "pattern: none; nothing would be done" in table(record | {"partial": False})


def test_the_page_stands_alone_and_marks_the_waves() -> None:
    assert main(["inspect", "a.png", "--report", "page.html"]) == 0
    page = Path("page.html").read_text("utf-8")
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert page.count("<circle") >= 2
    assert "taken away" in page
    assert main(["inspect", "a.png", "--report", "page.html"]) == 1
    assert main(["inspect", "a.png", "--report", "page.html", "--overwrite"]) == 0
    assert main(["inspect", "a.png", "--report", "page.png"]) == 2


def test_an_empty_word_is_no_photo(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", ""]) == 2
    assert capsys.readouterr().err == "restore: '': is no name. Is a variable of the shell empty?\n"
