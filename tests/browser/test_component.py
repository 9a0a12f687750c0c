"""Calls of a component that come late or for nothing leave what is on the page alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from olmoe_viz.ui.widgets import component

FILE = Path(component.__file__)
MOUNT = FILE.with_suffix(".js").read_text("utf-8")
SHARED = "\n".join(FILE.with_name(each).read_text("utf-8") for each in ("shared.js", "given.js"))
BEGIN = """
const log = []
const close = ({ data }) => log.push(`close ${data}`)
const place = () => document.body.appendChild(document.createElement("div"))
const call = (parentElement, data) =>
  mount({ parentElement, data: [data] }, ({ data }) => log.push(data), close)
"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


def happened(page: Page, steps: str) -> Any:
    """What was shown and closed, in order."""
    return page.evaluate(f"() => {{ {MOUNT}\n{BEGIN}\n{steps}\nreturn log }}")


def test_an_element_shows_its_calls_and_closes_in_the_end(page: Page) -> None:
    steps = "const at = place(); call(at, 'a'); const end = call(at, 'b'); at.remove(); end()"
    assert happened(page, steps) == ["a", "b", "close b"]


def test_a_call_that_was_overtaken_does_not_close_what_is_in_use(page: Page) -> None:
    steps = "const at = place(); const over = call(at, 'a'); call(at, 'b'); over()"
    assert happened(page, steps) == ["a", "b"]
    early = "const at = place(); call(at, 'a')(); call(at, 'b')"
    assert happened(page, early) == ["a", "b"]


def test_a_call_that_comes_after_a_later_one_is_taken_back(page: Page) -> None:
    steps = "const at = place(); const end = call(at, 'new'); call(at, 'old')();"
    assert happened(page, steps) == ["new", "old", "new"]
    assert happened(page, f"{steps} at.remove(); end()")[-1] == "close new"


def test_a_call_for_an_element_that_is_gone_shows_nothing(page: Page) -> None:
    steps = "const at = place(); at.remove(); const end = call(at, 'a'); end?.()"
    assert happened(page, steps) == []


ELEMENT = """
const host = document.body.appendChild(document.createElement("div"))
const parentElement = host.attachShadow({ mode: "open" })
const shown = async (name) => {
  await (await part(name).code)({ parentElement })
  return parentElement.textContent
}
const begin = ({ parentElement }) => { parentElement.querySelector("b").textContent += "!" }
"""


def shared(page: Page, steps: str) -> Any:
    """What the steps return, on a page of its own."""
    page.goto("about:blank")
    return page.evaluate(f"async () => {{ {SHARED}\n{ELEMENT}\n{steps} }}")


def test_an_element_that_waits_for_its_code_gets_it_with_html_and_style(page: Page) -> None:
    steps = """const waiting = shown("a"); give("a", "<b>one</b>", "b { color: red }", begin)
    const texts = [await waiting, await shown("a")]
    return [...texts, getComputedStyle(parentElement.querySelector("b")).color]"""
    assert shared(page, steps) == ["one!", "one!!", "rgb(255, 0, 0)"]


def test_new_code_of_a_server_takes_the_place_of_the_old(page: Page) -> None:
    steps = """give("a", "<b>one</b>", "", begin); give("b", "<b>two</b>", "", begin)
    return [await shown("a"), await shown("b")]"""
    assert shared(page, steps) == ["one!", "two!"]
