"""Compare k in a real browser: writing, stopping, marks, cards, files, two visitors at once."""

import json
import re
from collections.abc import Callable
from urllib.parse import quote_plus

import pytest
from playwright.sync_api import Locator, Page, expect

import olmoe_viz as ov
from olmoe_viz.figures.labels import k_is
from olmoe_viz.models.model import Model
from olmoe_viz.ui.compare.marked_text import END
from tests.browser.server import ENDLESS, WAIT, at_rest, settled
from tests.browser.sweep import sideways

Visit = Callable[..., Page]
PROMPT = "The old woman opened the door and"


def columns(page: Page) -> Locator:
    return page.locator("[class*=st-key-column_text]")


def text(page: Page, at: int) -> Locator:
    """A finished text, token by token."""
    return columns(page).nth(at).get_by_role("group")


def generate(page: Page) -> None:
    page.get_by_role("button", name="Generate").click()


def writing(page: Page) -> Locator:
    """The button that stops the text; there only while it is being written."""
    return page.locator(".st-key-stop button")


def finish(page: Page) -> None:
    generate(page)
    expect(page.get_by_role("button", name="Download JSON")).to_be_visible(timeout=2 * WAIT)
    settled(page)


def test_four_columns_grow_stop_and_start_again(visit: Visit) -> None:
    page = visit(ENDLESS)
    generate(page)
    for at in range(4):
        expect(columns(page).nth(at)).to_have_text(re.compile(r"\S"))
    first = [columns(page).nth(at).inner_text() for at in range(4)]
    for at in range(4):
        expect(columns(page).nth(at)).not_to_have_text(first[at])
    before = [columns(page).nth(at).text_content() or "" for at in range(4)]
    writing(page).click()
    expect(page.get_by_text(re.compile("tokens, stopped"))).to_have_count(4)
    facts = page.get_by_text(re.compile("tokens, stopped")).all_inner_texts()
    longest = max(int(told.split()[0]) for told in facts)
    expect(page.get_by_text(f"{longest} of 512 tokens in each column")).to_be_visible()
    for at, written in enumerate(before):
        assert written
        expect(text(page, at)).to_have_text(re.compile(r"\S"))
        # While it is written, a text begins without its space and has signs for many line breaks.
        assert words(text(page, at).text_content() or "").startswith(words(written))
    # At once: the measures of the stopped texts do not hold a new run back.
    generate(page)
    expect(writing(page)).to_be_enabled()
    expect(columns(page).first).to_have_text(re.compile(r"\S"))


def words(written: str) -> str:
    return "".join(written.replace("↵", "").split())


def test_a_long_run_of_line_breaks_takes_few_lines_but_keeps_its_tokens(
    visit: Visit, model: Model
) -> None:
    prompt, policy = "Title\n\n\n", ov.RoutingPolicy(64, "gain_anchored")
    page = visit(f"compare?columns=k%3D8~k%3D64,w%3Dgain_anchored&prompt={quote_plus(prompt)}")
    finish(page)
    folded = text(page, 1).locator(".folded")
    assert folded.count() > 20
    box = columns(page).nth(1).bounding_box()
    assert box is not None
    assert box["height"] < 400
    expected = ov.compare(model, prompt, [policy], max_new_tokens=80)
    assert text(page, 1).text_content() == expected[0].text
    # One after the other, with the arrow keys and by pointing.
    card = columns(page).nth(1).locator(".card")
    folded.nth(3).hover()
    expect(folded.nth(3)).to_have_class(re.compile("pointed"))
    expect(card).to_be_visible()
    page.mouse.move(0, 0)
    text(page, 1).focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(folded.last).to_have_class(re.compile("pointed"))
    page.keyboard.press("ArrowLeft")
    expect(folded.nth(folded.count() - 2)).to_have_class(re.compile("pointed"))


