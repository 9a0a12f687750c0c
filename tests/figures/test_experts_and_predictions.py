"""Figures of what experts give, of the next token, and of the trade-off."""

import numpy as np
import pytest

from olmoe_viz.figures import (
    contributions,
    expert_bars,
    layer_change,
    logit_lens,
    rank_change,
    tradeoff,
)
from olmoe_viz.figures.expert_colors import expert_color
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.marks import HOLLOW

NAMES = ("k = 8", "k = 16")


def notes(chart: Figure) -> list[str]:
    return [note.text for note in chart.notes]


def test_bars_keep_their_experts_colors_and_names() -> None:
    values = np.array([0.5, -0.25, 0.125])
    chart = expert_bars.figure(values, ids=[60, 3, 12], quantity="push", theme="light")
    (bars,) = chart.marks
    assert bars.names == ["60", "3", "12"]
    assert bars.fills == [expert_color(expert, None, "light") for expert in (60, 3, 12)]
    assert bars.hover[1] == "expert 3\npush −0.25"
    assert chart.y.span[0] < -0.25
    assert "most 0.500 at expert 60, least -0.250 at expert 3" in chart.alt


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
    (bars,) = chart.marks
    named = {at for at, text in enumerate(bars.names) if text}
    assert named == set(np.argsort(-values)[:8].tolist())
    assert bars.hover[63].endswith("\ncosine 1")
    assert [rule.at for rule in chart.rules] == [0, 0.5]
    assert [tick for tick, _ in chart.x[0].ticks] == list(range(0, 64, 8))
    assert notes(chart) == ["dotted: half"]


def test_bars_can_start_where_the_differences_do() -> None:
    values = np.array([-3.0, -1.0, -2.0])
    chart = expert_bars.figure(values, ids=[4, 5, 6], quantity="logit", base=-2, theme="light")
    (bars,) = chart.marks
    assert bars.low == -2
    assert bars.high == list(values)
    low, high = chart.y.span
    assert low < -3 < -1 < high < 0


def test_contributions_leave_out_what_is_not_selected() -> None:
    norms = np.array([[2.0, 1.0, 0.0], [2.0, 1.0, 0.5]])
    chart = contributions.figure(norms, ids=[5, 9, 33], names=NAMES, theme="light")
    first, second = chart.marks
    assert first.high[2] is None
    assert second.high[2] == 0.5
    assert first.fills[1] == expert_color(9, None, "light")
    assert set(second.fills) == {HOLLOW}
    assert first.at[1] + first.width / 2 < second.at[1] - second.width / 2
    assert notes(chart) == ["■ k = 8     □ k = 16"]
    assert "under k = 16 expert 5 adds most, 2.00" in chart.alt


def test_the_chosen_layer_of_a_change_is_filled() -> None:
    chart = layer_change.figure(
        np.array([0.0, 0.1, 0.4]), name="as run", quantity="relative change", layer=1
    )
    (line,) = chart.marks
    assert line.fills == ["paper", "accent", "paper"]
    assert line.hover[2] == "as run\nlayer 2\nrelative change 0.4"
    assert [rule.at for rule in chart.rules] == [1]
    assert chart.y.span == (0, pytest.approx(0.44))
    words = layer_change.figure(np.array([0.0, 0.5]), name="as run", quantity="change", layer=0).alt
    assert "as run from 0 in layer 0 to 0.500 in layer 1" in words


def side(ids: list[int]) -> rank_change.Side:
    return ids, [f" <b>t{i}$" for i in ids], np.linspace(0.5, 0.1, len(ids))


def test_moved_tokens_are_joined_new_ones_marked_and_flips_accented() -> None:
    chart = rank_change.figure(side([1, 2, 3]), side([2, 1, 4]), names=NAMES)
    assert [line.y for line in chart.marks] == [[0, 1], [1, 0]]
    assert {line.color for line in chart.marks} == {"ink"}
    assert all(line.arrow for line in chart.marks)
    accented = [note.text for note in chart.notes if note.color == "accent"]
    assert accented == ["·<b>t1$  50.0%", "50.0%  ·<b>t2$ "]
    new = [text for text in notes(chart) if "+" in text]
    assert len(new) == 2
    assert "t3" in new[0]
    assert "t4" in new[1]
    sentence = rank_change.figure(side([1, 2, 3]), side([2, 1, 4]), names=NAMES).alt
    assert "2 are in both lists" in sentence


def test_lists_that_agree_have_no_accent() -> None:
    chart = rank_change.figure(side([1, 2]), side([1, 2]), names=NAMES)
    assert {line.color for line in chart.marks} == {"line"}
    assert "accent" not in [note.color for note in chart.notes]


def test_the_lens_names_tokens_and_follows_the_winner() -> None:
    tokens = [(" a", "b"), (" was", "a"), (" was", "b")]
    probabilities = np.array([[0.2, 0.1], [0.6, 0.2], [0.9, 0.05]])
    winner, ranks = np.array([0.01, 0.6, 0.9]), np.array([40, 1, 1])
    chart = logit_lens.figure(tokens, probabilities, winner, ranks, k=8, theme="light")
    table, line = chart.marks
    assert table.texts[1][0] == "·was"
    assert line.x == winner.tolist()
    assert [axis.title for axis in chart.x] == ["rank", "probability"]
    assert [note.text for note in chart.notes] == ["probability of ‘·was’, k = 8"]
    assert line.hover[0] == "the token that wins\nprobability 0.01\nrank 40"
    assert [words for _, words in chart.y.ticks] == ["embedding", "layer 0", "layer 1"]
    assert "leads from layer 0 on and ends with probability 0.900" in chart.alt


def test_the_trade_off_fills_the_trained_k_only() -> None:
    ks, values = (1, 8, 64), np.array([0.1, 0.4, 1.0])
    chart = tradeoff.figure(ks, values, quantity="retained mass", trained_k=8, theme="light")
    line, here = chart.marks
    assert (line.x, line.y, set(line.fills)) == ([1, 8, 64], [0.1, 0.4, 1.0], {"paper"})
    assert (here.x, here.y, here.color) == ([8], [0.4], "accent")
    low, high = chart.y.span
    assert low < 0  # a dot at zero, as that of the KL of the trained k, is whole
    assert high > 1
    assert chart.x[0].log
    assert [note.text for note in chart.notes] == ["retained mass"]
    assert "0.400 at k = 8" in chart.alt


def test_the_trade_off_draws_the_spread_of_what_it_is_given() -> None:
    ks, values = (1, 8), np.array([20.0, 30.0])
    ends = np.array([19.0, 25.0]), np.array([24.0, 90.0])
    words = {"quantity": "time, ms", "trained_k": 8, "theme": "light"}
    chart = tradeoff.figure(ks, values, spread=ends, **words)
    line = chart.marks[0]
    assert line.spread == ([19, 25], [24, 90])
    assert line.hover[1] == "k = 8\ntime, ms 30.0\n25.0 to 90.0"
    assert chart.y.span[1] > 90
    assert tradeoff.figure(ks, values, **words).marks[0].spread is None


def test_large_quantities_have_a_unit_at_the_axis() -> None:
    chart = tradeoff.figure((1, 2), np.array([2e6, 9.5e6]), quantity="parameters", trained_k=1)
    assert [words for _, words in chart.y.ticks] == ["0", "5M"]
