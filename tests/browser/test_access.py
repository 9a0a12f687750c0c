"""Every page, both themes, both widths: axe finds nothing."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

Visit = Callable[..., Page]


@pytest.mark.parametrize("path", ["?prompt=The+cat+sat", "compare", "about"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_no_violation(visit: Visit, path: str, theme: str, width: int) -> None:
    page = visit(path, width=width, theme=theme)
    page.wait_for_timeout(700)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
