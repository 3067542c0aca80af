"""Tests of `restore photo`: pages, what strangers need not know, and limits before any work."""

import json
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorecli.cli import main
from restorecli.errors import PhotoTooLargeError
from restorecli.options import Options
from restorecli.photo import Photo
from restorecli.photo.canvas import check_size
from restorecli.pipeline import Restorer
from tests.support.fake_restorer import FakeRestorer, picture
from tests.support.photo_samples import exif_tags, photo

FAILING = Path(__file__).parents[1] / "photo" / "files"


@pytest.fixture
def restorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRestorer:
    """A restorer that computes nothing, a folder to work in, and a scan of three pages in it."""
    monkeypatch.chdir(tmp_path)
    with tifffile.TiffWriter("scan.tif") as writer:
        for level in (10, 20, 30):
            page = np.full((12, 16, 3), level, np.uint8)
            page[0, 0] = 255, 0, 0
            writer.write(page, photometric="rgb", metadata=None)
    return FakeRestorer().installed(monkeypatch)


@pytest.fixture
def no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(**_: object) -> None:
        pytest.fail("networks were loaded")

    monkeypatch.setattr(Restorer, "load", load)


def level(path: str, page: int = 1) -> int:
    return int(Photo.read(path, page=page).pixels[-1, -1, 0])


