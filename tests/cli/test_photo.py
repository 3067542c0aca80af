"""Tests of `restore photo`: its files, its words, what is refused before any work."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from restorecli.cli import main
from restorecli.errors import DeviceError
from restorecli.options import Options
from restorecli.pipeline import Restorer
from tests.support.fake_restorer import FakeRestorer, picture


@pytest.fixture
def restorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRestorer:
    """A restorer that computes nothing, a folder to work in, and a photo in it."""
    monkeypatch.chdir(tmp_path)
    picture(Path("a.jpg"))
    return FakeRestorer().installed(monkeypatch)


def size(path: str) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


def files() -> set[str]:
    return {path.as_posix() for path in Path().rglob("*") if path.is_file()}


def test_result_lies_beside_the_photo(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["a.jpg"]) == 0
    assert size("a.restored.png") == (24, 32)
    assert files() == {"a.jpg", "a.restored.png"}
    captured = capsys.readouterr()
    assert captured.out == "a.restored.png\n"
    expected = "a.jpg: 12×16 → 24×32; 1 of 1 faces restored; 0.2 s on cpu, fp32\n"
    assert captured.err == expected
    assert restorer.seen == [("a.jpg", Options())]


def test_every_option_arrives(restorer: FakeRestorer) -> None:
    words = "--scale 4 --stages faces,relight,denoise --relight on --fidelity 0.25 --faces 0,2"
    words += " --face-threshold 0.75 --min-face 9 --tile 128 -o b.webp --quality 60"
    assert main(["photo", "a.jpg", *words.split()]) == 0
    assert restorer.seen[0][1] == Options(
        scale=4,
        stages=("relight", "denoise", "faces"),
        relight="on",
        fidelity=0.25,
        faces="0,2",
        face_threshold=0.75,
        min_face=9,
        tile=128,
    )
    assert size("b.webp") == (48, 64)


@pytest.mark.parametrize(
    "words", [["a.jpg"], ["a.jpg", "a.jpg", "-o", "out"], ["batch", "a.jpg", "-o", "out"]]
)
def test_the_longer_side_arrives_alone(words: list[str], restorer: FakeRestorer) -> None:
    assert main([*words, "--to", "32"]) == 0
    assert restorer.seen[0][1] == Options(to=32)


def test_device_and_precision_arrive(
    restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[dict[str, object]] = []

    def load(**chosen: object) -> FakeRestorer:
        loads.append(chosen)
        return restorer

    monkeypatch.setattr(Restorer, "load", load)
    assert main(["a.jpg", "-d", "cuda:1", "--precision", "bf16"]) == 0
    assert loads == [{"device": "cuda:1", "precision": "bf16"}]


def test_quality_and_ext_arrive(restorer: FakeRestorer) -> None:
    assert main(["a.jpg", "--ext", "jpg", "--no-faces"]) == 0
    assert main(["a.jpg", "-o", "b.jpg", "--quality", "5"]) == 0
    assert Path("b.jpg").stat().st_size < Path("a.restored.jpg").stat().st_size


@pytest.mark.parametrize("name", ["두 번째 사진.jpg", "😀 smile.jpg", "-dash.jpg", "@at.jpg"])
def test_names_of_all_kinds(restorer: FakeRestorer, name: str) -> None:
    picture(Path(name))
    assert main(["--", name] if name.startswith("-") else [name]) == 0
    assert size(f"{Path(name).stem}.restored.png") == (24, 32)


def test_quiet_leaves_the_path_and_verbose_tells_of_faces(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["a.jpg", "--quiet"]) == 0
    assert capsys.readouterr() == ("a.restored.png\n", "")
    assert main(["a.jpg", "--verbose", "--overwrite"]) == 0
    expected = "  face 0: 8×11 px at (2, 3), score 0.88: restored\n"
    assert capsys.readouterr().err.endswith(expected)


def test_off_is_heeded_by_a_step_that_is_left_out(restorer: FakeRestorer) -> None:
    assert main(["a.jpg", "--stages", "denoise", "--relight", "off", "--no-faces"]) == 0


def test_json_is_one_record(restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a.jpg", "--json", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    record = json.loads(captured.out)
    assert {key: record[key] for key in record if key != "faces"} == {
        "source": "a.jpg",
        "target": "a.restored.png",
        "status": "restored",
        "error": None,
        "page": None,
        "width": 12,
        "height": 16,
        "scale": 2,
        "seconds": 0.25,
        "device": "cpu",
        "precision": "fp32",
        "relit": False,
        "presence": None,
        "believed_tone": None,
        "peaks": [],
        "work_size": "1",
        "stage_seconds": {},
        "notices": [],
    }
    assert record["faces"][0]["box"] == [2.0, 3.0, 10.0, 14.0]
    assert len(record["faces"][0]["landmarks"]) == 5


def test_json_of_a_failure(restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gone.jpg", "--json"]) == 1
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert (record["status"], record["source"], record["target"]) == ("failed", "gone.jpg", None)
    assert captured.err == f"restore: {record['error']}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["--scale", "9"],
        ["--to", "0"],
        ["--to", "200", "--scale", "2"],
        ["--no-faces", "--faces", "0"],
        ["--tile", "8", "--page", "all"],
        ["--strength", "2", "--preview"],
        ["--page", "0"],
        ["--stages", "denoise", "--best"],
        ["-o", "b.gif"],
    ],
)
def test_json_of_a_request_that_is_refused(
    words: list[str], restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["a.jpg", "--json", *words]) == 2
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert (record["status"], record["source"], record["height"]) == ("failed", "a.jpg", None)
    assert record["target"] == ("b.gif" if "-o" in words else None)
    assert captured.err == f"restore: {record['error']}\n"
    assert main(["a.jpg", "a.jpg", "-o", "out", "--scale", "9", "--json"]) == 2
    assert capsys.readouterr().out == ""  # no photo's own


def test_what_a_format_cannot_hold_is_said(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGBA", (4, 4), (9, 99, 199, 40)).save("a.png")
    assert main(["a.png", "-o", "b.jpg"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("a.png: ")


ALONE = """
import sys
from restorecli.cli import main
from pytest import MonkeyPatch
from tests.support.fake_restorer import FakeRestorer

