"""The pages in a real browser: sliders move, pictures load, nothing is fetched from elsewhere."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser

from restorecli.cli import main
from restorecli.options import SaveOptions
from restorecli.photo import Photo
from restorecli.pipeline import Restorer
from restorecli.reports import batch, compare
from tests.support import browser
from tests.support.fake_restorer import FakeRestorer, Untouching, picture

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
    seen = browser.visit(chromium, page.rename("moved.html"))
    assert seen.look_through() == 2 * 4
    assert seen.wrong == []
    assert [url for url in seen.fetched if not url.startswith("data:")] == seen.fetched[:1]
    assert "no photo" not in seen.page.inner_text("main")
    assert "in/bad.png\nnot an image" in seen.page.inner_text(".failed")


def test_a_large_page_loads_pictures_when_they_are_looked_at(
    chromium: Browser, batch_page: Callable[..., Path]
) -> None:
    count = batch.INSIDE_BELOW + 10
    page = batch_page(*(f"{number}.png" for number in range(count)))
    seen = browser.visit(chromium, page)
    seen.page.wait_for_load_state("networkidle")
    assert 0 < len(seen.fetched) < count
    assert seen.look_through() == 4 * count
    assert seen.wrong == []
    assert len(seen.fetched) > count
    folder = page.with_name("report_files").as_uri()
    assert all(url.startswith(folder) for url in seen.fetched[1:])


def test_the_slider_moves_by_mouse(chromium: Browser, batch_page: Callable[..., Path]) -> None:
    seen = browser.visit(chromium, batch_page("a.png", "b.png"))
    assert (seen.share(0), seen.share(1)) == (50, 50)
    slider = seen.page.locator(".slider").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    seen.page.mouse.move(box["x"] + box["width"] / 2, middle)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + box["width"] * 0.2, middle, steps=4)
    seen.page.mouse.up()
    assert seen.share(0) == pytest.approx(20, abs=1)
    assert seen.share(1) == 50
    clip = slider.locator(".before").evaluate("picture => getComputedStyle(picture).clipPath")
    assert "80%" in clip or "79" in clip
    assert seen.wrong == []


def test_the_slider_moves_by_touch(chromium: Browser, batch_page: Callable[..., Path]) -> None:
    seen = browser.visit(chromium, batch_page("a.png"), width=380, touch=True)
    slider = seen.page.locator(".slider").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    finger = seen.page.context.new_cdp_session(seen.page)
    middle = box["y"] + box["height"] / 2
    for kind, share in (("touchStart", 0.5), ("touchMove", 0.6), ("touchMove", 0.9)):
        point = {"x": box["x"] + box["width"] * share, "y": middle}
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert seen.share() == pytest.approx(90, abs=2)


def test_slider_and_tabs_move_by_keyboard(
    chromium: Browser, batch_page: Callable[..., Path]
) -> None:
    seen = browser.visit(chromium, batch_page("a.png"))
    slider = seen.page.locator(".slider > input").first
    slider.focus()
    for key, share in (("ArrowRight", 50.5), ("Home", 0), ("ArrowLeft", 0), ("End", 100)):
        slider.press(key)
        assert seen.share() == share
    visible = {}
    tab = seen.page.locator(".tabs input").first
    tab.focus()
    for name in ("compare", "input", "denoised", "faces", "final"):
        assert seen.page.evaluate("document.activeElement.value") == name
        visible[name] = [
            kind
            for kind in ("before", "after", "denoised", "faces", "line")
            if seen.page.locator(f".slider > .{kind}").is_visible()
        ]
        seen.page.keyboard.press("ArrowRight")
    assert visible == {
        "compare": ["before", "after", "line"],
        "input": ["before", "after"],
        "denoised": ["before", "after", "denoised"],
        "faces": ["before", "after", "faces"],
        "final": ["after"],
    }
    assert seen.wrong == []


def test_names_that_hold_html_are_harmless(
    chromium: Browser, batch_page: Callable[..., Path]
) -> None:
    seen = browser.visit(chromium, batch_page(*HOSTILE))
    titles = seen.page.locator("h3").all_text_contents()
    assert sorted(titles) == sorted(f"in/{name}" for name in HOSTILE)
    seen.page.locator("h3").first.hover()
    links = seen.page.evaluate("[...document.links].map(link => link.href)")
    assert len(links) == 2 * len(HOSTILE)
    for link in links:
        assert urlsplit(link).scheme == "file"
        assert Path(unquote(urlsplit(link).path)).is_file()
    assert seen.page.locator("img[onerror], [onmouseover]").count() == 0
    assert seen.wrong == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_theme_is_the_systems_until_it_is_chosen(
    chromium: Browser, batch_page: Callable[..., Path], dark: bool
) -> None:
    seen = browser.visit(chromium, batch_page("a.png"), dark=dark)
    paper = "getComputedStyle(document.body).backgroundColor"
    light_one, dark_one = "rgb(246, 245, 242)", "rgb(23, 24, 26)"
    assert seen.page.evaluate(paper) == (dark_one if dark else light_one)
    button = seen.page.get_by_role("button", name="Light" if dark else "Dark", exact=True)
    button.click()
    assert seen.page.evaluate(paper) == (light_one if dark else dark_one)
    assert seen.page.locator("#theme").inner_text() == ("Dark" if dark else "Light")


@pytest.mark.parametrize("width", [380, 800, 1440])
def test_nothing_sticks_out(chromium: Browser, batch_page: Callable[..., Path], width: int) -> None:
    seen = browser.visit(chromium, batch_page("a" * 120 + ".png", "b.png"), width=width)
    seen.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


def test_photos_are_found_and_put_in_order(
    chromium: Browser, batch_page: Callable[..., Path]
) -> None:
    seen = browser.visit(chromium, batch_page("b10.png", "b9.png", "c.png"))
    seen.page.locator("[name=order]").select_option("name")
    shown = "[...document.querySelectorAll('.card')].sort((a, b) => a.style.order - b.style.order)"
    names = seen.page.evaluate(f"{shown}.map(card => card.dataset.name)")
    assert names == ["in/b9.png", "in/b10.png", "in/c.png"]
    tops = seen.page.evaluate(f"{shown}.map(card => card.getBoundingClientRect().top)")
    assert tops == sorted(tops)
    seen.page.locator("[name=find]").fill("B1")
    assert seen.page.locator("h3:visible").all_text_contents() == ["in/b10.png"]
    assert seen.page.locator("output").inner_text() == "1 of 3"
    seen.page.locator("[name=find]").fill("")
    seen.page.locator("[name=show]").select_option("relit")
    assert seen.page.locator("h3:visible").count() == 0
    seen.page.locator("[name=show]").select_option("faces")
    assert seen.page.locator("h3:visible").count() == 3


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
    seen = browser.visit(chromium, tmp_path / "bench.html")
    assert seen.look_through() == 2 * 3
    assert seen.page.locator("svg").count() == 2
    assert "$<b>$" in seen.page.locator("svg").first.inner_html().replace("&lt;", "<").replace(
        "&gt;", ">"
    )
    seen.page.locator("[value=compare]").first.check()
    seen.page.locator(".slider > input").first.press("Home")
    assert seen.share() == 0
    assert seen.wrong == []
    assert all(url.startswith("data:") for url in seen.fetched[1:])


def test_the_page_of_one_photo_has_the_same_slider(chromium: Browser, tmp_path: Path) -> None:
    photo = Photo.read(picture(tmp_path / "a.png"))
    compare.write(photo, photo, tmp_path / "a.html", SaveOptions(quality=90))
    seen = browser.visit(chromium, tmp_path / "a.html")
    seen.page.locator(".slider > input").press("End")
    assert seen.share() == 100
    seen.page.get_by_role("button", name="Actual size").click()
    assert seen.page.locator(".slider.actual").bounding_box() is not None
    assert seen.wrong == []
