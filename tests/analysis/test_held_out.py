"""Bits per byte of two policies on the same text, with intervals over its pieces."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from olmoe_viz import Geometry, RoutingPolicy
from olmoe_viz.analysis.held_out import PIECE, held_out, sample
from olmoe_viz.engine.recorded import bundled_runs, load
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.scores import Scores
from olmoe_viz.requests import ScoreRequest


@pytest.fixture
def make_scores(geometry: Geometry, provenance: Provenance) -> Callable[..., Scores]:
    """Return a function that makes scores of a text of tokens of two bytes."""

    def make(nll: np.ndarray) -> Scores:
        count = len(nll) + 1
        request = ScoreRequest("random", "abc", (RoutingPolicy(2),))
        ids, sizes = np.zeros(count, np.int64), np.full(count, 2)
        return Scores(request, count, geometry, provenance, ids, sizes, nll=nll[None])

    return make


def test_what_is_equal_in_every_piece_has_no_width(make_scores: Callable[..., Scores]):
    draw = np.random.default_rng(0)
    nats = [draw.random(4 * PIECE + 7) * (at + 1) for at in range(2)]
    plain = [make_scores(each) for each in nats]
    # Twice a constant more for each token of two bytes: one bit more for each byte.
    changed = [make_scores(each + 2 * np.log(2)) for each in nats]
    found = held_out(("a", "b"), plain, changed)
    assert found.tokens == 2 * (4 * PIECE + 7)
    np.testing.assert_allclose(found.more, 1.0)
    expected = [each.sum() / np.log(2) / (2 * len(each)) for each in nats]
    np.testing.assert_allclose(found.plain[:, 0], [*expected, np.mean(expected)])
    np.testing.assert_allclose(found.changed, found.plain + 1)
    assert (found.plain[:, 1] < found.plain[:, 0]).all()
    assert (found.plain[:, 0] < found.plain[:, 2]).all()


def test_an_interval_is_that_of_pieces_drawn_anew(make_scores: Callable[..., Scores]):
    """Two pieces, one of which costs a bit per byte more: a draw has none, one or both."""
    nats = np.repeat([0.0, 2 * np.log(2)], PIECE)
    found = held_out(("a",), [make_scores(0 * nats)], [make_scores(nats)])
    np.testing.assert_allclose(found.more, [[0.5, 0, 1]] * 2, atol=1e-12)


def test_scores_of_different_texts_are_not_compared(make_scores: Callable[..., Scores]):
    one = make_scores(np.ones(30))
    other = replace(one, token_ids=np.ones(31, np.int64))
    with pytest.raises(ValueError, match="different texts"):
        held_out(("a",), [one], [other])


def test_only_the_bundled_weights_have_held_out_text():
    texts = sample(load(bundled_runs()[0]).provenance.digest)
    assert len(texts) == 10
    assert {len(ids) for ids in texts.values()} == {250}
    assert "LaTeX" in texts
    assert sample("sha256:0") == {}
