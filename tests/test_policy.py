"""RoutingPolicy: its text form, what it refuses, and how many experts it gives each layer."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from olmoe_viz.interventions import Intervention
from olmoe_viz.policy import RoutingPolicy, one_k
from tests.strategies import policies


@given(policies)
@example(RoutingPolicy(None, threshold=5e-324))
@example(RoutingPolicy(None, threshold=1e-05))
@example(RoutingPolicy((8,), threshold=1))
@example(RoutingPolicy(8, threshold=-0.0))
def test_the_text_form_reads_back(policy: RoutingPolicy):
    read = RoutingPolicy.parse(str(policy))
    assert read == policy
    assert hash(read) == hash(policy)
    assert str(read) == str(policy)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (RoutingPolicy(16), "k=16"),
        (RoutingPolicy(16, "renormalized"), "k=16,w=renormalized"),
        (RoutingPolicy((8, 8, 16), "gain_anchored"), "k=8-8-16,w=gain_anchored"),
        (RoutingPolicy((8,)), "k=8-"),
        (RoutingPolicy(8, threshold=0.03), "k=8,p>=0.03"),
        (RoutingPolicy(None, threshold=0.03), "p>=0.03"),
        (RoutingPolicy((8,), threshold=1), "k=8-,p>=1.0"),
        (RoutingPolicy((8, 4), "renormalized", 1e-05), "k=8-4,p>=1e-05,w=renormalized"),
        (RoutingPolicy(None, "gain_anchored", 0.5), "p>=0.5,w=gain_anchored"),
        (
            RoutingPolicy(
                8,
                interventions=(
                    Intervention("off", 7, 20),
                    Intervention("swap", (0, 1, 2, 5), (3,), "prompt", to=33),
                    Intervention("bias", None, (4, 9), (3, 8), amount=-1.5),
                ),
                lost_mass="restore",
            ),
            "k=8,off:7.20,swap:0-2_5.3~33@prompt,bias:*.4_9~-1.5@3_8,mass=restore",
        ),
    ],
)
def test_the_text_form_is_fixed_because_links_hold_it(policy: RoutingPolicy, text: str):
    assert str(policy) == text
    assert RoutingPolicy.parse(text) == policy


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("k=08", RoutingPolicy(8)),
        ("k=8,p>=0", RoutingPolicy(8)),
        ("k=8,p>=0.030", RoutingPolicy(8, threshold=0.03)),
        ("p>=3e-2", RoutingPolicy(None, threshold=0.03)),
        ("p>=1,w=native", RoutingPolicy(None, threshold=1.0)),
    ],
)
def test_other_ways_to_write_a_number_are_read(text: str, policy: RoutingPolicy):
    assert RoutingPolicy.parse(text) == policy


def test_both_spellings_of_a_weighting_are_the_same_policy():
    stored = RoutingPolicy(16, "gain_anchored")
    for policy in (RoutingPolicy(16, "gain-anchored"), RoutingPolicy.parse("k=16,w=gain-anchored")):
        assert policy == stored
        assert policy.weighting == "gain_anchored"
        assert str(policy) == "k=16,w=gain_anchored"


@given(st.text())
def test_any_other_text_is_refused_with_the_expected_form(text: str):
    with pytest.raises(ValueError, match="Write k=16"):
        RoutingPolicy.parse(text)


@given(st.text(alphabet="kpw=>-,.e0189native", max_size=24))
def test_text_that_looks_like_a_policy_is_one_or_is_refused(text: str):
    try:
        policy = RoutingPolicy.parse(text)
    except ValueError:
        return
    assert RoutingPolicy.parse(str(policy)) == policy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "16",
        "k=",
        "k=-8",
        "k=8-8-",
        "k=8--",
        "k=8.5",
        "k=٨",
        "k=8 ",
        "k=8\n",
        "k=8,",
        "k=8,w=",
        "k=8,w=other",
        "k=0",
        "k=8-0",
        "k=" + "9" * 10_000,
        "p>=0.03,k=8",
        "k=8,w=renormalized,p>=0.03",
        "k=8,p>=",
        "k=8,p>=.03",
        "k=8,p>=3.",
        "k=8,p>=-0.1",
        "k=8,p>=nan",
        "k=8,p>=inf",
        "k=8,p>0.03",
        "k=8,p>=0.03,p>=0.03",
    ],
)
def test_near_misses_are_refused(text: str):
    with pytest.raises(ValueError, match=r"policy|weighting|at least 1"):
        RoutingPolicy.parse(text)


@pytest.mark.parametrize("text", ["p>=1.01", "k=8,p>=2", "k=8,p>=1e999", "p>=9" + "9" * 10_000])
def test_a_threshold_that_no_probability_reaches_is_refused(text: str):
    with pytest.raises(ValueError, match="from 0 to 1"):
        RoutingPolicy.parse(text)


@pytest.mark.parametrize("text", ["p>=0", "p>=0.0,w=renormalized", "p>=1e-999"])
def test_no_limit_at_all_is_refused(text: str):
    with pytest.raises(ValueError, match="needs a k, or a threshold above 0"):
        RoutingPolicy.parse(text)


@pytest.mark.parametrize("k", [0, -1, (), (8, 0)])
def test_k_is_at_least_1(k: object):
    with pytest.raises(ValueError, match="at least 1"):
        RoutingPolicy(k)


@pytest.mark.parametrize("k", [8.0, "8", True, [8, 8], (8, None), (8, True), ((8,), 8)])
def test_k_is_a_whole_number_or_a_tuple_of_them(k: object):
    with pytest.raises(ValueError, match="whole number"):
        RoutingPolicy(k)


def test_k_has_an_upper_bound_that_the_text_form_can_hold():
    for k in (10**9, (1, 10**9)):
        with pytest.raises(ValueError, match="one billion"):
            RoutingPolicy(k)


def test_a_policy_needs_a_k_or_a_threshold():
    for policy in (RoutingPolicy, lambda: RoutingPolicy(None, threshold=0)):
        with pytest.raises(ValueError, match="needs a k, or a threshold"):
            policy()


@pytest.mark.parametrize(
    "threshold", [-0.1, 1.1, float("nan"), float("inf"), 10**400, "0.5", None, True, [0.5]]
)
def test_a_threshold_is_a_probability(threshold: object):
    with pytest.raises(ValueError, match="threshold must be from 0 to 1"):
        RoutingPolicy(8, threshold=threshold)


@pytest.mark.parametrize("weighting", ["none", None, ["native"]])
def test_an_unknown_weighting_names_the_known_ones(weighting: object):
    with pytest.raises(ValueError, match="native, renormalized, gain_anchored"):
        RoutingPolicy(8, weighting)


def test_numpys_numbers_become_equal_hashable_policies():
    assert {RoutingPolicy(np.int64(8)), RoutingPolicy(8)} == {RoutingPolicy(8)}
    assert RoutingPolicy((np.int32(8), 4)) == RoutingPolicy((8, 4))
    assert str(RoutingPolicy(8, threshold=np.float64(0.5))) == "k=8,p>=0.5"


def test_a_whole_threshold_is_the_same_policy():
    assert RoutingPolicy(8, threshold=1) == RoutingPolicy(8, threshold=1.0)
    assert isinstance(RoutingPolicy(8, threshold=1).threshold, float)


def test_policies_cannot_be_changed():
    with pytest.raises(AttributeError):
        RoutingPolicy(8).k = 16


def test_ks_are_the_most_experts_of_each_layer():
    assert RoutingPolicy(8).ks(layers=3, experts=8) == (8, 8, 8)
    assert RoutingPolicy((1, 64)).ks(layers=2, experts=64) == (1, 64)
    assert RoutingPolicy((5,)).ks(layers=1, experts=64) == (5,)
    assert RoutingPolicy(4, threshold=0.9).ks(layers=2, experts=64) == (4, 4)
    assert RoutingPolicy(None, threshold=0.9).ks(layers=2, experts=64) == (64, 64)


@pytest.mark.parametrize(
    ("k", "sentence"),
    [
        (65, "from 1 to 64; it is 65"),
        ((8, 65), "from 1 to 64; it is 65"),
        ((8, 8, 8), "3 layers.*has 2"),
        ((8,), "1 layers.*has 2"),
    ],
)
def test_ks_say_what_the_model_allows(k: object, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        RoutingPolicy(k).ks(layers=2, experts=64)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], True),
        ([RoutingPolicy(16), RoutingPolicy(1, "renormalized")], True),
        ([RoutingPolicy((8, 8))], False),
        ([RoutingPolicy(8, threshold=0.1)], False),
        ([RoutingPolicy(None, threshold=0.1)], False),
    ],
)
def test_one_k_holds_for_single_numbers_alone(others: list[RoutingPolicy], expected: bool):
    assert one_k([RoutingPolicy(8), *others]) is expected


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Intervention("mute", 1, 2), "one of off"),
        (lambda: Intervention("off", 1, ()), "experts must be whole numbers"),
        (lambda: Intervention("off", -1, 3), "layers must be numbers from 0"),
        (lambda: Intervention("off", 1, 3, "some"), "all, prompt, generated"),
        (lambda: Intervention("swap", 1, 3), "names the expert"),
        (lambda: Intervention("swap", 1, 3, to=3), "in its own place"),
        (lambda: Intervention("off", 1, 3, amount=1), 'Only a "bias"'),
        (lambda: Intervention("bias", 1, 3, amount=float("nan")), "finite"),
        (lambda: Intervention.parse("off:7.20~1"), "Write off:7.20"),
        (
            lambda: RoutingPolicy.parse("k=8,swap:1.3~4,swap:*.3~5"),
            "Expert 3 is swapped for two others",
        ),
        (lambda: RoutingPolicy(8, interventions=("off:1.2",)), "tuple of `Intervention`"),
        (lambda: RoutingPolicy(8, lost_mass="keep"), "lost mass is one of"),
    ],
)
def test_interventions_that_make_no_sense_are_refused(make: Callable[[], object], said: str):
    with pytest.raises(ValueError, match=said):
        make()
