"""The page Lab: its links, its sentences, and what it shows of the bundled model."""

import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz import Geometry, Intervention, RoutingPolicy, effects, load_model, trace
from olmoe_viz.analysis.measured_effects import Measured, rank_correlation
from olmoe_viz.ui.lab.settings import LabSettings
from olmoe_viz.ui.session import engine, state
from olmoe_viz.ui.texts import lab as texts
from olmoe_viz.ui.texts import runs
from olmoe_viz.ui.widgets.wording import plain
from tests.ui.visitor import app, checked, drawn


def test_a_click_does_and_a_second_one_takes_back(geometry: Geometry) -> None:
    settings = LabSettings(hand="bias", push=-1.5, color="effect").clicked(0, 3)
    assert settings.interventions == (Intervention("bias", 0, 3, amount=-1.5),)
    assert LabSettings.from_query(settings.to_query()) == settings
    assert LabSettings(settings.interventions).clicked(0, 3).interventions == (
        Intervention("off", 0, 3),
    )
    taken_back = settings.clicked(0, 3).to_query()
    assert taken_back == {"hand": "bias", "push": "-1.5", "grid": "effect"}
    beyond = LabSettings((Intervention("off", 99, 3), Intervention("off", 0, 3)))
    assert beyond.within(geometry).interventions == (Intervention("off", 0, 3),)
    assert LabSettings().policy(RoutingPolicy(8)) == RoutingPolicy(8)


@pytest.mark.parametrize("query", [{"do": "off:1"}, {"do": "<b>"}, {"push": "99"}, {"mass": "x"}])
def test_what_makes_no_sense_in_a_link_counts_as_left_out(query: dict[str, str]) -> None:
    assert LabSettings.from_query(query) == LabSettings()


def measured(kl: list[float], flips: tuple[int, ...] = (), top: float = 0.01) -> Measured:
    count = len(kl)
    return Measured(
        layers=np.full(count, 7),
        experts=np.arange(count),
        weights=np.linspace(0.4, 0.1, count),
        kl=np.array(kl),
        changes=np.zeros(count),
        flips=np.isin(np.arange(count), flips),
        new_tops=tuple(" was" if at in flips else "" for at in range(count)),
        band=np.stack([np.zeros(count), np.full(count, top)]),
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (measured([0.02, 0.001, 0.001]), "7·0 was asked most and mattered most"),
        (measured([0.001, 0.02, 0.001]), "7·0 was asked most, but 7·1 mattered most"),
        (measured([0.02, 0.02, 0.0], flips=(0, 2)), ": without 7·0 ‘·was’ and without 7·2 ‘·was’."),
        (measured([0.02, 0.0, 0.0]), "1 of the 3 does more"),
        (measured([0.02, 0.02, 0.02]), "All of the 3 do more"),
        (measured([0.001, 0.0, 0.0]), "By KL, none of the 3 does more"),
    ],
)
def test_the_sentence_of_a_cell(found: Measured, words: str) -> None:
    assert words in texts.of_cell(found)


@pytest.mark.parametrize(
    ("correlation", "words"),
    [
        (0.9, "mostly matters more"),
        (0.5, "only in part"),
        (0.1, "next to nothing"),
        (-0.5, "matters less here"),
        (None, "cannot be ranked"),
    ],
)
def test_the_sentence_of_a_token(correlation: float | None, words: str) -> None:
    said = texts.of_token(measured([0.1, 0.2, 0.3], flips=(1,)), correlation)
    assert words in said
    assert "1 of them alone would change the likeliest token" in said


@pytest.mark.parametrize(
    ("others", "words"),
    [([0.1, 0.2], "None of 2"), ([0.4, 0.5], "Every one of 2"), ([0.1, 0.5], "1 of 2")],
)
def test_the_sentence_of_other_routes(others: list[float], words: str) -> None:
    assert words in texts.of_routes(" was", 0.3, others, follows=True)


def test_where_two_texts_part() -> None:
    assert [texts.part(shared, 4).split(" ")[-3:-1] for shared in (4, 0, 2)] == [
        ["all", "4"],
        ["first", "token"],
        ["and", "part"],
    ]


def test_ranks_are_correlated_with_ties() -> None:
    values = np.array([1.0, 2.0, 2.0, 3.0])
    assert rank_correlation(values, 10**values) == pytest.approx(1.0)
    assert rank_correlation(values, -values) == pytest.approx(-1.0)
    # By hand: ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4.
    assert rank_correlation(values, np.array([1.0, 3, 2, 4])) == pytest.approx(4.5 / 22.5**0.5)
    assert rank_correlation(values, np.ones(4)) is None


def figure(test: AppTest, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(drawn(test)[key])["figure"]
    return found


def test_an_expert_is_taken_away_by_link_and_by_name() -> None:
    test = app("prompt=Once+upon+a&layer=7", "lab")
    assert texts.NOTHING_DONE in [caption.value for caption in test.caption]
    asked, mattered = (figure(test, key)["marks"][0] for key in ("lab_asked", "lab_mattered"))
    strongest = asked["numbers"]["expert id in layer 7"][0]
    test.pills(key="lab_ran").set_value([strongest]).run()
    assert checked(test).query_params["do"] == f"off:7.{strongest}"

    model, policy = load_model(), RoutingPolicy(8)
    without = RoutingPolicy(8, interventions=(Intervention("off", 7, strongest),))
    runs = [trace(model, "Once upon a", each) for each in (policy, without)]
    shown = figure(test, "lab_ranks")["numbers"]["probability"]
    for run, rows in zip(runs, (shown[:8], shown[8:]), strict=True):
        assert rows == pytest.approx(run.next_probabilities()[:8].tolist(), rel=1e-4)
    record = effects(model, "Once upon a", [(7, 2)], policy)
    assert mattered["high"] == pytest.approx(record.kl[0].tolist(), rel=1e-3, abs=1e-7)

    checked(test.button(key="lab_routes").click().run())
    rule = figure(test, "lab_route_spread")["rules"][0]["at"]
    assert rule == pytest.approx(float(runs[0].next_probabilities()[0]), rel=1e-4)
    assert any("other routes" in text.value for text in test.text)

    test.button(key=f"lab_back_off:7.{strongest}").click().run()
    assert "do" not in checked(test).query_params


def test_where_no_model_runs_the_record_is_shown_and_the_reason_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "records_only", lambda: True)
    test = app("do=off:7.20", "lab")
    assert [plain(texts.NO_MODEL)] == [info.value for info in test.info]
    assert "lab_asked" not in drawn(test)
    parts = [part.proto for part in test.get("bidi_component")]
    (grid,) = (part for part in parts if part.component_name == "olmoe_viz_expert_grid")
    (data,) = json.loads(grid.json)
    assert data["rows"][7]["signs"][20] == "×"
    assert sum(data["rows"][7]["ran"]) == 8
    saves = [button.proto.label for button in test.get("download_button")]
    assert saves[-1] == runs.REPORT  # what is shown can be taken along
    assert len(saves) == 2
    # On a phone one line opens the settings; Lab has no second k.
    assert test.button_group(key="sheet").options[0].startswith("k 8 :")


def test_after_a_stop_nothing_is_measured_until_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = app("prompt=Once+upon+a", "lab")
    checked(test.button(key="lab_routes").click().run())
    monkeypatch.setattr(state, "asked", lambda: False)
    stopped = checked(test.run())
    assert "lab_route_spread" not in drawn(stopped)
    monkeypatch.undo()
    assert checked(test.run()).button(key="lab_routes").label == texts.DRAW_ROUTES
