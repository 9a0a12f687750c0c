"""Generation: what it holds, and that it does not contradict itself."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from olmoe_viz import Generation, RoutingPolicy

MakeGeneration = Callable[..., Generation]


def test_tokens_per_second(make_generation: MakeGeneration):
    assert make_generation(tokens=4).tokens_per_second == 8
    assert make_generation(tokens=0, seconds=0.0).tokens_per_second == 0


def test_the_policy_is_that_of_its_row(make_generation: MakeGeneration):
    generation = make_generation(policy=RoutingPolicy(3))
    both = replace(generation.request, policies=(RoutingPolicy(8), RoutingPolicy(3)))
    assert replace(generation, request=both, row=1).policy == RoutingPolicy(3)
    with pytest.raises(ValueError, match=r"expert_ids .* shape \[3, 4, 8\]"):
        replace(generation, request=both, row=0)


@pytest.mark.parametrize("row", [-1, 1, 2**62])
def test_a_row_that_was_not_asked_for_is_refused(make_generation: MakeGeneration, row: int):
    with pytest.raises(ValueError, match=f"no row {row}"):
        replace(make_generation(), row=row)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"logprobs": np.full(4, 0.5, np.float32)}, "above 0"),
        ({"logprobs": np.zeros(3, np.float32)}, r"logprobs is not float32 of shape \[4\]"),
        ({"prompt_tokens": 0}, "1 to 8192 tokens"),
        ({"prompt_ids": np.zeros(0, np.int64)}, r"prompt_ids is not int64 of shape \[2\]"),
        ({"prompt_ids": np.full(2, 40)}, "prompt_ids has ids outside the vocabulary"),
        ({"prompt_router_logits": np.zeros((3, 3, 8), np.float32)}, r"of shape \[3, 2, 8\]"),
        ({"prompt_expert_ids": np.full((3, 2, 8), 7, np.int16)}, "same expert twice"),
        ({"prompt_weights": np.full((3, 2, 8), -1, np.float32)}, "weight is below 0"),
        ({"expert_ids": np.full((3, 4, 8), 7, np.int16)}, "same expert twice"),
        ({"seconds": -1.0}, "seconds must be"),
        ({"prefill_seconds": float("inf")}, "prefill_seconds must be"),
        ({"prompt": None}, "the prompt must be text"),
        ({"text": "\udc00"}, "surrogate"),
        ({"finish": "tired"}, "length, end, stopped, error"),
        ({"token_ids": np.full(4, 40)}, "token_ids has ids outside the vocabulary"),
    ],
)
def test_a_generation_that_contradicts_itself_is_refused(
    make_generation: MakeGeneration, change: dict, sentence: str
):
    with pytest.raises(ValueError, match=sentence):
        replace(make_generation(), **change)