def test_a_token_is_marked_and_says_what_it_was_worth(visit: Visit) -> None:
    page = visit("compare?tokens=12&columns=k%3D8~k%3D64")
    finish(page)
    first = text(page, 1).locator(".first")
    expect(first).to_have_count(1)
    expect(text(page, 1).locator(".changed").first).to_be_attached()
    expect(text(page, 0).locator(".changed")).to_have_count(0)
    card = columns(page).nth(1).locator(".card")
    expect(card).to_be_hidden()
    first.hover()
    expect(card).to_be_visible()
    expect(card).to_contain_text(f"probability at {k_is(64)}, native")
    expect(card).to_contain_text(f"probability at the trained {k_is(8)}")
    expect(card).to_contain_text(re.compile(r"surest router, layer \d+ \(0 to 15\): experts"))
    expect(card).to_contain_text(f"{k_is(8)}, native has")
    named = card.locator(".name").inner_text()
    page.mouse.move(0, 0)
    expect(card).to_be_hidden()
    text(page, 1).focus()
    page.keyboard.press("ArrowRight")
    expect(card).to_be_visible()
    assert card.locator(".name").inner_text() != named
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    # The marks follow the column that is compared with.
    page.get_by_role("combobox", name="compare with").click()
    page.get_by_role("option", name=f"{k_is(64)}, native").click()
    expect(page).to_have_url(re.compile("reference=1"))
    settled(page)
    expect(text(page, 0).locator(".changed").first).to_be_attached()
    expect(text(page, 1).locator(".changed")).to_have_count(0)


def test_of_equal_columns_the_chosen_one_is_compared_with(visit: Visit) -> None:
    page = visit("compare?columns=k%3D8~k%3D4~k%3D4")
    box = page.get_by_role("combobox", name="compare with")
    box.click()
    page.get_by_role("option", name=f"column 2: {k_is(4)}, native").click()
    expect(page).to_have_url(re.compile("reference=1"))
    settled(page)
    expect(box).to_have_value(f"column 2: {k_is(4)}, native")


def test_a_link_to_texts_opens_the_same_texts_and_the_same_pair(visit: Visit) -> None:
    page = visit(
        f"compare?tokens=12&temperature=1.0&columns=k%3D1~k%3D8~k%3D64&prompt={quote_plus(PROMPT)}"
    )
    before = page.url
    finish(page)
    pair = page.get_by_role("combobox", name="two columns that part")
    pair.scroll_into_view_if_needed()
    at_rest(page)  # what scrolls closes the list again
    pair.click()
    page.get_by_role("option", name=f"{k_is(8)}, native and {k_is(64)}, native").click()
    expect(page).to_have_url(re.compile("pair=1-2"))
    settled(page)
    again = visit(page.url.split("/", 3)[3], theme="dark", width=768, wait=False)
    for at in range(3):
        expect(text(again, at)).to_have_text(text(page, at).inner_text(), timeout=2 * WAIT)
    expect(again.get_by_text("of 12 tokens in each column")).to_be_visible()
    expect(again.get_by_role("combobox", name="two columns that part")).to_have_value(
        f"{k_is(8)}, native and {k_is(64)}, native", timeout=2 * WAIT
    )
    assert {"generate=1", "pair=1-2"} <= set(again.url.split("&"))
    # A link from before the texts asks for none.
    bare = visit(before.split("/", 3)[3])
    expect(bare.get_by_text("Press Generate to let the model write.")).to_be_visible()
    expect(writing(bare)).to_have_count(0)


def test_a_whole_comparison_settles_with_measures_and_files(visit: Visit) -> None:
    page = visit("compare?tokens=12&k=4")
    finish(page)
    expect(page.get_by_text("parameters active")).to_have_count(5)
    expect(page.get_by_role("cell", name=f"same likeliest token as {k_is(8)}")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    lines = download.value.path().read_text("utf-8")
    assert lines.startswith("k,weighting,tokens,active_parameters")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    whole = json.loads(download.value.path().read_text("utf-8"))
    assert [column["k"] for column in whole["columns"]] == [4, 8, 16, 32, 64]
    assert all(len(column["trained_logprobs"]) == 12 for column in whole["columns"])


@pytest.mark.parametrize("width", [390, 1440])
def test_all_settings_of_the_sampling_are_in_the_window(visit: Visit, width: int) -> None:
    page = visit("compare", width=width)
    page.get_by_role("button", name="80 tokens, greedy").click()
    for name in ("tokens to generate", "seed", "temperature", "top-p"):
        expect(page.get_by_role("spinbutton", name=name)).to_be_in_viewport(ratio=1)


def test_on_a_phone_no_room_is_left_below_a_short_text(visit: Visit) -> None:
    page = visit("compare?tokens=4&columns=k%3D8~k%3D64", width=390)
    finish(page)
    for at in range(2):
        part, written = columns(page).nth(at).bounding_box(), text(page, at).bounding_box()
        assert part is not None
        assert written is not None
        assert part["height"] - written["height"] < 4


def test_a_text_from_right_to_left_runs_so_and_its_tokens_name_their_bytes(visit: Visit) -> None:
    prompt = quote_plus("مرحبا بالعالم مرحبا بالعالم")
    page = visit(f"compare?tokens=16&columns=k%3D8~k%3D64&prompt={prompt}")
    finish(page)
    assert text(page, 0).evaluate("part => getComputedStyle(part).direction") == "rtl"
    card, pointed = columns(page).first.locator(".card"), text(page, 0).locator(".pointed")
    text(page, 0).focus()
    page.keyboard.press("Home")
    expect(card).to_contain_text(re.compile("bytes[0-9A-F ]+; .*character"))
    before = pointed.bounding_box()
    page.keyboard.press("ArrowLeft")
    after = pointed.bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] < before["x"]


