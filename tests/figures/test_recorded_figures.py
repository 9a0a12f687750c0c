"""The figures of the Quality page, on small known numbers."""

import numpy as np

from olmoe_viz.figures import domain_experts, layer_profile, quality_against_k, saturation

KS = (4, 8, 16)
LINES = {
    "native": (np.array([1.3, 1.1, 1.2]), np.array([1.2, 1.0, 1.1]), np.array([1.5, 1.3, 1.4])),
    "renormalized": (np.array([1.4, 1.2, 1.2]),) * 3,
}


def test_quality_has_a_line_a_weighting_and_intervals_around_the_points() -> None:
    chart = quality_against_k.figure(KS, LINES, trained_k=8, theme="light")
    native = chart.data[0]
    np.testing.assert_allclose(native.x, [2, 3, 4])
    np.testing.assert_allclose(native.error_y.array, [0.2, 0.2, 0.2])
    np.testing.assert_allclose(native.error_y.arrayminus, [0.1, 0.1, 0.1])
    assert len({(line.line.dash, line.marker.symbol) for line in chart.data}) == 2
    assert list(chart.layout.xaxis.ticktext) == [4, 8, 16]
    text = quality_against_k.describe(KS, LINES, trained_k=8)
    assert "native 1.100 at k = 8 and 1.200 at k = 16" in text


def test_domains_are_told_by_name_with_their_multiple_of_the_fair_share() -> None:
    shares = np.array([[0.5, 0.125, 0.0], [0.1, 0.125, 0.9]])
    names = ("stories", "<b>")
    chart = domain_experts.figure(shares, names, fair=0.125, theme="dark")
    np.testing.assert_allclose(chart.data[0].customdata, shares / 0.125)
    assert list(chart.layout.yaxis.ticktext) == ["stories", "&lt;b&gt;"]
    text = domain_experts.describe(shares, names, layer=3, fair=0.125)
    assert "expert 2 gets 90% of the <b> tokens; 2 of 3 experts" in text


def test_saturation_draws_every_layer_and_their_mean() -> None:
    shares = np.array([0.1, 0.5, 1.0])
    values = np.array([[0.2, 0.4], [0.6, 0.7], [1.0, 1.0]])
    chart = saturation.figure(shares, values, chance=0.125, layer_ids=(1, 4), theme="light")
    assert len(chart.data) == 3
    assert [line.hovertemplate.split("<br>")[0] for line in chart.data] == [
        "layer 1",
        "layer 4",
        "mean of the layers",
    ]
    np.testing.assert_allclose(chart.data[-1].y, [0.3, 0.65, 1.0])
    assert saturation.describe(shares, values).endswith(
        "30% after 10%, 65% after 50%, 100% after 100%."
    )


def test_a_profile_stands_at_the_absolute_layers() -> None:
    values, words = np.array([0.2, 0.1, 0.6]), {"quantity": "gain", "layer_ids": (1, 3, 4)}
    chart = layer_profile.figure(values, theme="light", **words)
    (line,), (note,) = chart.data, chart.layout.annotations
    assert list(line.x) == list(chart.layout.xaxis.tickvals) == [1, 3, 4]
    assert note.text == "mean 0.300"
    sentence = layer_profile.describe(values, **words)
    assert "least 0.100 in layer 3, most 0.600 in layer 4" in sentence
