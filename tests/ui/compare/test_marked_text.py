from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from olmoe_viz import Generation
from olmoe_viz.figures.labels import k_is
from olmoe_viz.numerics.geometry import Geometry, MoeLayer
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.ui.compare.comparison import Column, Comparison
from olmoe_viz.ui.compare.marked_text import END, tokens, unfinished
from olmoe_viz.ui.compare.settings import Settings

WORDS = {1: " the", 2: " cat", 3: " sat", 4: " old", 5: " mat", 6: " dog", 7: "\n", 8: " ", 0: ""}


@pytest.fixture
def write(geometry: Geometry) -> Callable[..., Comparison]:
    """Return a function that makes a comparison of texts given as ids, k = 2, 3, ..."""

    def make(*texts: list[int], finish: str = "length") -> Comparison:
        columns = [
            Column(
                RoutingPolicy(2 + at),
                pieces=[WORDS[token] for token in ids],
                token_ids=ids,
                logprobs=[float(np.log(0.5))] * len(ids),
                finish=finish,
            )
            for at, ids in enumerate(texts)
        ]
        return Comparison("p", "m", "d", geometry, 4, Settings(), columns)

    return make


def marks(comparison: Comparison, at: int, reference: int) -> list[str]:
    return [token.mark for token in tokens(comparison, at, reference)]


def test_the_beginning_is_shared_and_the_first_difference_marked(
    write: Callable[..., Comparison],
) -> None:
    made = write([1, 2, 3, 1, 5], [1, 6, 3, 1, 5])
    assert marks(made, 1, 0) == ["shared", "first", "", "", ""]
    assert marks(made, 0, 0) == ["shared", "first", "", "", ""]
    assert tokens(made, 1, 0)[1].facts[-1] == (f"{k_is(2)}, native has", "·cat")


def test_marks_follow_the_chosen_column(write: Callable[..., Comparison]) -> None:
    made = write([1, 2, 3], [1, 6, 3], [1, 6, 5])
    assert marks(made, 2, 1) == ["shared", "shared", "first"]
    assert marks(made, 2, 0) == ["shared", "first", "changed"]
    assert marks(made, 0, 2) == ["shared", "first", "changed"]


def test_added_and_missing_tokens_differ_in_their_mark(write: Callable[..., Comparison]) -> None:
    made = write([1, 2, 3, 5], [6, 2, 4, 3, 5], [6, 2, 5])
    assert marks(made, 1, 0) == ["first", "", "changed", "", ""]
    assert marks(made, 2, 0) == ["first", "", "gap"]
    assert tokens(made, 2, 0)[2].facts[-1] == (f"{k_is(2)}, native has", "·sat")


def test_equal_texts_and_shorter_ones_have_no_first_difference(
    write: Callable[..., Comparison],
) -> None:
    assert marks(write([1, 2], [1, 2]), 1, 0) == ["shared", "shared"]
    assert marks(write([1, 2, 3], [1, 2]), 1, 0) == ["shared", "shared"]
    assert marks(write([1, 2], [1, 2, 3]), 1, 0) == ["shared", "shared", "first"]
    assert tokens(write([], [1]), 0, 1) == []


def test_only_the_last_token_of_an_ended_text_is_its_end(write: Callable[..., Comparison]) -> None:
    assert [token.text for token in tokens(write([0, 1, 0], finish="end"), 0, 0)][::2] == ["", END]
    assert tokens(write([1, 0]), 0, 0)[1].text == ""


def test_a_token_says_its_probabilities_and_its_strongest_layer(
    write: Callable[..., Comparison], make_generation: Callable[..., Generation]
) -> None:
    made = write([1, 2])
    routed = np.zeros((3, 2, 8), dtype=np.float32)
    routed[2, 0, 5], routed[2, 0, 7] = 4.0, 2.0
    routed[0, 1, 3] = 3.0
    record = make_generation(tokens=2, policy=RoutingPolicy(8), router_logits=routed)
    made.columns[0].generation = record
    made.trained = [np.array([0.25, 1.0])]
    first, second = tokens(made, 0, 0)
    assert dict(first.facts)[f"probability at {k_is(2)}, native"] == "0.500"
    assert dict(first.facts)[f"probability at the trained {k_is(2)}"] == "0.250"
    share = np.exp(4) / (np.exp(4) + np.exp(2) + 6)
    experts = dict(first.facts)["surest router, layer 2 (0 to 2): experts"]
    assert experts.startswith(f"2·5 ({share:.3f}), 2·7 (")
    assert "surest router, layer 0 (0 to 2): experts" in dict(second.facts)


def test_a_token_names_the_experts_that_ran_and_the_layer_among_all_blocks(
    write: Callable[..., Comparison], make_generation: Callable[..., Generation], geometry: Geometry
) -> None:
    layers = tuple(MoeLayer(layer, 8, 2, 8) for layer in (1, 3))
    dense = replace(geometry, layers=4, moe_layers=layers)
    logits = np.zeros((2, 1, 8), dtype=np.float32)
    logits[1, 0, 5] = 4.0
    ids = np.full((2, 1, 3), (5, 7, -1), dtype=np.int16)
    weights = np.full((2, 1, 3), (0.5, 0.25, 0), dtype=np.float32)
    made = write([1])
    made.columns[0].generation = make_generation(
        tokens=1,
        policy=RoutingPolicy(3, threshold=0.01),
        geometry=dense,
        router_logits=logits,
        prompt_router_logits=np.zeros((2, 2, 8), dtype=np.float32),
        expert_ids=ids,
        weights=weights,
    )
    (token,) = tokens(made, 0, 0)
    high, low = np.exp(4) / (np.exp(4) + 7), 1 / (np.exp(4) + 7)
    said = dict(token.facts)["surest router, layer 3 (0 to 3): experts"]
    assert said == f"3·5 ({high:.3f}), 3·7 ({low:.4f})"


@pytest.mark.parametrize(
    ("ids", "folded"),
    [
        ([1, 7, 7, 7, 2], []),
        ([1, 7, 7, 7, 7, 2], [3]),
        ([7, 7, 7, 7, 7, 7], [2, 3, 4]),
        ([1, 7, 7, 8, 7, 8, 7, 8, 2], [4]),
        ([7, 7, 1, 7, 7], []),
    ],
)
def test_of_a_long_run_of_line_breaks_only_three_break_the_line(
    ids: list[int], folded: list[int], write: Callable[..., Comparison]
) -> None:
    found = tokens(write(ids), 0, 0)
    assert [at for at, token in enumerate(found) if token.folded] == folded
    assert [token.text for token in found] == [WORDS[token] for token in ids]
    text = unfinished([WORDS[token] for token in ids])
    assert text.count("↵ ") == len(folded)
    assert text.replace("↵ ", "\n") == "".join(WORDS[token] for token in ids)


def test_the_first_difference_is_never_folded(write: Callable[..., Comparison]) -> None:
    found = tokens(write([1, 7, 7, 7, 7, 7], [1, 7, 7, 2]), 0, 1)
    assert [at for at, token in enumerate(found) if token.folded] == [4]


def test_the_card_of_a_token_has_its_bytes_and_characters(
    write: Callable[..., Comparison], make_generation: Callable[..., Generation]
) -> None:
    made = write([1, 2])
    made.columns[0].generation = make_generation(tokens=2)
    first, second = tokens(made, 0, 0)
    assert dict(first.facts)["bytes"] == "61; 1 character"
    assert dict(second.facts)["bytes"] == "62; 1 character"
