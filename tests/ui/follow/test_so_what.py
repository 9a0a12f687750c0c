"""The sentences that end the steps: one case of each for every kind of numbers."""

import math

import pytest

from olmoe_viz.figures.labels import k_is
from olmoe_viz.ui.texts import so_what as texts
from tests.ui.follow_page import follow


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        (texts.tokenization(1, 5, whole=True), "The whole text is one number to the model."),
        (texts.tokenization(1, 1, whole=False), "to the model. The chosen token is not even a wh"),
        (texts.tokenization(6, 22, whole=True), "22 characters are 6 numbers: it never sees"),
        (texts.tokenization(6, 3, whole=False), "The chosen token is not even a whole character."),
        (texts.embedding(" a", 7, (" the", 0.5)), "‘·a’ has the very same vector at token 7"),
        (texts.embedding("a", None, None), "There is no other token"),
        (texts.embedding("a", None, (" the", 0.31)), "‘·the’ is most alike, cosine 0.310."),
        (texts.attention(1, 0, (0, "a", 1.0), 0.5), "sees only itself, so nothing of other words"),
        (texts.attention(3, 2, (2, "a", 0.5), 0.41), "It looks most at itself: 0.500 of the att"),
        (texts.attention(3, 2, (0, "a", 0.5), 2.5), "at the first token, 0.500 of the attention"),
        (texts.attention(3, 2, (0, "a", 0.5), 2.5), "What is added is 2.50 times as long as the"),
        (texts.attention(3, 2, (1, " b", 0.3), 0.41), "It takes most from ‘·b’: 0.300 of the"),
        (texts.attention(3, 2, (1, " b", 0.3), 0.41), "What is added is 41% as long as the vec"),
        (texts.router("7·1", "7·2", 0.0), "7·1 and 7·2 tie: the lower id counts"),
        (texts.router("7·1", "7·2", math.log(1.2)), "7·1 is only 1.20 times as probable as 7·2"),
        (texts.router("7·1", "7·2", math.log(3)), "favorite: 7·1 is 3.00 times as probable"),
        (texts.softmax(43.2, 8, 64, 0.4), "about 43 of 64 experts, more than the 8 that run"),
        (texts.softmax(5.1, 8, 64, 0.83), "about 5 experts only: the 8 that run hold 0.830 of"),
        (texts.softmax(43.2, 64, 64, 1.0), "about 43 of 64 experts; all of them run, so nothing"),
        (texts.top_k(64, 64, 1.0), "All experts run, so nothing is dropped."),
        (texts.top_k(8, 64, 0.39), "More is dropped than kept: 0.610 of the probability"),
        (texts.top_k(8, 64, 0.72), "More is kept than dropped: 0.720 of the probability"),
        (texts.experts(["7·1"], [2.0]), "7·1 is asked alone"),
        (texts.experts(["7·1", "7·2"], [2.0, 1.0]), "7·1 was asked most, and its output is also"),
        (texts.experts(["7·1", "7·2"], [2.0, 5.0]), "the output of 7·2 is 2.50 times as long"),
        (texts.combination(0.04), "changes the vector little: its experts add 4% of its length"),
        (texts.combination(0.31), "The experts add 31% of the vector's length: a part is new"),
        (texts.combination(17.0), "add 17.0 times the vector's length: after this layer"),
        (texts.prediction((8, 8), ("a", "a"), (0.2, 0.2)), "‘a’ is the likeliest next token, with"),
        (texts.prediction((8, 16), ("a", "a"), (0.2, 0.1)), "does not decide here: ‘a’ is the"),
        (
            texts.prediction((8, 16), ("a", " b"), (0.2, 0.1)),
            f"decides the next token: ‘a’ (0.200) with {k_is(8)}, ‘·b’ (0.100) with {k_is(16)}.",
        ),
        (texts.way_in(0, range(16), (2.17, 2.17)), "Now the vector enters layer 0, of 0 to 15."),
        (texts.way_in(1, range(16), (2.17, 3.0)), "have happened in layer 0: the norm of the"),
        (texts.way_in(7, range(16), (2.17, 52.8)), "in layers 0 to 6: the norm of the vector has"),
        (texts.way_in(7, range(16), (2.17, 52.8)), "gone from 2.17 to 52.8."),
        (texts.way_in(4, (1, 3, 4), (2.0, 9.0)), "have happened in layers 1 to 3"),
        (texts.way_out(15, range(16), (325.0, 325.0)), "This was the last of 16 layers: the vec"),
        (texts.way_out(14, range(16), (200.0, 325.0)), "The same follows in layer 15. There"),
        (texts.way_out(7, range(16), (60.0, 325.0)), "layers 8 to 15. There the norm of the vec"),
    ],
)
def test_each_case_has_its_sentence(sentence: str, words: str) -> None:
    assert words in sentence


def test_every_step_ends_with_one_and_says_its_layer() -> None:
    test = follow(query="token=2&layer=3")
    ends = [f"so_{number}" for number in range(1, 10)]
    said = {key: text for key in ends for text in _texts(test, key)}
    assert list(said) == ends
    assert len(set(said.values())) == len(ends)
    assert "layer 3, of 0 to 15" in _texts(test, "way_3")[0]
    assert "layers 4 to 15" in _texts(test, "way_9")[0]
    captions = [caption.value for caption in test.caption]
    assert captions.count("layer 3 (0 to 15)") == 6
    assert {"before layer 0", "after layer 15"} <= set(captions)


def _texts(test: object, key: str) -> list[str]:
    """What stands in the container of a key."""
    found: list[str] = []

    def look(block: object) -> None:
        proto = getattr(block, "proto", None)
        inside = key in str(getattr(proto, "id", ""))
        for child in getattr(block, "children", {}).values():
            if inside and child.type == "text":
                found.append(child.value)
            look(child)

    look(test._tree)  # type: ignore[attr-defined]
    return found
