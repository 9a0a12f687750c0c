"""Pictures of every page in both themes and at two widths, for people to look at.

Writes screenshots/PAGE-THEME-WIDTH.png; `make screenshots` calls it. Names of pages as arguments
limit it to these.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Started as a script, Python would see this folder and not the project.
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page  # noqa: E402

from tests.browser.server import at_rest, browse, one_run, serve, settled, watch_runs  # noqa: E402

PAGES = {
    "first": "",
    "map": "?order=probability",
    "follow": "follow",
    "compare": "compare?tokens=24",
    "lab": "lab?do=off:7.14",
    "quality": "quality",
    "runs": "runs",
    "glossary": "glossary",
    "about": "about",
}
WIDTHS = (1440, 390)
THEMES = ("light", "dark")
OUT = ROOT / "screenshots"


def shoot(browser: Browser, address: str, name: str, theme: str, width: int) -> None:
    """One full-page picture."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    watch_runs(page)
    page.goto(f"{address}/{PAGES[name]}")
    settled(page)
    if name == "compare":
        with one_run(page):
            page.get_by_role("button", name="Generate").click()
    at_rest(page)
    _unroll(page)
    page.screenshot(path=OUT / f"{name}-{theme}-{width}.png")
    page.close()


def _unroll(page: Page) -> None:
    """Make the window as high as the page, which scrolls inside the application."""
    height = page.evaluate(
        "Math.max(...[...document.querySelectorAll('[data-testid=stMain]')]"
        ".map(main => main.scrollHeight))"
    )
    width = page.viewport_size["width"] if page.viewport_size else WIDTHS[0]
    page.set_viewport_size({"width": width, "height": min(int(height) + 60, 8_000)})
    at_rest(page)


def main() -> None:
    """Shoot all pages, or those named on the command line."""
    OUT.mkdir(exist_ok=True)
    names = sys.argv[1:] or list(PAGES)
    with serve() as address, browse() as browser:
        for name in names:
            for theme in THEMES:
                for width in WIDTHS:
                    shoot(browser, address, name, theme, width)


if __name__ == "__main__":
    main()
