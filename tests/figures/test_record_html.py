"""Records show themselves in a notebook."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from olmoe_viz import Generation, Geometry, Trace
from olmoe_viz.engine.recorded import bundled_runs, load
from olmoe_viz.figures.record_html import MOST_TOKENS

HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(2)> & $x^2$'


class Reader(HTMLParser):
    """The elements, their attributes and the words of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data


def cells(html: str) -> int:
    return len(re.findall(r"mass of all that ran", html))


def test_a_run_is_a_map_of_every_token_in_every_layer(make_trace: Callable[..., Trace]):
    trace = make_trace()
    html = trace._repr_html_()
    assert html.count("<svg") == 1
    assert cells(html) == 3 * len(trace.tokens)
    assert f"random, k=2: {len(trace.tokens)} tokens." in Reader(html).words
    assert trace.text in Reader(html).words


@pytest.mark.parametrize("tokens", [4, 0])
def test_a_generation_shows_what_was_written(
    make_generation: Callable[..., Generation], tokens: int
):
    html = make_generation(tokens=tokens)._repr_html_()
    words = Reader(html).words
    assert f"{tokens} generated tokens" in words
    assert "one two" in words
    assert cells(html) == 3 * tokens
    assert html.count("<svg") == min(tokens, 1)


def test_of_a_long_text_the_last_tokens_are_drawn(
    make_trace: Callable[..., Trace], geometry: Geometry
):
    count = MOST_TOKENS + 100
    trace = make_trace(
        tokens=("a",) * count,
        token_bytes=(b"a",) * count,
        token_ids=make_trace().token_ids[:1].repeat(count),
    )
    html = trace._repr_html_()
    assert cells(html) == geometry.layers * MOST_TOKENS
    assert f"the last {MOST_TOKENS} are drawn" in Reader(html).words
    assert f"token {count - 1} a" in html
    assert len(html) < 500_000


def test_text_is_never_markup(
    make_trace: Callable[..., Trace], make_generation: Callable[..., Generation]
):
    count = len(make_trace().tokens)
    run = make_trace(text=HOSTILE, tokens=(HOSTILE,) * count)
    texts = {"prompt": HOSTILE, "text": HOSTILE, "tokens": (HOSTILE,) * 4}
    written = replace(make_generation(), **texts)
    plain = Reader(make_trace()._repr_html_())
    for record in (run, written):
        read = Reader(record._repr_html_())
        assert HOSTILE in read.words
        assert set(read.elements) <= {*plain.elements, "code"}
        assert not {"script", "img"} & set(read.elements)
        assert not [name for name in read.attributes if name.startswith("on")]


def test_a_bundled_run_is_a_picture_of_less_than_a_megabyte():
    for path in bundled_runs():
        assert 20_000 < len(load(path)._repr_html_()) < 1_000_000


def test_a_record_that_is_loaded_alone_shows_itself_without_torch():
    script = (
        "import sys\n"
        "from olmoe_viz.records.trace import Trace\n"
        "shown = Trace.load(sys.argv[1])._repr_html_()\n"
        "print(shown.count('<svg'), 'torch' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, bundled_runs()[0]],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["1", "False"]
