"""What is sent to the routing map says what the routing numerics say, within the budget."""

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from olmoe_viz import RoutingPolicy, Trace, routing
from olmoe_viz.numerics.geometry import OLMOE_1B_7B
from olmoe_viz.policy import Weighting
from olmoe_viz.ui import routing_map
from olmoe_viz.ui.routing_map import Columns, MapEvent
from olmoe_viz.ui.routing_map.payload import (
    BUDGET,
    LEGENDS,
    VIEWS,
    build,
    shown_token,
)


def columns(tokens: list[str], seed: int = 0) -> Columns:
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(16, len(tokens), 64)).astype(np.float32)
    return Columns(tokens, logits, OLMOE_1B_7B)


def numbers(
    text: str, depth: int, shape: tuple[int, ...], high: float = 1.0
) -> NDArray[np.float64]:
    codes = np.frombuffer(base64.b64decode(text), dtype=f"<u{depth}").reshape(shape)
    return np.swapaxes(codes, 0, 1) * (high / (256**depth - 1))


def test_cells_hold_the_strongest_experts_and_their_mass(
    make_trace: Callable[..., Trace],
) -> None:
    trace = make_trace()
    probabilities = routing.probabilities(trace.router_logits)
    layers, tokens, _ = probabilities.shape
    sent = build(trace, policy=RoutingPolicy(2), against=RoutingPolicy(4))
    assert (sent["shown"], sent["depth"], sent["ks"]) == (4, 2, [2] * layers)
    ids = numbers(sent["ids"], 1, (tokens, layers, 4), high=255.0)
    order = routing.ranking(probabilities)[..., :4]
    np.testing.assert_array_equal(ids, order)
    np.testing.assert_allclose(
        numbers(sent["probabilities"], 2, (tokens, layers, 4)),
        np.take_along_axis(probabilities, order, axis=-1),
        atol=1e-5,
    )
    for text, k in ((sent["mass"], 2), (sent["against"], 4)):
        np.testing.assert_allclose(
            numbers(text, 2, (tokens, layers)), routing.retained_mass(probabilities, k), atol=1e-5
        )


def test_each_layer_has_its_own_k(make_trace: Callable[..., Trace]) -> None:
    trace = make_trace()
    probabilities = routing.probabilities(trace.router_logits)
    sent = build(trace, policy=RoutingPolicy((1, 3, 8)), view="margin")
    shape = (len(trace.tokens), 3)
    drawn = numbers(sent["values"], 2, shape, high=sent["high"])
    for layer, k in enumerate((1, 3, 8)):
        expected = routing.margin(probabilities[layer], k)
        np.testing.assert_allclose(drawn[layer], expected, atol=1e-4)
    mass = numbers(sent["mass"], 2, shape)
    np.testing.assert_allclose(mass[1], routing.retained_mass(probabilities[1], 3), atol=1e-5)


def drawn(sent: dict[str, Any], tokens: int, layers: int) -> NDArray[np.float64]:
    """What the browser colors the cells by, [layers, tokens]; as in paint.js."""
    shape, depth = (tokens, layers), sent["depth"]
    if sent["view"] == "mass":
        return numbers(sent["mass"], depth, shape)
    if sent["view"] == "strongest":
        return numbers(sent["probabilities"], depth, (*shape, sent["shown"]))[..., 0]
    span = sent["high"] - sent["low"]
    return numbers(sent["values"], depth, shape, high=span) + sent["low"]


def test_every_view_draws_what_the_numerics_say(make_trace: Callable[..., Trace]) -> None:
    trace, other = make_trace(), make_trace(seed=1)
    mine, theirs = (routing.probabilities(each.router_logits) for each in (trace, other))
    expected = {
        "strongest": mine.max(axis=-1),
        "mass": routing.retained_mass(mine, 3),
        "entropy": routing.entropy(mine),
        "margin": routing.margin(mine, 3),
        "drift": 3 * (1 - routing.overlap(mine, theirs, 3)),
        "follow": mine[..., 5],
    }
    for view in VIEWS:
        sent = build(trace, policy=RoutingPolicy(3), view=view, other=other, expert=5)
        found = drawn(sent, len(trace.tokens), len(mine))
        np.testing.assert_allclose(found, expected[view], atol=1e-4, err_msg=view)
        assert found.std() > 0


def test_drift_counts_the_experts_that_dropped_out() -> None:
    one, other = np.zeros((2, 1, 1, 6), np.float32)
    one[..., :2], other[..., 1:3] = 3.0, 3.0  # experts {0, 1} against {1, 2}
    sent = build(
        Columns(["a"], one, OLMOE_1B_7B),
        policy=RoutingPolicy(2),
        view="drift",
        other=Columns(["a"], other, OLMOE_1B_7B),
    )
    assert numbers(sent["values"], sent["depth"], (1, 1), high=sent["high"]).round() == 1


