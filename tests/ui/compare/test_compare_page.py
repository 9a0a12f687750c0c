"""The page Compare k on the bundled model, without a browser."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

import pytest
from streamlit.testing.v1 import AppTest

import olmoe_viz as ov
from olmoe_viz.figures.labels import k_is
from olmoe_viz.models import catalogue
from olmoe_viz.ui.compare import measurement, writing
from olmoe_viz.ui.session import engine
from olmoe_viz.ui.texts import compare as compare_texts
from olmoe_viz.ui.widgets import figure, passage, routing_map
from olmoe_viz.ui.widgets.wording import plain
from tests.ui.compare_page import COLUMNS, badges, files, generated, heads, shown_texts, tables
from tests.ui.test_pages import HOSTILE, texts
from tests.ui.visitor import app, checked, drawn, page


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
    assert list(quality) == ["quantity", f"{k_is(8)}, native", f"{k_is(64)}, renormalized"]
    by_name = dict(zip(quality["quantity"], quality[f"{k_is(8)}, native"], strict=True))
    assert by_name[f"same likeliest token as {k_is(8)}"] == "100.0%"
    assert "perplexity of the prompt" not in by_name
    (said,) = [one.value for one in compared.caption if "Perplexity" in one.value]
    assert said.startswith(
        "Perplexity means something from 20 predicted tokens on; this prompt has 3,"
    )
    assert held_out[f"{k_is(8)}, native"][0] == "1.142"
    assert cost[f"{k_is(64)}, renormalized"][1] == "100.0%"
    assert cost[f"{k_is(8)}, native"][4:] == ["not timed", "not timed"]


def test_code_that_many_parts_share_comes_once(compared: AppTest) -> None:
    parts = [part.proto for part in compared.get("bidi_component")]
    (carried,) = (part.js_content for part in parts if part.id.endswith("shared_code"))
    for code in (figure.CODE, passage.CODE, routing_map.CODE):
        users = [p for p in parts if p.component_name == f"olmoe_viz_{code.name}"]
        assert users
        assert code.known_as in carried
        for part in users:
            assert code.known_as in part.js_content
            assert len(part.js_content + part.html_content + part.css_content) < 500


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


def test_the_share_of_the_limit_streams_once_the_bandwidth_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measurement, "_bandwidths", {})
    monkeypatch.setattr(writing, "PERIOD", 0.001)  # so that each few steps are drawn
    said: list[tuple[int, float | None, bool]] = []

    def common_speed(largest: int, share: float | None, *, written: bool) -> str:
        said.append((largest, share, written))
        return "the common speed"

    monkeypatch.setattr(compare_texts, "common_speed", common_speed)
    generated(f"tokens=64&{COLUMNS}&prompt=Before+any+measurement")
    *early, last = said
    assert early[0] == (64, None, False)
    assert {share for _, share, _ in early} == {None}
    assert last[1] is not None
    assert last[1] > 0
    said.clear()
    generated(f"tokens=64&{COLUMNS}&prompt=After+the+measurement")
    streamed = [share for _, share, written in said[:-1] if written]
    assert streamed
    assert None not in streamed


def test_each_k_is_timed_alone_when_asked() -> None:
    test = generated(f"tokens=2&{COLUMNS}")
    checked(test.button(key="time_alone").click().run())
    cost = tables(test)[-1]
    assert all(
        float(cost[name][4].split()[0]) > 0
        for name in (f"{k_is(8)}, native", f"{k_is(64)}, renormalized")
    )


def timed_with_two_tokens(test: AppTest) -> None:
    checked(test.button(key="time_alone").click().run())
    assert [error.value for error in test.error] == []
    assert any("3 runs of 2 tokens" in caption.value for caption in test.caption)
    assert float(tables(test)[-1][f"{k_is(1)}, native"][4].split()[0]) > 0


@pytest.mark.long
def test_near_the_end_of_the_context_each_k_is_timed_with_what_fits() -> None:
    context = ov.load_model().geometry.context
    prompt = "A" + " a" * (context - 3)
    timed_with_two_tokens(generated(f"tokens=2&columns=k%3D1~k%3D2&prompt={quote_plus(prompt)}"))


def test_near_the_end_of_a_short_context_each_k_is_timed_with_what_fits() -> None:
    test = generated("tokens=2&columns=k%3D1~k%3D2&prompt=A+short+one")
    kept = test.session_state["comparison"]
    context = len(kept.records()[0].prompt_ids) + 2
    kept.geometry = replace(kept.geometry, context=context)
    timed_with_two_tokens(test)


def test_texts_that_agree_have_no_extra_experts_to_show() -> None:
    test = generated("tokens=3&columns=k%3D8~k%3D8")
    assert any("No two columns" in caption.value for caption in test.caption)
    assert f"column 2: {k_is(8)}, native" in tables(test)[0]


def test_a_long_prompt_has_a_perplexity() -> None:
    prompt = "+".join(["The+cat+sat+on+the+mat."] * 5)
    test = generated(f"tokens=2&{COLUMNS}&prompt={prompt}")
    quality = tables(test)[0]
    assert quality["quantity"][1] == "perplexity of the prompt"
    assert float(quality[f"{k_is(8)}, native"][1]) > 1
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
    assert box.options == [
        f"{k_is(8)}, native",
        f"column 2: {k_is(4)}, native",
        f"column 3: {k_is(4)}, native",
    ]
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
    rule = f"The columns follow the frame: its {k_is(2)}, its against = 3, the trained {k_is(8)} "
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
