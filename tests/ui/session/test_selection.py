import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz.models import catalogue
from olmoe_viz.models.catalogue import CATALOGUE, find
from olmoe_viz.numerics.geometry import OLMOE_1B_7B, Geometry, MoeLayer
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy
from olmoe_viz.requests import ChatMessage
from olmoe_viz.ui.session.selection import LINK_PROMPT, Expert, Selection

LARGE, STEP = "allenai/OLMoE-1B-7B-0924", "step10000-tokens41B"

selections = st.builds(
    Selection,
    model=st.sampled_from([entry.name for entry in CATALOGUE]),
    prompt=st.text(min_size=1, max_size=60),
    k=st.integers(1, 64),
    against=st.integers(1, 64),
    weighting=st.sampled_from(WEIGHTINGS),
    layer=st.integers(0, 15),
    token=st.none() | st.integers(0, 2047),
    expert=st.none() | st.builds(Expert, st.integers(0, 15), st.integers(0, 63)),
    chat_template=st.booleans(),
)


def test_defaults_leave_the_url_empty() -> None:
    assert Selection().to_query() == {}
    assert Selection.from_query({}) == Selection()


@given(selections)
def test_every_selection_comes_back_from_its_url(selection: Selection) -> None:
    assert Selection.from_query(selection.to_query()) == selection


def test_only_what_differs_is_written() -> None:
    assert Selection(k=16, token=0, weighting="renormalized").to_query() == {
        "k": "16",
        "token": "0",
        "weights": "renormalized",
    }


@given(st.dictionaries(st.sampled_from(Selection.KEYS), st.text(max_size=20)))
def test_nonsense_never_raises_and_gives_values_in_range(query: dict[str, str]) -> None:
    selection = Selection.from_query(query)
    assert 1 <= selection.k <= 64
    assert 1 <= selection.against <= 64
    assert selection.layer >= 0
    assert selection.weighting in WEIGHTINGS
    assert selection.prompt
    assert isinstance(selection.policy, RoutingPolicy)


def test_particular_nonsense_counts_as_left_out() -> None:
    nonsense = {"k": "-3", "against": "1e9", "layer": "٣", "token": "0x1", "weights": "<b>"}
    assert Selection.from_query(nonsense) == Selection()


def test_a_k_above_the_experts_counts_as_left_out() -> None:
    assert Selection.from_query({"k": "64", "against": "64"}) == Selection(k=64, against=64)
    assert Selection.from_query({"k": "65", "against": "100"}) == Selection()


def test_the_largest_k_is_that_of_the_model_in_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(find(CATALOGUE[1].name), experts=24)
    monkeypatch.setattr(catalogue, "CATALOGUE", (CATALOGUE[0], small))
    query = {"k": "25", "against": "24", "model": small.name}
    assert Selection.from_query(query) == Selection(small.name, k=8, against=24)
    assert Selection.from_query({**query, "model": CATALOGUE[0].name}).k == 25


def test_a_model_with_fewer_experts_than_the_usual_ks_gets_as_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = replace(find(CATALOGUE[1].name), experts=4)
    monkeypatch.setattr(catalogue, "CATALOGUE", (CATALOGUE[0], small))
    chosen = Selection.from_query({"model": small.name})
    assert (chosen.k, chosen.against) == (4, 4)


def test_a_link_names_no_model_outside_the_catalogue() -> None:
    for name in ("/etc", "someone/else", "../../secret", f"{LARGE}@main", f"{LARGE}@{STEP}"):
        assert Selection.from_query({"model": name}) == Selection()


def test_a_link_names_what_the_operator_lists(configure: Callable[..., None]) -> None:
    listed = [{"name": LARGE, "revision": STEP, "label": "0924, step 10,000"}]
    configure(models=json.dumps(listed))
    chosen = Selection.from_query({"model": f"{LARGE}@{STEP}", "prompt": "a"})
    assert chosen == Selection(f"{LARGE}@{STEP}", "a")
    assert Selection.from_query(chosen.to_query()) == chosen
    for name in (f"{LARGE}@main", f"{LARGE}-Instruct@{STEP}", "0924, step 10,000"):
        assert Selection.from_query({"model": name}) == Selection()


def test_a_prompt_is_a_message_for_models_that_were_tuned_on_conversations() -> None:
    tuned = Selection(f"{LARGE}-Instruct", "Hello")
    assert tuned.text == ChatMessage("Hello")
    assert replace(tuned, chat_template=False).text == "Hello"
    assert replace(tuned, chat_template=False).to_query()["template"] == "off"
    assert Selection(LARGE, "Hello").text == "Hello"


def test_a_prompt_too_long_for_a_link_stays_out_of_it() -> None:
    long = Selection(prompt="a" * (LINK_PROMPT + 1), k=16)
    assert long.to_query() == {"k": "16"}
    assert not long.prompt_fits_link
    assert Selection(prompt="a" * LINK_PROMPT).to_query() == {"prompt": "a" * LINK_PROMPT}


def test_within_finds_the_nearest_cell_that_exists() -> None:
    far = Selection(k=99, against=100, layer=40, token=70, expert=Expert(40, 200))
    far = far.within(OLMOE_1B_7B, 10)
    assert (far.k, far.against, far.layer, far.token, far.expert) == (64, 64, 15, 9, (15, 63))
    assert Selection().within(OLMOE_1B_7B, 10).token == 9
    assert Selection(token=3, expert=None).within(OLMOE_1B_7B, 10).expert is None


def test_within_finds_the_nearest_layer_of_experts(geometry: Geometry) -> None:
    sizes = {"experts": 8, "trained_k": 2, "largest_k": 8}
    some = replace(geometry, layers=9, moe_layers=tuple(MoeLayer(at, **sizes) for at in (1, 3, 7)))
    assert [Selection(layer=at).within(some, 1).layer for at in range(9)] == [
        *(1, 1, 1, 3, 3, 3, 7, 7, 7),
    ]


def test_policies_share_the_weighting() -> None:
    selection = Selection(k=4, against=32, weighting="gain_anchored")
    assert str(selection.policy) == "k=4,w=gain_anchored"
    assert str(selection.against_policy) == "k=32,w=gain_anchored"
