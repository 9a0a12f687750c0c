from collections.abc import Sequence

import numpy as np
import pytest

from olmoe_viz.figures import (
    contributions,
    cosine_matrix,
    domain_experts,
    expert_bars,
    expert_load,
    layer_lines,
    router_bars,
    strongest_experts,
)
from olmoe_viz.figures.cell_words import cell_words
from olmoe_viz.figures.expert_colors import expert_color
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import alike, digits, safe, shorten
from olmoe_viz.figures.marks import HOLLOW, layer_axis
from olmoe_viz.figures.palette import Theme
from olmoe_viz.numerics import routing

THEMES: tuple[Theme, ...] = ("light", "dark")
LAYERS = range(16)
SPARSE = (1, 3, 4)  # layers of experts of a model that has others too


@pytest.fixture
def probabilities() -> np.ndarray:
    """[layers, experts] of one token, from fixed logits."""
    logits = np.random.default_rng(3).normal(size=(16, 64)) * 1.5
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True)


def notes(chart: Figure) -> list[str]:
    return [note.text for note in chart.notes]


def top(probabilities: np.ndarray, k: int) -> np.ndarray:
    """Expert ids as a run under k records them."""
    return routing.ranking(probabilities)[..., :k].astype(np.int16)


def filled(chart: Figure, ids: Sequence[int]) -> set[int]:
    """The experts whose bars are filled; `ids` are those of the bars in order."""
    (bars,) = chart.marks
    return {expert for expert, fill in zip(ids, bars.fills, strict=True) if fill != HOLLOW}


@pytest.mark.parametrize("order", ["probability", "expert"])
def test_router_bars_fill_exactly_what_ran(
    probabilities: np.ndarray, order: router_bars.Order
) -> None:
    row = probabilities[4]
    ran = top(row, 8)
    chart = router_bars.figure(row, expert_ids=ran, order=order, theme="light")
    (bars,) = chart.marks
    ids = np.argsort(-row).tolist() if order == "probability" else list(range(64))
    assert bars.high == row[ids].tolist()
    assert filled(chart, ids) == set(ran.tolist())
    named = ids if order == "probability" else ran
    assert {int(name) for name in bars.names if name} == set(named)
    assert all(name in ("", str(e)) for e, name in zip(ids, bars.names, strict=True))
    assert bars.outlines[ids.index(12)] == expert_color(12, None, "light")
    at = ids.index(int(np.argsort(-row)[15]))
    assert bars.hover[at].startswith(f"expert {ids[at]} · rank 16\n")
    assert bars.hover[at].endswith(f"mass up to this rank {np.sort(row)[::-1][:16].sum():.3g}")
    words = chart.alt
    assert f"expert {ran[0]} leads" in words
    assert "the top 8 keep" in words


TIE = np.array([0.1, 0.3, 0.2, 0.2, 0.2])  # experts 2, 3 and 4 tie at the cutoff of k = 2


@pytest.mark.parametrize("last", [2, 3, 4])
@pytest.mark.parametrize("order", ["probability", "expert"])
def test_router_bars_fill_the_recorded_one_of_experts_that_tie(
    order: router_bars.Order, last: int
) -> None:
    chart = router_bars.figure(TIE, expert_ids=np.array([1, last]), order=order, theme="light")
    (bars,) = chart.marks
    ids = [1, 2, 3, 4, 0] if order == "probability" else [0, 1, 2, 3, 4]
    assert [expert for expert, name in zip(ids, bars.names, strict=True) if name] == (
        ids if order == "probability" else [1, last]
    )
    assert filled(chart, ids) == {1, last}
    assert notes(chart) == ["top 2: 0.500"]
    (rule,) = chart.rules
    # Behind the last expert that ran, or at its level.
    assert rule.at == (ids.index(last) + 1.5 if order == "probability" else 0.2)


def test_router_bars_fill_as_many_as_a_threshold_let_through() -> None:
    chart = router_bars.figure(TIE, expert_ids=np.array([1, 2, -1, -1]), marks=(4,), theme="light")
    assert filled(chart, [1, 2, 3, 4, 0]) == {1, 2}
    assert notes(chart) == ["top 2: 0.500", "top 4: 0.900"]
    assert "the top 2 keep 0.500" in chart.alt


