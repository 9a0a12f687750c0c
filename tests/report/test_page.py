"""The report: one page whose only scripts are those of its maps, in which foreign text is text."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import olmoe_viz as ov
from olmoe_viz.figures.interactive_map.alone import ALLOWED
from olmoe_viz.figures.interactive_map.payload import shown_token
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.records.effects import Effects
from olmoe_viz.report.page import page
from olmoe_viz.requests import EffectsRequest, GenerateRequest

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>&\"'{{ 1 }}\x00"
Make = Callable[..., ov.Trace]


class Elements(HTMLParser):
    """The names of all elements, what they could load, frames, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.frames: list[dict[str, str | None]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self._script: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "xlink:href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.frames += [dict(attrs)] * (tag == "iframe")
        self._script = dict(attrs).get("type") or "" if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - a parser is called so
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts.append((self._script, data))


def maps(written: str) -> list[dict[str, Any]]:
    """What the maps of a page are drawn from; each is closed off, and runs the one known script."""
    found = []
    for frame in Elements(written).frames:
        assert frame["sandbox"] == "allow-scripts"
        inner = Elements(str(frame["srcdoc"]))
        assert not inner.names & {"iframe", "img", "object", "embed", "link", "base", "form"}
        assert not inner.links
        (kind, data), (module, script) = inner.scripts
        assert (kind, module) == ("application/json", "module")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"sha256-{digest}" == ALLOWED
        assert f"default-src 'none'; style-src 'unsafe-inline'; script-src '{ALLOWED}'" in str(
            frame["srcdoc"]
        )
        found.append(json.loads(data)["data"])
    return found


def hostile(make_trace: Make, provenance: object) -> ov.Trace:
    tokens = (HOSTILE, "b", "c")
    return make_trace(
        text=HOSTILE * 3,
        tokens=tokens,
        token_bytes=(b"a", b"b", b"c"),
        token_ids=np.arange(3),
        next_tokens=(HOSTILE,) * 40,
        provenance=replace(provenance, model=HOSTILE, digest=HOSTILE, versions={HOSTILE: HOSTILE}),
    )


def test_foreign_text_is_text(make_trace: Make, provenance: object):
    trace = hostile(make_trace, provenance)
    written = page(trace, trace)
    elements = Elements(written)
    assert not elements.names & {"script", "object", "embed", "link", "base", "form", "img"}
    assert [shown["tokens"] for shown in maps(written)] == [[shown_token(HOSTILE), "b", "c"]] * 2
    assert all(link.startswith("data:image/png") for link in elements.links)
    assert "{{ 1 }}" in written
    assert re.search(f"default-src 'none'; .*; script-src '{re.escape(ALLOWED)}'", written)


def test_it_has_the_map_cells_load_next_tokens_and_provenance(make_trace: Make):
    trace = make_trace()
    written = page(trace)
    headings = re.findall(r'<h2 id="(\w+)">', written)
    assert headings == ["text", "map", "cells", "load", "next", "provenance"]
    (shown,) = maps(written)
    assert shown["tokens"] == list(trace.tokens)
    last = len(trace.tokens) - 1
    assert [f"Token {last} !, layer {layer}" in written for layer in (0, 1, 2)] == [True] * 3
    assert "<td>sha256:00</td>" in written


def test_two_runs_are_compared(make_trace: Make, make_generation: Callable[..., ov.Generation]):
    written = page(make_trace(), make_trace(policy=ov.RoutingPolicy(3)))
    assert "Their tokens are the same." in written
    assert "The likeliest next tokens" in written
    written = page(make_trace(), make_generation())
    assert "Their tokens differ from token 0 on." in written
    assert "The texts differ from their first token on." in written


def test_every_text_of_a_comparison_is_set_against_the_first(
    make_generation: Callable[..., ov.Generation],
):
    policies = tuple(map(ov.RoutingPolicy, (2, 3, 4)))
    request = GenerateRequest("random", "one two", policies, 4)
    rows = [
        make_generation(request=request, row=row, policy=policy, text=f"text {row}")
        for row, policy in enumerate(policies)
    ]
    written = page(ov.Comparison(tuple(rows)))
    assert re.findall("<pre>(.*?)</pre>", written) == [f"one twotext {row}" for row in range(3)]
    assert re.findall(">(Comparison.*?)</h2>", written) == ["Comparison 1", "Comparison 2"]
    assert written.count("<th>digest</th>") == 1
    assert "<td>k=2; k=3; k=4</td>" in written


def test_the_longest_text_stays_under_6_mb_and_says_what_is_left_out(make_trace: Make):
    """Layers and experts as OLMoE's, more tokens than are drawn, and the text as long as may be."""
    geometry = Geometry(16, 64, 8, 16, 8, 2, 2, 40, 8192)
    tokens = ("<&'\"" * 10,) * 4_200
    trace = make_trace(
        geometry=geometry,
        policy=ov.RoutingPolicy(8),
        text="<" * 200_000,
        tokens=tokens,
        token_bytes=(b"a",) * len(tokens),
        token_ids=np.zeros(len(tokens), np.int64),
    )
    written = page(trace, trace)
    assert "The map shows the first 4096 of 4200 tokens." in written
    assert [len(shown["tokens"]) for shown in maps(written)] == [4096] * 2
    assert len(written.encode()) < 6_000_000


def effects_of(trace: ov.Trace, layer: int, token: int) -> Effects:
    """Made-up effects of one cell: the last of its experts matters most."""
    row = trace.geometry.layer_ids.index(layer)
    ids = trace.expert_ids[row, token][None]
    kl = np.linspace(0.25, 0.5, ids.shape[1])[None]
    new_tops = np.where(kl > 0.4, 4, 3)
    return Effects(
        request=EffectsRequest(trace.request, ((layer, token),), controls=False),
        top_tokens=("a",),
        new_top_tokens=(tuple("ab"[top - 3] for top in new_tops[0]),),
        geometry=trace.geometry,
        provenance=trace.provenance,
        expert_ids=ids,
        weights=trace.weights[row, token][None],
        shares=kl,
        read_at=np.array([token]),
        top_ids=np.array([3]),
        top_logprobs=np.array([-1.0]),
        kl=kl,
        logprob_changes=-kl,
        ranks=np.ones_like(ids, dtype=np.int64),
        new_tops=new_tops,
    )


def test_measured_effects_are_listed_by_what_they_changed(make_trace: Make):
    trace = make_trace()
    written = page(trace, effects_of(trace, 1, 4))
    weak, strong = trace.expert_ids[1, 4].tolist()
    listed = re.findall(r"<td>(1·\d+)</td><td>[^<]*</td><td>([^<]*)</td><td>(.*?)</td>", written)
    assert listed == [
        (f"1·{strong}", "0.500", "‘b’"),
        (f"1·{weak}", "0.250", "the same"),
    ]
    assert "Comparison" not in written
    assert written.count("<th>digest</th>") == 1  # run and effects were made alike
    with pytest.raises(ov.InputError, match="The effects are of another run"):
        page(make_trace(seed=1), effects_of(trace, 1, 4))


def test_a_record_without_routing_is_refused(make_trace: Make):
    with pytest.raises(ov.InputError, match="no token 99 in a layer 0"):
        page(make_trace(), cells=[(0, 99)])
