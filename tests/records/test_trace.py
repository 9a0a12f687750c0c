"""Trace: what it holds, and that it does not contradict itself."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from olmoe_viz import Geometry, RoutingPolicy, Trace
from olmoe_viz.numerics.geometry import MoeLayer
from olmoe_viz.records.record import MAX_TEXT

MakeTrace = Callable[..., Trace]


def test_next_probabilities_are_shares_of_the_whole_vocabulary(make_trace: MakeTrace):
    assert make_trace().next_probabilities().sum() == pytest.approx(1)
    half = make_trace().log_sum_exp + np.log(2)
    assert make_trace(log_sum_exp=half).next_probabilities().sum() == pytest.approx(0.5)


def test_policy_and_detail_are_those_of_the_request(make_trace: MakeTrace):
    policy = RoutingPolicy((1, 2, 8), "gain_anchored", 0.1)
    trace = make_trace(full=True, policy=policy)
    assert (trace.policy, trace.detail) == (policy, "full")
    assert trace.expert_ids.shape == trace.weights.shape == (3, 11, 8)
    assert make_trace().detail == "routing"


def test_without_detail_the_residual_stream_is_not_kept(make_trace: MakeTrace):
    assert make_trace().hidden_states is None
    assert make_trace().attention_outputs is None
    assert make_trace(full=True).hidden_states.shape == (4, 11, 12)
    assert make_trace(full=True).attention_outputs.shape == (3, 11, 12)


def test_routing_is_kept_of_the_layers_of_experts_alone(make_trace: MakeTrace, geometry: Geometry):
    sparse = replace(geometry, moe_layers=(MoeLayer(2, 8, 2, 8),))
    every = make_trace(full=True)
    trace = make_trace(
        full=True,
        geometry=sparse,
        router_logits=every.router_logits[2:],
        expert_ids=every.expert_ids[2:],
        weights=every.weights[2:],
    )
    assert trace.geometry.layer_ids == (2,)
    assert len(trace.router_logits) == len(trace.expert_ids) == len(trace.weights) == 1
    assert len(trace.hidden_norms) == len(trace.hidden_states) == 4


def test_text_above_the_limits_is_refused(make_trace: MakeTrace):
    make_trace(text="x" * MAX_TEXT)
    with pytest.raises(ValueError, match="200,000 characters"):
        make_trace(text="x" * (MAX_TEXT + 1))
    with pytest.raises(ValueError, match="surrogate"):
        make_trace(text="\ud83d")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"router_logits": np.zeros((3, 11, 8))}, "router_logits is not float32"),
        ({"router_logits": np.zeros((3, 10, 8), np.float32)}, r"of shape \[3, 11, 8\]"),
        ({"router_logits": np.full((3, 11, 8), np.nan, np.float32)}, "not finite"),
        ({"hidden_norms": np.zeros((3, 11), np.float32)}, r"of shape \[4, 11\]"),
        ({"hidden_norms": [[0.0]]}, "hidden_norms is not float32"),
        ({"token_ids": np.full(11, 40)}, "outside the vocabulary of 40"),
        ({"token_ids": np.full(11, -1)}, "outside the vocabulary of 40"),
        ({"token_ids": np.zeros(11, np.int32)}, "token_ids is not int64"),
        ({"next_ids": np.arange(40) + 1}, "next_ids has ids outside"),
        ({"next_logits": np.full(40, np.inf, np.float32)}, "next_logits has values"),
        ({"log_sum_exp": float("nan")}, "log_sum_exp must be"),
        ({"log_sum_exp": float("-inf")}, "log_sum_exp must be"),
        ({"log_sum_exp": -1000.0}, "sum to more than 1"),
        ({"log_sum_exp": 2.5}, "sum to more than 1"),
        ({"token_bytes": (b"a",)}, "1 token bytes for 11"),
        ({"token_bytes": (b"a",) * 12}, "12 token bytes for 11"),
        ({"expert_ids": np.zeros((3, 11, 3), np.int16)}, r"expert_ids .* shape \[3, 11, 2\]"),
        ({"expert_ids": np.zeros((3, 11, 2), np.int64)}, "expert_ids is not int16"),
        ({"weights": np.zeros((3, 11, 1), np.float32)}, r"weights .* shape \[3, 11, 2\]"),
        ({"weights": np.full((3, 11, 2), np.inf, np.float32)}, "not finite"),
        ({"attention_outputs": np.zeros((3, 11, 12), np.float32)}, "foreign to what was asked"),
        ({"hidden_states": np.zeros((4, 11, 12), np.float32)}, "foreign to what was asked"),
        ({"full": True, "hidden_states": None}, r"hidden_states is not .* \[4, 11, 12\]"),
        ({"full": True, "attention_outputs": None}, r"attention_outputs is not .* \[3, 11, 12\]"),
    ],
)
def test_a_trace_that_contradicts_itself_is_refused(
    make_trace: MakeTrace, change: dict, sentence: str
):
    assert len(make_trace().tokens) == 11
    with pytest.raises(ValueError, match=sentence):
        make_trace(**change)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tokens": ("a",)}, r"token_ids is not int64 of shape \[1\]"),
        ({"tokens": (), "token_bytes": ()}, "1 to 8192 tokens"),
        ({"tokens": ("a" * 4001,) * 11}, "4,000 characters"),
    ],
)
def test_tokens_that_do_not_fit_are_refused(make_trace: MakeTrace, change: dict, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        replace(make_trace(), **change)


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [(RoutingPolicy(9), "from 1 to 8"), (RoutingPolicy((1, 1)), "2 layers, the model has 3")],
)
def test_a_policy_that_the_model_cannot_have_is_refused(
    make_trace: MakeTrace, policy: RoutingPolicy, sentence: str
):
    trace = make_trace()
    with pytest.raises(ValueError, match=sentence):
        replace(trace, request=replace(trace.request, policy=policy))


def test_what_was_done_to_experts_is_in_the_file_and_what_nobody_knows_is_refused(
    make_trace: MakeTrace, tmp_path: Path
):
    policy = RoutingPolicy.parse("k=2,off:0.3_5@1-4,bias:*.2~1.5,mass=restore")
    path = tmp_path / "run.safetensors"
    trace = make_trace()
    replace(trace, request=replace(trace.request, policy=policy)).save(path)
    assert Trace.load(path).policy == policy
    path.write_bytes(path.read_bytes().replace(b"mass=restore", b"mass=unknown"))
    with pytest.raises(ValueError, match=r"^run\.safetensors is not a readable trace: .*unknown"):
        Trace.load(path)
