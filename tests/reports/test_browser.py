"""The pages in a real browser: sliders move, pictures load, nothing is fetched from elsewhere."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser

from restorecli.cli import main
from restorecli.options import SaveOptions
from restorecli.photo import Metadata, Photo
from restorecli.pipeline import Restorer
from restorecli.reports import batch, compare
from tests.support import browser
from tests.support.fake_restorer import FakeRestorer, Untouching, picture
from tests.support.tiny import tiny_restorer

HOSTILE = (
    "<img src=x onerror=alert(1)>.png",
    '" onmouseover="alert(2)" x=".png',
    "javascript:alert(3).png",
    "{{ 7 * 7 }}&amp;#%3Cb%3E 사진.png",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.chromium() as running:
        yield running


@pytest.fixture
def batch_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make a page of a batch of so many photos, with all that can happen to one."""
    monkeypatch.chdir(tmp_path)

    def made(*names: str) -> Path:
        for number, name in enumerate(names):
            picture(Path("in") / name, height=40 + number % 7, width=64 + number)
        Path("in/bad.png").write_bytes(b"no photo")
        FakeRestorer().installed(monkeypatch)
        assert main(["batch", "in", "-o", "out", "--quiet", "--report", "report.html"]) == 1
        return tmp_path / "report.html"

    return made


def test_a_small_page_is_one_file(chromium: Browser, batch_page: Callable[..., Path]) -> None:
    page = batch_page("a.png", "b.png")
    assert not Path("report_files").exists()
    visit = browser.visit(chromium, page.rename("moved.html"))
    assert visit.look_through() == 2 * 4
    assert visit.wrong == []
    assert [url for url in visit.fetched if not url.startswith("data:")] == visit.fetched[:1]
    assert "no photo" not in visit.page.inner_text("main")
    assert "in/bad.png\nnot an image" in visit.page.inner_text(".failed")


def test_a_large_page_loads_pictures_when_they_are_looked_at(
    chromium: Browser, batch_page: Callable[..., Path]
) -> None:
    count = batch.INSIDE_BELOW + 10
    page = batch_page(*(f"{number}.png" for number in range(count)))
    visit = browser.visit(chromium, page)
    visit.page.wait_for_load_state("networkidle")
    assert 0 < len(visit.fetched) < count
    assert visit.look_through() == 4 * count
    assert visit.wrong == []
    assert len(visit.fetched) > count
    folder = page.with_name("report_files").as_uri()
    assert all(url.startswith(folder) for url in visit.fetched[1:])


def test_the_slider_moves_by_mouse(chromium: Browser, batch_page: Callable[..., Path]) -> None:
    visit = browser.visit(chromium, batch_page("a.png", "b.png"))
    assert (visit.share(0), visit.share(1)) == (50, 50)
    slider = visit.page.locator(".slider").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    visit.page.mouse.move(box["x"] + box["width"] / 2, middle)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + box["width"] * 0.2, middle, steps=4)
    visit.page.mouse.up()
    assert visit.share(0) == pytest.approx(20, abs=1)
    assert visit.share(1) == 50
    clip = slider.locator(".before").evaluate("picture => getComputedStyle(picture).clipPath")
    assert "80%" in clip or "79" in clip
    assert visit.wrong == []


def test_the_slider_moves_by_touch(chromium: Browser, batch_page: Callable[..., Path]) -> None:
    visit = browser.visit(chromium, batch_page("a.png"), width=380, touch=True)
    slider = visit.page.locator(".slider").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    finger = visit.page.context.new_cdp_session(visit.page)
    middle = box["y"] + box["height"] / 2
    for kind, share in (("touchStart", 0.5), ("touchMove", 0.6), ("touchMove", 0.9)):
        point = {"x": box["x"] + box["width"] * share, "y": middle}
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert visit.share() == pytest.approx(90, abs=2)


def test_slider_and_tabs_move_by_keyboard(
    chromium: Browser, batch_page: Callable[..., Path]
) -> None:
    visit = browser.visit(chromium, batch_page("a.png"))
    slider = visit.page.locator(".slider > input").first
    slider.focus()
    for key, share in (("ArrowRight", 50.5), ("Home", 0), ("ArrowLeft", 0), ("End", 100)):
        slider.press(key)
        assert visit.share() == share
    visible = {}
    tab = visit.page.locator(".tabs input").first
    tab.focus()
    for name in ("compare", "input", "denoised", "faces", "final"):
        assert visit.page.evaluate("document.activeElement.value") == name
        visible[name] = [
            kind
            for kind in ("before", "after", "denoised", "faces", "line")
            if visit.page.locator(f".slider > .{kind}").is_visible()
        ]
        visit.page.keyboard.press("ArrowRight")
    assert visible == {
        "compare": ["before", "after", "line"],
        "input": ["before", "after"],
        "denoised": ["before", "after", "denoised"],
        "faces": ["before", "after", "faces"],
        "final": ["after"],
    }
    assert visit.wrong == []


