"""Records show themselves in a notebook."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from olmoe_viz import Comparison, Generation, RoutingPolicy, Trace
from olmoe_viz.engine.recorded import bundled_runs, load
from olmoe_viz.requests import GenerateRequest
from tests.report.test_page import Elements, maps

HOSTILE = '</script><script>alert("1")</script><img src=x onerror=alert(2)> & $x^2$ "'


def test_a_run_is_the_map_of_the_page(make_trace: Callable[..., Trace]):
    trace = make_trace()
    html = trace._repr_html_()
    (shown,) = maps(html)
    assert shown["tokens"] == list(trace.tokens)
    assert shown["layerIds"] == list(trace.geometry.layer_ids)
    assert f"random, k=2: {len(trace.tokens)} tokens." in html
    assert trace.text in unescape(html)


@pytest.mark.parametrize("tokens", [4, 0])
def test_a_generation_has_its_prompt_and_what_was_written(
    make_generation: Callable[..., Generation], tokens: int
):
    record = make_generation(tokens=tokens)
    html = record._repr_html_()
    (shown,) = maps(html)
    assert len(shown["tokens"]) == record.prompt_tokens + tokens
    assert f"{record.prompt_tokens + tokens} tokens, {tokens} of them generated." in html
    assert "one two" in html


def test_a_comparison_has_every_text_and_its_map(make_generation: Callable[..., Generation]):
    policies = (RoutingPolicy(2), RoutingPolicy(3))
    request = GenerateRequest("random", "one two", policies, 4)
    rows = [
        make_generation(request=request, row=row, policy=policy, text=HOSTILE)
        for row, policy in enumerate(policies)
    ]
    html = Comparison(tuple(rows))._repr_html_()
    assert [shown["ks"] for shown in maps(html)] == [[2] * 3, [3] * 3]
    assert Elements(html).names == {"div", "code", "details", "summary", "iframe"}


def test_text_is_never_markup(make_trace: Callable[..., Trace]):
    count = len(make_trace().tokens)
    html = make_trace(text=HOSTILE, tokens=(HOSTILE,) * count)._repr_html_()
    assert Elements(html).names == {"div", "code", "iframe"}
    assert len(maps(html)) == 1
    assert HOSTILE in unescape(html)


def test_a_model_that_the_map_cannot_draw_is_said_to_be_one(
    make_trace: Callable[..., Trace],
):
    trace = make_trace()
    geometry = replace(trace.geometry, moe_layers=(), experts=300)
    html = make_trace(geometry=geometry)._repr_html_()
    assert "at most 256 experts; the model has 300." in html


def test_a_bundled_run_is_a_picture_of_little_more_than_its_script():
    for path in bundled_runs():
        assert 50_000 < len(load(path)._repr_html_()) < 200_000


def test_a_record_that_is_loaded_alone_shows_itself_without_torch():
    script = (
        "import sys\n"
        "from olmoe_viz.records.trace import Trace\n"
        "shown = Trace.load(sys.argv[1])._repr_html_()\n"
        "print(shown.count('<iframe'), {'torch', 'streamlit'} & sys.modules.keys())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, bundled_runs()[0]],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["1", "set()"]
