"""Sentences of `Follow a token` about numbers made up for the test."""

import numpy as np
import pytest

from olmoe_viz.figures.labels import k_is
from olmoe_viz.ui.texts import claims, follow, lab_direct


def direction(norms: list[float], cosines: list[float]) -> str:
    """The sentence on router rows of these norms and cosines, of an input of norm 2."""
    logits = 2 * np.array(norms) * np.array(cosines)
    return follow.direction(7, np.array(cosines), logits, 2.0)


def test_the_row_of_the_strongest_expert_is_longer_or_shorter_as_the_signs_have_it() -> None:
    assert direction([1, 3, 1], [0.5, 0.4, -0.9]) == (
        "The router's input has norm 2.00. The row of expert 7·0 points most in its direction "
        "(cosine 0.500). The largest logit, 2.400, belongs to expert 7·1, whose row is longer "
        "(norm 3.00 against 1.00)."
    )
    assert direction([3, 1, 4], [-0.2, -0.3, -0.9]) == (
        "The router's input has norm 2.00. All rows point away from this vector; that of expert "
        "7·0 does so least (cosine −0.200). The largest logit, −0.600, belongs to expert 7·1, "
        "whose row is shorter (norm 1.00 against 3.00)."
    )
    for sign in (1, -1):
        same = direction([1, 1], [0.5 * sign, 0.6 * sign])
        assert "This expert also has the largest logit" in same
        assert "whose row" not in same


def test_where_all_experts_run_there_is_no_cutoff() -> None:
    row = np.array([0.5, 0.3, 0.2 - 3e-5, 3e-5])
    assert follow.margins(row, (2, 1)) == (
        f"The margin at the cutoff is 0.200 at {k_is(1)} and 0.100 at {k_is(2)}."
    )
    assert follow.margins(row, (4, 1)) == (
        f"The margin at the cutoff is 0.200 at {k_is(1)}. "
        f"With {k_is(4)} all experts run, and there is no cutoff."
    )
    assert follow.margins(row, (4, 4)) == f"With {k_is(4)} all experts run, and there is no cutoff."
    close = np.array([0.5, 0.49, 0.48999, 0.0])
    assert f"1.00e-02 at {k_is(1)} and 1.00e-05 at {k_is(2)}" in follow.margins(close, (1, 2))


def test_two_equal_ks_are_named_once() -> None:
    assert follow.retained([0.5, 0.5], (8, 8)) == f"The retained mass is 0.500 with {k_is(8)}."
    assert follow.retained([0.5, 0.7], (8, 16)) == (
        f"The retained mass is 0.500 with {k_is(8)} and 0.700 with {k_is(16)}."
    )
    assert follow.what_ran((8, 8)) == ""
    assert follow.what_ran((8, 16)).startswith(f"{k_is(8)} is what ran. For {k_is(16)} you see")


def test_the_input_of_a_block_differs_only_after_other_layers_have_rerouted() -> None:
    assert follow.changes(0.2, 0.142, 0.444) == (
        "Same input: the block's output changes by 20.0% of its norm.\n"
        "As run: if k changes in every layer, this block's input already differs by 14.2% and its "
        "output by 44.4%."
    )
    assert follow.changes(0.2, 0.0, 0.2) == (
        "Same input: the block's output changes by 20.0% of its norm.\n"
        "As run: this block gets the same input, so its output changes as much."
    )


def test_a_token_says_its_id_and_its_bytes() -> None:
    assert follow.one_token(3, " was", 9, "20 77 61 73; 4 characters") == (
        "token 3 ‘·was’: id 9, bytes 20 77 61 73; 4 characters"
    )


def test_a_prediction_stays_or_changes() -> None:
    assert follow.expectation((" a", " a"), 5, same=True) == "Both ks predict ‘·a’ after token 5."
    assert follow.expectation((" a", " b"), 5, same=False) == (
        "After token 5 the prediction changes from ‘·a’ to ‘·b’."
    )


def test_names_of_layers_and_experts() -> None:
    assert follow.layer_of(3, (1, 3, 4)) == "layer 3 (1 to 4)"
    assert "expert 7·20 is strongest" in follow.strongest(7, 20, 0.3)
    assert follow.chosen("·was", 5, 7, range(16), (8, 16)) == (
        "token 5 ‘·was’ · layer 7 (0 to 15) · k 8 against 16"
    )


def test_one_expert_is_not_spoken_of_as_many() -> None:
    assert follow.pushed(1, 7, " a", 0.5, 9.0).startswith("The one expert of layer 7 that ran adds")
    assert follow.pushed(8, 7, " a", -0.5, 9.0) == (
        "The 8 experts of layer 7 that ran add −0.500 to the logit of ‘·a’, which is 9.00 in all."
    )


BITS = {4: 1.2, 8: 1.142, 16: 1.14, 64: 1.25}


@pytest.mark.parametrize(
    ("equal", "said"),
    [
        (
            [8, 16],
            (
                f"{k_is(8)} and 16 cannot be told apart: each value lies in the other's "
                f"95% interval. {k_is(64)} "
            ),
        ),
        ([16], f"{k_is(16)} is best. {k_is(64)} needs 0.110 more than the best."),
        (
            [8, 16, 64],
            (
                f"{k_is(8)}, 16 and 64 cannot be told apart: the best value lies in the 95% "
                "interval of each"
            ),
        ),
    ],
)
def test_ks_that_cannot_be_told_apart_are_called_equal(equal: list[int], said: str) -> None:
    words = claims.held_out(BITS, equal)
    assert f"1.142 at {k_is(8)}, 1.140 at {k_is(16)}" in words
    assert said in words
    assert (f"{k_is(64)} needs" in words) == (64 not in equal)
    assert "slightly" not in words


def test_the_bars_of_logits_say_where_they_start_and_why() -> None:
    said = follow.from_the_mean(-2.904, 64)
    assert "the mean of all 64, −2.90:" in said
    assert "softmax sees only how far apart they are" in said
    # The two pages that share a token's logit among experts count it from different places.
    assert "counted from 0 here" in follow.PUSHES
    assert "counts the logit from 0 instead" in lab_direct.CAPTION


def test_the_entropy_is_told_beside_that_of_an_even_choice() -> None:
    assert follow.entropy(np.log(2), np.log(8), 8) == (
        "As the model has it, the entropy is 0.693 of at most 2.08 nats, those of an even choice "
        "among all 8 experts."
    )
