import html
import re

import numpy as np

from olmoe_viz.figures import logit_moves

MOVES = np.array([[0.5, -0.25], [-1.0, 0.125]])
LAYERS = (1, 4)


def test_each_token_has_a_bar_in_each_layer_filled_or_hollow() -> None:
    chart = logit_moves.figure(MOVES, names=("·a", "$<b>"), layer_ids=LAYERS, theme="light")
    assert [list(bar.x) for bar in chart.data] == [[1, 4]] * 2
    assert list(chart.layout.xaxis.tickvals) == [1, 4]
    assert [bar.y.tolist() for bar in chart.data] == [[0.5, -1.0], [-0.25, 0.125]]
    assert chart.data[0].marker.color != chart.data[1].marker.color
    (note,) = chart.layout.annotations
    assert note.text == "■ ·a     □ &#36;&lt;b&gt;"


def test_a_template_in_a_token_stays_text() -> None:
    names = ("%{x}", "%%{y:+.3g}%")
    chart = logit_moves.figure(MOVES, names=names, layer_ids=LAYERS, theme="light")
    templates = [bar.hovertemplate for bar in chart.data]
    assert [re.findall(r"%\{.*?\}", template) for template in templates] == [
        ["%{x}", "%{y:+.3g}"]
    ] * 2
    assert [html.unescape(template.split("logit of ")[1]) for template in templates] == [
        "%{x} %{y:+.3g}<extra></extra>",
        "%%{y:+.3g}% %{y:+.3g}<extra></extra>",
    ]


def test_the_sentence_says_sums_and_the_strongest_layers() -> None:
    sentence = logit_moves.describe(MOVES, names=("a", "b"), layer_ids=LAYERS)
    assert "a by -0.500 in all, most in layer 4 with -1.00" in sentence
    assert "b by -0.125 in all, most in layer 1 with -0.250" in sentence
