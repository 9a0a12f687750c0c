"""Texts of Compare k that are stopped, left, or broken off, and those asked for again."""

import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote_plus

import pytest
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

import olmoe_viz as ov
from olmoe_viz.engine import cpu_decoder
from olmoe_viz.engine.decoder import Part, PlainDecoder, Stepped
from olmoe_viz.ui.compare import controls, text_columns
from olmoe_viz.ui.compare.comparison import Comparison
from olmoe_viz.ui.session import answers
from olmoe_viz.ui.widgets.wording import plain
from tests.ui.compare_page import COLUMNS, badges, files, generated, shown_texts, submitted
from tests.ui.test_pages import texts
from tests.ui.visitor import checked


def stopped(*_: object) -> None:
    """What Streamlit does to a page that is left, at the next touch of it."""
    raise StopException


def test_a_stop_before_the_first_token_keeps_no_later_run_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tickets = submitted(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(controls, "mirror", lambda kept: kept and stopped())
        test = generated(f"tokens=4&{COLUMNS}&prompt=Stopped+early")
    assert test.session_state["comparison"].ended.is_set()
    assert tickets == []
    again = checked(next(b for b in test.button if b.label == "Generate").click().run())
    assert len(files(again)) == 2


def test_who_leaves_while_waiting_takes_back_what_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tickets = submitted(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(answers, "wait_for_start", stopped)
        test = generated(f"tokens=400&temperature=2.0&{COLUMNS}&prompt=Left+in+line")
    assert [ticket.cancelled for ticket in tickets] == [True]
    assert [ticket.done for ticket in tickets] == [True]
    assert test.session_state["comparison"].ended.is_set()


class Steps:
    """Watches who writes, compiled or not; after so many tokens, `then` is called before each."""

    def __init__(self, patch: pytest.MonkeyPatch, most: int, then: Callable[[], None]) -> None:
        made = 0
        for kind in (PlainDecoder, cpu_decoder.CpuDecoder):

            def watched(
                decoder: PlainDecoder, parts: Sequence[Part], step: Any = kind.step
            ) -> Stepped:
                nonlocal made
                made += parts[0].row.position >= parts[0].row.prompt
                if made > most:
                    then()
                return step(decoder, parts)

            patch.setattr(kind, "step", watched)


def test_a_run_cut_short_while_it_writes_is_a_stopped_one_at_the_next_occasion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tickets, grow, left = submitted(monkeypatch), text_columns.grow, threading.Event()

    def cut_short(slots: list[text_columns.Slot], comparison: Comparison) -> None:
        grow(slots, comparison)
        if comparison.written == 5:
            raise StopException

    def wait() -> None:
        """In the step of the sixth token, until the page has been left."""
        while not tickets[0].cancelled:
            assert not left.wait(0.01)

    with monkeypatch.context() as patch:
        Steps(patch, 5, wait)
        patch.setattr(text_columns, "grow", cut_short)
        test = generated(f"tokens=12&{COLUMNS}&prompt=Cut+short")
    kept = test.session_state["comparison"]
    assert kept.ended.is_set()
    assert len(kept.records()) == 2
    assert shown_texts(test) == []
    checked(test.run())
    assert test.session_state["comparison"] is kept
    assert sum("6 tokens, stopped" in text for text in texts(test)) == 2
    assert shown_texts(test) == [column.text for column in kept.columns]
    assert "stop" not in [button.key for button in test.button]
    assert len(files(test)) == 2


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            MemoryError(),
            "The memory ran out after 5 tokens. Generate fewer tokens or fewer columns, then run",
        ),
        (
            RuntimeError("the device is gone"),
            "The model stopped after 5 tokens: the device is gone",
        ),
    ],
)
def test_an_error_in_the_middle_keeps_the_text_and_is_said(
    error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = f"Not written before the {type(error).__name__}"

    def fail() -> None:
        raise error

    with monkeypatch.context() as patch:
        Steps(patch, 5, fail)
        test = generated(f"tokens=12&{COLUMNS}&prompt={quote_plus(prompt)}")
    assert [plain(sentence) in shown.value for shown in test.error] == [True]
    whole = ov.compare(ov.load_model(), prompt, [ov.RoutingPolicy(8)], max_new_tokens=5)
    kept = test.session_state["comparison"].columns
    assert kept[0].text == whole[0].text
    assert len(kept[1].token_ids) == 5
    assert sum("5 tokens, broken off" in text for text in texts(test)) == 2
    assert shown_texts(test) == [column.text for column in kept]
    assert files(test) == []
    again = checked(next(b for b in test.button if b.label == "Generate").click().run())
    assert len(again.error) == 0
    assert len(files(again)) == 2


def test_texts_that_were_written_before_come_at_once_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = f"tokens=7&{COLUMNS}&prompt=Asked+for+twice"
    tickets = submitted(monkeypatch)
    first, second = generated(link), generated(link)
    assert [ticket.cached for ticket in tickets] == [False, True]
    one, two = (test.session_state["comparison"] for test in (first, second))
    assert [column.pieces for column in two.columns] == [column.pieces for column in one.columns]
    assert two.rows() == one.rows()
    assert shown_texts(second) == shown_texts(first)
    assert two.progress == one.progress
    earlier = plain("Kept from an earlier run.")
    assert not any(earlier in words for words in badges(first))
    assert all(earlier in words for words in badges(second))


def _navigate() -> None:
    """A script: Generate was pressed, and the page that is run then may be cut short."""
    from types import SimpleNamespace

    import streamlit as st

    from olmoe_viz.ui.frame import navigation
    from olmoe_viz.ui.session import state

    state.wish_for_text()
    page = st.stop if st.session_state.get("cut") else lambda: None
    navigation.run(SimpleNamespace(run=page))


@pytest.mark.parametrize("cut", [True, False])
def test_a_wish_for_text_outlives_only_a_run_that_is_cut_short(cut: bool) -> None:
    test = AppTest.from_function(_navigate)
    test.session_state["cut"] = cut
    test.run()
    assert test.session_state["wish_for_text"] is cut
