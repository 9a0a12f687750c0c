"""The page `Follow a token`: what stands on it, what a move changes, what it refuses."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz.figures.labels import visible
from olmoe_viz.requests import TraceRequest
from olmoe_viz.ui.widgets import origin
from tests.ui.engines import Watched, serve
from tests.ui.follow_page import (
    STEPS,
    captions,
    charts,
    follow,
    press,
    stopped,
    texts,
    trace,
)
from tests.ui.visitor import ROOT, app, checked, drawn

HOSTILE = {
    "one token": "a",
    "emoji": "🙂👩‍👩‍👧‍👦",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "formula": "$x^2$ **bold** :red[red] [link](javascript:alert(1))",
    "long": "word " * 400,
}
TOO_LONG = "word " * 1_025  # the bundled model reads 1,024 tokens


def badges(test: AppTest) -> list[str]:
    """The origin in the head of each step, empty where there is none."""
    found: list[str] = []
    for part in test.main:
        if part.type == "subheader":
            found.append("")
        elif found and not found[-1] and part.type == "markdown":
            names = [name for name in origin.MEANING if part.value == f":gray-badge[{name}]"]
            found[-1] = next(iter(names), " ")
    return [name.strip() for name in found[:STEPS]]


def test_after_a_stop_the_page_shows_the_record_and_needs_no_torch() -> None:
    code = (
        "from streamlit.testing.v1 import AppTest\n"
        f"test = AppTest.from_file({str(ROOT / 'app.py')!r}, default_timeout=60)\n"
        "test.session_state['offered_a_run'] = True\n"
        "test.switch_page('pages/follow.py').run()\n"
        "assert not test.exception\n"
        "drawn = [part for part in test.get('bidi_component') if '\"figure\"' in part.proto.json]\n"
        "assert len(drawn) == 3, len(drawn)\n"
        "assert any('retained mass is' in text.value for text in test.text)\n"
        "assert sum(button.label == 'Run the model' for button in test.button) == 1\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)\n"
    )
    script = f"import os, sys; os.chdir({str(ROOT)!r}); sys.path.insert(0, '.')\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]


def test_the_first_visit_runs_the_model_by_itself() -> None:
    test = app(name="follow")
    assert charts(test) == 13
    assert "The router's input has norm" in texts(test)
    assert "Run the model" not in [button.label for button in test.button]
    assert badges(test) == ["live"] * STEPS


def test_after_a_stop_one_button_offers_to_run_the_model() -> None:
    test = stopped()
    assert [button.label for button in test.button].count("Run the model") == 1
    assert captions(test).count("The stored example has no vectors.") == 6
    some, none = "recorded", ""
    assert badges(test) == [some, none, none, some, some, some, none, none, none]
    below = len(test.main.children)
    press(test, "Run the model")
    assert charts(test) == 13
    assert "Run the model" not in [button.label for button in test.button]
    assert len(test.main.children) == below


def test_a_run_is_asked_for_once_a_session() -> None:
    def script() -> None:
        import streamlit as st

        from olmoe_viz.ui.session import state

        state.ask_once()
        first = state.asked()
        state.withdraw()
        state.ask_once()
        st.text(f"{first} {state.asked()}")

    assert AppTest.from_function(script).run().text[0].value == "True False"


def test_every_step_has_its_sentence_code_and_origin() -> None:
    test = follow()
    names = [heading.value for heading in test.subheader]
    assert names[:STEPS] == [
        ":gray[1] Tokenization",
        ":gray[2] Embedding",
        ":gray[3] Attention",
        ":gray[4] Router",
        ":gray[5] Softmax",
        ":gray[6] Top k",
        ":gray[7] Experts",
        ":gray[8] Weighted combination",
        ":gray[9] Prediction",
    ]
    assert len(test.code) == STEPS
    assert charts(test) == 13
    assert "token 2 ‘·sat’ · layer 7 (0 to 15) · k 8 against 16" in texts(test)


def test_moving_redraws_without_running_the_model_again(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched()
    serve(monkeypatch, watched)
    test = follow()
    before = drawn(test).items()
    watched.asked.clear()
    press(test, "layer →")
    assert "layer 8 (0 to 15)" in texts(test)
    press(test, "← token")
    assert "token 1 ‘·cat’" in texts(test)
    assert watched.asked
    assert not [asked for asked in watched.asked if isinstance(asked, TraceRequest)]
    watched.asked.clear()
    press(press(test, "token →"), "← token")
    assert watched.asked == []  # both places are kept
    assert all(one != two for one, two in zip(before, drawn(test).items(), strict=True))


# In the first layer: what comes into a later one depends on the k of those before it.
BEFORE_K = {"embedding", "attention", "logits", "softmax", "temperature"}


@pytest.mark.parametrize(
    ("change", "same"),
    [("layer=1", {"embedding", "ranks", "lens"}), ("layer=0&k=4", BEFORE_K)],
)
def test_figures_that_a_move_does_not_touch_are_sent_unchanged(change: str, same: set[str]) -> None:
    one, two = (drawn(follow(query=f"token=2&{query}")) for query in ("layer=0", change))
    assert len(one) == 13
    assert {key for key in one if one[key] == two[key]} == same


def test_a_run_does_not_move_what_stands_below_it() -> None:
    def elements(test: AppTest) -> int:
        return len(test.main.children)

    test = follow("Nobody has asked this yet")
    fresh = elements(test)
    assert elements(press(test, "layer →")) == fresh


MOVES = ("← token", "token →", "← layer", "layer →")


def test_the_buttons_end_where_the_prompt_and_the_model_end() -> None:
    test = follow("a", "layer=15")
    disabled = {b.label: b.disabled for b in test.button if b.label in MOVES}
    assert disabled == {"← token": True, "token →": True, "← layer": False, "layer →": True}


def test_the_weighting_of_step_8_is_that_of_the_whole_page() -> None:
    test = follow()
    checked(test.segmented_control(key="follow_weighting").set_value("gain_anchored").run())
    assert test.segmented_control(key="choice_weighting").value == "gain_anchored"
    sums = next(table.value for table in test.table if "sum of weights" in table.value)
    assert list(sums["weights"]) == ["native", "renormalized", "gain-anchored"]
    one, two = sums["sum of weights"].iloc[2].split(" → ")
    assert one == two
    assert "more experts share the same sum" in captions(test)


@pytest.mark.parametrize(
    ("weights", "formula", "dropped"),
    [
        ("native", r"w_i = p_i \ \text{(native)}", "put nothing in its place"),
        (
            "renormalized",
            r"w_i = p_i / \textstyle\sum_{j \in S_k} p_j \ \text{(r",
            "until they sum to 1",
        ),
        (
            "gain_anchored",
            r"w_i = p_i\,M_{8} / M_k \ \text{(g",
            "until they sum to what the trained k keeps",
        ),
    ],
)
def test_steps_6_and_8_speak_of_the_chosen_weights(
    weights: str, formula: str, dropped: str
) -> None:
    words = [part.value for part in follow(query=f"token=2&weights={weights}").markdown]
    assert len([part for part in words if formula in part]) == 1
    assert len([part for part in words if part.startswith("Only the k") and dropped in part]) == 1


@pytest.mark.parametrize(("against", "rows"), [(16, [8, 8]), (24, [8, 16]), (64, [])])
def test_the_table_of_the_selected_is_closed_where_it_is_long(
    against: int, rows: list[int]
) -> None:
    test = follow(query=f"token=2&k=8&against={against}")
    assert [len(table.value) for table in test.table if "cumulative mass" in table.value] == rows


@pytest.mark.parametrize(("against", "scrolls"), [(16, False), (24, True)])
def test_a_table_that_scrolls_says_so(against: int, scrolls: bool) -> None:
    test = follow(query=f"token=2&k=8&against={against}")
    test.session_state["experts_fold"] = True
    checked(test.run())
    assert any("units active" in table.value for table in test.table)
    assert (f"The table has {against} rows and scrolls." in captions(test)) == scrolls


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_prompts_are_data(name: str) -> None:
    prompt = HOSTILE[name]
    test = follow(prompt, "")
    assert not test.error
    assert charts(test) == 13
    assert chips(test) == [visible(token) for token in trace(prompt=prompt).tokens]
    if prompt.isascii():
        assert "".join(chips(test)) == visible(prompt)


def test_a_prompt_that_is_too_long_is_refused() -> None:
    test = follow(TOO_LONG, "")
    assert len(test.error) == 1
    assert "reads at most 1\\,024" in test.error[0].value
    assert charts(test) == 0


@pytest.mark.parametrize(
    ("prompt", "direction"),
    [("כלב קטן", "rtl"), ("12 كان يا ما كان", "rtl"), ("The כלב", "ltr"), ("12", "ltr")],
)
def test_the_tokens_stand_in_the_direction_of_the_prompt(prompt: str, direction: str) -> None:
    test = follow(prompt, "")
    assert token_picker(test)["dir"] == direction
    words = token_picker(test)["cells"][0]["words"]
    assert re.search(r"id \d+, bytes [0-9A-F ]+; .*character", words)


def token_picker(test: AppTest) -> dict[str, Any]:
    """The data of the cells of the first step."""
    (picker,) = (
        part.proto for part in test.get("bidi_component") if part.proto.id.endswith("-token_picker")
    )
    data: dict[str, Any] = json.loads(picker.json)[0]
    return data


def chips(test: AppTest) -> list[str]:
    """What the cells of the first step say."""
    return [cell["name"] for cell in token_picker(test)["cells"]]
