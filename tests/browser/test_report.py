"""A report opens from the disk in a browser without a network, and its map answers to the hand."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect

import olmoe_viz as ov
from olmoe_viz.report.page import page
from tests.browser.sweep import problems


def test_a_report_opens_offline(
    browser: Browser, tmp_path: Path, make_trace: Callable[..., ov.Trace]
) -> None:
    trace = make_trace(text="<script>document.title = 'run'</script>")
    path = tmp_path / "report.html"
    path.write_text(page(trace, make_trace(policy=ov.RoutingPolicy(3))), encoding="utf-8")
    context = browser.new_context(offline=True)
    shown, asked, said = context.new_page(), [], []
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.goto(path.as_uri())
    assert shown.title() == "Routing of random, k=2"
    assert shown.locator("pre").first.inner_text() == trace.text
    inside = shown.frame_locator("iframe").first
    inside.get_by_role("application").hover(position={"x": 10, "y": 10})
    expect(inside.locator(".card .place")).to_have_text("token 0 · layer 0")
    ids = [int(text) for text in inside.locator(".card .expert .number").all_inner_texts()[::2]]
    assert ids == trace.expert_ids[0, 0].tolist()
    assert shown.locator("h2").count() == 7
    shown.set_viewport_size({"width": 390, "height": 900})
    assert problems(shown) == []
    assert (asked, said) == ([path.as_uri()], [])
    context.close()
