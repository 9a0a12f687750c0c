"""Divergence of distributions whose distance is known."""

import math

import numpy as np
import pytest

from olmoe_viz.numerics.divergence import kl_divergence, log_softmax


def test_divergence_of_known_distributions():
    half, quarter = np.log([0.5, 0.5]), np.log([0.25, 0.75])
    assert kl_divergence(half, quarter) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert kl_divergence(quarter, half) == pytest.approx(
        0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    )
    assert kl_divergence(half, half + 40) == pytest.approx(0)


def test_log_probabilities_do_not_overflow():
    found = log_softmax([[1000.0, 1000.0], [-1000.0, 0.0]])
    np.testing.assert_allclose(found, [[math.log(0.5)] * 2, [-1000, 0]])
