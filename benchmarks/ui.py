"""How fast the page answers, in a headless browser: the routing map, its page, and Follow a token.

Of the map on a page of its own, 2,048 tokens of 16 layers: the bytes that are sent, the time to
rasterize, to redraw and to mark a hovered cell (as the map itself measures them), and from a click
until the page shows what Python made of it. Of the application's page, with 30 tokens and with
2,048: from a press on a cell until the last panel that follows is drawn again. Of Follow, with 30
tokens: from Run until the first step shows it, and from a move of token, layer or k until the last
step's last figure is drawn again. Of the overview on a first visit: frames a second while it plays.
Run it as `python -m benchmarks.ui`, or with `map`, `page`, `follow` or `overview` as its argument
for one.
"""

import hashlib
import itertools
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.routing_map_app import SCRIPT
from tests.browser.server import ROOT, browse, drawn_map, serve, settled

TOKENS, ROUNDS = 2048, 15


def measured(page: Page, name: str) -> float:
    """Milliseconds of the map's last step of this name."""
    return float(page.locator(".routing-map").get_attribute(f"data-{name}-ms") or "nan")


def cell_size(page: Page) -> tuple[int, int]:
    """Width and height of a cell of the map, in pixels."""
    of_map = page.locator(".routing-map")
    width, height = (of_map.get_attribute(f"data-cell-{side}") for side in ("width", "height"))
    return int(width or 0), int(height or 0)


TIMER = """
addEventListener("pointerdown", () => { window.pressed = performance.now(); }, true);
new MutationObserver(() => { window.answered = performance.now(); }).observe(
  [...document.querySelectorAll("[data-testid=stText]")].find(
    (element) => element.textContent.startsWith("picked")),
  { subtree: true, childList: true, characterData: true });
"""


def clicks(page: Page) -> list[float]:
    """Milliseconds from each press of the button to the changed line above the map."""
    width, height = cell_size(page)
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
    print(f"{name:<50} {statistics.median(values):8.1f} ms   (largest {max(values):.1f})")


def measure_map(address: str, browser: Browser) -> None:
    """Open the page once, then measure."""
    received = [0]

    def count(payload: str | bytes) -> None:
        received[0] += len(payload)

    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.on("websocket", lambda socket: socket.on("framereceived", count))
    page.goto(f"{address}/?tokens={TOKENS}")
    expect(page.locator(".routing-map")).to_have_attribute("data-rasters", "1")
    settled(page)
    print(f"{TOKENS} tokens x 16 layers, {ROUNDS} rounds, median")
    print(f"{'received until the first drawing':<50} {received[0]:8,} bytes")
    report("rasterize", [measured(page, "raster")])
    before = received[0]
    report("click to Python and back", clicks(page))
    print(f"{'received for each click':<50} {(received[0] - before) // ROUNDS:8,} bytes")
    paints, marks = scrolls(page)
    report("redraw after scrolling", paints)
    report("marks and card after a hover", marks)
    page.close()


# A page has begun to answer when a line of text changes, and ended when none of its figures changes
# any more. Figures are in shadow roots, into which an observer of the page does not see. Nothing
# here asks for a layout or looks at every frame: that would be part of the time.
WATCH = """
(selector) => {
  const line = () => document.querySelector(selector)?.textContent
  let before = line()
  addEventListener("pointerdown", () => {
    before = line()
    window.first = window.last = null
    window.pressed = performance.now()
  }, true)
  new MutationObserver(() => {
    if (line() && line() !== before) window.first ??= performance.now()
  }).observe(document.body, { subtree: true, childList: true, characterData: true })
  const drawn = new MutationObserver(() => { window.last = performance.now() })
  for (const element of document.querySelectorAll("[data-testid=stBidiComponentIsolated]")) {
    const figure = element.shadowRoot?.querySelector("svg")
    if (figure) drawn.observe(figure, { childList: true })
  }
}
"""
ENDED = (
    "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning' && "
    "!document.querySelector('[data-testid=stSpinner]')"
)


def waited(page: Page, press: Callable[[], None], end: str) -> float:
    """Milliseconds from a press to the `first` line or the `last` figure."""
    press()
    # Not `expect`: what it looks up while it waits would be part of the time.
    page.wait_for_timeout(800)
    page.wait_for_function(f"window.{end} !== null && {ENDED}")
    page.wait_for_timeout(200)  # what is sent last is drawn after the script has ended
    return float(page.evaluate(f"window.{end} - window.pressed"))


