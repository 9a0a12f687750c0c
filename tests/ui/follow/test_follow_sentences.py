"""Sentences of `Follow a token` about numbers made up for the test."""

import numpy as np

from olmoe_viz.ui.follow import router_steps


def direction(norms: list[float], cosines: list[float]) -> str:
    """The sentence on router rows of these norms and cosines, of an input of norm 2."""
    logits = 2 * np.array(norms) * np.array(cosines)
    return router_steps.direction(np.array(cosines), logits, 2.0)


def test_the_row_of_the_strongest_expert_is_longer_or_shorter_as_the_signs_have_it() -> None:
    longer = direction([1, 3, 1], [0.5, 0.4, -0.9])
    assert "expert 0 points most in its direction, with a cosine of 0.500" in longer
    assert "2.400, is that of expert 1: its row is longer, 3.00 against 1.00." in longer
    shorter = direction([3, 1, 4], [-0.2, -0.3, -0.9])
    assert "expert 0 is the least opposed to it, with a cosine of −0.200" in shorter
    assert "−0.600, is that of expert 1: its row is shorter, 1.00 against 3.00." in shorter
    for sign in (1, -1):
        same = direction([1, 1], [0.5 * sign, 0.6 * sign])
        assert "also has the largest logit" in same
        assert "row is" not in same


def test_where_all_experts_run_there_is_no_cutoff() -> None:
    row = np.array([0.5, 0.3, 0.2 - 3e-5, 3e-5])
    assert router_steps.margins(row, (2, 1)) == (
        "The margin at the cutoff is 0.200 at k = 1 and 0.100 at k = 2."
    )
    assert router_steps.margins(row, (4, 1)) == (
        "The margin at the cutoff is 0.200 at k = 1. "
        "With k = 4 all experts run, and there is no cutoff."
    )
    assert router_steps.margins(row, (4, 4)) == (
        "With k = 4 all experts run, and there is no cutoff."
    )
    close = np.array([0.5, 0.49, 0.48999, 0.0])
    assert "1.00e-02 at k = 1 and 1.00e-05 at k = 2" in router_steps.margins(close, (1, 2))
