"""How alike two tokens are routed, and what is recorded of it."""

from collections.abc import Callable

import numpy as np
import pytest

import olmoe_viz as ov
from olmoe_viz import RoutingPolicy, Trace
from olmoe_viz.analysis.observed import alike, experiment, mean_alike, observed
from olmoe_viz.models.model import Model
from training.observe import EXPERIMENTS, TEXTS, observe, place

# The experts of three tokens in three layers, two each.
RAN = np.array([
    [[0, 1], [0, 1], [2, 3]],
    [[0, 1], [1, 2], [3, 0]],
    [[4, 5], [5, 4], [4, 6]],
], np.int16)  # fmt: skip


@pytest.fixture
def trace(make_trace: Callable[..., Trace]) -> Trace:
    words = ("a", " b", " c")
    return make_trace(
        tokens=words,
        token_bytes=tuple(word.encode() for word in words),
        token_ids=np.arange(3),
        expert_ids=RAN,
        policy=RoutingPolicy(2),
    )


def test_tokens_are_alike_by_the_experts_that_both_use(trace: Trace) -> None:
    assert alike((trace, 0), (trace, 1)).tolist() == [2, 1, 2]
    assert alike((trace, 1), (trace, 2)).tolist() == [0, 0, 1]
    pairs = mean_alike([(trace, 0), (trace, 1), (trace, 2)])
    np.testing.assert_allclose(pairs, [2 / 6, 2 / 6, 4 / 6])


def test_an_experiment_says_what_is_usual_among_the_other_pairs(trace: Trace) -> None:
    found = experiment("x", trace, (0, 1))
    assert (found.shared, found.tokens, found.prompt) == ((2, 1, 2), ("a", " b"), trace.text)
    assert found.usual == round(1 / 3, 3)  # tokens 1 and 2; the first token is left out


def test_the_recorded_observations_are_the_bundled_models(in_full: bool) -> None:
    model: Model = ov.load_model()
    known = observed(model.digest)
    assert known is not None
    assert observed("sha256:0") is None
    assert (known.texts, len(known.experiments)) == (len(TEXTS), len(EXPERIMENTS))
    name, text, one, other = EXPERIMENTS[0]
    run = ov.trace(model, text)
    now = experiment(name, run, (place(run, *one), place(run, *other)))
    assert now.places == known.experiments[0].places
    # Nearly equal probabilities may change places on another machine.
    assert np.abs(np.subtract(now.shared, known.experiments[0].shared)).max() <= 1
    if in_full:
        again = observe(model)
        np.testing.assert_allclose(again.first, known.first, atol=0.02)
        np.testing.assert_allclose(again.last, known.last, atol=0.02)
        assert again.balance == known.balance


def test_no_two_texts_begin_or_end_alike() -> None:
    words = [text.split() for text in TEXTS]
    assert len({each[0] for each in words}) == len({each[-1] for each in words}) == len(TEXTS)