def with_more_room(folder: Path) -> Path:
    """Copy the application there, its bundled model reading 2,048 tokens in place of 1,024.

    It was not trained on so many, on which no time depends.
    """
    for name in ("app.py", "pages", "olmoe_viz", ".streamlit"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    models = folder / "olmoe_viz" / "models"
    catalogue, config = models / "catalogue.py", models / "olmoe-nano" / "config.json"
    catalogue.write_text(catalogue.read_text().replace("context=1_024", f"context={TOKENS}"))
    before = config.read_bytes()
    config.write_text(json.dumps(json.loads(before) | {"max_position_embeddings": TOKENS}))
    sums = config.with_name("SHA256SUMS")
    old, new = (hashlib.sha256(text).hexdigest() for text in (before, config.read_bytes()))
    sums.write_text(sums.read_text().replace(old, new))
    return folder


def measure_page(address: str, browser: Browser, tokens: int) -> None:
    """Run a prompt, then press cells of its map."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    settled(page)
    page.get_by_label("Prompt").fill((" the" * tokens).strip().capitalize())
    page.get_by_role("button", name="Run", exact=True).click()
    drawn_map(page, tokens)
    expect(page.locator(".st-key-journey svg text").first).to_be_visible(timeout=120_000)
    settled(page)
    page.evaluate(WATCH, ".st-key-place_map [data-testid=stText]")
    width, height = cell_size(page)

    def press(turn: int) -> Callable[[], None]:
        position = {"x": (turn + 0.5) * width, "y": ((3 * turn + 1) % 16 + 0.5) * height}
        return lambda: page.get_by_role("application").click(position=position)

    waits = [waited(page, press(turn), "last") for turn in range(ROUNDS)]
    report(f"cell of {tokens:,} tokens to the last panel redrawn", waits)
    page.close()


FOLLOW_ROUNDS = 5
PROMPT = (
    "The old woman opened the door of the small house and saw that the garden was full of birds, "
    "of which one was as white as the {word}"
)
WORDS = ("snow", "moon", "milk", "bone", "wall")


def measure_follow(address: str, browser: Browser) -> None:
    """Run prompts that differ in their last word, then move about in the last of them."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{address}/follow?prompt={PROMPT.format(word='sky')}")
    expect(page.locator(".st-key-pushes svg text").first).to_be_visible(timeout=120_000)
    settled(page)
    page.evaluate(WATCH, ".st-key-step_1 [data-testid=stText]")
    print(f"Follow a token, {FOLLOW_ROUNDS} rounds, median")
    runs = []
    for word in WORDS:
        page.get_by_label("Prompt").fill(PROMPT.format(word=word))
        run = page.get_by_role("button", name="Run", exact=True)
        runs.append(waited(page, run.click, "first"))
    report("Run to the first step drawn", runs)
    for label in ("← token", "← layer"):
        button = page.get_by_role("button", name=label)
        moves = [waited(page, button.click, "last") for _ in range(FOLLOW_ROUNDS)]
        report(f"{label} to the last step redrawn", moves)
    ks = page.locator(".st-key-choice_k").get_by_role("radio")
    for name in ("a k not run yet", "a k run before"):
        moves = [waited(page, ks.nth(at).click, "last") for at in (0, 1, 2, 4, 5)]
        report(f"{name} to the last step redrawn", moves)
    page.close()


SECONDS = 5
# When the screen is drawn, while a page does what it does.
FRAMES = """
(seconds) => new Promise((done) => {
  const times = []
  const frame = (now) => {
    times.push(now)
    if (now - times[0] < 1000 * seconds) requestAnimationFrame(frame)
    else done(times)
  }
  requestAnimationFrame(frame)
})
"""


def measure_overview(address: str, browser: Browser) -> None:
    """Let the overview play from the beginning, as it does on a first visit."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    drawn_map(page)
    settled(page)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.wait_for_timeout(1000)
    times = page.evaluate(FRAMES, SECONDS)
    spans = [after - before for before, after in itertools.pairwise(times)]
    print(f"{'overview while it plays':<50} {1000 / statistics.mean(spans):8.1f} frames a second")
    report("from frame to frame", spans)
    page.close()


def main() -> None:
    """Measure what the arguments name, or all."""
    wanted = sys.argv[1:] or ["map", "page", "follow", "overview"]
    with browse() as browser:
        if "map" in wanted:
            with serve(SCRIPT) as address:
                measure_map(address, browser)
        if "page" in wanted:
            print(f"Page of the map, {ROUNDS} rounds, median")
            with (
                tempfile.TemporaryDirectory() as folder,
                serve(root=with_more_room(Path(folder))) as address,
            ):
                for tokens in (30, TOKENS):
                    measure_page(address, browser, tokens)
        for name, measure in (("follow", measure_follow), ("overview", measure_overview)):
            if name in wanted:
                with serve() as address:
                    measure(address, browser)


if __name__ == "__main__":
    main()