def test_names_that_hold_html_are_harmless(
    chromium: Browser, batch_page: Callable[..., Path]
) -> None:
    visit = browser.visit(chromium, batch_page(*HOSTILE))
    titles = visit.page.locator("h3").all_text_contents()
    assert sorted(titles) == sorted(f"in/{name}" for name in HOSTILE)
    visit.page.locator("h3").first.hover()
    links = visit.page.evaluate("[...document.links].map(link => link.href)")
    assert len(links) == 2 * len(HOSTILE)
    for link in links:
        assert urlsplit(link).scheme == "file"
        assert Path(unquote(urlsplit(link).path)).is_file()
    assert visit.page.locator("img[onerror], [onmouseover]").count() == 0
    assert visit.wrong == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_theme_is_the_systems_until_it_is_chosen(
    chromium: Browser, batch_page: Callable[..., Path], dark: bool
) -> None:
    visit = browser.visit(chromium, batch_page("a.png"), dark=dark)
    paper = "getComputedStyle(document.body).backgroundColor"
    light_one, dark_one = "rgb(246, 245, 242)", "rgb(23, 24, 26)"
    assert visit.page.evaluate(paper) == (dark_one if dark else light_one)
    button = visit.page.get_by_role("button", name="Light" if dark else "Dark", exact=True)
    button.click()
    assert visit.page.evaluate(paper) == (light_one if dark else dark_one)
    assert visit.page.locator("#theme").inner_text() == ("Dark" if dark else "Light")


@pytest.mark.parametrize("width", [380, 800, 1440])
def test_nothing_sticks_out(chromium: Browser, batch_page: Callable[..., Path], width: int) -> None:
    visit = browser.visit(chromium, batch_page("a" * 120 + ".png", "b.png"), width=width)
    visit.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


def test_photos_are_found_and_put_in_order(
    chromium: Browser, batch_page: Callable[..., Path]
) -> None:
    visit = browser.visit(chromium, batch_page("b10.png", "b9.png", "c.png"))
    visit.page.locator("[name=order]").select_option("name")
    cards = "[...document.querySelectorAll('.card')].sort((a, b) => a.style.order - b.style.order)"
    names = visit.page.evaluate(f"{cards}.map(card => card.dataset.name)")
    assert names == ["in/b9.png", "in/b10.png", "in/c.png"]
    tops = visit.page.evaluate(f"{cards}.map(card => card.getBoundingClientRect().top)")
    assert tops == sorted(tops)
    visit.page.locator("[name=find]").fill("B1")
    assert visit.page.locator("h3:visible").all_text_contents() == ["in/b10.png"]
    assert visit.page.locator("output").inner_text() == "1 of 3"
    visit.page.locator("[name=find]").fill("")
    visit.page.locator("[name=show]").select_option("relit")
    assert visit.page.locator("h3:visible").count() == 0
    visit.page.locator("[name=show]").select_option("faces")
    assert visit.page.locator("h3:visible").count() == 3


def test_the_bench_page_shows_the_worst_with_their_clean_pictures(
    chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for part in ("clean", "degraded"):
        for name in ("a.png", HOSTILE[0]):
            picture(tmp_path / part / name, height=24, width=24)
    Path("pairs.csv").write_text(f'name,family\na,"$<b>$"\n{HOSTILE[0]},sine\n')
    monkeypatch.setattr(Restorer, "load", lambda **_: Untouching())
    assert main(["bench", ".", "--report", "bench.html", "--quiet"]) == 0
    visit = browser.visit(chromium, tmp_path / "bench.html")
    assert visit.look_through() == 2 * 3
    assert visit.page.locator("svg").count() == 2
    assert "$<b>$" in visit.page.locator("svg").first.inner_html().replace("&lt;", "<").replace(
        "&gt;", ">"
    )
    visit.page.locator("[value=compare]").first.check()
    visit.page.locator(".slider > input").first.press("Home")
    assert visit.share() == 0
    assert visit.wrong == []
    assert all(url.startswith("data:") for url in visit.fetched[1:])


def test_the_page_of_one_photo_has_the_same_slider(chromium: Browser, tmp_path: Path) -> None:
    photo = Photo.read(picture(tmp_path / "a.png"))
    compare.write(photo, photo, tmp_path / "a.html", SaveOptions(quality=90))
    visit = browser.visit(chromium, tmp_path / "a.html")
    visit.page.locator(".slider > input").press("End")
    assert visit.share() == 100
    visit.page.get_by_role("button", name="Actual size").click()
    assert visit.page.locator(".slider.actual").bounding_box() is not None
    assert visit.wrong == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_of_inspect_shows_its_whole_table(
    width: int, chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Restorer, "load", lambda **_: tiny_restorer())
    rows, columns = np.mgrid[:160, :200]
    screen = np.sin(rows * 0.8) * np.sin(columns * 0.8) * 60 + 128
    Photo(pixels=screen.astype(np.uint8), metadata=Metadata(dpi=(300, 300))).write(Path("a.png"))
    assert main(["inspect", "a.png", "--report", "page.html"]) == 0
    visit = browser.visit(chromium, tmp_path / "page.html", width=width)
    cut = "part => part.scrollWidth > part.clientWidth"
    assert not visit.page.locator("pre").evaluate(cut)
    assert not visit.page.locator("html").evaluate(cut)
    assert visit.page.locator("img:not([alt*='a.png'])").count() == 0
    assert visit.wrong == []
