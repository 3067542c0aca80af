"""`--preview`, what is said before long work, and the bar of tiles."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restorecli.cli import main, photo, progress
from restorecli.inspection.busiest import busiest
from restorecli.inspection.peaks import Peak
from restorecli.options import Options
from restorecli.photo import Photo
from restorecli.pipeline import Restorer
from restorecli.previews.forecast import Forecast, forecast
from restorecli.tiling.sources import TensorSource
from tests.inspection.test_peaks import scenery, wave
from tests.support.tiny import tiny_restorer


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo, and networks of a few parameters."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Restorer, "load", lambda **_: tiny_restorer())
    pixels = np.random.default_rng(0).integers(0, 256, (150, 700, 3), np.uint8)
    Image.fromarray(pixels).save("a.png")


def test_the_page_lies_beside_the_photo_and_nothing_else_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["a.png", "--preview", "--scale", "4"]) == 0
    assert capsys.readouterr().out == "a.preview.html\n"
    assert {path.name for path in Path().iterdir()} == {"a.png", "a.preview.html"}
    text = Path("a.preview.html").read_text("utf-8")
    assert "512 × 150 pixels from" in text
    assert "512 × 150 → 512 × 150 pixels" in text
    assert main(["a.png", "--preview"]) == 1
    assert main(["a.png", "--preview", "-o", "b.html"]) == 0


@pytest.mark.parametrize("words", [["--to", "300"], ["--scale", "1.5"]])
def test_the_preview_is_at_the_photos_own_size_whatever_is_asked_for(words: list[str]) -> None:
    assert main(["a.png", "--preview", *words]) == 0
    assert "512 × 150 → 512 × 150 pixels" in Path("a.preview.html").read_text("utf-8")


@pytest.mark.parametrize(
    "words", [["-o", "b.png"], ["--ext", "png"], ["--compare", "c.html"], ["--save-steps", "s"]]
)
def test_other_results_beside_a_preview_are_refused(words: list[str]) -> None:
    assert main(["a.png", "--preview", *words]) == 2
    assert {path.name for path in Path().iterdir()} == {"a.png"}


def test_the_busiest_part_is_where_the_wave_is() -> None:
    image = scenery(300, 900)
    image[..., 600:] = 0.6 * image[..., 600:] + 0.4 * wave(300, 300, 7, 20)
    peak = Peak(period=7, angle=20, strength=0.1)
    top, left, bottom, right = busiest(TensorSource(image), 256, [peak], multiple=4)
    assert left >= 500
    assert (bottom - top, right - left, left % 4, top % 4) == (256, 256, 0, 0)
    flat = torch.full((1, 3, 300, 900), 0.5)
    flat[..., :256] = scenery(300, 256)
    assert busiest(TensorSource(flat), 256, [])[1] == 0


@pytest.mark.parametrize(("options", "passes"), [(Options(), 2), (Options(stages=()), 0)])
def test_every_tile_is_told(options: Options, passes: int) -> None:
    told: list[tuple[int, int]] = []
    options = Options(scale=options.scale, stages=options.stages, tile=128)
    restorer = tiny_restorer()
    restorer.restore(Photo.read(Path("a.png")), options, watch=lambda *seen: told.append(seen))
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert {total for _, total in told} <= {len(told)}
    assert bool(told) == bool(passes)


def test_what_a_photo_takes_is_reckoned_and_said() -> None:
    restorer = tiny_restorer()
    photo = Photo(pixels=np.zeros((1000, 1200, 3), np.uint8))
    expected = forecast(restorer, photo, Options(), restorer.decide(photo, Options()))
    assert expected.megapixels == 1.2
    assert expected.seconds > 0
    assert expected.bytes > 5_000_000
    assert str(Forecast(megapixels=35.2, seconds=178, bytes=1.2 * 2**30)) == (
        "35 Mpx, about 3 min, about 1.2 GiB"
    )
    assert str(Forecast(megapixels=2.81, seconds=24, bytes=2**30)).startswith("2.8 Mpx, about 24 s")


class Terminal(io.StringIO):
    """Standard error of a person."""

    def isatty(self) -> bool:
        """Be a terminal."""
        return True


@pytest.mark.parametrize(("terminal", "quiet"), [(True, False), (False, False), (True, True)])
def test_long_work_is_said_and_a_bar_is_for_terminals(
    terminal: bool, quiet: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo, "WORTH_TIMING", 1)
    monkeypatch.setattr(progress, "LONG", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    said = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    assert main(["a.png", "-o", "b.png", *(["--quiet"] if quiet else [])]) == 0
    assert ("a.png: 0.1 Mpx, about" in said.getvalue()) == (not quiet)
    assert ("tile" in said.getvalue()) == (terminal and not quiet)
