import json

import numpy as np
import pytest

from olmoe_viz.figures import expert_load, layer_lines, router_bars, strongest_experts
from olmoe_viz.figures.labels import alike, digits, safe, shorten
from olmoe_viz.figures.palette import Theme, expert_color
from olmoe_viz.figures.plot import HOLLOW, Plot
from olmoe_viz.figures.theme import template

THEMES: tuple[Theme, ...] = ("light", "dark")


@pytest.fixture
def probabilities() -> np.ndarray:
    """[layers, experts] of one token, from fixed logits."""
    logits = np.random.default_rng(3).normal(size=(16, 64)) * 1.5
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True)


def notes(chart: Plot) -> list[str]:
    return [note.text for note in chart.notes]


@pytest.mark.parametrize("order", ["probability", "expert"])
def test_router_bars_fill_exactly_the_top_k(
    probabilities: np.ndarray, order: router_bars.Order
) -> None:
    row = probabilities[4]
    chart = router_bars.figure(row, k=8, order=order, theme="light")
    (bars,) = chart.marks
    ids = np.argsort(-row).tolist() if order == "probability" else list(range(64))
    assert bars.high == row[ids].tolist()
    filled = {e for e, fill in zip(ids, bars.fills, strict=True) if fill != HOLLOW}
    assert filled == set(np.argsort(-row)[:8].tolist())
    named = ids if order == "probability" else filled
    assert {int(name) for name in bars.names if name} == set(named)
    assert all(name in ("", str(e)) for e, name in zip(ids, bars.names, strict=True))
    assert bars.outlines[ids.index(12)] == expert_color(12, "light")
    at = ids.index(int(np.argsort(-row)[15]))
    assert bars.hover[at].startswith(f"expert {ids[at]} · rank 16\n")
    assert bars.hover[at].endswith(f"mass up to this rank {np.sort(row)[::-1][:16].sum():.3g}")
    assert "the top 8 keep" in router_bars.describe(row, k=8)


@pytest.mark.parametrize("order", ["probability", "expert"])
def test_router_bars_label_every_cutoff_with_its_mass(
    probabilities: np.ndarray, order: router_bars.Order
) -> None:
    row = np.sort(probabilities[0])[::-1]
    chart = router_bars.figure(probabilities[0], k=12, order=order, theme="dark")
    cuts = (8, 12, 16, 32)
    assert notes(chart) == [f"top {cut}: {row[:cut].sum():.3f}" for cut in cuts]
    assert [note.bold for note in chart.notes] == [cut == 12 for cut in cuts]
    places = [cut + 0.5 if order == "probability" else row[cut - 1] for cut in cuts]
    assert [rule.at for rule in chart.rules] == pytest.approx(places)
    looks = [(rule.color, rule.dotted) for rule in chart.rules]
    assert looks == [("accent", False) if cut == 12 else ("muted", True) for cut in cuts]


def test_router_bars_take_k_of_all_experts_and_few_experts() -> None:
    chart = router_bars.figure(np.full(4, 0.25), k=4, theme="light")
    assert notes(chart) == ["top 4: 1.00"]


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
    chart = layer_lines.figure(values, names=["top 8", "top 16"], quantity="retained mass", layer=3)
    assert notes(chart) == ["top 8", "top 16"]
    assert chart.notes[1].y - chart.notes[0].y >= 0.1
    solid, dotted = chart.marks
    assert (solid.dotted, dotted.dotted) == (False, True)
    assert [note.color for note in chart.notes] == [solid.color, dotted.color]
    assert solid.dots[3] > solid.dots[2]
    assert [fill == solid.color for fill in solid.fills].index(True) == 3
    assert [(rule.along, rule.at) for rule in chart.rules] == [("x", 3)]
    assert dotted.hover[5] == "top 16\nlayer 5\nretained mass 0.51"
    assert "top 16 from 0.510 in layer 0" in layer_lines.describe(
        values, names=["top 8", "top 16"], quantity="retained mass"
    )


def test_strongest_experts_show_id_color_and_probability(probabilities: np.ndarray) -> None:
    chart = strongest_experts.figure(probabilities, layer=2, theme="dark")
    (bars,), (box,) = chart.marks, chart.boxes
    best = probabilities.argmax(axis=1)
    assert bars.names == [str(e) for e in best]
    assert bars.high == probabilities.max(axis=1).tolist()
    assert bars.fills[5] == expert_color(int(best[5]), "dark")
    assert bars.hover[5].startswith(f"layer 5\nexpert {best[5]}\n")
    assert box.sides[0] < 2 < box.sides[1]
    assert box.sides[2] == bars.high[2]
    assert strongest_experts.figure(probabilities, theme="dark").boxes == []
    assert f"{best[0]}, {best[1]}" in strongest_experts.describe(probabilities)


@pytest.mark.parametrize("theme", THEMES)
def test_the_load_uses_the_template_and_hover_with_units(
    probabilities: np.ndarray, theme: Theme
) -> None:
    chart = expert_load.figure(probabilities, k=8, tokens=9, theme=theme)
    assert chart.layout.template == template(theme)
    assert chart.layout.height
    for trace in chart.data:
        assert "expert" in trace.hovertemplate
        assert trace.hovertemplate.endswith("<extra></extra>")
    json.loads(chart.to_json())


@pytest.mark.parametrize("theme", THEMES)
def test_what_follows_a_click_can_be_sent(probabilities: np.ndarray, theme: Theme) -> None:
    figures = [
        router_bars.figure(probabilities[0], k=8, order="expert", theme=theme),
        layer_lines.figure(probabilities[:1], names=["<i>$"], quantity="mass", layer=1),
        strongest_experts.figure(probabilities, layer=0, theme=theme),
    ]
    for chart in figures:
        assert json.loads(json.dumps(chart.data()))["height"] == chart.height
        assert all(words for mark in chart.marks for words in mark.hover)


def test_foreign_text_is_inert_in_a_figure() -> None:
    assert safe("<b>$x^2$</b> & 'q'") == ("&lt;b&gt;&#36;x^2&#36;&lt;/b&gt; &amp; &#x27;q&#x27;")


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
