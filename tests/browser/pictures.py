"""The README's two pictures, taken from the application; `make pictures` calls it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Started as a script, Python would see this folder and not the project.
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Page, ViewportSize, expect  # noqa: E402

from tests.browser.server import WAIT, at_rest, browse, drawn_map, serve, settled  # noqa: E402

WIDTH = 1440


def draw_map(page: Page, address: str) -> None:
    """Open the map on the recorded trace, as a first visitor sees it."""
    page.goto(f"{address}/?order=probability")
    settled(page)
    drawn_map(page)


def draw_compare(page: Page, address: str) -> None:
    """Let the four texts be written to their end, at the speed of a server that is warm."""
    _write(page, f"{address}/compare?tokens=2")
    # The times of each k alone are taken once the decoding step is compiled.
    page.get_by_role("button", name="Time each k alone").click()
    expect(page.get_by_text("not timed").first).to_be_hidden(timeout=2 * WAIT)
    _write(page, f"{address}/compare?tokens=40")


def _write(page: Page, address: str) -> None:
    page.goto(address)
    settled(page)
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("button", name="Download JSON")).to_be_visible(timeout=2 * WAIT)


def main() -> None:
    """Write docs/map.png and docs/compare.png."""
    with serve() as address, browse() as browser:
        # The heights end each picture between two of its panels.
        for name, draw, height in (("map", draw_map, 1070), ("compare", draw_compare, 1068)):
            size: ViewportSize = {"width": WIDTH, "height": height}
            page = browser.new_page(viewport=size, color_scheme="light", reduced_motion="reduce")
            draw(page, address)
            at_rest(page)
            page.screenshot(path=ROOT / "docs" / f"{name}.png")
            page.close()


if __name__ == "__main__":
    main()