def test_follow_marks_where_the_expert_is_selected(make_trace: Callable[..., Trace]) -> None:
    trace = make_trace()
    probabilities = routing.probabilities(trace.router_logits)
    layers, tokens, _ = probabilities.shape
    sent = build(trace, policy=RoutingPolicy(2), view="follow", expert=5)
    bits = np.frombuffer(base64.b64decode(sent["marks"]), np.uint8)
    marks = np.unpackbits(bits, bitorder="little", count=layers * tokens).reshape(tokens, layers)
    ids, _ = routing.select(probabilities, RoutingPolicy(2), 2)
    np.testing.assert_array_equal(marks.T, (ids == 5).any(axis=-1))
    assert marks.any()
    assert not marks.all()


def test_entropy_is_drawn_in_nats(make_trace: Callable[..., Trace]) -> None:
    trace = make_trace()
    sent = build(trace, policy=RoutingPolicy(2), view="entropy")
    drawn = numbers(sent["values"], 2, (len(trace.tokens), 3), high=sent["high"] - sent["low"])
    expected = routing.entropy(routing.probabilities(trace.router_logits))
    np.testing.assert_allclose(drawn + sent["low"], expected, atol=1e-4)


@pytest.mark.parametrize("weighting", ["renormalized", "gain_anchored"])
@pytest.mark.parametrize(("k", "tokens"), [(1, 4), (8, 4), (1, 1024), (8, 1024)])
def test_weights_follow_from_the_factor_also_of_long_texts(
    weighting: Weighting, k: int, tokens: int
) -> None:
    text = columns(["a"] * tokens)
    assert "factor" not in build(text, policy=RoutingPolicy(k))
    policy = RoutingPolicy(k, weighting)
    sent = build(text, policy=policy)["factor"]
    probabilities = routing.probabilities(text.router_logits)
    weights = routing.select(probabilities, policy, 8)[1].max(axis=-1)
    drawn = numbers(sent["values"], 2, (tokens, 16), high=sent["high"])
    np.testing.assert_allclose(drawn * probabilities.max(axis=-1), weights, rtol=2e-3)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("token", [" there", " extraordinarily long token", "🙂" * 40])
def test_the_longest_text_stays_within_the_budget(view: str, token: str) -> None:
    text = columns([token] * 2048)
    sent = routing_map._painted(
        build(
            text,
            policy=RoutingPolicy(8, "gain_anchored"),
            view=view,
            against=RoutingPolicy(64),
            other=columns([token] * 2048, seed=1),
            expert=63,
        ),
        "dark",
        "map",
    )
    assert routing_map.sent_bytes(sent) <= BUDGET
    assert sent["shown"] >= 1


def test_what_does_not_fit_is_a_sentence() -> None:
    with pytest.raises(ValueError, match="too long for the map"):
        build(columns([" a"] * 5000), policy=RoutingPolicy(8))


def test_only_drawn_changes_change_the_version(make_trace: Callable[..., Trace]) -> None:
    one = build(make_trace(), policy=RoutingPolicy(2))
    assert one == build(make_trace(), policy=RoutingPolicy(2))
    assert one["version"] != build(make_trace(seed=1), policy=RoutingPolicy(2))["version"]
    assert one["version"] != build(make_trace(), policy=RoutingPolicy(3))["version"]


@given(st.text(max_size=60), st.integers(19, 72))
@settings(deadline=None)
def test_shown_tokens_are_short_and_hide_nothing(token: str, limit: int) -> None:
    shown = shown_token(token, limit)
    assert len(json.dumps(shown)) <= limit
    assert shown.isprintable()
    assert bool(shown) == bool(token)


@pytest.mark.parametrize(
    ("token", "shown"),
    [(" was", " was"), ("\n\n", "␊␊"), ("a\u202eb", "a‹U+202E›b"), ("<b>", "<b>")],
)
def test_shown_tokens(token: str, shown: str) -> None:
    assert shown_token(token) == shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"view": "other"}, "view must be one of"),
        ({"view": "drift"}, "give the other trace"),
        ({"view": "follow"}, "expert to follow, from 0 to 7"),
        ({"view": "follow", "expert": 8}, "expert to follow, from 0 to 7"),
        ({"policy": RoutingPolicy(9)}, "from 1 to 8"),
        ({"against": RoutingPolicy(9)}, "from 1 to 8"),
    ],
)
def test_arguments_that_do_not_fit(
    make_trace: Callable[..., Trace], arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(make_trace(), **({"policy": RoutingPolicy(2)} | arguments))


def test_every_view_has_a_legend() -> None:
    assert set(LEGENDS) == set(VIEWS)


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        ({"token": 3, "layer": 0}, MapEvent(3, 0)),
        ({"token": 3, "layer": 0, "lastToken": 5, "lastLayer": 0}, MapEvent(3, 0, 5, 0)),
        ({"token": None, "layer": None}, None),
        ({"token": 3, "layer": None}, None),
        ({"token": -1, "layer": 0}, None),
        ({"token": True, "layer": 0}, None),
        ({"token": "3", "layer": 0}, None),
        ({"token": 3, "layer": 0, "lastToken": 2, "lastLayer": 0}, None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_only_cells_are_events(sent: object, event: MapEvent | None) -> None:
    assert routing_map._event(sent) == event
