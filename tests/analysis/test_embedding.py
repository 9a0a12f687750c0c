"""Cosines between embeddings, on vectors whose angles are known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from olmoe_viz import InputError, Trace
from olmoe_viz.analysis.embedding import cosine_similarities


def test_known_angles(make_trace: Callable[..., Trace]):
    trace = make_trace(full=True)
    states = trace.hidden_states.copy()
    states[0] = 0
    states[0, 0, :2] = 3, 0
    states[0, 1, :2] = 2, 2
    states[0, 2, :2] = 0, -1
    states[0, 3, :2] = -5, 0
    found = cosine_similarities(replace(trace, hidden_states=states), 0)
    assert found.shape == (len(trace.tokens),)
    np.testing.assert_allclose(found[:4], [1, np.sqrt(0.5), 0, -1], atol=1e-12)
    assert not found[4:].any()  # the embedding of padding is all zeros


def test_what_is_not_there_is_refused(make_trace: Callable[..., Trace]):
    with pytest.raises(InputError, match="no hidden states"):
        cosine_similarities(make_trace(), 0)
    with pytest.raises(InputError, match="token must be from 0 to"):
        cosine_similarities(make_trace(full=True), 99)
