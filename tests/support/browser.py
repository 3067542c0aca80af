"""A browser without a window, for tests of pages: what was fetched and what went wrong is kept."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
_SHARE = "figure => parseFloat(getComputedStyle(figure).getPropertyValue('--share'))"


@dataclass
class Visit:
    """A page that was opened.

    Attributes:
        page: To be worked with.
        fetched: Address of everything asked for, the page first.
        wrong: Errors of scripts, of the console, dialogues, and requests that failed.
    """

    page: Page
    fetched: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def dismiss(self, dialog: Dialog) -> None:
        """Note a dialogue that a script opened, and close it."""
        self.wrong.append(dialog.message)
        dialog.dismiss()

    def share(self, card: int = 0) -> float:
        """Percent of a card's picture that is shown as it was before."""
        return float(self.page.locator(".slider").nth(card).evaluate(_SHARE))

    def look_through(self) -> int:
        """Turn to every tab of every card; give the number of pictures, all of which loaded."""
        count = self.page.evaluate(
            """async () => {
              let count = 0;
              for (const card of document.querySelectorAll(".card")) {
                card.scrollIntoView();
                for (const tab of card.querySelectorAll("[type=radio]")) {
                  tab.click();
                  const shown = [...card.querySelectorAll("img")].filter(
                    picture => getComputedStyle(picture).display !== "none");
                  await Promise.all(shown.map(picture => picture.decode()));
                }
                const pictures = [...card.querySelectorAll("img")];
                if (!pictures.every(picture => picture.naturalWidth > 0)) throw Error("not loaded");
                count += pictures.length;
              }
              return count;
            }"""
        )
        return int(count)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium, or skip the test."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium found; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def visit(
    browser: Browser, path: Path, *, width: int = 1000, dark: bool = False, touch: bool = False
) -> Visit:
    """Open a page that is a file."""
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if dark else "light",
        has_touch=touch,
        offline=True,
    )
    page_visit = Visit(context.new_page())
    page_visit.page.on("request", lambda request: page_visit.fetched.append(request.url))
    page_visit.page.on("requestfailed", lambda request: page_visit.wrong.append(request.url))
    page_visit.page.on("pageerror", lambda error: page_visit.wrong.append(str(error)))
    page_visit.page.on("console", lambda message: page_visit.wrong.append(message.text))
    page_visit.page.on("dialog", page_visit.dismiss)
    page_visit.page.goto(path.resolve().as_uri())
    return page_visit
