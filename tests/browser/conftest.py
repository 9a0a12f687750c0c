"""One server and one browser for all, and pages that report what goes wrong in them."""

from collections.abc import Callable, Iterator
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.browser.server import WAIT, browse, serve, settled, watch_runs

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


@pytest.fixture
def visit(server: str, browser: Browser) -> Iterator[Visit]:
    """Return a function that opens a path in a new context.

    In the end no page may have logged an error, opened a dialog or asked another host.
    """
    problems: list[str] = []
    pages: list[Page] = []

    def open_path(
        path: str = "",
        *,
        width: int = 1440,
        theme: str = "light",
        touch: bool = False,
        wait: bool = True,
    ) -> Page:
        size = {"width": width, "height": 900}
        page = browser.new_page(viewport=size, color_scheme=theme, has_touch=touch)
        pages.append(page)
        page.set_default_timeout(WAIT)
        watch_runs(page)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(f"dialog {dialog.message}"))
        page.on("console", lambda message: _check_console(message, problems))
        page.on("request", lambda request: _check_host(request.url, problems))
        page.goto(f"{server}/{path}")
        if wait:
            settled(page)
        return page

    yield open_path
    for page in pages:
        page.close()
    assert problems == []


def _check_console(message: ConsoleMessage, problems: list[str]) -> None:
    # Below a page's path Streamlit first looks for its server there, and finds it one level up.
    probing = "404" in message.text and "/_stcore/" in message.location.get("url", "")
    if message.type == "error" and not probing:
        problems.append(f"{message.text} {message.location.get('url', '')}")


def _check_host(url: str, problems: list[str]) -> None:
    host = urlparse(url).hostname
    if host not in (None, "127.0.0.1"):
        problems.append(f"request to {host}")
