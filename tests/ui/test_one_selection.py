"""One selection for the whole application, and the same words for it on every page."""

from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz.ui import glossary

ROOT = Path(__file__).resolve().parents[2]


def app(query: str = "") -> AppTest:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    for key, value in parse_qsl(query):
        test.query_params[key] = value
    return checked(test.run())


def checked(test: AppTest) -> AppTest:
    assert [error.message for error in test.exception] == []
    return test


def page(test: AppTest, name: str) -> AppTest:
    return checked(test.switch_page(f"pages/{name}.py").run())


def test_quality_shows_the_layer_that_is_selected_and_selects_it() -> None:
    test = page(app("layer=3"), "quality")
    assert test.slider(key="domain_layer").value == 3
    checked(test.slider(key="domain_layer").set_value(12).run())
    assert test.query_params["layer"] == "12"
    assert page(test, "map").number_input(key="pick_layer").value == 12


def test_a_layer_that_no_model_has_becomes_the_last() -> None:
    assert page(app("layer=99"), "quality").slider(key="domain_layer").value == 15


@pytest.mark.parametrize("query", ["k=100", "against=65"])
def test_a_k_above_the_experts_in_a_link_leaves_a_page_with_the_map(query: str) -> None:
    test = app(query)
    assert not test.error
    assert len(test.get("plotly_chart")) == 4
    assert test.segmented_control(key="choice_k").value == 8
    assert test.segmented_control(key="choice_against").value == 16


def test_the_help_of_a_control_is_what_the_glossary_says() -> None:
    test = app()
    words = {
        "choice_k": ["top-k"],
        "choice_against": ["top-k"],
        "choice_weighting": ["native weights", "renormalized", "gain-anchored"],
        "view": ["retained mass", "entropy", "margin", "drift"],
    }
    for key, names in words.items():
        told = test.segmented_control(key=key).help
        assert all(glossary.term(name) in told for name in names), key


def test_quoted_figures_say_who_measured_what_and_that_nobody_published_it() -> None:
    test = page(app(), "quality")
    told = next(caption.value for caption in test.caption if "OLMoE-1B-7B-0924" in caption.value)
    for word in ("not published", "fp16", "500 non-empty lines", "native", "not checked"):
        assert word in told
