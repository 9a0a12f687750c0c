"""The application with the viewer's libraries alone: every page opens on what is recorded."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.server import drawn_map
from tests.browser.viewer import pins, process_of, seconds_to_map, serve_viewer

Visit = Callable[..., Page]
MISSING = re.compile("No model runs here")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the application where only what requirements-viewer.txt names can be imported."""
    with serve_viewer(tmp_path_factory.mktemp("modules")) as address:
        yield address


@pytest.mark.parametrize(
    ("path", "last"),
    [
        ("", ".st-key-load"),
        ("follow", ".st-key-follow_story"),
        ("compare", ".st-key-compare_controls"),
        ("quality", ".st-key-saturation"),
        ("runs", "text=Two runs set against each other"),
        ("about", "text=Muennighoff"),
        ("glossary", ".st-key-term_vocabulary-specialization"),
    ],
)
def test_every_page_opens(visit: Visit, path: str, last: str) -> None:
    page = visit(path)
    expect(page.locator(last).last).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_the_recorded_run_is_drawn_and_its_cells_can_be_picked(visit: Visit) -> None:
    page = visit()
    cells = drawn_map(page, 11)
    expect(page.get_by_text("recorded", exact=True).first).to_be_visible()
    cells.focus()
    for key in ("ArrowLeft", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".st-key-place_map")).to_contain_text("layer 6")


@pytest.mark.parametrize("path", ["?prompt=Nobody+recorded+this", "follow?prompt=Nobody", "?k=32"])
def test_what_no_record_answers_is_said_in_a_sentence(visit: Visit, path: str) -> None:
    page = visit(path)
    expect(page.get_by_text(MISSING).first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_compare_says_that_nothing_can_write_here(visit: Visit) -> None:
    # Torch is found here and cannot be imported, which the server knows once it has tried.
    expect(visit("?prompt=Nobody+recorded+this").get_by_text(MISSING).first).to_be_visible()
    page = visit("compare")
    expect(page.get_by_text(MISSING).first).to_be_visible()
    expect(page.get_by_role("button", name="Generate")).to_be_disabled()


def test_the_viewer_has_the_same_versions_and_no_model_library() -> None:
    viewer = pins("requirements-viewer.txt")
    assert viewer.items() <= pins("requirements.txt").items()
    assert not viewer.keys() & {"torch", "transformers", "accelerate", "tokenizers", "numba"}


@pytest.mark.long
def test_the_viewer_stays_under_250_mb(server: str, browser: Browser) -> None:
    for _ in range(3):
        seconds_to_map(browser, server)
    assert 20e6 < process_of(server).memory_info().rss < 250e6
