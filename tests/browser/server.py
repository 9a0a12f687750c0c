"""A server of the application on a free port, and a browser that looks at it."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.browser.find_browser import find_browser

ROOT = Path(__file__).resolve().parents[2]
# As many tokens as can be asked for, none of which can end a text: these are repetitions, and
# nothing is drawn by lot.
ENDLESS = "compare?tokens=512&prompt=1+2+1+2+1+2+1+2"
WAIT = 60_000  # ms; a first run on two busy cores loads torch and the model
expect.set_options(timeout=WAIT)


@contextmanager
def serve(script: str = "app.py", root: Path = ROOT, modules: Path | None = None) -> Iterator[str]:
    """Yield the address of a fresh server of a Streamlit script; it ends with the block.

    `root` is the folder of the project, or of a copy of it; modules in the folder `modules` come
    before all others of their name.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script]
    options = [f"--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true"]
    found_in = os.pathsep.join(map(str, filter(None, (modules, root))))
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [*command, *options],
            cwd=root,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": found_in},
        )
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait(address: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):  # noqa: S310 - our own server
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError("The application's server did not start.")


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
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    for unfinished in ("stSpinner", "stSkeleton"):
        expect(page.get_by_test_id(unfinished)).to_have_count(0)


def drawn_map(page: Page, tokens: int | None = None) -> Locator:
    """The cells of the routing map, once it shows so many tokens, or any."""
    cells = page.get_by_role("application")
    count = r"\d+" if tokens is None else tokens
    expect(cells).to_have_attribute("aria-label", re.compile(f"Routing map, {count} token"))
    return cells
