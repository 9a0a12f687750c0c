"""Runs as files, in the browser: saved, opened by upload, shown on the pages, set side by side."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from olmoe_viz.engine.recorded import RUNS
from tests.browser.server import drawn_map, serve, settled
from tests.browser.sweep import problems

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the application where no model can run: files are all there is."""
    modules = tmp_path_factory.mktemp("modules")
    (modules / "torch.py").write_text('raise ImportError("not here")\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLMOE_VIZ_RUNS", str(RUNS))
        with serve(modules=modules) as address:
            yield address


def upload(page: Page, path: Path) -> None:
    """Choose a file in the field for runs, once the page stands."""
    settled(page)
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(path)


def opened(page: Page) -> Locator:
    """The runs that are open, not the names that the field of files shows meanwhile."""
    return page.locator("[class*=st-key-opened_]")


def test_a_saved_run_is_opened_and_shown_where_no_model_runs(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    drawn_map(page)
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save trace").click()
    saved = tmp_path / "mine.safetensors"
    saving.value.save_as(saved)
    page.get_by_role("link", name="Runs", exact=True).click()
    expect(page.locator(".st-key-current_trace")).to_contain_text("Once upon a time")
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save report").click()
    saving.value.save_as(tmp_path / "report.html")
    assert "Once upon a time" in (tmp_path / "report.html").read_text("utf-8")
    upload(page, saved)
    expect(opened(page).first).to_contain_text("mine.safetensors")
    upload(page, RUNS / "latex-k16.safetensors")
    expect(opened(page).last).to_contain_text("latex-k16.safetensors")
    page.get_by_role("button", name="Show on the pages").last.click()
    drawn_map(page)
    expect(page.get_by_role("textbox", name="Prompt")).to_contain_text("$")
    expect(page.get_by_text("recorded", exact=True).first).to_be_visible()


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_the_page_with_an_opened_run_can_be_read_and_pressed(
    visit: Visit, width: int, theme: str
) -> None:
    page = visit("runs", width=width, theme=theme)
    upload(page, RUNS / "story-k16.safetensors")
    expect(page.locator(".st-key-two_loads_1 [role=img]")).to_be_visible()
    settled(page)
    assert problems(page) == []


def test_a_run_of_the_operators_folder_is_opened_and_shown_by_keyboard(
    visit: Visit,
) -> None:
    page = visit("runs")
    page.get_by_role("combobox", name="Runs of this server").focus()
    page.keyboard.type("python-k8")
    page.keyboard.press("Enter")
    button = page.locator(".st-key-open_run button")
    expect(button).to_be_enabled()
    button.press("Enter")
    expect(opened(page)).to_contain_text("python-k8.safetensors")
    page.get_by_role("button", name="Show on the pages").press("Enter")
    drawn_map(page)
    expect(page.get_by_role("textbox", name="Prompt")).to_contain_text("def ")


def test_a_file_that_is_no_run_is_one_sentence(visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(b"nothing of the kind")
    page = visit("runs")
    upload(page, path)
    expect(page.get_by_role("alert")).to_contain_text("odd.safetensors is not a readable record")
    expect(page.get_by_text("No run is open.")).to_be_visible()
