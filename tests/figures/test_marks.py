"""The parts of plots: round ticks, rounded numbers, and data that can be sent."""

import json

import numpy as np
import pytest

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.marks import Axis, Cells, ColorBar, Line, Note, Rule, rounded, ticks

GRAYS = ("#000000", "#ffffff")


@pytest.mark.parametrize(
    ("low", "high", "most", "words"),
    [
        (0, 0.18, 5, ["0", "0.05", "0.1", "0.15"]),
        (-4.9, 0.6, 5, ["−4", "−2", "0"]),
        (0, 255, 8, ["0", "50", "100", "150", "200", "250"]),
        (0, 1, 4, ["0", "0.5", "1"]),
        (0, 1e-6, 5, ["0", "2e−07", "4e−07", "6e−07", "8e−07", "1e−06"]),
    ],
)
def test_ticks_are_round_and_few(low: float, high: float, most: int, words: list[str]) -> None:
    assert [word for _, word in ticks(low, high, most)] == words


def test_numbers_keep_significant_digits_and_gaps_have_none() -> None:
    values = np.array([[123456.7, -0.000123456], [0.0, np.nan]])
    assert rounded(values, 3) == [[123000, -0.000123], [0, None]]
    assert rounded(values.astype(np.float32)[:1]) == [[123460, pytest.approx(-0.00012346)]]


def test_all_of_a_plot_can_be_sent() -> None:
    plot = Figure(
        alt="A line over cells.",
        height=100,
        margin=(1, 2, 3, 4),
        x=(Axis((0, 1), ticks(0, 1)),),
        y=Axis((0, 1), title="share"),
        marks=(
            Cells(
                [[None, 1.5]],
                (0, 0),
                ["#000000", "#ffffff"],
                (0, 2),
                (0, 1),
                "{value}",
                ("a", "b", "c"),
            ),
            Line([0, 1], [0, 1], "ink", ["a", "b"]),
        ),
        rules=[Rule("y", 0.5, "line")],
        notes=[Note("<b>", 0, 1)],
        bar=ColorBar(GRAYS, (0, 2), ticks(0, 2), "share"),
    )
    sent = json.loads(json.dumps(plot.data()))
    assert [mark["kind"] for mark in sent["marks"]] == ["Cells", "Line"]
    assert sent["marks"][0]["values"] == [[None, 1.5]]
    assert sent["notes"][0]["text"] == "<b>"
    assert sent["y"]["title"] == "share"
    assert sent["bar"]["span"] == [0, 2]
