import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz.figures.labels import k_is
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.session.selection import entry
from olmoe_viz.ui.texts import tour as texts
from olmoe_viz.ui.texts.glossary import TERMS
from olmoe_viz.ui.tour import answers
from olmoe_viz.ui.tour.stops import STOPS, number_from
from tests.ui.visitor import ROOT, app, checked


def press(test: AppTest, key: str) -> AppTest:
    return checked(test.button(key=key).click().run())


def captions(test: AppTest) -> list[str]:
    return [caption.value for caption in test.caption]


def headings(test: AppTest) -> list[str]:
    return [heading.value.replace("\\", "") for heading in test.subheader]


def test_there_are_twelve_short_stops_and_five_questions() -> None:
    assert len(STOPS) == 12
    assert len({stop.title for stop in STOPS}) == len(STOPS)
    for stop in STOPS:
        sentences = re.split(r"(?<=[.?])\s+(?=[A-Z])", stop.text)
        assert 2 <= len(sentences) <= 4, stop.title
    chosen = {"mattered", "mathematics"}  # their options are of a cell and a layer
    assert {s.question for s in STOPS} - {None} == {*texts.QUESTIONS, *chosen}


def test_the_texts_hold_no_measured_figure() -> None:
    for stop in STOPS:
        assert set(re.findall(r"\d+(?:\.\d+)?", stop.title + stop.text)) <= {"1"}


def test_the_texts_speak_of_the_model_at_hand() -> None:
    small = replace(entry(BUNDLED), name="small", layers=5, experts=24)
    told = [stop.on(small) for stop in STOPS]
    words = " ".join(f"{stop.title} {stop.text}" for stop in told)
    for sentence in (
        "One token, 5 layers",
        "scores all 24 experts",
        f"What {k_is(24)} really does",
    ):
        assert sentence in words
    assert not re.search(r"[{}]", words)
    assert {stop.selection.against for stop in told} == {16, 24}
    assert {stop.selection.model for stop in told} == {"small"}


def test_pages_and_words_of_the_stops_exist() -> None:
    for stop in STOPS:
        assert (ROOT / "pages" / f"{stop.page}.py").is_file()
        assert set(stop.words) <= set(TERMS)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        (str(len(STOPS)), len(STOPS)),
        ("0", None),
        (str(len(STOPS) + 1), None),
        ("-1", None),
        ("three", None),
        ("٣", None),
        ("", None),
        ("9" * 99, None),
    ],
)
def test_a_url_names_a_stop_or_none(text: str, number: int | None) -> None:
    assert number_from(text, len(STOPS)) == number


def test_mass_is_the_mean_of_what_the_experts_that_ran_keep() -> None:
    probabilities = np.array([[[0.4, 0.3, 0.2, 0.1]], [[0.25, 0.25, 0.25, 0.25]]])
    ran = np.array([[[0, 1]], [[3, 2]]], np.int16)
    answer = answers.mass(np.log(probabilities).astype(np.float32), ran)
    assert answer.right == ("a half to three quarters",)
    assert answer.sentence.startswith("The top 2 keep 0.600 ")
    assert "from 0.500 to 0.700" in answer.sentence


def test_domains_names_the_most_one_sided_expert_and_chance() -> None:
    table = pd.DataFrame(
        {
            "layer": [0, 0, 1, 1],
            "expert": [0, 1, 0, 1],
            "code": [0.5, 0.5, 0.3, 0.7],
            "math_latex": [0.5, 0.5, 0.1, 0.9],
        }
    )
    answer = answers.domains(table)
    assert answer.right == ("under 2 times",)
    assert answer.sentence == (
        "Expert 1·1 (layer 1, id 1) gets 90.0% of the tokens of LaTeX. By chance it would be "
        "50.0%: this is 1.8 times as much."
    )


