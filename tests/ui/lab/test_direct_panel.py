"""What experts add directly, beside what is measured: its sentences and its figures."""

import json
from typing import Any

import numpy as np
import pytest

from olmoe_viz import effects, load_model
from olmoe_viz.analysis.attribution import ByLayer, Compared
from olmoe_viz.figures import paired_bars
from olmoe_viz.ui.texts import lab_direct as texts
from tests.ui.visitor import app, checked, drawn

NAMES = ["7·3", "7·5", "7·20"]


@pytest.mark.parametrize(
    ("opposite", "far", "marks", "words"),
    [
        ((), (), ["", "", ""], "Measuring does not contradict it."),
        ((0,), (), ["≠", "", ""], "Measured, 7·3 does the opposite."),
        ((0, 2), (2, 1), ["≠", "↕", "≠"], "7·3 and 7·20 do the opposite. The rank of 7·5 is"),
    ],
)
def test_the_sentence_says_where_measuring_disagrees(
    opposite: tuple[int, ...], far: tuple[int, ...], marks: list[str], words: str
) -> None:
    places = np.arange(3)
    found = Compared(
        np.array([0.5, -0.25, 0.125]), np.zeros(3), np.isin(places, opposite), np.isin(places, far)
    )
    said = texts.of_cell(found, NAMES, " a")
    assert (
        "add +0.375 to the logit of ‘·a’ above the mean of all logits, 7·3 most with +0.5." in said
    )
    assert words in said
    assert texts.signs(found) == marks


def test_the_sentence_of_all_layers_sums_up() -> None:
    parts = ByLayer(1.0, np.array([0.5, 0.25]), np.array([-2.0, 0.75]))
    said = texts.of_layers(parts, " a", range(2))
    assert "is 0.5 above the mean: the embedding adds +1, attention in all layers +0.75" in said
    assert "the experts −1.25, most those of layer 0 with −2." in said


@pytest.mark.parametrize(
    ("opposite", "words"),
    [
        ((), "Measured, none does the opposite. The rank in its layer is another for 1 of the"),
        ((1,), "Measured, 7·5 does the opposite. The rank in its layer is another for 0 of the"),
        (range(7), "Measured, 7·6, 7·5, 7·4, 7·3, 7·2 and 2 more do the opposite. The rank in"),
    ],
)
def test_the_sentence_of_the_token_names_the_largest_that_disagree(
    opposite: tuple[int, ...], words: str
) -> None:
    places = np.arange(7)
    names = ["7·0", "7·5", *(f"7·{place}" for place in (2, 3, 4, 1, 6))]
    measured = np.array([0.01, 5.5, -2, 3, 4, 0.02, 6])
    found = Compared(np.ones(7), measured, np.isin(places, opposite), places == 1)
    said = texts.of_token(found, names, " a", 0.25)
    assert said.startswith("Over all layers, 7 experts add +7 to the logit of ‘·a’ directly.")
    assert "is 0.25." in said
    assert words in said


def test_the_figure_says_its_bars() -> None:
    figure = paired_bars.figure(
        np.array([[0.5, -1.0], [0.25, 0.125]]),
        things=["3", "5"],
        title="expert id",
        names=("direct", "measured"),
        quantity="nats",
        signs=["", "≠"],
    )
    assert "direct most at 5, −1; measured most at 3, +0.25; marked ≠ at 5." in figure.alt
    assert figure.to_frame()["mark"].tolist() == ["", "≠", "", "≠"]


def test_the_page_has_the_direct_and_the_measured_of_the_same_experts() -> None:
    test = checked(app("prompt=Once+upon+a&layer=7", "lab"))
    figures: dict[str, dict[str, Any]] = {
        key: json.loads(data)["figure"] for key, data in drawn(test).items()
    }
    record = effects(load_model(), "Once upon a", [(7, 2)])
    direct, measured = (bars["high"] for bars in figures["lab_direct"]["marks"])
    assert measured == pytest.approx((-record.logprob_changes[0]).tolist(), rel=1e-3, abs=1e-5)
    assert figures["lab_direct"]["marks"][0]["numbers"]["expert id in layer 7"] == [
        str(expert) for expert in record.expert_ids[0]
    ]
    experts = figures["lab_direct_layers"]["marks"][1]["high"]
    assert sum(direct) == pytest.approx(experts[7], abs=1e-4)
    # Of every expert of the token, once they are measured.
    checked(test.button(key="lab_all").click().run())
    figures = {key: json.loads(data)["figure"] for key, data in drawn(test).items()}
    record = effects(load_model(), "Once upon a", [(layer, 2) for layer in range(16)])
    columns = [mark["numbers"] for mark in figures["lab_direct_scatter"]["marks"]]
    rows = {
        (layer, expert): value
        for each in columns
        for layer, expert, value in zip(
            each["layer"], each["expert id"], each[texts.MEASURED_AXIS], strict=True
        )
    }
    assert len(rows) == 16 * 8
    for (layer, expert), value in rows.items():
        at = record.expert_ids[layer].tolist().index(expert)
        assert value == pytest.approx(-record.logprob_changes[layer, at], rel=1e-3, abs=1e-5)
