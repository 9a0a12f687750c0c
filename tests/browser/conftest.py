"""One server and one browser for all, and pages that report what goes wrong in them."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

import olmoe_viz as ov
from olmoe_viz.models.model import Model
from tests.browser.page_pool import PagePool
from tests.browser.server import browse, serve, settled

Visit = Callable[..., Page]


@pytest.fixture(scope="package")
def application() -> Iterator[str]:
    """Address of the application on a free port."""
    with serve() as address:
        yield address


@pytest.fixture(scope="module")
def server(application: str) -> str:
    """Address of what `visit` opens; a module with a server of its own replaces this fixture."""
    return application


# Not beyond this folder: while a browser is there, the event loop of Playwright counts as running.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with browse() as browser:
        yield browser


@pytest.fixture(scope="package")
def pool(browser: Browser) -> PagePool:
    return PagePool(browser)


@pytest.fixture(scope="package")
def model() -> Model:
    """The bundled model, for what the pages must show."""
    return ov.load_model()


@pytest.fixture
def visit(server: str, pool: PagePool) -> Iterator[Visit]:
    """Return a function that opens a path in a page of its own, as a visitor does who is new.

    In the end no page may have logged an error, opened a dialog or asked another host.
    """
    pages: list[tuple[Page, bool]] = []
    pool.problems.clear()

    def open_path(
        path: str = "",
        *,
        width: int = 1440,
        theme: str = "light",
        touch: bool = False,
        wait: bool = True,
    ) -> Page:
        page = pool.take(width, theme, touch=touch)
        pages.append((page, touch))
        page.goto(f"{server}/{path}")
        if wait:
            settled(page)
        return page

    yield open_path
    found = list(pool.problems)
    for page, touch in pages:
        pool.put_back(page, touch=touch)
    assert found == []
