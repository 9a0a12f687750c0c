import numpy as np

from olmoe_viz.figures import logit_moves
from olmoe_viz.figures.marks import HOLLOW

MOVES = np.array([[0.5, -0.25], [-1.0, 0.125]])
LAYERS = (1, 4)


def test_each_token_has_a_bar_in_each_layer_filled_or_hollow() -> None:
    chart = logit_moves.figure(MOVES, names=("·a", "$<b>"), layer_ids=LAYERS, theme="light")
    filled, hollow = chart.marks
    assert chart.x[0].ticks == [(1, "1"), (4, "4")]
    assert [bars.high for bars in chart.marks] == [[0.5, -1.0], [-0.25, 0.125]]
    assert set(filled.fills) == {"ink"}
    assert set(hollow.fills) == {HOLLOW}
    # Beside each other: the first ends before the second begins.
    assert all(one + filled.width < other for one, other in zip(filled.at, hollow.at, strict=True))
    (note,) = chart.notes
    assert note.text == "■ ·a     □ $<b>"


def test_each_bar_says_its_layer_token_and_move() -> None:
    chart = logit_moves.figure(MOVES, names=("%{x}", "b"), layer_ids=LAYERS)
    assert chart.marks[0].hover == ["layer 1\nlogit of %{x} +0.5", "layer 4\nlogit of %{x} −1"]
    frame = chart.to_frame()
    assert frame["token"].tolist() == ["%{x}", "%{x}", "b", "b"]
    assert frame["change of the logit"].tolist() == [0.5, -1.0, -0.25, 0.125]


def test_the_sentence_says_sums_and_the_strongest_layers() -> None:
    sentence = logit_moves.figure(MOVES, names=("a", "b"), layer_ids=LAYERS).alt
    assert "a by -0.500 in all, most in layer 4 with -1.00" in sentence
    assert "b by -0.125 in all, most in layer 1 with -0.250" in sentence
