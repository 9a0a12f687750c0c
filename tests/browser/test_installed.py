"""The application as the wheel installs it, opened in a browser."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.server import drawn_map, settled
from tests.installation import Installation
from tests.servers import started


def test_every_page_of_the_installed_application_opens(
    browser: Browser, tmp_path: Path, installation: Installation
) -> None:
    with started(["olmoe-viz", "app"], tmp_path, installation.variables) as address:
        page = browser.new_page(color_scheme="light")
        page.goto(address)
        settled(page)
        drawn_map(page)
        # The settings came along: this is the background of their theme.
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", "rgb(253, 253, 252)")
        for path in ("follow", "compare", "quality", "about", "glossary"):
            page.goto(f"{address}/{path}")
            settled(page)
            expect(page.get_by_test_id("stException")).to_have_count(0)
        page.close()