@pytest.mark.parametrize("order", ["probability", "expert"])
def test_router_bars_label_every_cutoff_with_its_mass(
    probabilities: np.ndarray, order: router_bars.Order
) -> None:
    row, ran = np.sort(probabilities[0])[::-1], top(probabilities[0], 12)
    chart = router_bars.figure(
        probabilities[0], expert_ids=ran, marks=(8, 12, 16, 32), order=order, theme="dark"
    )
    cuts = (8, 12, 16, 32)
    assert notes(chart) == [f"top {cut}: {row[:cut].sum():.3f}" for cut in cuts]
    assert [note.bold for note in chart.notes] == [cut == 12 for cut in cuts]
    places = [cut + 0.5 if order == "probability" else row[cut - 1] for cut in cuts]
    assert [rule.at for rule in chart.rules] == pytest.approx(places)
    looks = [(rule.color, rule.dotted) for rule in chart.rules]
    assert looks == [("accent", False) if cut == 12 else ("muted", True) for cut in cuts]


def test_router_bars_take_k_of_all_experts_and_few_experts() -> None:
    chart = router_bars.figure(
        np.full(4, 0.25), expert_ids=np.arange(4), marks=(8, 16), theme="light"
    )
    assert notes(chart) == ["top 4: 1.00"]


def test_expert_load_says_tokens_and_fair_share() -> None:
    load = np.array([[0.4, 0.3, 0.3, 0.0], [0.0, 0.5, 0.5, 1.0]])
    chart = expert_load.figure(load, tokens=10, layer_ids=range(2), theme="light")
    (cells,) = chart.marks
    assert cells.span == (0, 1.0)
    assert cell_words(cells, 0, 0) == (
        "layer 0 · expert 0·0\n4 of 10 tokens (40%)\n1.6 × the fair share of 0.25"
    )
    # A layer with twice the experts for a token has twice the fair share.
    assert cell_words(cells, 1, 3).endswith("\n10 of 10 tokens (100%)\n2 × the fair share of 0.5")
    sentence = chart.alt
    assert "1.5 used by a token" in sentence
    assert "expert 1·3 with 100% of 10 tokens" in sentence
    assert "2 of 8 experts serve none" in sentence


def test_expert_load_names_layers_by_their_absolute_ids() -> None:
    load = np.array([[0.5, 0.5], [1.0, 0.0], [0.5, 0.5]])
    chart = expert_load.figure(load, tokens=2, layer_ids=SPARSE, theme="light")
    assert chart.marks[0].rows == [1, 3, 4]
    assert chart.y.ticks == [(0, "1"), (1, "3"), (2, "4")]
    assert "expert 3·0 with" in chart.alt
    whole = expert_load.figure(np.ones((16, 2)), tokens=2, layer_ids=LAYERS, theme="light")
    assert [words for _, words in whole.y.ticks] == ["0", "5", "10", "15"]


def test_layer_lines_name_each_line_at_its_end_without_overlap() -> None:
    values = np.vstack([np.full(16, 0.50), np.full(16, 0.51)])
    words = {"names": ["top 8", "top 16"], "quantity": "retained mass", "layer_ids": LAYERS}
    chart = layer_lines.figure(values, layer=3, **words)
    assert notes(chart) == ["top 8", "top 16"]
    assert chart.notes[1].y - chart.notes[0].y >= 0.1
    solid, dotted = chart.marks
    assert (solid.dash, dotted.dash) == ("solid", "dot")
    assert [note.color for note in chart.notes] == [solid.color, dotted.color]
    assert solid.dots[3] > solid.dots[2]
    assert [fill == solid.color for fill in solid.fills].index(True) == 3
    assert [(rule.along, rule.at) for rule in chart.rules] == [("x", 3)]
    assert dotted.hover[5] == "top 16\nlayer 5\nretained mass 0.51"
    assert "top 16 from 0.510 in layer 0 to 0.510 in layer 15" in chart.alt


def test_layer_lines_stand_at_the_absolute_layers() -> None:
    values, words = np.array([[0.1, 0.2, 0.3]]), {"names": ["a"], "quantity": "mass"}
    chart = layer_lines.figure(values, layer=3, layer_ids=SPARSE, **words)
    (line,) = chart.marks
    assert list(line.x) == [1, 3, 4]
    assert line.dots == [5, 9, 5]
    assert line.hover[1] == "a\nlayer 3\nmass 0.2"
    assert chart.x[0].ticks == [(1, "1"), (3, "3"), (4, "4")]
    assert chart.x[0].span == (0.6, 4.4)
    sentence = chart.alt
    assert "from 0.100 in layer 1 to 0.300 in layer 4" in sentence


