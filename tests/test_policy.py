import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy

ks = st.integers(1, 999_999_999)
policies = st.builds(
    RoutingPolicy,
    ks | st.lists(ks, min_size=1, max_size=20).map(tuple),
    st.sampled_from(WEIGHTINGS),
)


@given(policies)
def test_the_text_form_reads_back(policy: RoutingPolicy):
    assert RoutingPolicy.parse(str(policy)) == policy


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (RoutingPolicy(16), "k=16"),
        (RoutingPolicy(16, "renormalized"), "k=16,w=renormalized"),
        (RoutingPolicy((8, 8, 16), "gain_anchored"), "k=8-8-16,w=gain_anchored"),
        (RoutingPolicy((8,)), "k=8-"),
    ],
)
def test_the_text_form_is_fixed_because_links_hold_it(policy: RoutingPolicy, text: str):
    assert str(policy) == text


@given(st.text())
def test_any_other_text_is_refused_with_the_expected_form(text: str):
    with pytest.raises(ValueError, match="Write k=16"):
        RoutingPolicy.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "16",
        "k=",
        "k=-8",
        "k=8-8-",
        "k=8.5",
        "k=٨",
        "k=8 ",
        "k=8\n",
        "k=8,w=",
        "k=8,w=other",
        "k=0",
        "k=" + "9" * 10_000,
    ],
)
def test_near_misses_are_refused(text: str):
    with pytest.raises(ValueError, match=r"policy|weighting|at least 1"):
        RoutingPolicy.parse(text)


@pytest.mark.parametrize("k", [0, -1, (), (8, 0)])
def test_k_is_at_least_1(k: object):
    with pytest.raises(ValueError, match="at least 1"):
        RoutingPolicy(k)


@pytest.mark.parametrize("k", [8.0, "8", None, True, [8, 8], (8, None)])
def test_k_is_a_whole_number_or_a_tuple_of_them(k: object):
    with pytest.raises(ValueError, match="whole number"):
        RoutingPolicy(k)


def test_k_has_an_upper_bound_that_the_text_form_can_hold():
    with pytest.raises(ValueError, match="one billion"):
        RoutingPolicy(10**9)


def test_an_unknown_weighting_names_the_known_ones():
    with pytest.raises(ValueError, match="native, renormalized, gain_anchored"):
        RoutingPolicy(8, "none")


def test_numpy_integers_become_equal_hashable_policies():
    assert {RoutingPolicy(np.int64(8)), RoutingPolicy(8)} == {RoutingPolicy(8)}
    assert RoutingPolicy((np.int32(8), 4)) == RoutingPolicy((8, 4))


def test_policies_cannot_be_changed():
    with pytest.raises(AttributeError):
        RoutingPolicy(8).k = 16


def test_one_k_serves_any_number_of_layers():
    assert RoutingPolicy(8).ks(3) == (8, 8, 8)
    assert RoutingPolicy((1, 2)).ks(2) == (1, 2)


@pytest.mark.parametrize(
    ("k", "sentence"),
    [(65, "from 1 to 64; it is 65"), ((8, 65), "from 1 to 64"), ((8, 8, 8), "3 layers.*has 2")],
)
def test_check_says_what_the_model_allows(k: object, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        RoutingPolicy(k).check(layers=2, experts=64)


def test_check_accepts_the_whole_range():
    RoutingPolicy((1, 64)).check(layers=2, experts=64)