def size(path: str) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_other_pages_are_told(restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan.tif"]) == 0
    assert level("scan.restored.png") == 10
    said = capsys.readouterr().err
    assert "scan.tif: only the first of its 3 pages is in the result\n" in said


def test_one_page_by_its_number(restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan.tif", "--page", "2", "-o", "b.png"]) == 0
    assert level("b.png") == 20
    assert "page" not in capsys.readouterr().err


def test_each_page_has_a_name_of_its_own(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan.tif", "--page", "2", "--json"]) == 0
    assert main(["scan.tif", "--page", "3", "--ext", "jpg"]) == 0
    assert level("scan.page2.restored.png") == 20
    assert size("scan.page3.restored.jpg") == (32, 24)
    assert json.loads(capsys.readouterr().out.splitlines()[0])["page"] == 2


def test_all_pages_become_one_tiff(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan.tif", "--page", "all", "--json"]) == 0
    assert [level("scan.restored.tif", page) for page in (1, 2, 3)] == [10, 20, 30]
    assert Photo.page_count("scan.restored.tif") == 3
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["status"] for record in records] == ["restored"] * 3
    assert [record["page"] for record in records] == [1, 2, 3]
    assert {record["target"] for record in records} == {"scan.restored.tif"}
    assert main(["scan.tif", "--page", "all"]) == 1
    assert "exists already" in capsys.readouterr().err


def test_all_pages_through_pipes(
    restorer: FakeRestorer,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    class Piped:
        buffer = BytesIO(Path("scan.tif").read_bytes())
        isatty = staticmethod(lambda: False)

    monkeypatch.setattr("sys.stdin", Piped)
    assert main(["-", "--page", "all", "-o", "b.tif", "-q"]) == 0
    assert [level("b.tif", page) for page in (1, 2, 3)] == [10, 20, 30]


def test_pages_that_are_cut_are_told_and_never_left_out_of_all(
    restorer: FakeRestorer, no_networks: None, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("cut.tif").write_bytes(Path("scan.tif").read_bytes()[:-8])
    assert main(["cut.tif", "--page", "all", "--json"]) == 1
    out, err = capsys.readouterr()
    said = "cut.tif: what comes behind page 2 cannot be read. "
    assert err == f"restore: {said}Take the pages before one by one.\n"
    assert json.loads(out)["error"] == err.removeprefix("restore: ").rstrip()
    assert not Path("cut.restored.tif").exists()


def test_pages_that_are_cut_are_in_the_record(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("cut.tif").write_bytes(Path("scan.tif").read_bytes()[:-8])
    assert main(["cut.tif", "--page", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    (notice,) = json.loads(out)["notices"]
    assert notice == "what comes behind page 2 cannot be read"
    assert f"cut.tif: {notice}\n" in err


def test_a_photo_without_pages_is_its_only_one(restorer: FakeRestorer) -> None:
    picture(Path("a.jpg"))
    assert main(["a.jpg", "--page", "all"]) == 0
    assert Photo.page_count("a.restored.tif") == 1
    assert main(["a.jpg", "--page", "1"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--page", "4"], 1, "page 4 of a TIFF file that has 3"),
        (["--page", "0"], 2, "--page 0: not a page. Use a number from 1 on, or all."),
        (["--page", "x"], 2, "--page x: not a page"),
        (["--page", "all", "-o", "b.png"], 2, "--page all: PNG has no pages. Name a .tif"),
        (["--page", "all", "--ext", "jpg"], 2, "--page all: JPEG has no pages"),
        (["--page", "all", "--compare", "c.html"], 2, "Choose it with --page N."),
    ],
)
@pytest.mark.usefixtures("no_networks")
def test_pages_that_are_refused(
    restorer: FakeRestorer,
    no_networks: None,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    assert main(["scan.tif", *words]) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("side", "suffix", "words", "most"),
    [
        (40_000, "jpg", [], 65500),
        (9_000, "webp", [], 16383),
        (20_000, "webp", ["--scale", "1"], 16383),
        (9_000, "avif", ["--scale", "4"], 32768),
        (16_400, "webp", ["--to", "16400"], 16383),
    ],
)
def test_what_no_format_could_hold_is_refused_before_the_work(
    restorer: FakeRestorer,
    no_networks: None,
    capsys: pytest.CaptureFixture[str],
    side: int,
    suffix: str,
    words: list[str],
    most: int,
) -> None:
    Image.new("L", (side, 1)).save("long.png")
    assert main(["long.png", "-o", f"b.{suffix}", *words]) == 1
    said = capsys.readouterr().err
    longer = side if "--to" in words else side * int((words or ["", "2"])[1])
    assert said.startswith(f"restore: b.{suffix}: {longer} × ")
    assert f"holds at most {most}" in said
    assert not Path(f"b.{suffix}").exists()


def test_the_limit_of_megapixels_is_an_option(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(Path("a.png"), height=40, width=50)
    assert main(["a.png", "--max-megapixels", "0.001"]) == 1
    assert "raise --max-megapixels if you trust it" in capsys.readouterr().err
    assert main(["a.png", "--max-megapixels", "0.002"]) == 0
    assert main(["a.png", "--max-megapixels", "0", "--overwrite"]) == 2
    assert "max megapixels 0: must be more than 0" in capsys.readouterr().err
    assert main(["batch", "a.png", "-o", "out", "--max-megapixels", "0.001"]) == 1
    assert main(["batch", "a.png", "-o", "out", "--max-megapixels", "1"]) == 0


def test_photos_that_are_given_away(restorer: FakeRestorer) -> None:
    Path("a.jpg").write_bytes(photo().encode("jpeg"))
    assert main(["a.jpg", "--strip-gps", "-o", "b.jpg", "--save-steps", "steps"]) == 0
    for path in ("b.jpg", "steps/5-final.png"):
        tags = exif_tags(Photo.read(path).metadata.exif)
        assert tags["gps"] is None
        assert tags["maker"] == "Leica"
    assert main(["batch", "a.jpg", "-o", "out", "--strip-metadata"]) == 0
    given = Photo.read("out/a.jpg").metadata
    assert given.exif is given.xmp is None
    assert given.icc is not None
    assert restorer.seen[0][1] == Options()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ultrahdr.jpg", "left out: gain map (Ultra HDR)"),
        ("mpo.jpg", "only the first of its 2 pictures is in the result"),
        ("pq2020.heic", "its HDR brightness (PQ) became that of sRGB"),
        ("iptc.jpg", "IPTC: no place for it in PNG, left out"),
    ],
)
def test_what_is_lost_stands_in_the_record(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    assert main([str(FAILING / name), "-o", "b.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notices"] == [said]


def test_a_batch_refuses_one_long_photo_and_restores_the_rest(
    restorer: FakeRestorer, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in").mkdir()
    Image.new("L", (9_000, 1)).save("in/long.webp", lossless=True)
    picture(Path("in/a.png"))
    assert main(["batch", "in", "-o", "out"]) == 1
    assert [name for name, _ in restorer.seen] == ["a.png"]
    assert "holds at most 16383" in capsys.readouterr().err


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(
    "words",
    [[""], ["scan.tif", "-o", ""], ["batch", "", "-o", "out"], ["", "--preview"]],
)
def test_an_empty_word_is_no_name(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert capsys.readouterr().err == "restore: '': is no name. Is a variable of the shell empty?\n"


@pytest.mark.parametrize(
    ("sides", "limit", "said"),
    [
        ((1300, 1000), 1.2, "1300 × 1000 pixels are 1.3 megapixels, the limit is 1.2."),
        ((48, 40), 0.001, "48 × 40 pixels are 0.00192 megapixels, the limit is 0.001."),
        ((3000, 4000), 10.0, "3000 × 4000 pixels are 12 megapixels, the limit is 10."),
    ],
)
def test_a_photo_just_over_the_limit_is_not_told_a_number_below_it(
    sides: tuple[int, int], limit: float, said: str
) -> None:
    with pytest.raises(PhotoTooLargeError, match=re.escape(said)):
        check_size("a.png", sides[1], sides[0], limit)