def test_a_layer_axis_names_every_fifth_layer_or_all_of_few() -> None:
    named = [[layer for layer, _ in layer_axis(ids, 0.4).ticks] for ids in (LAYERS, range(3))]
    assert named == [[0, 5, 10, 15], [0, 1, 2]]
    assert [layer for layer, _ in layer_axis(range(1, 12, 2), 0.4).ticks] == [5]
    assert layer_axis((1, 2, 3, 4, 6), 0.4).ticks[-1] == (6, "6")


def test_strongest_experts_show_id_color_and_probability(probabilities: np.ndarray) -> None:
    ran, words = top(probabilities, 8), {"layer_ids": LAYERS}
    chart = strongest_experts.figure(ran, probabilities, layer=2, theme="dark", **words)
    (bars,), (box,) = chart.marks, chart.boxes
    best = probabilities.argmax(axis=1)
    assert bars.names == [str(e) for e in best]
    assert bars.high == probabilities.max(axis=1).tolist()
    assert bars.fills[5] == expert_color(int(best[5]), 5, "dark")
    assert bars.hover[5].startswith(f"layer 5\nexpert 5·{best[5]}\n")
    assert box.sides[0] < 2 < box.sides[1]
    assert box.sides[2] == bars.high[2]
    assert strongest_experts.figure(ran, probabilities, theme="dark", **words).boxes == []
    sentence = chart.alt
    assert f"in layers 0 to 15: 0·{best[0]}, 1·{best[1]}" in sentence
    assert chart.x[0].title == "layer; above: id of its strongest expert"


def test_the_strongest_expert_is_the_recorded_one_of_its_layer() -> None:
    rows = np.vstack([TIE, TIE, np.full(5, 0.2)])
    ran = np.array([[1, 4], [1, 3], [3, 0]], np.int16)  # all five tie in the last layer
    chart = strongest_experts.figure(ran, rows, layer_ids=SPARSE, layer=3, theme="light")
    (bars,), (box,) = chart.marks, chart.boxes
    assert list(bars.at) == [1, 3, 4]
    assert bars.names == ["1", "1", "3"]
    assert bars.hover[2].startswith("layer 4\nexpert 4·3\n")
    assert box.sides[0] < 3 < box.sides[1]
    sentence = chart.alt
    assert "in layers 1 to 4: 1·1, 3·1, 4·3; most decided in layer 1" in sentence


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


def test_an_expert_is_named_by_its_layer_too_where_that_is_known() -> None:
    bars = router_bars.figure(TIE, expert_ids=np.array([1, 2]), layer=7)
    assert bars.marks[0].hover[0].startswith("expert 7·1 · rank 1\n")
    assert "expert 7·1 leads" in bars.alt
    pushes = expert_bars.figure(TIE[:2], ids=(4, 9), quantity="push", layer=7)
    assert pushes.marks[0].hover[1].startswith("expert 7·9\n")
    assert "most 0.300 at expert 7·9" in pushes.alt
    pairs = cosine_matrix.figure(np.eye(2), ids=(4, 9), layer=7)
    assert cell_words(pairs.marks[0], 1, 0).startswith("experts 7·9 and 7·4\n")
    norms = contributions.figure(np.ones((2, 2)), ids=(4, 9), names=("a", "b"), layer=7)
    assert norms.marks[1].hover[1].startswith("b\nexpert 7·9\n")
    assert "under b expert 7·4 adds most" in norms.alt


def test_where_an_id_stands_alone_the_axis_and_the_table_name_its_layer() -> None:
    figures = [
        router_bars.figure(TIE, expert_ids=np.array([1, 2]), layer=7),
        router_bars.figure(TIE, expert_ids=np.array([1, 2]), layer=7, order="expert"),
        expert_bars.figure(TIE[:2], ids=(4, 9), quantity="push", layer=7),
        expert_bars.figure(np.ones(40), ids=range(40), quantity="push", layer=7),
        cosine_matrix.figure(np.eye(2), ids=(4, 9), layer=7),
        contributions.figure(np.ones((2, 2)), ids=(4, 9), names=("a", "b"), layer=7),
        domain_experts.figure(np.ones((1, 4)), ["web"], fair=0.1, layer=7),
    ]
    for chart in figures:
        assert "expert id in layer 7" in chart.x[0].title
        assert "expert id in layer 7" in chart.to_frame().columns
    squares, _ = figures[-1].marks
    assert squares.hover[3] == "expert 7·3"
    load = expert_load.figure(np.ones((2, 4)), tokens=3, layer_ids=(0, 1))
    assert load.x[0].title == "expert id"
