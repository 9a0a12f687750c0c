"""Follow a token in a real browser: by keyboard alone, on a phone."""

import re
import time
from collections.abc import Callable

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

import olmoe_viz as ov
from olmoe_viz.figures.labels import digits
from olmoe_viz.models.model import Model
from olmoe_viz.numerics import routing
from tests.browser.server import WAIT, at_rest, settled

Visit = Callable[..., Page]
AT = "follow?prompt=The+cat+sat+on+the+mat&token=2"
STEPS = [
    "Tokenization",
    "Embedding",
    "Attention",
    "Router",
    "Softmax",
    "Top k",
    "Experts",
    "Weighted combination",
    "Prediction",
]
# What has the focus, through the shadow roots of components.
FOCUSED = """
() => {
  let element = document.activeElement
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
  return element?.getAttribute("aria-label") ?? element?.textContent ?? ""
}
"""
STEP_OF_FOCUS = """
() => document.activeElement.closest("[class*=st-key-step_]")
  ?.className.match(/st-key-step_(?:head_)?(\\d+)/)[1] ?? ""
"""


def open_page(visit: Visit, path: str = AT, **settings: object) -> Page:
    """The page, drawn to its end."""
    page = visit(path, **settings)
    expect(page.locator(".st-key-claims").get_by_text("There is no such term.")).to_be_visible()
    settled(page)
    return page


def line(page: Page) -> Locator:
    return page.locator(".st-key-follow_bar [data-testid=stText]")


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until it is there; while a page is slow its buttons may be out of reach."""
    until, way = time.monotonic() + WAIT / 1000, []
    while time.monotonic() < until:
        page.keyboard.press("Tab")
        way.append(page.evaluate(FOCUSED)[:30])
        if re.search(wanted, way[-1]):
            return
    raise AssertionError(f"Tab does not reach {wanted!r}, only {way[-120:]}")


def live_check(page: Page) -> float:
    text = page.get_by_text("Checked by the model").inner_text()
    return float(re.search(r"largest difference (\S+)\.", text)[1])


def test_the_nine_steps_by_keyboard_alone(visit: Visit) -> None:
    page = open_page(visit)
    tab_to(page, "^layer 7: ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(line(page)).to_contain_text("layer 9 (0 to 15)")
    settled(page)
    for number in range(1, len(STEPS) + 1):
        tab_to(page, "^The line of code")
        assert page.evaluate(STEP_OF_FOCUS) == str(number)
        page.keyboard.press("Enter")
        code = page.locator(f".st-key-step_{number} [data-testid=stCode]")
        expect(code).to_be_visible()
    assert 0 <= live_check(page) < 1e-4
    assert "layer=9" in page.url


def test_folds_draw_what_they_hide_and_the_line_moves_token_and_layer(visit: Visit) -> None:
    page = open_page(visit)
    page.get_by_text("The whole causal map of one head").click()
    expect(page.locator(".st-key-attention_map [role=img]")).to_be_visible()
    page.get_by_text("Each expert: norm, active units").click()
    expect(page.locator(".st-key-cosines [role=img]")).to_be_visible()
    page.get_by_role("button", name="token →", exact=True).press("Enter")
    expect(line(page)).to_contain_text("token 3 ‘·on’")
    settled(page)
    page.get_by_role("button", name="layer →", exact=True).press("Enter")
    expect(line(page)).to_contain_text("layer 8")
    settled(page)
    assert 0 <= live_check(page) < 1e-4


def test_bars_cutoff_and_mass_follow_the_sliders(visit: Visit, model: Model) -> None:
    page = open_page(visit)
    trace = ov.trace(model, "The cat sat on the mat")
    logits = trace.router_logits[7, 2].astype(np.float64)
    cut, spread = page.locator(".st-key-top_k"), page.locator(".st-key-softmax")
    expect(cut.locator(".found")).to_contain_text("This is what the model did.")
    expect(spread.get_by_role("slider", name="k", exact=True)).to_have_count(0)
    cut.get_by_role("slider", name="temperature").fill("1")
    cut.get_by_role("slider", name="k", exact=True).fill("24")
    shares = np.sort(routing.probabilities(logits / 2))[::-1]
    mass = routing.retained_mass(shares, 24)
    expect(cut.locator(".found")).to_contain_text(f"the top 24 keep {digits(mass)} of")
    expect(cut.locator("svg text[font-weight='700']")).to_contain_text("top 24: ")
    assert cut.locator("svg rect:not([fill=none])").count() == 24
    spread.get_by_role("slider", name="temperature").fill("-1")
    entropy = digits(float(routing.entropy(routing.probabilities(logits / 0.5))))
    expect(spread.locator(".found")).to_contain_text(f"entropy is {entropy} nats")
    # The dot on the curve of the entropy has gone from temperature 1 to 0.5: a fourth of the axis.
    expect(spread.locator(".curve svg")).to_contain_text(f"{entropy} at 0.50")
    axis, dot = (spread.locator(f".curve svg {part}") for part in ("path", "circle"))
    line, moved = axis.first.bounding_box(), dot.bounding_box()
    there = (moved["x"] + moved["width"] / 2 - line["x"]) / line["width"]
    assert there == pytest.approx(0.25, abs=0.02)
    cut.get_by_role("button", name="As the model has it").click()
    expect(cut.locator(".found")).to_contain_text("This is what the model did.")
    assert cut.locator("svg rect:not([fill=none])").count() == 8


def test_the_rail_leads_to_a_step_and_says_where_one_is(visit: Visit) -> None:
    page = open_page(visit)
    rail = page.get_by_role("navigation", name="Steps")
    expect(rail.locator("[aria-current=step]")).to_have_text("1Tokenization")
    tab_to(page, "^8Weighted combination$")
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", name="Weighted combination")
    expect(heading).to_be_focused()
    expect(rail.locator("[aria-current=step]")).to_have_text("8Weighted combination")
    expect(heading).to_be_in_viewport()
    expect(line(page)).to_be_in_viewport()
    expect(rail).to_be_in_viewport()


def test_tokens_stay_text(visit: Visit) -> None:
    prompt = "%3Cimg+src%3Dx+onerror%3Dalert(1)%3E+%24x%5E2%24"
    page = open_page(visit, f"follow?prompt={prompt}&token=0")
    chips = page.get_by_role("radiogroup", name="Token", exact=True)
    expect(chips.get_by_role("radio").first).to_contain_text("<")
    assert page.locator(".st-key-follow_story img").count() == 0


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1440, "light")])
def test_it_fits_and_axe_finds_no_violation(visit: Visit, width: int, theme: str) -> None:
    # The weights with the longest formula.
    page = open_page(visit, f"{AT}&weights=renormalized", width=width, theme=theme)
    formulas = ".st-key-follow_story p:has(> .katex)"
    expect(page.locator(formulas)).to_have_count(len(STEPS))
    # Each part as soon as its fonts are there; what stays too wide runs out of time.
    for parts in ("html, [data-testid=stMain]", formulas):
        fits = "(part) => part.scrollWidth <= part.clientWidth"
        every = f"() => [...document.querySelectorAll('{parts}')].every({fits})"
        page.wait_for_function(every, timeout=WAIT)
    at_rest(page)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
