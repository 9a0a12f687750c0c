"""Figures of what experts give, of the next token, and of the trade-off."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from olmoe_viz.charts import contributions, expert_bars, logit_lens, rank_change, tradeoff
from olmoe_viz.charts.palette import INKS, Theme, expert_color
from olmoe_viz.charts.theme import template

NAMES = ("k = 8", "k = 16")


def notes(chart: go.Figure) -> list[str]:
    return [note.text for note in chart.layout.annotations]


def test_bars_keep_their_experts_colors_and_names() -> None:
    values = np.array([0.5, -0.25, 0.125])
    chart = expert_bars.figure(
        values, ids=[60, 3, 12], quantity="push", hollow=[False, False, True], theme="light"
    )
    bars = chart.data[0]
    assert list(bars.text) == ["60", "3", "12"]
    assert bars.marker.color[0] == expert_color(60, "light")
    assert bars.marker.color[2] == "rgba(0,0,0,0)"
    assert bars.marker.line.color[2] == expert_color(12, "light")
    assert chart.layout.yaxis.range[0] < -0.25
    assert "most 0.500 at expert 60, least -0.250 at expert 3" in expert_bars.describe(
        values, ids=[60, 3, 12], quantity="push"
    )


def test_of_many_bars_only_the_eight_largest_are_named() -> None:
    values = np.random.default_rng(2).normal(size=64)
    cosines = np.linspace(-1, 1, 64)
    chart = expert_bars.figure(
        values,
        ids=range(64),
        quantity="router logit",
        level=(0.5, "dotted: half"),
        also=("cosine", cosines),
        theme="dark",
    )
    bars = chart.data[0]
    named = {at for at, text in enumerate(bars.text) if text}
    assert named == set(np.argsort(-values)[:8].tolist())
    assert bars.customdata[63].tolist() == [63, values[63], 1]
    assert "cosine %{customdata[2]" in bars.hovertemplate
    assert [shape.y0 for shape in chart.layout.shapes] == [0, 0.5]
    assert notes(chart) == ["dotted: half"]


def test_bars_can_start_where_the_differences_do() -> None:
    values = np.array([-3.0, -1.0, -2.0])
    chart = expert_bars.figure(values, ids=[4, 5, 6], quantity="logit", base=-2, theme="light")
    bars = chart.data[0]
    assert bars.base == -2
    assert list(bars.y) == [-1, 1, 0]
    assert list(bars.customdata[:, 1]) == list(values)
    low, high = chart.layout.yaxis.range
    assert low < -3 < -1 < high < 0


def test_contributions_leave_out_what_is_not_selected() -> None:
    norms = np.array([[2.0, 1.0, 0.0], [2.0, 1.0, 0.5]])
    chart = contributions.figure(norms, ids=[5, 9, 33], names=NAMES, theme="light")
    first, second = chart.data
    assert np.isnan(first.y[2])
    assert second.y[2] == 0.5
    assert first.marker.color[1] == expert_color(9, "light")
    assert second.marker.color == "rgba(0,0,0,0)"
    assert notes(chart) == ["■ k = 8     □ k = 16"]
    assert "under k = 16 expert 5 adds most, 2.00" in contributions.describe(
        norms, ids=[5, 9, 33], names=NAMES
    )


def side(ids: list[int]) -> rank_change.Side:
    return ids, [f" <b>t{i}$" for i in ids], np.linspace(0.5, 0.1, len(ids))


def test_moved_tokens_are_joined_new_ones_marked_and_flips_accented() -> None:
    chart = rank_change.figure(side([1, 2, 3]), side([2, 1, 4]), names=NAMES, theme="light")
    assert [tuple(line.y) for line in chart.data] == [(0, 1), (1, 0)]
    assert chart.data[0].line.color == INKS["light"].ink
    for line in chart.data:
        assert line.marker.symbol == ("circle", "arrow")
        assert line.marker.angleref == "previous"
    accented = [n.text for n in chart.layout.annotations if n.font.color == INKS["light"].accent]
    assert accented == ["·&lt;b&gt;t1&#36;  50.0%", "50.0%  ·&lt;b&gt;t2&#36; "]
    new = [text for text in notes(chart) if "<b>+</b>" in text]
    assert len(new) == 2
    assert "t3" in new[0]
    assert "t4" in new[1]
    sentence = rank_change.describe(side([1, 2, 3]), side([2, 1, 4]), names=NAMES)
    assert "2 are in both lists" in sentence


def test_lists_that_agree_have_no_accent() -> None:
    chart = rank_change.figure(side([1, 2]), side([1, 2]), names=NAMES, theme="dark")
    assert {line.line.color for line in chart.data} == {INKS["dark"].line}
    assert INKS["dark"].accent not in [note.font.color for note in chart.layout.annotations]


def test_the_lens_names_tokens_and_follows_the_winner() -> None:
    tokens = [(" a", "b"), (" was", "a"), (" was", "b")]
    probabilities = np.array([[0.2, 0.1], [0.6, 0.2], [0.9, 0.05]])
    winner, ranks = np.array([0.01, 0.6, 0.9]), np.array([40, 1, 1])
    chart = logit_lens.figure(tokens, probabilities, winner, ranks, theme="light")
    table, line = chart.data
    assert table.text[1][0] == "·was"
    np.testing.assert_array_equal(line.x, winner)
    assert list(line.customdata) == [40, 1, 1]
    assert list(chart.layout.yaxis.ticktext) == ["embedding", "block 0", "block 1"]
    assert "leads from block 0 on and ends with probability 0.900" in logit_lens.describe(
        tokens, winner
    )


def test_the_trade_off_fills_the_trained_k_only() -> None:
    ks, values = (1, 8, 64), np.array([0.1, 0.4, 1.0])
    chart = tradeoff.figure(ks, values, quantity="retained mass", trained_k=8, theme="light")
    assert [color == INKS["light"].accent for color in chart.data[0].marker.color] == [
        False,
        True,
        False,
    ]
    assert chart.data[0].marker.opacity == 1
    low, high = chart.layout.yaxis.range
    assert low < 0  # a dot at zero, as that of the KL of the trained k, is whole
    assert high > 1
    assert chart.layout.xaxis.type == "log"
    assert notes(chart) == ["retained mass"]
    assert "0.400 at k = 8" in tradeoff.describe(ks, values, quantity="retained mass")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_figure_uses_the_template_and_can_be_sent(theme: Theme) -> None:
    row = np.array([0.5, 0.25])
    figures = [
        expert_bars.figure(row, ids=[1, 2], quantity="<i>$q$", theme=theme),
        contributions.figure(np.vstack([row, row]), ids=[1, 2], names=("<i>$", "b"), theme=theme),
        rank_change.figure(side([1]), side([1]), names=("<i>$", "b"), theme=theme),
        logit_lens.figure([("<i>$",)], np.array([[1.0]]), row[:1], np.array([1]), theme=theme),
        tradeoff.figure([1, 2], np.zeros(2), quantity="<i>$q$", trained_k=1, theme=theme),
    ]
    for chart in figures:
        text = chart.to_json()
        assert chart.layout.template == template(theme)
        assert all(trace.hovertemplate.endswith("<extra></extra>") for trace in chart.data)
        assert "<i>$" not in text
        json.loads(text)
