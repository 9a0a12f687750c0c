"""What is sent to the routing map says what ran and what the numerics say."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from olmoe_viz import Geometry, RoutingPolicy, Trace, routing
from olmoe_viz.figures.interactive_map.cells import Columns
from olmoe_viz.figures.interactive_map.effects import CellEffects
from olmoe_viz.figures.interactive_map.payload import VIEWS, build, painted, shown_token
from olmoe_viz.figures.interactive_map.words import LEGENDS
from olmoe_viz.figures.labels import k_is
from olmoe_viz.numerics.geometry import OLMOE_1B_7B, MoeLayer
from olmoe_viz.policy import Weighting
from tests.figures.interactive_map.random_text import EIGHT, columns, effects_of


def cell(row: Sequence[float], ids: Sequence[int]) -> Columns:
    """One cell of one layer: its router logits, and the experts that ran."""
    geometry = replace(OLMOE_1B_7B, layers=1, experts=len(row), trained_k=2, moe_layers=())
    logits = np.array([[row]], np.float32)
    weights = np.full((1, 1, len(ids)), 0.1, np.float32)
    return Columns(["a"], logits, np.array([[ids]], np.int16), weights, geometry)


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
    assert sent["againstName"] == k_is(4)
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
    policy = RoutingPolicy((1, 3, 8))
    trace = make_trace(policy=policy)
    probabilities = routing.probabilities(trace.router_logits)
    sent = build(trace, policy=policy, view="margin")
    assert sent["ks"] == [1, 3, 8]
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
    if sent["view"] == "effect":
        bits = np.frombuffer(base64.b64decode(sent["effect"]["marks"]), np.uint8)
        marks = (
            np.unpackbits(bits, bitorder="little")[: tokens * layers].reshape(shape).astype(bool)
        )
        values = np.zeros(shape)
        values[marks] = np.frombuffer(base64.b64decode(sent["effect"]["values"]), "<f4")
        return values.T
    span = sent["high"] - sent["low"]
    return numbers(sent["values"], depth, shape, high=span) + sent["low"]


def test_every_view_draws_what_the_numerics_say(make_trace: Callable[..., Trace]) -> None:
    policy = RoutingPolicy(3)
    trace, other = make_trace(policy=policy), make_trace(policy=policy, seed=1)
    mine, theirs = (routing.probabilities(each.router_logits) for each in (trace, other))
    effects = effects_of(trace)
    expected = {
        "strongest": mine.max(axis=-1),
        "mass": routing.retained_mass(mine, 3),
        "entropy": routing.entropy(mine),
        "margin": routing.margin(mine, 3),
        "drift": 3 * (1 - routing.overlap(mine, theirs, 3)),
        "follow": np.where(np.arange(len(mine))[:, None] == 1, mine[..., 5], 0.0),
        "effect": np.nan_to_num(effects.kl),
    }
    for view in VIEWS:
        sent = build(trace, policy=policy, view=view, other=other, expert=(1, 5), effects=effects)
        found = drawn(sent, len(trace.tokens), len(mine))
        np.testing.assert_allclose(found, expected[view], atol=1e-4, err_msg=view)
        assert found.std() > 0


@pytest.mark.parametrize(
    ("theirs", "compared", "dropped"),
    [
        ([1, 2], 2, 1),
        ([1, 0], 2, 0),
        ([4, 5, 0, 1], 2, 2),  # both ran there, but were not among the two strongest
        ([1], 1, 1),
        ([0], 1, 0),
        ([0, -1, -1], 1, 0),
    ],
)
def test_drift_counts_the_recorded_experts_that_dropped_out(
    theirs: list[int], compared: int, dropped: int
) -> None:
    even = [0.0] * 6  # the logits say nothing: only what was recorded counts
    sent = build(
        cell(even, [0, 1]), policy=RoutingPolicy(2), view="drift", other=cell(even, theirs)
    )
    assert sent["driftKs"] == [compared]
    assert sent["high"] == compared
    found = numbers(sent["values"], sent["depth"], (1, 1), high=sent["high"])
    assert found.round() == dropped


TIE = [1.0, 3.0, 2.0, 2.0, 2.0, 0.0]  # experts 2, 3 and 4 tie at the cutoff of k = 2


@pytest.mark.parametrize("last", [2, 3, 4])
def test_of_experts_that_tie_the_one_that_ran_is_drawn(last: int) -> None:
    text = cell(TIE, [1, last])
    sent = build(text, policy=RoutingPolicy(2), against=RoutingPolicy(4))
    ids = numbers(sent["ids"], 1, (1, 1, 4), high=255.0)[0, 0].astype(int).tolist()
    assert ids == [1, last, *(expert for expert in (2, 3, 4) if expert != last)]
    for expert in range(6):
        followed = build(text, policy=RoutingPolicy(2), view="follow", expert=(0, expert))
        marks = np.frombuffer(base64.b64decode(followed["marks"]), np.uint8)
        assert bool(marks[0]) == (expert in (1, last))


def test_the_strongest_expert_is_the_recorded_one() -> None:
    text = cell(TIE, [3, 1])
    sent = build(text, policy=RoutingPolicy(2))
    assert numbers(sent["ids"], 1, (1, 1, 2), high=255.0)[0, 0, 0] == 3
    share = routing.probabilities(TIE)[3]
    assert drawn(sent, 1, 1)[0, 0] == pytest.approx(share, abs=1e-4)


def test_mass_and_margin_are_of_what_ran() -> None:
    text, p = cell(TIE, [3, 0]), routing.probabilities(TIE)
    mass = build(text, policy=RoutingPolicy(2), view="mass")
    assert drawn(mass, 1, 1)[0, 0] == pytest.approx(p[3] + p[0], abs=1e-4)
    tied = build(cell(TIE, [1, 3]), policy=RoutingPolicy(2), view="margin")
    assert drawn(tied, 1, 1)[0, 0] == 0


def test_a_threshold_lets_each_token_have_its_own_number_of_experts(
    make_trace: Callable[..., Trace],
) -> None:
    policy = RoutingPolicy(4, threshold=0.15)
    trace = make_trace(policy=policy)
    counts = (trace.expert_ids >= 0).sum(axis=-1)
    assert 1 <= counts.min() < counts.max() <= 4
    for view in VIEWS:
        sent = build(
            trace,
            policy=policy,
            view=view,
            other=make_trace(seed=1),
            expert=(1, 5),
            effects=effects_of(trace),
        )
        assert sent["ks"] is None
        shape = (len(trace.tokens), 3)
        np.testing.assert_array_equal(1 + numbers(sent["more"], 1, shape, high=255.0), counts)
        ids = numbers(sent["ids"], 1, (*shape, sent["shown"]), high=255.0)
        shown = np.arange(sent["shown"]) < counts[..., None]
        np.testing.assert_array_equal(ids[shown], trace.expert_ids[trace.expert_ids >= 0])
        # What did not run comes after, by falling probability, and nothing twice.
        assert all(len(set(row)) == sent["shown"] for row in ids.reshape(-1, sent["shown"]))
        mass = numbers(sent["mass"], sent["depth"], shape)
        np.testing.assert_allclose(mass, trace.weights.sum(axis=-1), atol=1e-4)


def test_rows_are_the_layers_of_experts_by_their_absolute_ids(
    make_trace: Callable[..., Trace], geometry: Geometry
) -> None:
    few = tuple(MoeLayer(layer, 8, 2, 8) for layer in (1, 3, 4))
    sparse = replace(geometry, layers=6, moe_layers=few)
    trace = make_trace()
    text = Columns(trace.tokens, trace.router_logits, trace.expert_ids, trace.weights, sparse)
    sent, usual = (build(each, policy=RoutingPolicy(2)) for each in (text, trace))
    assert sent["layerIds"] == [1, 3, 4]
    assert usual["layerIds"] == [0, 1, 2]
    assert sent["ids"] == usual["ids"]
    assert sent["version"] != usual["version"]


def test_up_to_256_experts_have_colors_of_their_own() -> None:
    row = np.random.default_rng(0).normal(size=256)
    sent = painted(build(cell(row, [255, 254]), policy=RoutingPolicy(2)), "light", "map")
    assert len({sent["colors"][at] for at in base64.b64decode(sent["places"])}) == 256
    assert base64.b64decode(sent["ids"])[:1] == b"\xff"
    with pytest.raises(ValueError, match="at most 256 experts"):
        build(cell([0.0] * 257, [0, 1]), policy=RoutingPolicy(2))


def test_follow_marks_where_the_expert_is_selected(make_trace: Callable[..., Trace]) -> None:
    trace = make_trace()
    probabilities = routing.probabilities(trace.router_logits)
    layers, tokens, _ = probabilities.shape
    sent = build(trace, policy=RoutingPolicy(2), view="follow", expert=(2, 5))
    bits = np.frombuffer(base64.b64decode(sent["marks"]), np.uint8)
    marks = np.unpackbits(bits, bitorder="little", count=layers * tokens).reshape(tokens, layers)
    ids, _ = routing.select(probabilities, RoutingPolicy(2), 2)
    ran = (ids == 5).any(axis=-1)
    np.testing.assert_array_equal(marks.T[2], ran[2])
    assert ran[:2].any()
    assert not marks.T[:2].any()  # the same id in another layer is another expert
    assert 0 < marks.sum() < tokens


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
    policy = RoutingPolicy(k, weighting)
    text = columns(["a"] * tokens, policy)
    assert "factor" not in build(columns(["a"] * tokens), policy=RoutingPolicy(8))
    sent = build(text, policy=policy)["factor"]
    probabilities = routing.probabilities(text.router_logits)
    drawn = numbers(sent["values"], 2, (tokens, 16), high=sent["high"])
    # What the strongest expert's output was multiplied by.
    np.testing.assert_allclose(drawn * probabilities.max(axis=-1), text.weights[..., 0], rtol=2e-3)


def test_bytes_are_sent_where_a_token_is_more_than_ascii() -> None:
    text = columns(["a", "‹C3›", "‹A9›"])
    assert build(text, policy=EIGHT)["bytes"] is None
    assert build(text, policy=EIGHT, token_bytes=[b"a", b"b", b"c"])["bytes"] is None
    sent = build(text, policy=EIGHT, token_bytes=[b"a", b"\xc3", b"\xa9"])["bytes"]
    assert base64.b64decode(sent["text"]) == "aé".encode()
    assert np.frombuffer(base64.b64decode(sent["lengths"]), "<u2").tolist() == [1, 1, 1]


def test_a_few_cells_far_from_all_others_take_no_colors() -> None:
    text = columns(["a"] * 40)
    text.router_logits[0, 0, 0] = 50.0  # one cell of no entropy at all
    sent = build(text, policy=EIGHT, view="entropy")
    values = routing.entropy(routing.probabilities(text.router_logits))
    assert sent["low"] == 0.0
    low, high = sent["usual"]
    assert np.percentile(values, 5) - 0.01 <= low < high <= np.percentile(values, 95) + 0.01
    assert build(text, policy=EIGHT, view="mass")["usual"] == [0.0, 1.0]


def test_effects_are_of_the_measured_cells_and_their_range_is_that_of_the_data() -> None:
    text = columns(["a"] * 4)
    kl, experts = np.full((16, 4), np.nan), np.full((16, 4), -1)
    empty = build(text, policy=EIGHT, view="effect", effects=CellEffects(kl, experts))
    assert (empty["low"], empty["high"]) == (0.0, 0.0)
    kl[3, 1], experts[3, 1] = 0.01234, 63
    kl[4, 1], experts[4, 1] = 0.0, 5
    sent = build(text, policy=EIGHT, view="effect", effects=CellEffects(kl, experts))
    assert (sent["low"], sent["high"]) == (1e-7, 0.013)
    assert base64.b64decode(sent["effect"]["experts"]) == bytes([63, 5])
    assert drawn(sent, 4, 16)[3, 1] == pytest.approx(0.01234, rel=1e-3)


def test_what_does_not_fit_is_a_sentence() -> None:
    with pytest.raises(ValueError, match="too long for the map"):
        build(columns([" a"] * 9000), policy=RoutingPolicy(8))


def test_only_drawn_changes_change_the_version(make_trace: Callable[..., Trace]) -> None:
    one = build(make_trace(), policy=RoutingPolicy(2))
    assert one == build(make_trace(), policy=RoutingPolicy(2))
    assert one["version"] != build(make_trace(seed=1), policy=RoutingPolicy(2))["version"]
    three = RoutingPolicy(3)
    assert one["version"] != build(make_trace(policy=three), policy=three)["version"]


@given(st.text(max_size=60), st.integers(19, 72))
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
        ({"view": "effect"}, "give what was measured"),
        ({"view": "follow"}, "a layer of experts, and an id from 0 to 7"),
        ({"view": "follow", "expert": (0, 8)}, "a layer of experts, and an id from 0 to 7"),
        ({"view": "follow", "expert": (3, 0)}, "a layer of experts, and an id from 0 to 7"),
        ({"policy": RoutingPolicy(9)}, "from 1 to 8"),
        ({"against": RoutingPolicy(9)}, "from 1 to 8"),
        ({"policy": RoutingPolicy(3)}, "the expert ids and weights that k=3 gave"),
    ],
)
def test_arguments_that_do_not_fit(
    make_trace: Callable[..., Trace], arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(make_trace(), **({"policy": RoutingPolicy(2)} | arguments))


def test_every_view_has_a_legend() -> None:
    assert set(LEGENDS) == set(VIEWS)
