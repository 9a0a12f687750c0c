"""One selection for the whole application, and the same words for it on every page."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz.errors import ModelError
from olmoe_viz.models import catalogue
from olmoe_viz.ui import glossary
from olmoe_viz.ui.frame import frame
from tests.ui.engines import ByHand, serve
from tests.ui.visitor import app, checked, drawn, page


def test_quality_shows_the_layer_that_is_selected_and_selects_it() -> None:
    test = page(app("layer=3"), "quality")
    assert test.slider(key="domain_layer").value == 3
    checked(test.slider(key="domain_layer").set_value(12).run())
    assert test.query_params["layer"] == "12"
    assert page(test, "map").number_input(key="pick_layer").value == 12


def test_a_layer_that_no_model_has_becomes_the_last() -> None:
    assert app("layer=99", "quality").slider(key="domain_layer").value == 15


MARKED = "token=1&layer=2&range=1-3~2-5"


def load_words(test: AppTest) -> str:
    return next(one.value for one in test.caption if "that have an expert among" in one.value)


def test_a_link_restores_the_range_of_the_map_and_the_order_of_the_bars() -> None:
    test = app(f"{MARKED}&order=expert&view=mass")
    assert "tokens 1 to 3" in load_words(test)
    assert test.segmented_control(key="order").value == "expert"
    assert test.segmented_control(key="view").value == "mass"


def test_range_order_and_view_are_there_again_after_another_page() -> None:
    test = app(MARKED)
    checked(test.segmented_control(key="order").set_value("expert").run())
    checked(test.segmented_control(key="view").set_value("margin").run())
    page(page(test, "quality"), "map")
    assert "tokens 1 to 3" in load_words(test)
    assert test.segmented_control(key="order").value == "expert"
    assert {key: test.query_params[key] for key in ("order", "view", "range")} == {
        "order": "expert",
        "view": "margin",
        "range": "1-3~2-5",
    }


def test_a_range_ends_with_its_first_cell_and_with_the_prompt() -> None:
    test = app(MARKED)
    checked(test.number_input(key="pick_layer").set_value(3).run())
    assert "tokens 1 to" not in load_words(test)
    assert "range" not in test.query_params
    checked(test.number_input(key="pick_layer").set_value(2).run())
    test.text_area(key="draft").set_value("One two")
    checked(next(button for button in test.button if button.label == "Run").click().run())
    assert "range" not in test.query_params


@pytest.mark.parametrize(
    ("wild", "words"),
    [
        ("token=1&layer=2&range=1-999~2-999", "tokens 1 to 10"),
        ("token=1&range=1-3~2-5", "share of the 11 tokens"),
        ("token=99&layer=2&range=99-120~2-5", "share of the 11 tokens"),
        ("token=1&layer=2&range=3-1~2-5&order=%27", "share of the 11 tokens"),
    ],
)
def test_a_range_that_does_not_fit_is_cut_or_left_out(wild: str, words: str) -> None:
    test = app(wild)
    assert words in load_words(test)
    assert test.segmented_control(key="order").value == "probability"


def test_a_link_opens_the_map_of_its_head() -> None:
    test = app("head=99", "follow")
    head = test.number_input(key="attention_head")
    assert head.value == head.max
    checked(head.set_value(1).run())
    assert test.query_params["head"] == "1"
    assert page(page(test, "about"), "follow").number_input(key="attention_head").value == 1


def test_a_link_restores_the_text_of_quality() -> None:
    test = app("quality_domain=german", "quality")
    assert test.selectbox(key="quality_domain").value == "german"
    checked(test.selectbox(key="quality_domain").select("french").run())
    assert test.query_params["quality_domain"] == "french"
    wild = app("quality_domain=%3Cb%3E", "quality")
    assert wild.selectbox(key="quality_domain").value == "all"


@pytest.mark.parametrize("query", ["k=100", "against=65"])
def test_a_k_above_the_experts_in_a_link_leaves_a_page_with_the_map(query: str) -> None:
    test = app(query)
    assert not test.error
    assert set(drawn(test)) == {"bars", "mass", "journey", "load"}
    assert test.segmented_control(key="choice_k").value == 8
    assert test.segmented_control(key="choice_against").value == 16


def test_the_ks_that_are_offered_are_doubled_up_to_all_experts() -> None:
    assert frame.ks(64) == [1, 2, 4, 8, 16, 32, 64]
    assert frame.ks(24) == [1, 2, 4, 8, 16, 24]


def test_a_model_with_fewer_experts_lowers_the_ks(monkeypatch: pytest.MonkeyPatch) -> None:
    bundled, large, *_ = catalogue.CATALOGUE
    monkeypatch.setattr(catalogue, "CATALOGUE", (bundled, replace(large, experts=24)))
    test = app("k=64&against=32")
    checked(test.selectbox(key="choice_model").select(large.name).run())
    for name in ("k", "against"):
        assert test.segmented_control(key=f"choice_{name}").value == 24
        assert test.number_input(key=f"exact_{name}").max == 24


def test_the_operators_models_are_offered_by_their_labels(
    monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]
) -> None:
    large, step = "allenai/OLMoE-1B-7B-0924", "step10000-tokens41B"
    label = "*0924*, step 10,000"
    listed = [{"name": large, "revision": step, "label": label}]
    configure(models=json.dumps(listed))
    made = ByHand(lambda ticket: ticket.fail(ModelError("It is not here.")))
    serve(monkeypatch, made)
    found = catalogue.OnDisk(complete=True, arrived=0, free=10**12, hub_is_off=False)
    monkeypatch.setattr(catalogue, "on_disk", lambda _: found)
    test = app("order=probability")
    choice = test.selectbox(key="choice_model")
    assert choice.options == [catalogue.BUNDLED, label]
    checked(choice.select(f"{large}@{step}").run())
    assert f"Revision {step}" in [each.value for each in test.text]
    assert {ticket.request.model for ticket in made.tickets} == {f"{large}@{step}"}
    assert test.query_params["model"] == f"{large}@{step}"


def test_the_help_of_a_control_is_what_the_glossary_says() -> None:
    test = app("order=probability")
    words = {
        "choice_k": ["top-k"],
        "choice_weighting": ["native weights", "renormalized", "gain-anchored"],
        "view": ["retained mass", "entropy", "margin", "drift"],
    }
    for key, names in words.items():
        told = test.segmented_control(key=key).help
        assert all(glossary.term(name) in told for name in names), key


def test_quoted_figures_say_who_measured_what_and_that_nobody_published_it() -> None:
    test = app(name="quality")
    told = next(caption.value for caption in test.caption if "OLMoE-1B-7B-0924" in caption.value)
    for word in ("not published", "fp16", "500 non-empty lines", "native", "not checked"):
        assert word in told
