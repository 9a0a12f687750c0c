"""A text begins only once the browser shows the button that stops it, however late that is."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, Route, WebSocket, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.server import ENDLESS, settled

TEXTS = "[class*=st-key-column_text]"
# Notes at the first letter of a text whether the button can be pressed at that moment.
WATCH = """
new MutationObserver(() => {
  if (window.stoppable !== undefined) return
  const written = [...document.querySelectorAll("[class*=st-key-column_text]")]
  if (!written.some((text) => text.innerText.trim())) return
  const button = document.querySelector(".st-key-stop button:enabled")
  window.stoppable = button !== null && button.checkVisibility()
}).observe(document, { childList: true, subtree: true, characterData: true })
"""


@contextmanager
def late_buttons(page: Page) -> Iterator[list[Route]]:
    """The code of buttons arrives only after a run of the page has ended."""
    held: list[Route] = []
    late: list[Route] = []
    ended = False

    def hold(route: Route) -> None:
        held.append(route)
        if ended:
            route.continue_()
        else:
            late.append(route)

    def look(payload: str | bytes) -> None:
        nonlocal ended
        told = ForwardMsg.FromString(payload) if isinstance(payload, bytes) else ForwardMsg()
        whole = ForwardMsg.FINISHED_SUCCESSFULLY
        if told.WhichOneof("type") == "script_finished" and told.script_finished == whole:
            ended = True
            while late:
                late.pop().continue_()

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", look)

    page.route(re.compile(r"/Button\.[\w-]*\.js"), hold)
    page.on("websocket", listen)
    yield held


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.add_init_script(WATCH)
    yield page
    page.close()


def test_a_text_that_a_link_asks_for_waits_for_its_button(server: str, page: Page) -> None:
    with late_buttons(page) as held:
        page.goto(f"{server}/{ENDLESS}&generate=1")
        expect(page.locator(TEXTS).first).to_have_text(re.compile(r"\S"))
    assert len(held) == 1
    assert page.evaluate("window.stoppable")
    page.locator(".st-key-stop button").click()
    expect(page.get_by_text(re.compile("tokens, stopped"))).to_have_count(4)
    assert "generate=1" in page.url


def test_a_stop_before_the_text_takes_the_wish_back(server: str, page: Page) -> None:
    # The answer of the browser never comes; all else does.
    page.add_init_script("Element.prototype.checkVisibility = () => false")
    page.goto(f"{server}/{ENDLESS}&generate=1")
    page.locator(".st-key-stop button").click()
    expect(page.get_by_text("Press Generate to let the model write.")).to_be_visible()
    settled(page)
    expect(page.locator(".st-key-stop")).to_have_count(0)