def quality_table(*rows: tuple[int, str, str, float, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["k", "weighting", "domain", "bits_per_byte", "high"])
    return table.assign(low=2 * table["bits_per_byte"] - table["high"])


def test_quality_takes_native_weights_over_all_domains() -> None:
    table = quality_table(
        (64, "native", "all", 1.4, 1.41),
        (8, "native", "all", 1.2, 1.21),
        (1, "native", "all", 1.5, 1.51),
        (16, "native", "code", 0.1, 0.11),
        (32, "renormalized", "all", 0.2, 0.21),
    )
    answer = answers.quality(table)
    assert answer.right == (k_is(8),)
    assert answer.sentence == (
        f"Bits per byte, lower is better: 1.500 at {k_is(1)}, 1.200 at {k_is(8)}, "
        f"1.400 at {k_is(64)}."
    )


def test_ks_that_cannot_be_told_apart_are_both_right() -> None:
    table = quality_table(
        (4, "native", "all", 1.22, 1.23),
        (8, "native", "all", 1.205, 1.215),
        (16, "native", "all", 1.2, 1.21),
    )
    answer = answers.quality(table)
    assert answer.right == (k_is(8), k_is(16))
    assert answer.sentence.endswith(
        f"{k_is(8)} and 16 cannot be told apart: each value lies in the other's 95% interval."
    )


def test_every_answer_is_one_of_the_options() -> None:
    assert k_is(8) in texts.QUESTIONS["quality"].options
    even = np.zeros((2, 3, 64), dtype=np.float32)
    for k, option in ((8, 0), (16, 1), (64, 3)):
        ran = np.tile(np.arange(k, dtype=np.int16), (2, 3, 1))
        assert answers.mass(even, ran).right == (texts.QUESTIONS["mass"].options[option],)


def test_a_bare_visit_offers_the_tour_and_shows_none_of_it() -> None:
    test = app()
    assert not [button for button in test.button if button.key == "tour_leave"]
    test = press(test, "tour_begin")
    assert f"1 of {len(STOPS)}" in captions(test)
    assert STOPS[0].on(entry(BUNDLED)).title in headings(test)
    assert test.button(key="tour_Back").disabled


def test_next_selects_what_the_stop_is_about_and_leave_ends_it() -> None:
    test = app("tour=3&k=16")
    assert f"3 of {len(STOPS)}" in captions(test)
    assert test.segmented_control(key="choice_k").value == 16
    test = press(test, "tour_Next")
    assert STOPS[3].title in headings(test)
    assert test.segmented_control(key="choice_k").value == 8
    assert test.segmented_control(key="view").value == "mass"
    test = press(test, "tour_leave")
    assert STOPS[3].title not in headings(test)


def test_a_link_with_the_stop_alone_opens_its_page() -> None:
    number = next(at for at, stop in enumerate(STOPS, 1) if stop.page == "compare")
    test = app(f"tour={number}")
    assert STOPS[number - 1].title in headings(test)
    assert any(button.label == "Generate" for button in test.button)
    assert test.segmented_control(key="choice_against").value == 64


@pytest.mark.parametrize("value", ["0", "99", "x", "<b>"])
def test_nonsense_in_the_link_is_no_tour(value: str) -> None:
    assert not [button for button in app(f"tour={value}").button if button.key == "tour_leave"]


def test_the_answer_comes_after_the_guess_and_is_measured() -> None:
    number = next(at for at, stop in enumerate(STOPS, 1) if stop.question == "mass")
    test = app(f"tour={number}")
    guesses = test.segmented_control(key=f"tour_guess_{number}")
    assert not any("of the probability on average" in text.value for text in test.markdown)
    test = checked(guesses.set_value("more").run())
    assert any(
        re.search(r"The top 8 keep 0\.\d{3} of the probability", text.value)
        for text in test.markdown
    )


def test_a_missing_table_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> pd.DataFrame:
        raise FileNotFoundError(name)

    monkeypatch.setattr(tables, "table", missing)
    number = next(at for at, stop in enumerate(STOPS, 1) if stop.question == "quality")
    test = app(f"tour={number}")
    guesses = test.segmented_control(key=f"tour_guess_{number}")
    test = checked(guesses.set_value(k_is(64)).run())
    assert any("quality.csv is missing" in caption for caption in captions(test))


def test_larger_type_is_a_switch_and_a_part_of_the_link() -> None:
    assert not app("order=probability").toggle(key="choice_present").value
    test = app("present=1")
    assert test.toggle(key="choice_present").value
    test = checked(test.toggle(key="choice_present").set_value(False).run())
    assert not test.toggle(key="choice_present").value


def test_a_guess_is_right_alone_right_among_others_or_not_quite() -> None:
    assert texts.verdict(k_is(8), (k_is(8),)) == "Right."
    assert texts.verdict(k_is(8), (k_is(8), k_is(16))) == f"Right: {k_is(8)} and {k_is(16)}."
    assert texts.verdict(k_is(64), (k_is(8),)) == f"Not quite: {k_is(8)}."
