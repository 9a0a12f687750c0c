"""Pages that one test uses after the other, each with nothing left of the test before.

In a page that has shown the application once, the browser has its code compiled: opening it again
takes a third of the time of a new page in a new context. What must be seen cold gets a page of its
own from the browser.
"""

from urllib.parse import urlparse

from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.browser.server import WAIT, watch_runs

_FORGET = "() => { localStorage.clear(); sessionStorage.clear() }"


class PagePool:
    """Pages of one browser, each in a context of its own; `problems` says what went wrong in them.

    No page may log an error, open a dialog or ask another host.
    """

    def __init__(self, browser: Browser) -> None:
        self.problems: list[str] = []
        self._browser = browser
        self._free: dict[bool, list[Page]] = {False: [], True: []}

    def take(self, width: int, theme: str, *, touch: bool) -> Page:
        """Return a blank page that nobody uses; a new one where there is none."""
        free = self._free[touch]
        page = free.pop() if free else self._new(touch=touch)
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme, reduced_motion="no-preference")
        return page

    def put_back(self, page: Page, *, touch: bool) -> None:
        """Leave the application, and forget what it and the test have left in the page."""
        if page.is_closed():
            return
        page.evaluate(_FORGET)
        page.mouse.move(-1, -1)
        page.goto("about:blank")
        page.unroute_all()
        page.context.clear_cookies()
        page.context.clear_permissions()
        self._free[touch].append(page)

    def _new(self, *, touch: bool) -> Page:
        page = self._browser.new_page(has_touch=touch)
        page.set_default_timeout(WAIT)
        watch_runs(page)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: self.problems.append(f"dialog {dialog.message}"))
        page.on("console", self._check_console)
        page.on("request", lambda request: self._check_host(request.url))
        return page

    def _check_console(self, message: ConsoleMessage) -> None:
        # Below a page's path Streamlit first looks for its server there, and finds it one level up.
        probing = "404" in message.text and "/_stcore/" in message.location.get("url", "")
        if message.type == "error" and not probing:
            self.problems.append(f"{message.text} {message.location.get('url', '')}")

    def _check_host(self, url: str) -> None:
        host = urlparse(url).hostname
        if host not in (None, "127.0.0.1"):
            self.problems.append(f"request to {host}")
