"""Figures of vectors and of attention."""

import json

import numpy as np
import pytest

from olmoe_viz.figures import (
    attention_heads,
    attention_map,
    cosine_matrix,
    temperature,
    vector_strip,
)
from olmoe_viz.figures.palette import Theme
from olmoe_viz.figures.token_axis import token_axis

DRAW = np.random.default_rng(5)
VECTORS = DRAW.normal(size=(3, 40)).astype(np.float32)
TOKENS = ("<b>$x$", " was", "", "extraordinarily")


def causal(heads: int = 4, tokens: int = 4) -> np.ndarray:
    """[heads, tokens, tokens]; every row sums to 1."""
    weights = np.tril(DRAW.random((heads, tokens, tokens)) + 0.1)
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)


def test_strips_share_a_scale_that_is_symmetric_about_zero() -> None:
    chart = vector_strip.figure(VECTORS, names=["k = 8", "k = 16", "change"], theme="light")
    (heat,) = chart.marks
    np.testing.assert_allclose(heat.values, VECTORS, rtol=1e-4)
    assert heat.span[0] == -heat.span[1]
    assert [words for _, words in chart.y.ticks] == ["k = 8", "k = 16", "change"]
    assert heat.hover == "index {column} of 40\nvalue {value}"
    norms = np.linalg.norm(VECTORS, axis=1)
    assert f"change {norms[2]:.2f}" in chart.alt


def test_one_huge_value_does_not_blanch_a_strip_and_zeros_draw() -> None:
    vectors = np.ones((1, 1_000), np.float32)
    vectors[0, 7] = 1e6
    assert vector_strip.figure(vectors, names=["h"], theme="dark").marks[0].span == (-1, 1)
    zeros = np.zeros((1, 4), np.float32)
    assert vector_strip.figure(zeros, names=["h"], theme="dark").marks[0].span == (-1, 1)


def test_attention_has_the_mean_above_the_heads_and_ends_at_the_token() -> None:
    weights = causal()[:, 2, :3]
    chart = attention_heads.figure(weights, tokens=TOKENS, theme="light")
    mean, heads = chart.marks
    np.testing.assert_allclose(mean.values[0], weights.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(heads.values, weights, rtol=1e-4)
    assert (mean.first, heads.first) == ((-2, 0), (0, 0))
    assert chart.x[0].span == (-0.5, 2.5)
    assert len(chart.x[0].ticks) == 3
    assert heads.span == mean.span == (0, pytest.approx(weights.max()))
    sentence = chart.alt
    assert f"position {weights.mean(axis=0).argmax()}" in sentence


def test_the_map_shows_nothing_above_the_diagonal_and_outlines_the_token() -> None:
    weights = causal(heads=1)[0]
    chart = attention_map.figure(weights, tokens=TOKENS, first=10, token=12, head=3, theme="dark")
    (cells,) = chart.marks
    assert cells.values[0][1:] == [None] * 3
    np.testing.assert_allclose(cells.values[3], weights[3], rtol=1e-4)
    assert cells.first == (10, 10)
    (outline,) = chart.boxes
    assert outline.sides == (9.5, 12.5, 11.5, 12.5)
    assert not attention_map.figure(weights, tokens=TOKENS, token=9, head=3, theme="dark").boxes
    assert "over 4 tokens" in chart.alt


def test_tokens_on_an_axis_are_short_and_never_empty() -> None:
    axis = token_axis(TOKENS, first=2)
    assert axis.ticks == [(2, "<b>$x$"), (3, "·was"), (4, "∅"), (5, "extraordi…")]
    assert token_axis(TOKENS, down=True).span == (3.5, -0.5)
    many = token_axis(["a"] * 49)
    assert many.ticks[:2] == [(0, "0"), (5, "5")]
    assert many.title == "position of the token"


def test_cosines_are_drawn_once_for_each_pair() -> None:
    units = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    cosines = (units @ units.T).astype(np.float64)
    chart = cosine_matrix.figure(cosines, ids=[9, 4, 60], theme="light")
    (heat,) = chart.marks
    assert heat.values[0][1] is None
    assert heat.values[2][0] == pytest.approx(cosines[2, 0], rel=1e-4)
    assert (heat.hover, heat.rows[2]) == ("experts {row} and {column}\ncosine {value}", 60)
    assert heat.span == (-1, 1)
    pairs = cosines[np.tril_indices(3, -1)]
    assert f"mean {pairs.mean():.3g}"[:9] in chart.alt
    assert "no pair" in cosine_matrix.figure(cosines[:1, :1], ids=[9]).alt


def test_temperature_one_is_marked_on_the_line() -> None:
    temperatures = np.geomspace(0.25, 4, 33)
    entropies = np.log(temperatures + 1)
    chart = temperature.figure(temperatures, entropies, uniform=4.16)
    _, here = chart.marks
    assert here.x == [1.0]
    assert here.y[0] == pytest.approx(np.log(2))
    assert here.color == "accent"
    assert "even choice: 4.16" in [note.text for note in chart.notes]
    assert "0.693 nats at temperature 1" in chart.alt


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_figure_can_be_sent(theme: Theme) -> None:
    figures = [
        vector_strip.figure(VECTORS, names=["a", "b", "c"], theme=theme),
        attention_heads.figure(causal()[:, 3], tokens=TOKENS, theme=theme),
        attention_map.figure(causal()[0], tokens=TOKENS, head=3, theme=theme),
        cosine_matrix.figure(np.eye(2), ids=[1, 2], theme=theme),
        temperature.figure(np.array([0.5, 1]), np.array([1.0, 2]), uniform=3),
    ]
    for chart in figures:
        assert json.loads(json.dumps(chart.data()))["height"] == chart.height
