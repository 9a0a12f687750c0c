"""What `plain` returns stands on a page of Streamlit's as it was typed."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.plain_app import SCRIPT, TEXTS
from tests.browser.server import serve

JOINER = "\N{WORD JOINER}"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of the page with nothing but texts."""
    with serve(SCRIPT) as address:
        yield address


def words(elements: Locator) -> list[str]:
    return [text.replace(JOINER, "").strip() for text in elements.all_text_contents()]


def test_text_is_shown_as_typed(visit: Callable[..., Page]) -> None:
    page = visit()
    everything = page.get_by_test_id("stMain")
    typed = list(TEXTS)
    expect(everything.get_by_test_id("stAlert")).to_have_count(len(typed))
    assert words(everything.locator("[data-testid=stTable] td:last-child")) == typed
    assert words(everything.get_by_test_id("stAlert").locator("p")) == typed
    assert words(everything.locator("[data-testid=stMarkdown] p")) == typed
    assert words(everything.get_by_test_id("stPopover").locator("p")) == typed[:1]
    assert everything.locator("p :is(a, img, b, strong, code, .katex), td :is(a, img)").count() == 0
