"""The routing map at its largest: 2,048 tokens of 16 layers in a headless browser.

Prints the bytes that are sent, the time to rasterize, to redraw and to mark a hovered cell (as the
map itself measures them), and from a click until the page shows what Python made of it. Run it as
`python -m benchmarks.ui`.
"""

import statistics

from playwright.sync_api import Page, expect

from tests.browser.routing_map_app import SCRIPT
from tests.browser.server import browse, serve, settled

TOKENS, ROUNDS = 2048, 15


def measured(page: Page, name: str) -> float:
    """Milliseconds of the map's last step of this name."""
    return float(page.locator(".routing-map").get_attribute(f"data-{name}-ms") or "nan")


TIMER = """
addEventListener("pointerdown", () => { window.pressed = performance.now(); }, true);
new MutationObserver(() => { window.answered = performance.now(); }).observe(
  [...document.querySelectorAll("[data-testid=stText]")].find(
    (element) => element.textContent.startsWith("picked")),
  { subtree: true, childList: true, characterData: true });
"""


def clicks(page: Page) -> list[float]:
    """Milliseconds from each press of the button to the changed line above the map."""
    width, height = (
        int(page.locator(".routing-map").get_attribute(f"data-cell-{side}") or 0)
        for side in ("width", "height")
    )
    page.evaluate(TIMER)
    waited = []
    for turn in range(ROUNDS):
        position = {"x": (turn + 0.5) * width, "y": (turn % 16 + 0.5) * height}
        page.get_by_role("application").click(position=position)
        expect(page.get_by_text(f"picked {turn} {turn % 16} None")).to_be_visible()
        settled(page)
        waited.append(float(page.evaluate("window.answered - window.pressed")))
    return waited


def scrolls(page: Page) -> tuple[list[float], list[float]]:
    """Milliseconds of a redraw after scrolling and of the marks after a hover."""
    paints, marks = [], []
    for turn in range(ROUNDS):
        page.get_by_role("application").evaluate(
            "(element, left) => { element.scrollLeft = left; }", 3000 * turn + 500
        )
        page.get_by_role("application").hover(position={"x": 40 * turn + 20, "y": 100})
        page.wait_for_timeout(60)
        paints.append(measured(page, "paint"))
        marks.append(measured(page, "overlay"))
    return paints, marks


def report(name: str, values: list[float]) -> None:
    """One line: median and largest."""
    print(f"{name:<42} {statistics.median(values):8.1f} ms   (largest {max(values):.1f})")


def main() -> None:
    """Open the page once, then measure."""
    received = [0]

    def count(payload: str | bytes) -> None:
        received[0] += len(payload)

    with serve(SCRIPT) as address, browse() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.on("websocket", lambda socket: socket.on("framereceived", count))
        page.goto(f"{address}/?tokens={TOKENS}")
        expect(page.locator(".routing-map")).to_have_attribute("data-rasters", "1")
        settled(page)
        print(f"{TOKENS} tokens x 16 layers, {ROUNDS} rounds, median")
        print(f"{'received until the first drawing':<42} {received[0]:8,} bytes")
        report("rasterize", [measured(page, "raster")])
        before = received[0]
        report("click to Python and back", clicks(page))
        print(f"{'received for each click':<42} {(received[0] - before) // ROUNDS:8,} bytes")
        paints, marks = scrolls(page)
        report("redraw after scrolling", paints)
        report("marks and card after a hover", marks)


if __name__ == "__main__":
    main()
