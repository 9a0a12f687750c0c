"""Numbers about routing, against torch and against loops that anyone can check."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from olmoe_viz.numerics import routing
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy

EXPERTS = 8
TRAINED_K = 2
shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.just(EXPERTS))
logits = shapes.flatmap(
    lambda shape: arrays.arrays(np.float32, shape, elements=st.floats(-60, 60, width=32))
)
# Few distinct values, so that most rows have ties, at the cutoff too.
tied_logits = shapes.flatmap(
    lambda shape: arrays.arrays(np.float32, shape, elements=st.sampled_from([0.0, 1.0, 2.0]))
)
some_k = st.integers(1, EXPERTS)
weightings = st.sampled_from(WEIGHTINGS)
# Thresholds that nothing, something and everything reaches, and some that a probability equals.
thresholds = st.floats(0, 1) | st.sampled_from([0.0, 1 / EXPERTS, 0.25, 0.5, 1.0])


@st.composite
def routed(draw: st.DrawFn) -> tuple[np.ndarray, RoutingPolicy]:
    """Draw router probabilities with and without ties, and a policy that fits them."""
    probabilities = routing.probabilities(draw(logits | tied_logits))
    layers = len(probabilities)
    k = draw(some_k | st.lists(some_k, min_size=layers, max_size=layers).map(tuple) | st.none())
    exact = st.sampled_from(probabilities.ravel().tolist())
    threshold = draw(thresholds | exact.filter(lambda p: p <= 1))
    if k is None and threshold == 0:
        threshold = 0.25
    return probabilities, RoutingPolicy(k, draw(weightings), threshold)


def choose_by_hand(
    row: list[float], k: int, policy: RoutingPolicy
) -> tuple[list[int], list[float]]:
    """Return the experts of one token and their weights, as the docstring of RoutingPolicy says."""
    falling = sorted(range(EXPERTS), key=lambda expert: (-row[expert], expert))
    ids = [
        expert
        for place, expert in enumerate(falling[:k])
        if place == 0 or row[expert] >= policy.threshold
    ]
    kept = sum(row[expert] for expert in ids)
    trained = sum(row[expert] for expert in falling[:TRAINED_K])
    scale = {"native": 1.0, "renormalized": 1 / kept, "gain_anchored": trained / kept}
    return ids, [row[expert] * scale[policy.weighting] for expert in ids]


@given(logits)
def test_probabilities_are_the_softmax(router_logits: np.ndarray):
    probabilities = routing.probabilities(router_logits)
    expected = torch.softmax(torch.from_numpy(router_logits).double(), dim=-1).numpy()
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities, expected, rtol=1e-12, atol=0)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-12)


def test_probabilities_of_huge_logits_stay_finite():
    probabilities = routing.probabilities(np.array([3e38, 3e38, -3e38], dtype=np.float32))
    assert probabilities.tolist() == [0.5, 0.5, 0.0]


@given(logits | tied_logits)
def test_ranking_is_torchs_stable_order(router_logits: np.ndarray):
    probabilities = routing.probabilities(router_logits)
    order = torch.sort(torch.from_numpy(probabilities), dim=-1, descending=True, stable=True)
    ids = routing.ranking(probabilities)
    assert ids.dtype == np.int64
    np.testing.assert_array_equal(ids, order.indices.numpy())


@given(tied_logits, some_k)
def test_selection_has_the_probabilities_of_topk_and_the_lower_ids(
    router_logits: np.ndarray, k: int
):
    probabilities = routing.probabilities(router_logits)
    ids, weights = routing.select(probabilities, RoutingPolicy(k), TRAINED_K)
    np.testing.assert_array_equal(
        weights, torch.topk(torch.from_numpy(probabilities), k).values.numpy()
    )
    for row, chosen in zip(probabilities.reshape(-1, EXPERTS), ids.reshape(-1, k), strict=True):
        by_hand = sorted(range(EXPERTS), key=lambda expert: (-row[expert], expert))[:k]
        assert chosen.tolist() == by_hand


@given(routed())
def test_selection_is_what_one_does_by_hand(given_routing: tuple[np.ndarray, RoutingPolicy]):
    probabilities, policy = given_routing
    layers, tokens, _ = probabilities.shape
    ks = policy.ks(layers, EXPERTS)
    ids, weights = routing.select(probabilities, policy, TRAINED_K)
    assert ids.shape == weights.shape == (layers, tokens, max(ks))
    for layer, token in np.ndindex(layers, tokens):
        row = probabilities[layer, token].tolist()
        expected_ids, expected = choose_by_hand(row, ks[layer], policy)
        unused = max(ks) - len(expected_ids)
        assert ids[layer, token].tolist() == expected_ids + [-1] * unused
        np.testing.assert_allclose(weights[layer, token], expected + [0.0] * unused, rtol=1e-12)
    np.testing.assert_array_equal(
        routing.gain(probabilities, policy, TRAINED_K), weights.sum(axis=-1)
    )


@given(routed())
def test_what_ran_is_counted_by_hand(given_routing: tuple[np.ndarray, RoutingPolicy]):
    probabilities, policy = given_routing
    layers, tokens, _ = probabilities.shape
    ids, _ = routing.select(probabilities, policy, TRAINED_K)
    kept = ids.astype(np.int16)
    marked, mass = routing.used(kept, EXPERTS), routing.mass(probabilities, kept)
    assert marked.shape == probabilities.shape
    counts = np.zeros((layers, EXPERTS))
    for layer, token in np.ndindex(layers, tokens):
        ran = [expert for expert in ids[layer, token].tolist() if expert != -1]
        assert np.flatnonzero(marked[layer, token]).tolist() == sorted(ran)
        by_hand = sum(probabilities[layer, token, expert] for expert in ran)
        assert mass[layer, token] == pytest.approx(by_hand, rel=1e-12)
        counts[layer, ran] += 1
    np.testing.assert_allclose(routing.load(kept, EXPERTS), counts / tokens, rtol=1e-12)


def test_the_order_of_the_ids_and_where_none_is_do_not_matter_to_what_ran():
    probabilities = np.array([[[0.5, 0.25, 0.125, 0.125], [0.25, 0.25, 0.25, 0.25]]])
    ids = np.array([[[2, -1, 0], [-1, -1, 3]]])
    assert routing.used(ids, 4).astype(int).tolist() == [[[1, 0, 1, 0], [0, 0, 0, 1]]]
    assert routing.mass(probabilities, ids).tolist() == [[0.625, 0.25]]
    assert routing.load(ids, 4).tolist() == [[0.5, 0.0, 0.5, 0.5]]


def test_a_token_without_columns_used_no_expert():
    nothing = np.zeros((2, 0), np.int16)
    assert not routing.used(nothing, 4).any()
    assert routing.mass(np.full((2, 4), 0.25), nothing).tolist() == [0.0, 0.0]


@given(logits | tied_logits, some_k)
def test_without_a_threshold_what_ran_is_what_was_chosen(router_logits: np.ndarray, k: int):
    probabilities = routing.probabilities(router_logits)
    ids, _ = routing.select(probabilities, RoutingPolicy(k), TRAINED_K)
    np.testing.assert_array_equal(routing.load(ids, EXPERTS), routing.expert_load(probabilities, k))
    np.testing.assert_allclose(
        routing.mass(probabilities, ids), routing.retained_mass(probabilities, k), rtol=1e-12
    )


def test_a_threshold_keeps_those_that_reach_it_exactly_and_always_the_strongest():
    probabilities = np.array([[[0.25, 0.5, 0.25], [0.4, 0.3, 0.3]]])
    ids, weights = routing.select(probabilities, RoutingPolicy(None, threshold=0.25), 2)
    assert ids.tolist() == [[[1, 0, 2], [0, 1, 2]]]
    ids, weights = routing.select(probabilities, RoutingPolicy(2, "renormalized", 0.45), 2)
    assert ids.tolist() == [[[1, -1], [0, -1]]]
    assert weights.tolist() == [[[1.0, 0.0], [1.0, 0.0]]]


@given(logits, some_k)
def test_without_ties_the_selection_is_topks(router_logits: np.ndarray, k: int):
    # Distinct by construction: the drawn logits only choose the order.
    distinct = np.argsort(np.argsort(router_logits, axis=-1, kind="stable"), axis=-1)
    probabilities = routing.probabilities(distinct)
    ids, weights = routing.select(probabilities, RoutingPolicy(k), TRAINED_K)
    expected = torch.topk(torch.from_numpy(probabilities), k)
    np.testing.assert_array_equal(ids, expected.indices.numpy())
    np.testing.assert_array_equal(weights, expected.values.numpy())


@given(logits, some_k, weightings)
def test_weights_sum_to_what_their_formula_says(router_logits: np.ndarray, k: int, weighting: str):
    probabilities = routing.probabilities(router_logits)
    policy = RoutingPolicy(k, weighting)
    sums = {
        "native": routing.retained_mass(probabilities, k),
        "renormalized": np.ones(probabilities.shape[:-1]),
        "gain_anchored": routing.retained_mass(probabilities, TRAINED_K),
    }
    _, weights = routing.select(probabilities, policy, TRAINED_K)
    np.testing.assert_allclose(weights.sum(axis=-1), sums[weighting], rtol=1e-12)
    np.testing.assert_array_equal(
        routing.gain(probabilities, policy, TRAINED_K), weights.sum(axis=-1)
    )


@given(logits, some_k, weightings)
def test_every_weighting_keeps_the_proportions(router_logits: np.ndarray, k: int, weighting: str):
    probabilities = routing.probabilities(router_logits)
    native_ids, native = routing.select(probabilities, RoutingPolicy(k), TRAINED_K)
    ids, weights = routing.select(probabilities, RoutingPolicy(k, weighting), TRAINED_K)
    np.testing.assert_array_equal(ids, native_ids)
    np.testing.assert_allclose(weights * native[..., :1], native * weights[..., :1], rtol=1e-12)


@given(logits, weightings)
def test_a_k_of_each_layer_selects_as_that_k_alone(router_logits: np.ndarray, weighting: str):
    ks = (1, 5, EXPERTS)[: len(router_logits)]
    probabilities = routing.probabilities(router_logits)
    ids, weights = routing.select(probabilities, RoutingPolicy(ks, weighting), TRAINED_K)
    assert ids.shape == weights.shape == (*router_logits.shape[:2], max(ks))
    for layer, k in enumerate(ks):
        alone = routing.select(
            probabilities[layer : layer + 1], RoutingPolicy(k, weighting), TRAINED_K
        )
        np.testing.assert_array_equal(ids[layer, :, :k], alone[0][0])
        np.testing.assert_allclose(weights[layer, :, :k], alone[1][0], rtol=1e-12)
        assert (ids[layer, :, k:] == -1).all()
        assert (weights[layer, :, k:] == 0).all()


@given(logits)
def test_retained_mass_grows_with_k_up_to_1(router_logits: np.ndarray):
    probabilities = routing.probabilities(router_logits)
    masses = np.stack([routing.retained_mass(probabilities, k) for k in range(1, EXPERTS + 1)])
    assert masses.shape == (EXPERTS, *router_logits.shape[:-1])
    np.testing.assert_array_equal(masses[0], probabilities.max(axis=-1))
    assert (np.diff(masses, axis=0) >= 0).all()
    assert (masses >= np.arange(1, EXPERTS + 1)[:, None, None] / EXPERTS - 1e-12).all()
    np.testing.assert_allclose(masses[-1], 1, rtol=1e-12)


@given(logits | tied_logits, some_k)
def test_margin_is_the_gap_at_the_cutoff(router_logits: np.ndarray, k: int):
    probabilities = routing.probabilities(router_logits)
    falling = -np.sort(-probabilities, axis=-1)
    following = falling[..., k] if k < EXPERTS else 0.0
    np.testing.assert_array_equal(routing.margin(probabilities, k), falling[..., k - 1] - following)
    assert (routing.margin(probabilities, k) >= 0).all()


@given(logits)
def test_entropy_lies_between_certain_and_uniform(router_logits: np.ndarray):
    probabilities = routing.probabilities(router_logits)
    expected = torch.distributions.Categorical(torch.from_numpy(probabilities)).entropy().numpy()
    entropy = routing.entropy(probabilities)
    np.testing.assert_allclose(entropy, expected, atol=1e-9)
    assert (entropy >= 0).all()
    assert (entropy <= math.log(EXPERTS) + 1e-12).all()


def test_entropy_of_a_certain_and_a_uniform_router():
    assert str(routing.entropy([0.0, 1.0, 0.0])) == "0.0"  # not -0.0
    assert routing.entropy(np.full(64, 1 / 64)) == pytest.approx(math.log(64))


@given(logits | tied_logits, some_k)
def test_load_counts_the_tokens_of_each_expert(router_logits: np.ndarray, k: int):
    probabilities = routing.probabilities(router_logits)
    load = routing.expert_load(probabilities, k)
    ids, _ = routing.select(probabilities, RoutingPolicy(k), TRAINED_K)
    tokens = router_logits.shape[1]
    counts = [np.bincount(layer.ravel(), minlength=EXPERTS) / tokens for layer in ids]
    np.testing.assert_allclose(load, counts, rtol=1e-12)
    np.testing.assert_allclose(load.sum(axis=-1), k, rtol=1e-12)


def test_load_of_a_small_case():
    probabilities = [[[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]]]
    assert routing.expert_load(probabilities, 1).tolist() == [[0.5, 0.0, 0.5]]
    assert routing.expert_load(probabilities, 2).tolist() == [[0.5, 1.0, 0.5]]


@given(logits, some_k, st.randoms(use_true_random=False))
def test_overlap_is_symmetric_and_whole_with_itself(router_logits: np.ndarray, k: int, random):
    a = routing.probabilities(router_logits)
    b = a[..., random.sample(range(EXPERTS), EXPERTS)]
    shared = routing.overlap(a, b, k)
    assert shared.shape == router_logits.shape[:-1]
    np.testing.assert_array_equal(shared, routing.overlap(b, a, k))
    assert (routing.overlap(a, a, k) == 1).all()
    assert (shared >= max(0, 2 * k - EXPERTS) / k).all()


def test_overlap_of_a_small_case():
    a = [[[0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1]]]
    b = [[[0.4, 0.2, 0.3, 0.1], [0.1, 0.2, 0.3, 0.4]]]
    assert routing.overlap(a, b, 2).tolist() == [[0.5, 0.0]]


def test_overlap_of_different_shapes_is_refused():
    with pytest.raises(ValueError, match="cannot be compared"):
        routing.overlap(np.ones((1, 2, 4)) / 4, np.ones((1, 3, 4)) / 4, 2)


@pytest.mark.parametrize("k", [0, -1, EXPERTS + 1])
def test_a_k_outside_the_model_names_the_range(k: int):
    probabilities = np.full((1, 2, EXPERTS), 1 / EXPERTS)
    calls = [routing.retained_mass, routing.margin, routing.expert_load]
    for call in calls:
        with pytest.raises(ValueError, match="from 1 to 8"):
            call(probabilities, k)
    with pytest.raises(ValueError, match="from 1 to 8"):
        routing.overlap(probabilities, probabilities, k)


def test_a_policy_that_does_not_fit_is_refused():
    probabilities = np.full((2, 1, EXPERTS), 1 / EXPERTS)
    with pytest.raises(ValueError, match="from 1 to 8"):
        routing.select(probabilities, RoutingPolicy(9), TRAINED_K)
    with pytest.raises(ValueError, match="3 layers"):
        routing.gain(probabilities, RoutingPolicy((1, 1, 1)), TRAINED_K)


def test_nothing_given_is_changed():
    given_logits = np.random.default_rng(0).normal(size=(2, 3, EXPERTS))
    before = given_logits.copy()
    probabilities = routing.probabilities(given_logits)
    kept = probabilities.copy()
    policy = RoutingPolicy((1, 3), "gain_anchored")
    routing.select(probabilities, policy, TRAINED_K)
    routing.gain(probabilities, policy, TRAINED_K)
    routing.entropy(probabilities)
    routing.expert_load(probabilities, 2)
    ids, _ = routing.select(probabilities, policy, TRAINED_K)
    chosen = ids.copy()
    routing.mass(probabilities, ids)
    routing.load(ids, EXPERTS)
    np.testing.assert_array_equal(ids, chosen)
    np.testing.assert_array_equal(given_logits, before)
    np.testing.assert_array_equal(probabilities, kept)
