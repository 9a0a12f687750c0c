"""A server of the application on a free port, and a browser that looks at it."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, Locator, Page, WebSocket, expect, sync_playwright
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.find_browser import find_browser
from tests.servers import started

ROOT = Path(__file__).resolve().parents[2]
# As many tokens as can be asked for, none of which can end a text: these are repetitions, and
# nothing is drawn by lot.
ENDLESS = "compare?tokens=512&prompt=1+2+1+2+1+2+1+2"
WAIT = 120_000  # ms; a first run loads torch and the model, and the machine may be slow
expect.set_options(timeout=WAIT)
_sockets: WeakKeyDictionary[Page, WebSocket] = WeakKeyDictionary()
# Whether the script has run, nothing spins, and no element waits for its code.
_SETTLED = """() => document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]")
  && !document.querySelector("[data-testid=stSpinner], [data-testid=stSkeleton]")"""
# Whether everything that fades or grows has done so: nothing is animated, and nothing on the page
# has moved since the last look.
_AT_REST = """() => {
  const places = [...document.querySelectorAll("[data-testid=stMain], [data-testid=stMain] *")]
    .map((part) => part.getBoundingClientRect())
    .map(({ x, y, width, height }) => `${x} ${y} ${width} ${height}`).join()
  const same = window.placesBefore === places
  window.placesBefore = places
  const ends = (animation) => animation.effect.getTiming().iterations !== Infinity
  return same && document.fonts.status === "loaded" && !document.getAnimations().some(ends)
}"""


@contextmanager
def serve(script: str = "app.py", root: Path = ROOT, modules: Path | None = None) -> Iterator[str]:
    """Yield the address of a fresh server of a Streamlit script; it ends with the block.

    `root` is the folder of the project, or of a copy of it; modules in the folder `modules` come
    before all others of their name.
    """
    command = [sys.executable, "-m", "streamlit", "run", script]
    found_in = os.pathsep.join(map(str, filter(None, (modules, root))))
    with started(command, root, os.environ | {"PYTHONPATH": found_in}) as address:
        yield address


@contextmanager
def browse() -> Iterator[Browser]:
    """Yield a headless browser; the sandbox is off because root cannot use it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def settled(page: Page) -> None:
    """Wait until the script has run, nothing spins, and every element's own code is there."""
    page.wait_for_function(_SETTLED, timeout=WAIT)  # looks at every frame of the screen


def at_rest(page: Page) -> None:
    """Wait until the script has run and nothing of the page moves any more."""
    settled(page)
    page.wait_for_function(_AT_REST, polling=100, timeout=WAIT)


def script_ended(payload: str | bytes) -> bool:
    """Whether this tells the browser that a run of the page's script came to its end."""
    told = ForwardMsg.FromString(payload) if isinstance(payload, bytes) else ForwardMsg()
    ended = ForwardMsg.FINISHED_SUCCESSFULLY
    return told.WhichOneof("type") == "script_finished" and told.script_finished == ended


def watch_runs(page: Page) -> None:
    """Before a page is opened: note by what it hears of its runs."""
    page.on("websocket", lambda socket: _sockets.__setitem__(page, socket))


@contextmanager
def one_run(page: Page) -> Iterator[None]:
    """Wait after the block until the run that it asks for has ended; none runs before."""
    with _sockets[page].expect_event("framereceived", script_ended, timeout=WAIT):
        yield
    settled(page)


def drawn_map(page: Page, tokens: int | None = None) -> Locator:
    """The cells of the routing map, once it shows so many tokens, or any."""
    cells = page.get_by_role("application")
    count = r"\d+" if tokens is None else tokens
    expect(cells).to_have_attribute("aria-label", re.compile(f"Routing map, {count} token"))
    return cells
