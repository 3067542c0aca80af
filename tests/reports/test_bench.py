"""Tests of the report of a bench and of its charts."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from restorecli.bench import measure
from restorecli.bench.dataset import PhotoPair
from restorecli.bench.measure import Bench, Row, Setting
from restorecli.cli import main
from restorecli.errors import PhotoWriteError, PlanError
from restorecli.options import Options
from restorecli.photo import Photo
from restorecli.reports import bench as bench_report
from restorecli.reports import charts
from tests.support.fake_restorer import Untouching, picture


def row(number: int, score: float, method: str = "restore", family: str | None = "sine") -> Row:
    return Row(
        name=f"photo {number}",
        family=family,
        method=method,
        scale=1,
        scores={"ssim": score},
        seconds=0.5,
        megapixels=0.1,
    )


def result(scores: list[float], *, family: str | None = "sine") -> Bench:
    """A bench in which every photo was half as good before."""
    rows = [
        row(number, score / part, method, family)
        for number, score in enumerate(scores)
        for method, part in (("restore", 1), ("untouched", 2))
    ]
    return Bench(
        dataset="set",
        setting=Setting(),
        metrics=("ssim",),
        methods=("restore", "untouched"),
        rows=tuple(rows),
        failures=(measure.Failure(name="<i>", reason="is bad"),),
    )


@pytest.fixture
def pair(tmp_path: Path) -> PhotoPair:
    photo = Photo.read(picture(tmp_path / "a.png", height=24, width=20))
    return PhotoPair(clean=photo, degraded=photo, scale=1)


def test_only_the_worst_twelve_are_kept(tmp_path: Path, pair: PhotoPair) -> None:
    page = bench_report.BenchReport(tmp_path / "a.html", overwrite=False)
    scores = [(7 * number % 20) / 20 for number in range(20)]
    scores[3] = scores[0]
    made = result(scores)
    for ours in made.of("restore"):
        page.watch(ours, pair, pair.degraded)
    page.write(made)
    text = (tmp_path / "a.html").read_text("utf-8")
    expected = sorted(range(20), key=lambda number: (scores[number], number))[:12]
    assert re.findall(r"<h3>photo (\d+)</h3>", text) == [str(number) for number in expected]
    assert text.count("data:image/jpeg") == 12 * 3
    assert "SSIM 0.0000 → 0.0000" in text
    assert "The worst 12 by SSIM" in text
    assert "<dt>&lt;i&gt;</dt>" in text
    assert "20 pairs scored, 1 failed" in text
    assert "95 % interval" in text
    assert "0.8500" not in text.split("The worst")[1]


def test_the_table_has_intervals_and_the_notes_their_convention(
    tmp_path: Path, pair: PhotoPair
) -> None:
    page = bench_report.open_report(tmp_path / "a.html", overwrite=False)
    assert page is not None
    page.write(result([0.5, 0.6]))
    text = (tmp_path / "a.html").read_text("utf-8")
    assert re.search(r"<td>restore</td><td>0\.5500 \[0\.5\d+, 0\.\d+\]</td>", text)
    assert "SSIM of Wang et al. 2004" in text
    assert "<td>sine</td><td>2</td><td>0.5500</td>" in text


def test_only_the_first_method_is_watched(tmp_path: Path) -> None:
    for part in ("clean", "degraded"):
        picture(tmp_path / part / "a.png", height=24, width=20)
    calls = []
    measure.run_bench(
        tmp_path,
        lambda photo, options: photo,
        setting=Setting(),
        stages=[("denoise",), ()],
        options=Options(),
        watch=lambda row, photos, photo: calls.append((row.method, photos.scale, photo.name)),
    )
    assert calls == [("denoise", 1, "a.png")]


@pytest.mark.parametrize("chart", [charts.by_family, charts.input_against_output])
@pytest.mark.parametrize("scores", [[0.5], [0.25, 0.75, 0.5], [float("inf"), 0.5], [float("inf")]])
def test_charts_are_bare_svg_in_the_colours_of_the_page(
    chart: Callable[[Bench, str], str], scores: list[float]
) -> None:
    text = chart(result(scores), "ssim")
    assert text.startswith('<svg viewBox="')
    assert text == chart(result(scores), "ssim")
    assert "var(--rule)" in text
    assert ("var(--ours)" in text) == (scores != [float("inf")] or chart is charts.by_family)
    assert not re.search(r"#[0-9a-fA-F]{6}\b", text)
    assert "<style" not in text
    assert "http" not in text
    shared = set(re.findall(r' id="([^"]+)"', text)) - set(re.findall(r'[#(]([\w.]+)[")]', text))
    assert shared == set()


@pytest.mark.parametrize("family", ["$", "$\\frac$", "<b>&", "한글", None])
def test_families_of_any_name(family: str | None) -> None:
    text = charts.by_family(result([0.5, 0.75], family=family), "ssim")
    label = (family or "all").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f">{label}</text>" in text


def test_without_matplotlib_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["bench", str(tmp_path), "--report", str(tmp_path / "a.html")]) == 2
    assert capsys.readouterr().err == (
        "restore: bench --report: its charts need Matplotlib, which is not installed. "
        "Use: pip install matplotlib\n"
    )


def test_pages_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="is no name of a page"):
        bench_report.BenchReport(tmp_path / "a.csv", overwrite=True)
    (tmp_path / "a.html").touch()
    with pytest.raises(PhotoWriteError, match="exists"):
        bench_report.BenchReport(tmp_path / "a.html", overwrite=False)


def test_the_command_writes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from restorecli.pipeline import Restorer

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Restorer, "load", lambda **_: Untouching())
    for part in ("clean", "degraded"):
        picture(Path("set") / part / "a.png", height=24, width=20)
    words = ["bench", "set", "--quiet", "--metric", "psnr", "--report", "a.html"]
    assert main(words) == 0
    text = Path("a.html").read_text("utf-8")
    assert "The worst 1 by PSNR" in text
    assert "PSNR inf → inf" in text
    assert main(words) == 1
    assert Path("a.html").read_text("utf-8") == text
    assert main([*words, "--overwrite"]) == 0


def test_the_page_holds_no_path_of_this_machine(tmp_path: Path, pair: PhotoPair) -> None:
    page = bench_report.BenchReport(tmp_path / "a.html", overwrite=False)
    failure = measure.Failure(name="b", reason=f"{tmp_path}/set/clean/b.png: is bad")
    made = replace(result([0.5]), dataset=f"{tmp_path}/set", failures=(failure,))
    page.watch(made.of("restore")[0], pair, pair.degraded)
    page.write(made)
    text = (tmp_path / "a.html").read_text("utf-8")
    assert str(tmp_path) not in text
    assert "<p>set: 1 pairs, x1</p>" in text
    assert "clean/b.png: is bad" in text
    assert 'alt="photo 0 after restoration"' in text
    assert 'alt="photo 0: clean"' in text
