"""Figures of vectors and of attention."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from olmoe_viz.charts import (
    attention_heads,
    attention_map,
    cosine_matrix,
    temperature,
    vector_strip,
)
from olmoe_viz.charts.palette import INKS, Theme
from olmoe_viz.charts.theme import template
from olmoe_viz.charts.token_axis import token_axis

DRAW = np.random.default_rng(5)
VECTORS = DRAW.normal(size=(3, 40)).astype(np.float32)
TOKENS = ("<b>$x$", " was", "", "extraordinarily")


def causal(heads: int = 4, tokens: int = 4) -> np.ndarray:
    """[heads, tokens, tokens]; every row sums to 1."""
    weights = np.tril(DRAW.random((heads, tokens, tokens)) + 0.1)
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)


def test_strips_share_a_scale_that_is_symmetric_about_zero() -> None:
    chart = vector_strip.figure(VECTORS, names=["k = 8", "k = 16", "change"], theme="light")
    heat = chart.data[0]
    np.testing.assert_array_equal(heat.z, VECTORS)
    assert heat.zmin == -heat.zmax
    assert list(chart.layout.yaxis.ticktext) == ["k = 8", "k = 16", "change"]
    assert "index %{x} of 40" in heat.hovertemplate
    norms = np.linalg.norm(VECTORS, axis=1)
    assert f"change {norms[2]:.2f}" in vector_strip.describe(VECTORS, names=["a", "b", "change"])


def test_one_huge_value_does_not_blanch_a_strip_and_zeros_draw() -> None:
    vectors = np.ones((1, 1_000), np.float32)
    vectors[0, 7] = 1e6
    assert vector_strip.figure(vectors, names=["h"], theme="dark").data[0].zmax == 1
    zeros = np.zeros((1, 4), np.float32)
    assert vector_strip.figure(zeros, names=["h"], theme="dark").data[0].zmax == 1


def test_attention_has_the_mean_above_the_heads_and_leaves_the_future_empty() -> None:
    weights = causal()[:, 2, :3]
    chart = attention_heads.figure(weights, tokens=TOKENS, theme="light")
    mean, heads = chart.data
    np.testing.assert_allclose(mean.z[0], weights.mean(axis=0))
    np.testing.assert_array_equal(heads.z, weights)
    assert max(heads.x) == 2
    assert chart.layout.xaxis.range[1] == 3.5
    assert chart.layout.coloraxis.cmax == pytest.approx(weights.max())
    sentence = attention_heads.describe(weights, tokens=TOKENS)
    assert f"position {weights.mean(axis=0).argmax()}" in sentence


def test_the_map_shows_nothing_above_the_diagonal_and_outlines_the_token() -> None:
    weights = causal(heads=1)[0]
    chart = attention_map.figure(weights, tokens=TOKENS, first=10, token=12, theme="dark")
    shown = np.array(chart.data[0].z)
    assert np.isnan(shown[0, 1:]).all()
    np.testing.assert_array_equal(shown[3], weights[3])
    assert list(chart.data[0].x) == [10, 11, 12, 13]
    (outline,) = chart.layout.shapes
    assert (outline.x0, outline.x1, outline.y0, outline.y1) == (9.5, 12.5, 11.5, 12.5)
    assert not attention_map.figure(weights, tokens=TOKENS, token=9, theme="dark").layout.shapes
    assert "over 4 tokens" in attention_map.describe(weights, head=3)


def test_tokens_on_an_axis_are_short_inert_and_never_empty() -> None:
    axis = token_axis(TOKENS, first=2)
    assert axis["tickvals"] == [2, 3, 4, 5]
    assert axis["ticktext"] == ["&lt;b&gt;&#36;x&#36;", "·was", "∅", "extraordi…"]
    assert "ticktext" not in token_axis(["a"] * 49)


def test_cosines_are_drawn_once_for_each_pair() -> None:
    units = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    cosines = (units @ units.T).astype(np.float64)
    chart = cosine_matrix.figure(cosines, ids=[9, 4, 60], theme="light")
    heat = chart.data[0]
    assert np.isnan(heat.z[0][1])
    assert heat.z[2][0] == pytest.approx(cosines[2, 0], abs=1e-6)
    assert heat.text[2][0] == "experts 60 and 9"
    assert (heat.zmin, heat.zmax) == (-1, 1)
    pairs = cosines[np.tril_indices(3, -1)]
    assert f"mean {pairs.mean():.3g}"[:9] in cosine_matrix.describe(cosines, ids=[9, 4, 60])
    assert "no pair" in cosine_matrix.describe(cosines[:1, :1], ids=[9])


def test_temperature_one_is_marked_on_the_line() -> None:
    temperatures = np.geomspace(0.25, 4, 33)
    entropies = np.log(temperatures + 1)
    chart = temperature.figure(temperatures, entropies, uniform=4.16, theme="light")
    assert list(chart.data[1].x) == [1.0]
    assert chart.data[1].y[0] == pytest.approx(np.log(2))
    assert chart.data[1].marker.color == INKS["light"].accent
    assert "even choice: 4.16" in [note.text for note in chart.layout.annotations]
    assert "0.693 nats at temperature 1" in temperature.describe(np.log(2), uniform=4.16)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_figure_uses_the_template_and_can_be_sent(theme: Theme) -> None:
    figures: list[go.Figure] = [
        vector_strip.figure(VECTORS, names=["a", "b", "c"], theme=theme),
        attention_heads.figure(causal()[:, 3], tokens=TOKENS, theme=theme),
        attention_map.figure(causal()[0], tokens=TOKENS, theme=theme),
        cosine_matrix.figure(np.eye(2), ids=[1, 2], theme=theme),
        temperature.figure(np.array([0.5, 1]), np.array([1.0, 2]), uniform=3, theme=theme),
    ]
    for chart in figures:
        assert chart.layout.template == template(theme)
        assert all(trace.hovertemplate.endswith("<extra></extra>") for trace in chart.data)
        assert "<b>$" not in chart.to_json()
        json.loads(chart.to_json())