FakeRestorer().installed(MonkeyPatch())
assert main(sys.argv[1:]) == 0
print(*(name for name in sys.modules if name.startswith("restorecli.")))
"""


@pytest.mark.parametrize(
    ("words", "asked_for"),
    [
        (["--json", "--verbose"], []),
        (["--compare", "c.jpg", "--save-steps", "steps"], ["previews", "reports"]),
    ],
)
def test_a_plain_photo_loads_no_batch_report_or_store(
    words: list[str], asked_for: list[str], tmp_path: Path
) -> None:
    picture(tmp_path / "a.jpg")
    run = subprocess.run(
        [sys.executable, "-c", ALONE, "a.jpg", "-o", "out.png", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    packages = {name.split(".")[1] for name in run.stdout.splitlines()[-1].split()}
    assert sorted(packages & {"batch", "bench", "previews", "reports"}) == asked_for
    assert size(str(tmp_path / "out.png")) == (24, 32)


def never(**_: object) -> None:
    raise AssertionError("networks were loaded")


@pytest.mark.parametrize(
    ("words", "code", "fact"),
    [
        (["old.jpg"], 1, "old.restored.png: exists already. Use --overwrite, or another name."),
        (["a.jpg", "-o", "old.jpg"], 1, "old.jpg: exists already."),
        (["a.jpg", "--compare", "old.jpg"], 1, "old.jpg: exists already."),
        (["a.jpg", "--save-steps", "steps"], 1, "steps/3-faces.png: exists already."),
        (["a.jpg", "-o", "none/b.png"], 1, "none/b.png: there is no folder none. Make it first."),
        (["a.jpg", "-o", "a.jpg", "--overwrite"], 2, "a.jpg: is the photo itself."),
        (["a.jpg", "-o", "link.jpg", "--overwrite"], 2, "link.jpg: is the photo itself."),
        (["a.jpg", "--compare", "./a.jpg", "--overwrite"], 2, "a.jpg: is the photo itself."),
        (["a.jpg", "-o", "b.png", "--compare", "b.png"], 2, "b.png: is named as two results."),
        (["a.jpg", "-o", "b.txt"], 2, "b.txt: cannot be written as .txt. Use one of .avif, "),
        (["a.jpg", "-o", "b"], 2, "b: cannot be written as a file without a suffix."),
        (["a.jpg", "-o", "b.html"], 2, "b.html: cannot be written as .html."),
        (["a.jpg", "--compare", "b.pdf"], 2, "b.pdf: cannot be written as .pdf."),
        (["a.jpg", "-o", "steps"], 2, "steps: is a folder. Name a file for the result."),
        (["a.jpg", "-o", "b.png", "--ext", "png"], 2, "--ext and --output b.png both name"),
        (["a.jpg", "--ext", "gif"], 2, "--ext gif: cannot be written."),
        (["steps"], 2, "steps: is a folder. Use: restore batch steps -o OUT"),
        (["."], 2, ".: is a folder. Use: restore batch . -o OUT"),
        ([".", "--preview"], 2, ".: is a folder. Name a photo."),
        (["-", "--json", "-o", "-"], 2, "--json and a picture both go to standard output."),
        (["gone.jpg"], 1, "gone.jpg: no such file. Check the path."),
        (["none/a.jpg"], 1, "none/a.jpg: no such file: there is no folder none. Check the path."),
        (["a.jpg/b.jpg"], 1, "a.jpg/b.jpg: no such file: there is no folder a.jpg."),
        (["gone.jpg", "-o", "none/b.png"], 1, "gone.jpg: no such file."),
        (["*.jpg"], 1, "*.jpg: no such file. For a pattern use: restore batch '*.jpg' -o OUT"),
        (["steps", "-o", "out"], 2, "steps: is a folder. Use: restore batch steps -o out"),
        (["a.jpg", "b.png"], 2, "b.png: is a second photo, without -o. Use -o FOLDER, or for one "),
        (["a.jpg", "b.png", "c.png"], 2, "b.png: is a second photo, without -o. Use -o FOLDER"),
        (["a.jpg", "b.jpg", "-o", "c.png"], 2, "c.png: is one file for 2 photos. Name a folder"),
        (["a.jpg", "b.jpg", "-o", "old.jpg"], 2, "old.jpg: is one file for 2 photos."),
        (["a.jpg", "-", "-o", "out"], 2, "-: is one photo, and there are several."),
        (["a.jpg", "b.jpg", "-o", "-"], 2, "-: is one photo, and there are several."),
        (["a.jpg", "a.jpg", "-o", "out", "--compare", "c.png"], 2, "--compare, --save-steps, --p"),
        (["a.jpg", "a.jpg", "-o", "out", "--page", "2"], 2, "--compare, --save-steps, --page and"),
        (["a.jpg", "a.jpg", "-o", "out", "--preview"], 2, "--compare, --save-steps, --page and"),
        (["a.jpg", "-o", "out/", "--preview"], 2, "--compare, --save-steps, --page and --preview:"),
        (["empty.jpg"], 1, "empty.jpg: "),
    ],
)
def test_refusals_come_before_any_work(
    words: list[str],
    code: int,
    fact: str,
    restorer: FakeRestorer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("old.jpg", "old.restored.png", "steps/3-faces.png", "empty.jpg"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"")
    Path("link.jpg").symlink_to("a.jpg")
    monkeypatch.setattr(Restorer, "load", never)
    before = files()
    assert main(words) == code
    captured = capsys.readouterr()
    assert captured.err.startswith(f"restore: {fact}")
    assert captured.err.count("\n") == 1
    assert files() == before


@pytest.mark.parametrize("out", ["out", "out/"])
def test_several_photos_go_into_a_folder(
    out: str, restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(Path("deep/b.png"))
    assert main(["a.jpg", "deep/b.png", "-o", out, "--scale", "1", "--ext", "webp"]) == 0
    assert files() == {"a.jpg", "deep/b.png", "out/a.webp", "out/b.webp"}
    assert capsys.readouterr() == ("2 restored, 0 failed, 0 skipped\n", "")
    assert main(["photo", "a.jpg", "gone.jpg", "-o", out, "--overwrite"]) == 1
    assert capsys.readouterr().out == "1 restored, 1 failed, 0 skipped\n"


def test_one_photo_goes_into_a_folder_that_is_named_with_a_slash(restorer: FakeRestorer) -> None:
    assert main(["a.jpg", "-o", "new/out/"]) == 0
    assert files() == {"a.jpg", "new/out/a.jpg"}


def test_the_home_folder_is_known(
    restorer: FakeRestorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert main(["~/a.jpg", "-o", "~/b.png"]) == 0
    assert main(["batch", "~/a.jpg", "-o", "~/out"]) == 0
    picture(Path("~c.jpg"))
    assert main(["~c.jpg"]) == 0
    expected = {"a.jpg", "b.png", "out/a.jpg", "~c.jpg", "~c.restored.png"}
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")} == expected


def test_overwrite_replaces(restorer: FakeRestorer) -> None:
    Path("a.restored.png").write_bytes(b"old")
    assert main(["a.jpg", "--overwrite"]) == 0
    assert size("a.restored.png") == (24, 32)


def test_failing_networks_write_nothing(
    restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise DeviceError("cuda: no such device. Use --device cpu.")

    monkeypatch.setattr(Restorer, "load", fail)
    assert main(["a.jpg"]) == 4
    assert capsys.readouterr().err == "restore: cuda: no such device. Use --device cpu.\n"
    assert files() == {"a.jpg"}


def test_interruption_is_130_and_leaves_nothing(restorer: FakeRestorer) -> None:
    restorer.interrupting = "a.jpg"
    assert main(["a.jpg"]) == 130
    assert files() == {"a.jpg"}


def test_a_folder_that_takes_nothing_is_refused_before_any_work(
    restorer: FakeRestorer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def full(_: Path) -> Iterator[Path]:
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr("restorecli.photo.files.temporary_file", full)
    monkeypatch.setattr(Restorer, "load", never)
    assert main(["a.jpg", "-o", "b.png"]) == 1
    said = "restore: b.png: could not be written (no space left on device). Nothing was left"
    assert capsys.readouterr().err.startswith(said)


def test_steps_are_saved(restorer: FakeRestorer) -> None:
    assert main(["a.jpg", "--save-steps", "deep/steps", "--scale", "1"]) == 0
    assert {name for name in files() if name.startswith("deep")} == {
        "deep/steps/1-relit.png",
        "deep/steps/2-denoised.png",
        "deep/steps/3-faces.png",
        "deep/steps/4-composed.png",
        "deep/steps/5-final.png",
    }


def test_folder_of_steps_that_cannot_be_made(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("taken").touch()
    assert main(["a.jpg", "--save-steps", "taken"]) == 2
    assert "taken: is a file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["sheet.jpg", "page.html", "PAGE.HTM"])
def test_comparison_is_written(restorer: FakeRestorer, name: str) -> None:
    assert main(["a.jpg", "--compare", name]) == 0
    assert Path(name).stat().st_size > 100


def test_page_is_not_overwritten(restorer: FakeRestorer) -> None:
    Path("page.html").write_text("mine")
    assert main(["a.jpg", "--compare", "page.html"]) == 1
    assert Path("page.html").read_text() == "mine"
    assert main(["a.jpg", "--compare", "page.html", "--overwrite"]) == 0
    assert "<!doctype html>" in Path("page.html").read_text("utf-8")
