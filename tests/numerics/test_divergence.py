"""Divergences of next-token distributions, held against torch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from olmoe_viz.numerics.divergence import kl_divergence, log_softmax

logits = arrays.arrays(np.float32, st.just((7,)), elements=st.floats(-60, 60, width=32))


@given(logits)
def test_log_softmax_is_torchs_in_float64(values: np.ndarray):
    expected = torch.log_softmax(torch.from_numpy(values).double(), dim=-1).numpy()
    np.testing.assert_allclose(log_softmax(values), expected, rtol=1e-12, atol=1e-12)
    assert log_softmax(values).dtype == np.float64


def test_log_softmax_of_huge_logits_stays_finite():
    values = np.array([[3e38, 3e38], [-3e38, 0]], dtype=np.float32)
    assert np.isfinite(log_softmax(values)).all()
    assert log_softmax(values)[0].tolist() == pytest.approx([np.log(0.5)] * 2)


@given(logits, logits)
def test_the_divergence_is_torchs(p: np.ndarray, q: np.ndarray):
    first, second = (torch.log_softmax(torch.from_numpy(x).double(), dim=-1) for x in (p, q))
    expected = torch.nn.functional.kl_div(second, first, reduction="sum", log_target=True)
    assert kl_divergence(p, q) == pytest.approx(max(float(expected), 0.0), rel=1e-9, abs=1e-9)
    assert kl_divergence(p, q) >= 0


@given(logits, st.floats(-30, 30))
def test_a_constant_added_to_the_logits_changes_nothing(p: np.ndarray, constant: float):
    assert kl_divergence(p, p) == 0
    assert kl_divergence(p, p.astype(np.float64) + constant) == pytest.approx(0, abs=1e-9)


def test_the_reference_weighs_the_difference():
    p, q = np.log([0.5, 0.5]), np.log([0.9, 0.1])
    assert kl_divergence(p, q) == pytest.approx(0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1))
    assert kl_divergence(q, p) == pytest.approx(0.9 * np.log(0.9 / 0.5) + 0.1 * np.log(0.1 / 0.5))


def test_nothing_given_is_changed():
    values = np.array([1.0, 2.0])
    log_softmax(values)
    assert values.tolist() == [1.0, 2.0]
