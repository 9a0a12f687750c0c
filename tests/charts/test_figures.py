import json

import numpy as np
import plotly.graph_objects as go
import pytest

from olmoe_viz.charts import expert_load, layer_lines, router_bars, strongest_experts
from olmoe_viz.charts.labels import alike, digits, safe, shorten
from olmoe_viz.charts.palette import INKS, Theme, expert_color
from olmoe_viz.charts.theme import template

THEMES: tuple[Theme, ...] = ("light", "dark")


@pytest.fixture
def probabilities() -> np.ndarray:
    """[layers, experts] of one token, from fixed logits."""
    logits = np.random.default_rng(3).normal(size=(16, 64)) * 1.5
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True)


def annotations(chart: go.Figure) -> list[str]:
    return [note.text for note in chart.layout.annotations]


@pytest.mark.parametrize("order", ["probability", "expert"])
def test_router_bars_fill_exactly_the_top_k(probabilities: np.ndarray, order: str) -> None:
    row = probabilities[4]
    chart = router_bars.figure(row, k=8, order=order, theme="light")
    bars = chart.data[0]
    filled = {int(e) for e, c in zip(bars.text, bars.marker.color, strict=True) if c[0] == "#"}
    assert filled == set(np.argsort(-row)[:8].tolist())
    assert len(bars.y) == 64
    assert bars.y[0] == (row.max() if order == "probability" else row[0])
    outline = dict(zip(bars.text, bars.marker.line.color, strict=True))
    assert outline["12"] == expert_color(12, "light")


@pytest.mark.parametrize("order", ["probability", "expert"])
def test_router_bars_label_every_cutoff_with_its_mass(
    probabilities: np.ndarray, order: str
) -> None:
    row = np.sort(probabilities[0])[::-1]
    chart = router_bars.figure(probabilities[0], k=12, order=order, theme="dark")
    notes = annotations(chart)
    assert [n.replace("<b>", "").split(":")[0] for n in notes] == [
        "top 8",
        "top 12",
        "top 16",
        "top 32",
    ]
    assert notes[1] == f"<b>top 12: {row[:12].sum():.3f}</b>"
    accents = [s.line.color for s in chart.layout.shapes]
    assert accents.count(INKS["dark"].accent) == 1


def test_router_bars_take_k_of_all_experts_and_few_experts() -> None:
    chart = router_bars.figure(np.full(4, 0.25), k=4, theme="light")
    assert annotations(chart) == ["<b>top 4: 1.00</b>"]


def test_expert_load_says_tokens_and_fair_share() -> None:
    load = np.zeros((2, 4))
    load[1, 3] = 0.5
    chart = expert_load.figure(load, k=1, tokens=10, theme="light")
    heat = chart.data[0]
    assert heat.zmax == 0.5
    assert heat.customdata[1, 3].tolist() == [5.0, 2.0]
    assert "of 10 tokens" in heat.hovertemplate
    assert "25.0%" in heat.hovertemplate
    sentence = expert_load.describe(load, k=1, tokens=10)
    assert "expert 3 in layer 1 with 50.0%" in sentence
    assert "7 of 8 experts serve none" in sentence


def test_layer_lines_name_each_line_at_its_end_without_overlap() -> None:
    values = np.vstack([np.full(16, 0.50), np.full(16, 0.51)])
    chart = layer_lines.figure(
        values, names=["top 8", "top 16"], quantity="retained mass", layer=3, theme="light"
    )
    heights = [note.y for note in chart.layout.annotations]
    assert [line.marker.opacity for line in chart.data] == [1] * len(chart.data)
    assert annotations(chart) == ["top 8", "top 16"]
    assert heights[1] - heights[0] >= 0.1
    assert chart.data[0].marker.size[3] > chart.data[0].marker.size[2]
    assert "top 16 from 0.510 in layer 0" in layer_lines.describe(
        values, names=["top 8", "top 16"], quantity="retained mass"
    )


def test_strongest_experts_show_id_color_and_probability(probabilities: np.ndarray) -> None:
    chart = strongest_experts.figure(probabilities, layer=2, theme="dark")
    bars = chart.data[0]
    best = probabilities.argmax(axis=1)
    assert list(bars.text) == [str(e) for e in best]
    assert bars.marker.color[5] == expert_color(int(best[5]), "dark")
    assert [c != "rgba(0,0,0,0)" for c in bars.marker.line.color].index(True) == 2
    assert f"{best[0]}, {best[1]}" in strongest_experts.describe(probabilities)


@pytest.mark.parametrize("theme", THEMES)
def test_every_figure_uses_the_template_and_hover_with_units(
    probabilities: np.ndarray, theme: Theme
) -> None:
    figures = [
        router_bars.figure(probabilities[0], k=8, theme=theme),
        expert_load.figure(probabilities, k=8, tokens=9, theme=theme),
        layer_lines.figure(probabilities[:1], names=["a"], quantity="mass", theme=theme),
        strongest_experts.figure(probabilities, theme=theme),
    ]
    for chart in figures:
        assert chart.layout.template == template(theme)
        assert chart.layout.height
        for trace in chart.data:
            assert "expert" in trace.hovertemplate or "layer" in trace.hovertemplate
            assert trace.hovertemplate.endswith("<extra></extra>")
        json.loads(chart.to_json())


def test_foreign_text_is_inert_in_a_figure() -> None:
    assert safe("<b>$x^2$</b> & 'q'") == ("&lt;b&gt;&#36;x^2&#36;&lt;/b&gt; &amp; &#x27;q&#x27;")
    chart = layer_lines.figure(
        np.zeros((1, 2)), names=["<script>$x$"], quantity="<i>", theme="light"
    )
    assert "<script" not in chart.to_json()
    assert "$" not in annotations(chart)[0]


def test_digits_and_shortening() -> None:
    assert [digits(v) for v in (0, 0.47151, 1.0, 12.34, 123.4, 0.00001234, 4321.0)] == [
        "0",
        "0.472",
        "1.00",
        "12.3",
        "123",
        "1.23e-05",
        "4.32e+03",
    ]
    assert shorten("abcdefghijklmnopq", 5) == "abcd…"
    assert shorten("abc", 5) == "abc"


def test_numbers_of_one_line_share_a_notation() -> None:
    assert alike([0.5, 0.000698]) == ["0.500", "0.000698"]
    assert alike([0.000698, 9.97e-5, 0]) == ["6.98e-04", "9.97e-05", "0"]
    assert alike([]) == []
