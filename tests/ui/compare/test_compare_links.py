"""What a link to Compare k says, and what it writes when it is opened."""

from urllib.parse import urlencode

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.compare_page import COLUMNS, generated, shown_texts
from tests.ui.visitor import app, checked, page


def address(test: AppTest) -> str:
    return urlencode({key: test.query_params[key] for key in test.query_params})


def test_a_link_to_texts_writes_the_same_texts_once() -> None:
    link = f"tokens=4&temperature=1.5&seed=7&{COLUMNS}&prompt=The+old+woman"
    test = generated(link)
    again = app(address(test), "compare")
    assert shown_texts(again) == shown_texts(test)
    assert any(shown_texts(again))
    first = again.session_state["comparison"]
    checked(again.run())
    page(again, "about")
    page(again, "compare")
    assert again.session_state["comparison"] is first


@pytest.mark.parametrize("query", ["", f"tokens=4&{COLUMNS}", "generate=", "generate=yes"])
def test_a_link_from_before_the_first_text_writes_nothing(query: str) -> None:
    test = app(query, "compare")
    assert "comparison" not in test.session_state
    assert "generate" not in test.query_params
    assert any("Press Generate" in caption.value for caption in test.caption)


def test_a_link_to_texts_writes_nothing_once_another_page_was_seen() -> None:
    test = app(f"generate=1&tokens=4&{COLUMNS}", "about")
    assert "comparison" not in page(test, "compare").session_state


def test_a_link_writes_only_what_it_names() -> None:
    test = generated(f"tokens=3&{COLUMNS}&prompt=The+cat")
    assert test.query_params["generate"] == "1"
    checked(test.number_input(key="sampling_seed").set_value(5).run())
    assert "generate" not in test.query_params
    checked(test.number_input(key="sampling_seed").set_value(0).run())
    assert test.query_params["generate"] == "1"
    # The columns follow from the frame's ks where none were chosen here.
    checked(next(b for b in test.button if b.label == "As in the frame").click().run())
    assert "generate" not in test.query_params


def test_a_link_cannot_name_a_prompt_that_is_too_long_for_it() -> None:
    test = app(f"tokens=1&{COLUMNS}", "compare")
    test.text_area(key="draft").set_value("long " * 300)
    checked(next(b for b in test.button if b.label == "Run").click().run())
    assert shown_texts(test)
    assert "generate" not in test.query_params


def test_a_link_restores_the_pair() -> None:
    text_columns = "tokens=8&columns=k%3D1~k%3D8~k%3D64"
    assert generated(f"{text_columns}&pair=1-2").selectbox(key="extra_pair").value == (1, 2)
    assert generated(f"{text_columns}&pair=2-1").selectbox(key="extra_pair").value == (0, 1)
