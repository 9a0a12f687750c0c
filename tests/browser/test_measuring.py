"""Measuring on Follow a token, stopped where it cannot end by itself."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from olmoe_viz.figures.labels import k_is
from tests.browser.held_engine import SCRIPT
from tests.browser.server import ROOT, serve, settled


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the application on an engine that never ends a run under k = 4."""
    folder = tmp_path_factory.mktemp("held")
    for part in ("pages", ".streamlit"):
        (folder / part).symlink_to(ROOT / part)
    (folder / "app.py").write_text(SCRIPT.format(app=str(ROOT / "app.py")), "utf-8")
    with serve(root=folder, modules=ROOT) as address:
        yield address


def test_measuring_moves_nothing_can_be_stopped_and_keeps_what_it_has(
    visit: Callable[..., Page],
) -> None:
    page = visit("follow?prompt=The+cat+sat+on+the+mat&token=2")
    claims = page.locator(".st-key-more_claims")
    expect(claims.get_by_text("There is no such term.")).to_be_visible()
    heading = claims.get_by_role("heading")
    # Above the step, long lists of tokens take their time.
    place = "(part) => part.offsetTop - part.closest('.st-key-step_10').offsetTop"
    empty, below = page.locator(".st-key-more_measured"), claims.evaluate(place)
    expect(empty).to_contain_text("Here will be a table")
    page.get_by_role("button", name="Measure").click()
    expect(page.locator(".st-key-step_10").get_by_text(k_is(4), exact=True)).to_be_visible()
    expect(heading).to_be_visible()
    expect(empty).to_contain_text("Here will be a table")
    assert abs(claims.evaluate(place) - below) < 30  # the line of progress is no higher
    page.locator(".st-key-stop_measuring button").click()
    settled(page)
    expect(page.locator(".st-key-stop_measuring")).to_have_count(0)
    expect(empty.get_by_role("table").first).to_be_visible()
    expect(empty).not_to_contain_text("Here will be a table")
    rows = page.locator(".st-key-step_10 [data-testid=stTable] tbody tr")
    expect(rows.first).to_be_visible()
    assert rows.count() == 2
