"""A text begins only where there is a button that ends it."""

import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz.ui.session import stop


def page() -> None:
    import streamlit as st

    from olmoe_viz.ui.session.stop import need_button

    place = st.empty()
    st.button("Stop", key="stop")
    need_button("stop", place)
    st.text("The text begins.")


def begins(test: AppTest) -> bool:
    assert not test.exception
    return [text.value for text in test.text] == ["The text begins."]


def test_where_no_browser_can_answer_nothing_waits_for_one() -> None:
    assert begins(AppTest.from_function(page).run())


def test_a_run_ends_until_the_browser_has_shown_the_button(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "can_answer", lambda: True)
    test = AppTest.from_function(page).run()
    assert not begins(test)
    assert [part.proto.json for part in test.get("bidi_component")] == ['[{"button": "stop"}]']
    assert not begins(test.run())


def test_a_browser_answers_once_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "can_answer", lambda: True)
    called = []
    monkeypatch.setattr(stop, "button_shown", lambda _, on_shown: called.append(on_shown()))
    test = AppTest.from_function(page).run()
    assert not begins(test)
    assert begins(test.run())
    assert begins(test.run())
    assert len(called) == 1
    assert len(test.get("bidi_component")) == 0
