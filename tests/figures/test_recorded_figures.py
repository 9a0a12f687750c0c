"""The figures of the Quality page, on small known numbers."""

import numpy as np
import pytest

from olmoe_viz.figures import domain_experts, layer_profile, quality_against_k, saturation
from olmoe_viz.figures.cell_words import cell_words
from olmoe_viz.figures.expert_colors import expert_color

KS = (4, 8, 16)
LINES = {
    "native": (np.array([1.3, 1.1, 1.2]), np.array([1.2, 1.0, 1.1]), np.array([1.5, 1.3, 1.4])),
    "renormalized": (np.array([1.4, 1.2, 1.2]),) * 3,
}


def test_quality_has_a_line_a_weighting_and_intervals_around_the_points() -> None:
    chart = quality_against_k.figure(KS, LINES, trained_k=8, theme="light")
    native = chart.marks[0]
    assert (native.x, native.y) == ([4, 8, 16], [1.3, 1.1, 1.2])
    assert native.spread == ([1.2, 1.0, 1.1], [1.5, 1.3, 1.4])
    assert native.hover[1] == "native, k = 8\n1.1000 bits per byte\n95% interval 1.0000 to 1.3000"
    assert len({(line.dash, line.shape) for line in chart.marks}) == 2
    assert chart.x[0].log
    assert [words for _, words in chart.x[0].ticks] == ["4", "8", "16"]
    assert chart.y.span == pytest.approx((0.975, 1.525))
    assert chart.has_key
    text = chart.alt
    assert "native 1.100 at k = 8 and 1.200 at k = 16" in text


def test_domains_are_told_by_name_with_their_multiple_of_the_fair_share() -> None:
    shares = np.array([[0.5, 0.125, 0.0], [0.1, 0.125, 0.9]])
    names = ("stories", "<b>")
    chart = domain_experts.figure(shares, names, fair=0.125, layer=3, theme="dark")
    colors, cells = chart.marks
    assert colors.fills[2] == expert_color(2, 3, "dark")
    assert cells.more["times the fair share"] == [[4.0, 1.0, 0.0], [0.8, 1.0, 7.2]]
    assert cell_words(cells, 1, 2) == (
        "<b> · expert 3·2\n90% of the tokens\n7.2 × the fair share of 12.5%"
    )
    assert [words for _, words in chart.y.ticks] == ["stories", "<b>"]
    text = chart.alt
    assert "expert 3·2 gets 90% of the <b> tokens; 2 of 3 experts" in text


def test_saturation_draws_every_layer_and_their_mean() -> None:
    shares = np.array([0.1, 0.5, 1.0])
    values = np.array([[0.2, 0.4], [0.6, 0.7], [1.0, 1.0]])
    chart = saturation.figure(shares, values, chance=0.125, layer_ids=(1, 4), theme="light")
    assert [line.hover[0].split("\n")[0] for line in chart.marks] == [
        "layer 1",
        "layer 4",
        "mean of the layers",
    ]
    np.testing.assert_allclose(chart.marks[-1].y, [0.3, 0.65, 1.0])
    assert chart.marks[0].hover[1] == "layer 1\n50% of the training\n60% of the final choices"
    assert chart.alt.endswith("30% after 10%, 65% after 50%, 100% after 100%.")


def test_a_profile_stands_at_the_absolute_layers() -> None:
    values, words = np.array([0.2, 0.1, 0.6]), {"quantity": "gain", "layer_ids": (1, 3, 4)}
    chart = layer_profile.figure(values, theme="light", **words)
    (line,), (note,) = chart.marks, chart.notes
    assert line.x == [at for at, _ in chart.x[0].ticks] == [1, 3, 4]
    assert line.steps
    assert note.text == "mean 0.300"
    sentence = chart.alt
    assert "least 0.100 in layer 3, most 0.600 in layer 4" in sentence
