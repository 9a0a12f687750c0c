"""The page Compare k on the bundled model, without a browser."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

import olmoe_viz as ov
from olmoe_viz.engine.engine import Ticket
from olmoe_viz.engine.olmoe_runner import OlmoeRunner
from olmoe_viz.models import catalogue
from olmoe_viz.requests import GenerateRequest, Request
from olmoe_viz.ui.compare import controls, text_columns
from olmoe_viz.ui.compare.comparison import Comparison
from olmoe_viz.ui.session import answers, engine
from olmoe_viz.ui.widgets.wording import plain
from tests.ui.test_pages import HOSTILE, texts
from tests.ui.visitor import app, checked, drawn, page

COLUMNS = "columns=k%3D8~k%3D64,w%3Drenormalized"


def generated(query: str) -> AppTest:
    test = app(query, "compare")
    return checked(next(b for b in test.button if b.label == "Generate").click().run())


def tables(test: AppTest) -> list[dict[str, list[str]]]:
    return [table.value.to_dict("list") for table in test.table]


def shown_texts(test: AppTest) -> list[str]:
    """The finished texts, as their component is given them."""
    parts = [part.proto for part in test.get("bidi_component")]
    found = [json.loads(part.json) for part in parts if part.component_name == "olmoe_viz_passage"]
    return ["".join(token["text"] for token in data["tokens"]) for data in found]


def heads(test: AppTest) -> list[str]:
    return [head.value for head in test.subheader]


def files(test: AppTest) -> list[str]:
    return [button.proto.label for button in test.get("download_button")]


@pytest.fixture(scope="module")
def compared() -> AppTest:
    return generated(f"tokens=12&{COLUMNS}&prompt=The+old+woman+opened")


def test_columns_come_with_their_costs(compared: AppTest) -> None:
    shown = texts(compared)
    assert [text for text in shown if text.isdigit()] == ["8", "64"]
    (together,) = [one.value for one in compared.caption if "12 of 12 tokens" in one.value]
    assert "2 columns together at" in together
    assert not any("tokens/s" in text for text in shown)
    assert "mean retained mass 1.000" in "\n".join(shown)
    assert files(compared) == ["Download CSV", "Download JSON"]


def test_every_measure_has_its_place(compared: AppTest) -> None:
    assert heads(compared) == [
        "Which experts are used as it writes?",
        "Measured quality of each text and setting",
        "The same settings on held-out text",
        "Routing drift",
        "What did the extra experts add?",
        "Cost",
    ]
    assert len(drawn(compared)) == 7
    quality, held_out, _, cost = tables(compared)
    assert list(quality) == ["quantity", "k = 8, native", "k = 64, renormalized"]
    by_name = dict(zip(quality["quantity"], quality["k = 8, native"], strict=True))
    assert by_name["same likeliest token as k = 8"] == "100.0%"
    assert "perplexity of the prompt" not in by_name
    (said,) = [one.value for one in compared.caption if "Perplexity" in one.value]
    assert said.startswith(
        "Perplexity means something from 20 predicted tokens on; this prompt has 3,"
    )
    assert held_out["k = 8, native"][0] == "1.142"
    assert cost["k = 64, renormalized"][1] == "100.0%"
    assert cost["k = 8, native"][4:] == ["not timed", "not timed"]


def badges(test: AppTest) -> list[str]:
    """What the badges of numbers from this server say on hover."""
    return [part.proto.help for part in test.markdown if part.value == ":gray-badge[live]"]


def test_nothing_is_called_live_before_there_is_a_text() -> None:
    test = app(COLUMNS, "compare")
    assert badges(test) == []
    checked(test.run())
    assert badges(test) == []


def test_live_numbers_name_the_model_the_policies_and_the_day(compared: AppTest) -> None:
    said = badges(compared)
    assert len(said) == 6
    day = datetime.now(UTC).date()
    for at, words in enumerate(said):
        assert "olmoe\\-nano" in words
        policies = "k=8" if at == 1 else "k=8; k=64,w=renormalized"
        assert plain(f"{policies}, float32 on cpu") in words
        assert plain(str(day)) in words or plain(str(day - timedelta(days=1))) in words


def test_a_comparison_seen_again_keeps_its_badges() -> None:
    test = generated(f"tokens=3&{COLUMNS}")
    before = badges(test)
    page(test, "about")
    page(test, "compare")
    assert before
    assert badges(test) == before


def test_another_column_to_compare_with_goes_into_the_link() -> None:
    test = generated(f"tokens=4&{COLUMNS}&reference=1")
    assert test.selectbox(key="compare_with").value == 1
    checked(test.selectbox(key="compare_with").set_value(0).run())
    assert test.query_params["reference"] == "0"
    assert files(test)


def test_each_k_is_timed_alone_when_asked() -> None:
    test = generated(f"tokens=2&{COLUMNS}")
    checked(test.button(key="time_alone").click().run())
    cost = tables(test)[-1]
    assert all(float(cost[name][4]) > 0 for name in ("k = 8, native", "k = 64, renormalized"))


def test_near_the_end_of_the_context_each_k_is_timed_with_what_fits() -> None:
    context = ov.load_model().geometry.context
    prompt = "A" + " a" * (context - 3)
    test = generated(f"tokens=2&columns=k%3D1~k%3D2&prompt={quote_plus(prompt)}")
    checked(test.button(key="time_alone").click().run())
    assert [error.value for error in test.error] == []
    assert any("3 runs of 2 tokens" in caption.value for caption in test.caption)
    assert float(tables(test)[-1]["k = 1, native"][4]) > 0


def test_texts_that_agree_have_no_extra_experts_to_show() -> None:
    test = generated("tokens=3&columns=k%3D8~k%3D8")
    assert any("No two columns" in caption.value for caption in test.caption)
    assert "column 2: k = 8, native" in tables(test)[0]


def test_a_long_prompt_has_a_perplexity() -> None:
    prompt = "+".join(["The+cat+sat+on+the+mat."] * 5)
    test = generated(f"tokens=2&{COLUMNS}&prompt={prompt}")
    quality = tables(test)[0]
    assert quality["quantity"][1] == "perplexity of the prompt"
    assert float(quality["k = 8, native"][1]) > 1
    assert not any("Perplexity means" in one.value for one in test.caption)
    assert "longer_example" not in [button.key for button in test.button]


def test_a_longer_example_is_one_press_away(compared: AppTest) -> None:
    test = generated(f"tokens=2&{COLUMNS}&prompt=Short")
    checked(test.button(key="longer_example").click().run())
    assert test.text_area(key="draft").value == test.session_state["comparison"].prompt
    assert "perplexity of the prompt" in tables(test)[0]["quantity"]


def test_one_button_of_the_page_is_primary_and_the_others_are_explained() -> None:
    test = app(COLUMNS, "compare")
    primary = [button.label for button in test.button if button.proto.type == "primary"]
    assert primary == ["Run"]
    (start,) = [one.value for one in test.caption if "Press Generate" in one.value]
    assert "Run, above, does the same" in start


@pytest.mark.parametrize("name", ["markup", "formula"])
def test_a_hostile_prompt_is_continued_as_typed(name: str) -> None:
    prompt = HOSTILE[name]
    test = generated(f"tokens=4&{COLUMNS}&prompt={quote_plus(prompt)}")
    whole = ov.compare(ov.load_model(), prompt, [ov.RoutingPolicy(8)], max_new_tokens=4)
    assert test.session_state["comparison"].prompt == prompt
    assert shown_texts(test)[0] == whole[0].text


def test_of_equal_columns_the_chosen_one_is_compared_with() -> None:
    test = app("columns=k%3D8~k%3D4~k%3D4", "compare")
    box = test.selectbox(key="compare_with")
    assert box.options == ["k = 8, native", "column 2: k = 4, native", "column 3: k = 4, native"]
    checked(box.select_index(1).run())
    assert test.query_params["reference"] == "1"
    assert test.selectbox(key="compare_with").value == 1


def test_each_added_column_has_a_k_of_its_own() -> None:
    test = app("weights=renormalized", "compare")
    for _ in range(2):
        checked(next(b for b in test.button if b.label == "Add a column").click().run())
    assert [text for text in texts(test) if text.isdigit()] == ["8", "16", "32", "64", "4", "2"]
    assert test.query_params["columns"].endswith("k=2,w=renormalized")
    assert next(b for b in test.button if b.label == "Add a column").disabled


def test_the_columns_follow_the_ks_of_the_frame() -> None:
    test = app("k=2&against=3", "compare")
    shown = ["2", "3", "8", "16", "32", "64"]
    assert [text for text in texts(test) if text.isdigit()] == shown
    rule = "The columns follow the frame: its k = 2, its against = 3, the trained k = 8 and its "
    assert any(one.value.startswith(rule) for one in test.caption)
    chosen = app(COLUMNS, "compare")
    assert any("do not follow the frame" in one.value for one in chosen.caption)


def test_a_pair_that_is_gone_gives_way_to_the_first() -> None:
    test = generated("tokens=8&columns=k%3D1~k%3D8~k%3D64")
    assert test.selectbox(key="extra_pair").value == (0, 1)
    checked(test.selectbox(key="extra_pair").set_value((1, 2)).run())
    assert test.query_params["pair"] == "1-2"
    checked(next(b for b in test.button if b.label == "Remove the last").click().run())
    checked(next(b for b in test.button if b.label == "Generate").click().run())
    assert test.selectbox(key="extra_pair").value == (0, 1)


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


def stopped(*_: object) -> None:
    """What Streamlit does to a page that is left, at the next touch of it."""
    raise StopException


def submitted(monkeypatch: pytest.MonkeyPatch) -> list[Ticket]:
    """Watch the requests for texts."""
    tickets: list[Ticket] = []
    submit = answers.submit

    def watch(request: Request) -> Ticket:
        ticket = submit(request)
        if isinstance(request, GenerateRequest):
            tickets.append(ticket)
        return ticket

    monkeypatch.setattr(answers, "submit", watch)
    return tickets


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


class Passes:
    """Watches the passes of the model; after so many of them, `then` is called before each."""

    def __init__(self, patch: pytest.MonkeyPatch, most: int, then: Callable[[], None]) -> None:
        step, made = OlmoeRunner.step, 0

        def watched(runner: OlmoeRunner, *arguments: Any) -> Any:
            nonlocal made
            made += 1
            if made > most:
                then()
            return step(runner, *arguments)

        patch.setattr(OlmoeRunner, "step", watched)


def test_a_run_cut_short_while_it_writes_is_a_stopped_one_at_the_next_occasion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tickets, grow, left = submitted(monkeypatch), text_columns.grow, threading.Event()

    def cut_short(slots: list[text_columns.Slot], comparison: Comparison) -> None:
        grow(slots, comparison)
        if comparison.written == 5:
            raise StopException

    def wait() -> None:
        """In the pass of the sixth token, until the page has been left."""
        while not tickets[0].cancelled:
            assert not left.wait(0.01)

    with monkeypatch.context() as patch:
        Passes(patch, 6, wait)  # reading the prompt, and five tokens
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
        Passes(patch, 6, fail)  # reading the prompt, and five tokens
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


def test_a_request_that_is_refused_leaves_the_texts_that_were_there() -> None:
    test = generated(f"tokens=3&{COLUMNS}&prompt=The+cat")
    before = test.session_state["comparison"]
    test.text_area(key="draft").set_value("word " * 2_000)
    checked(next(b for b in test.button if b.label == "Run").click().run())
    assert [plain("tokens") in error.value for error in test.error] == [True]
    assert "generate" not in test.query_params
    checked(test.run())
    assert test.session_state["comparison"] is before
    assert len(test.error) == 0


def test_a_model_of_other_sizes_is_offered_its_own_ks(monkeypatch: pytest.MonkeyPatch) -> None:
    bundled, *others = catalogue.CATALOGUE
    smaller = replace(bundled, experts=24)
    monkeypatch.setattr(catalogue, "CATALOGUE", (smaller, *others))
    test = app("k=4&against=16", "compare")
    assert [text for text in texts(test) if text.isdigit()] == ["4", "8", "16", "24"]
    assert {box.max for box in test.number_input if str(box.key).startswith("column_k")} == {24}


def test_where_no_model_runs_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "records_only", lambda: True)
    test = app(f"tokens=3&{COLUMNS}&generate=1", "compare")
    assert "No model runs here that could write a text." in [one.value for one in test.caption]
    assert next(b for b in test.button if b.label == "Generate").disabled
    assert len(test.error) == 0
    assert "comparison" not in test.session_state


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
