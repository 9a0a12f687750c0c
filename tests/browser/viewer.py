"""The application with nothing but what requirements-viewer.txt names, and what it takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from packaging.requirements import Requirement
from playwright.sync_api import Browser

from tests.browser.server import ROOT, drawn_map, serve

FIRST_RUN = 11  # tokens of the run that the application opens on


def pins(name: str) -> dict[str, str]:
    """The exact versions of a file of requirements, by library."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {each.name: str(each.specifier) for each in found}


def left_out() -> set[str]:
    """The libraries that the viewer does without."""
    return pins("requirements.txt").keys() - pins("requirements-viewer.txt").keys()


@contextmanager
def serve_viewer(modules: Path) -> Iterator[str]:
    """Yield the address of the application where the libraries left out cannot be imported.

    `modules` is an empty folder.
    """
    for name in left_out():
        (modules / f"{name}.py").write_text('raise ImportError("not here")\n', encoding="utf-8")
    with serve(modules=modules) as address:
        yield address


def process_of(address: str) -> psutil.Process:
    """The server at an address, a child of this process."""
    for process in psutil.Process().children(recursive=True):
        listening = {each.laddr.port for each in process.net_connections("tcp") if each.laddr}
        if urlsplit(address).port in listening:
            return process
    raise LookupError(f"No child of this process listens at {address}.")


def seconds_to_map(browser: Browser, address: str) -> float:
    """Seconds from opening the application in a new browser profile until its map is drawn."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address)
    drawn_map(page, FIRST_RUN)
    seconds = time.perf_counter() - start
    context.close()
    return seconds
