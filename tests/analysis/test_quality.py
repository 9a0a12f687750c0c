"""Likelihood, divergence and agreement, summed up from scores made by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from olmoe_viz import Geometry, InputError, RoutingPolicy
from olmoe_viz.analysis.quality import (
    PromptQuality,
    bits_per_byte,
    prompt_quality,
    token_probabilities,
)
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.scores import Scores
from olmoe_viz.requests import ScoreRequest

POLICIES = (RoutingPolicy(2), RoutingPolicy(8, "renormalized"))
HALF = np.log(2)


@pytest.fixture
def make_scores(geometry: Geometry, provenance: Provenance) -> Callable[..., Scores]:
    """Return a function that makes scores of a text under two policies."""

    def make(nll: list[list[float]], **compared: np.ndarray) -> Scores:
        values = np.array(nll, dtype=np.float64)
        tokens = values.shape[1] + 1
        reference = RoutingPolicy(2) if compared else None
        request = ScoreRequest("random", "abc", POLICIES, reference)
        ids = np.arange(tokens)
        return Scores(request, tokens, geometry, provenance, ids, 2 * ids, nll=values, **compared)

    return make


def compared(kl: list[list[float]], same_top: list[list[int]]) -> dict[str, np.ndarray]:
    return {"kl": np.array(kl), "same_top": np.array(same_top, dtype=np.uint8)}


def test_each_policy_is_summed_up(make_scores: Callable[..., Scores]):
    first, second = prompt_quality(
        make_scores(
            [[HALF, HALF], [HALF, 3 * HALF]],
            **compared([[0, 0, 0], [0.1, 0.2, 0.6]], [[1, 1, 1], [0, 1, 0]]),
        )
    )
    assert first == PromptQuality(POLICIES[0], 2, pytest.approx(HALF), pytest.approx(2), 0, 1)
    assert second.policy == POLICIES[1]
    assert second.mean_nll == pytest.approx(2 * HALF)
    assert second.perplexity == pytest.approx(4)
    assert second.mean_kl == pytest.approx(0.3)
    assert second.agreement == pytest.approx(1 / 3)


def test_bits_per_byte_are_of_all_tokens_but_the_first(make_scores: Callable[..., Scores]):
    # Three tokens of 2, 4 and 6 bytes.
    scores = make_scores([[HALF, HALF, HALF], [HALF, 2 * HALF, 3 * HALF]])
    assert [bits_per_byte(scores, row) for row in (0, 1)] == [
        pytest.approx(0.25),
        pytest.approx(0.5),
    ]
    assert bits_per_byte(make_scores([[], []]), 0) is None


def test_a_single_token_predicts_nothing_that_was_given(make_scores: Callable[..., Scores]):
    _, measured = prompt_quality(make_scores([[], []], **compared([[0], [0.5]], [[1], [0]])))
    assert measured == PromptQuality(POLICIES[1], 0, None, None, 0.5, 0)


def test_a_divergence_that_rounding_brought_below_zero_is_zero(make_scores: Callable[..., Scores]):
    (measured, _) = prompt_quality(make_scores([[], []], **compared([[-1e-9], [0]], [[1], [1]])))
    assert measured.mean_kl == 0


def test_scores_without_a_reference_compare_nothing(make_scores: Callable[..., Scores]):
    with pytest.raises(InputError, match="with a reference"):
        prompt_quality(make_scores([[HALF], [HALF]]))


def test_probabilities_of_what_was_generated(make_scores: Callable[..., Scores]):
    scores = make_scores([[0, 0, 0], [HALF, 2 * HALF, 0]])
    assert token_probabilities(scores, 0, 1).tolist() == [1, 1, 1]
    np.testing.assert_allclose(token_probabilities(scores, 1, 1), [0.5, 0.25, 1])
    np.testing.assert_allclose(token_probabilities(scores, 1, 2), [0.25, 1])
    assert token_probabilities(scores, 1, 4).shape == (0,)  # nothing was generated
    assert token_probabilities(scores, 1, 4).dtype == np.float64


@pytest.mark.parametrize("first", [0, 5, -1])
def test_a_first_token_that_is_not_there_is_refused(make_scores: Callable[..., Scores], first: int):
    with pytest.raises(ValueError, match="from 1 to 4"):
        token_probabilities(make_scores([[0, 0, 0], [0, 0, 0]]), 0, first)