def test_six_columns_are_equally_wide_in_every_row_and_fit_the_window(visit: Visit) -> None:
    page = visit("compare?tokens=12&columns=k%3D4~k%3D8~k%3D16~k%3D32~k%3D48~k%3D64", width=1024)
    finish(page)
    page.get_by_text("The extra experts by layer").click()
    at_rest(page)
    assert equally_wide(columns(page)) == 6
    profiles = page.locator("[class*=st-key-profiles_gain] [data-testid=stColumn]")
    assert equally_wide(profiles) == 6
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        at_rest(page)
        assert sideways(page) <= 0
    assert equally_wide(profiles) == 6
    head = page.locator("[class*=st-key-numeral]").first
    columns(page).first.evaluate("part => part.scrollIntoView({block: 'start'})")
    expect(head).to_be_in_viewport()


def equally_wide(parts: Locator) -> int:
    """How many these are; each must be as wide as the others."""
    widths = parts.evaluate_all("parts => parts.map((part) => part.getBoundingClientRect().width)")
    assert max(widths) - min(widths) < 1
    return len(widths)


def test_a_hostile_prompt_is_continued_as_typed(visit: Visit, model: Model) -> None:
    prompt = "<img src=x onerror=alert(1)><script>alert(1)</script> $x^2$ **bold** :red[red]"
    page = visit(f"compare?tokens=24&columns=k%3D8~k%3D64&prompt={quote_plus(prompt)}")
    finish(page)
    policies = [ov.RoutingPolicy(k) for k in (8, 64)]
    for at, run in enumerate(ov.compare(model, prompt, policies, max_new_tokens=24)):
        assert text(page, at).text_content() == run.text
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value(prompt)
    for unwanted in ("[data-testid=stException]", ".katex", "img[src=x]"):
        expect(page.locator(unwanted)).to_have_count(0)


def test_two_visitors_at_once_with_different_ks_get_their_own_texts(
    visit: Visit, model: Model
) -> None:
    asked = {"k%3D1~k%3D8": (1, 8), "k%3D4~k%3D64": (4, 64)}
    tokens, seed = 60, 3
    link = f"compare?tokens={tokens}&temperature=1.0&seed={seed}&prompt={quote_plus(PROMPT)}"
    pages = {ks: visit(f"{link}&columns={columns_}") for columns_, ks in asked.items()}
    for page in pages.values():
        generate(page)
    for ks, page in pages.items():
        policies = [ov.RoutingPolicy(k) for k in ks]
        runs = ov.compare(model, PROMPT, policies, tokens, temperature=1.0, seed=seed)
        for at, run in enumerate(runs):
            expect(text(page, at)).to_be_visible(timeout=2 * WAIT)
            end = END if run.finish == "end" else ""
            assert text(page, at).text_content() == run.text + end


def test_a_short_text_is_written_beside_a_long_one_which_a_closed_tab_stops(visit: Visit) -> None:
    wide = f"{ENDLESS}&columns={'~'.join(6 * ['k%3D64'])}"  # a step takes as long as it can
    one = visit(wide)
    other = visit("compare?tokens=4&columns=k%3D8~k%3D64&prompt=Beside+a+long+one")
    generate(one)
    expect(columns(one).first).to_have_text(re.compile(r"\S"), timeout=2 * WAIT)
    generate(other)
    expect(text(other, 0)).to_be_visible(timeout=2 * WAIT)
    assert writing(one).count() == 1
    one.close()
    # Once more: what was written to its end would be there at once.
    again = visit(wide)
    generate(again)
    expect(columns(again).first).to_have_text(re.compile(r"\S"), timeout=2 * WAIT)
    assert writing(again).count() == 1
