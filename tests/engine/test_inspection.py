"""One token in one layer, against stock transformers and against the checkpoint's matrices."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import cpu_offload
from safetensors.torch import load_file
from transformers import OlmoeForCausalLM

import olmoe_viz as ov
from olmoe_viz import InputError, RoutingPolicy, Trace, load_model, routing
from olmoe_viz.engine import attending, inspecting, predicting
from olmoe_viz.engine.engine import Ask
from olmoe_viz.families.olmoe import Olmoe
from olmoe_viz.models.model import Model
from olmoe_viz.policy import WEIGHTINGS
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.requests import AttentionRequest, DirectionsRequest, InspectRequest
from tests.engine.conftest import TEXT

KS = (1, 8, 16, 32, 64)
POLICIES = tuple(RoutingPolicy(k, weighting) for weighting in WEIGHTINGS for k in KS)
NATIVE = tuple(RoutingPolicy(k) for k in KS)
THRESHOLDS = (
    RoutingPolicy(8, threshold=0.05),
    RoutingPolicy(weighting="renormalized", threshold=0.02),
)
LAYER, TOKEN = 1, 5
Stock = Callable[[int], OlmoeForCausalLM]


def opened(ask: Ask, run: Trace, *policies: RoutingPolicy) -> Inspection:
    return ask(InspectRequest(run.request, LAYER, TOKEN, policies))


@pytest.fixture
def entering_experts(stock: Stock, full: Trace) -> torch.Tensor:
    """Return what stock transformers hands to the experts of LAYER, [1, tokens, hidden]."""
    seen: list[torch.Tensor] = []
    mlp = stock(8).model.layers[LAYER].mlp
    hook = mlp.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        stock(8)(torch.tensor(full.token_ids).unsqueeze(0))
    hook.remove()
    return seen[0]


def test_the_router_sees_and_says_what_stock_does(
    ask: Ask, full: Trace, stock: Stock, entering_experts: torch.Tensor
):
    seen = opened(ask, full, *NATIVE)
    expected = entering_experts[0, TOKEN]
    np.testing.assert_allclose(seen.router_input, expected.numpy(), atol=2e-6)
    assert seen.input_norm == pytest.approx(float(expected.norm()), rel=1e-6)
    with torch.no_grad():
        logits, weights, ids = stock(8).model.layers[LAYER].mlp.gate(expected)
    np.testing.assert_allclose(seen.router_logits, logits[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(full.router_logits[LAYER, TOKEN], logits[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(
        routing.probabilities(seen.router_logits), logits[0].softmax(-1).numpy(), atol=1e-6
    )
    trained = NATIVE.index(RoutingPolicy(8))
    assert seen.ids[:8].tolist() == ids[0].tolist()
    np.testing.assert_allclose(seen.weights[trained, :8], weights[0].numpy(), atol=1e-6)
    assert not seen.weights[trained, 8:].any()


def test_the_weights_are_those_of_the_routing_numerics(ask: Ask, full: Trace):
    policies = (*POLICIES, *THRESHOLDS)
    seen = opened(ask, full, *policies)
    probabilities = routing.probabilities(seen.router_logits)[None, None]
    for policy, weights in zip(policies, seen.weights, strict=True):
        ids, expected = routing.select(probabilities, policy, trained_k=8)
        kept = ids[0, 0] >= 0
        assert seen.ids[weights > 0].tolist() == ids[0, 0, kept].tolist()
        np.testing.assert_allclose(weights[weights > 0], expected[0, 0, kept], rtol=1e-5)


@pytest.mark.parametrize("k", KS)
def test_the_sum_equals_the_stock_block(
    ask: Ask, full: Trace, stock: Stock, entering_experts: torch.Tensor, k: int
):
    seen = opened(ask, full, RoutingPolicy(k))
    with torch.no_grad():
        expected = stock(k).model.layers[LAYER].mlp(entering_experts)[0, TOKEN].numpy()
    assert len(seen.ids) == k
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(seen.sums[0], expected, atol=2e-5)
    np.testing.assert_allclose(seen.block_outputs[0], expected, atol=2e-5)
    assert seen.largest_differences[0] < 2e-5
    assert seen.largest_differences[0] == pytest.approx(
        np.abs(seen.sums[0] - seen.block_outputs[0]).max(), abs=1e-6
    )


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_the_sum_equals_the_matrices_of_the_file(
    ask: Ask, full: Trace, folder: Path, entering_experts: torch.Tensor, policy: RoutingPolicy
):
    seen = opened(ask, full, policy)
    vector = entering_experts[0, TOKEN].double()
    outputs, weights, active = _from_file(folder, vector, policy)
    experts = seen.ids.tolist()
    np.testing.assert_allclose(seen.outputs, outputs[experts].numpy(), atol=2e-5)
    np.testing.assert_allclose(seen.weights[0], weights[experts].numpy(), atol=1e-6)
    np.testing.assert_array_equal(seen.active_shares, active[experts].numpy())
    expected = (weights[:, None] * outputs).sum(0).numpy()
    np.testing.assert_allclose(seen.sums[0], expected, atol=2e-5)
    assert seen.largest_differences[0] < 2e-5


def _from_file(
    folder: Path, vector: torch.Tensor, policy: RoutingPolicy
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Work out every expert's output, weight and share of active units in float64."""
    tensors = {}
    for shard in folder.glob("*.safetensors"):
        tensors |= load_file(shard)

    def matrix(name: str) -> torch.Tensor:
        return tensors[f"model.layers.{LAYER}.mlp.{name}.weight"].double()

    outputs, active = [], []
    for expert in range(64):
        gate = matrix(f"experts.{expert}.gate_proj") @ vector
        inner = gate / (1 + torch.exp(-gate)) * (matrix(f"experts.{expert}.up_proj") @ vector)
        outputs.append(matrix(f"experts.{expert}.down_proj") @ inner)
        active.append((gate > 0).double().mean())
    powers = torch.exp(matrix("gate") @ vector)
    falling = (powers / powers.sum()).sort(descending=True)
    kept = falling.values[: policy.k]
    if policy.weighting != "native":
        kept = kept / kept.sum()
    if policy.weighting == "gain_anchored":
        kept = kept * falling.values[:8].sum()
    weights = torch.zeros(64, dtype=torch.float64)
    weights[falling.indices[: policy.k]] = kept
    return torch.stack(outputs), weights, torch.stack(active)


def added_by_experts(run: Trace) -> np.ndarray:
    """Return what the layer added to the residual stream besides attention."""
    entering, leaving = run.hidden_states[LAYER : LAYER + 2, TOKEN]
    return leaving - entering - run.attention_outputs[LAYER, TOKEN]


def test_the_sum_is_what_the_run_added(ask: Ask, full: Trace, wide: Trace):
    for run in (full, wide):
        seen = opened(ask, run, run.policy)
        np.testing.assert_allclose(seen.sums[0], added_by_experts(run), atol=2e-5)


def test_the_experts_are_those_that_ran(ask: Ask, full: Trace, wide: Trace):
    for run in (full, wide):
        seen = opened(ask, run, run.policy)
        assert seen.ids.tolist() == run.expert_ids[LAYER, TOKEN].tolist()
        np.testing.assert_allclose(seen.weights[0], run.weights[LAYER, TOKEN], rtol=1e-4)


def test_policies_together_equal_each_alone(ask: Ask, full: Trace):
    together = opened(ask, full, *POLICIES)
    assert len(together.ids) == 64
    for row, policy in enumerate(POLICIES):
        alone = opened(ask, full, policy)
        places = [together.ids.tolist().index(expert) for expert in alone.ids]
        np.testing.assert_allclose(together.weights[row, places], alone.weights[0], rtol=1e-5)
        np.testing.assert_allclose(together.sums[row], alone.sums[0], atol=1e-5)


def test_the_check_sees_a_block_that_gives_something_else(
    model: Model, full: Trace, monkeypatch: pytest.MonkeyPatch
):
    real = Olmoe.combine
    monkeypatch.setattr(Olmoe, "combine", lambda *arguments: real(*arguments) + 0.5)
    seen = inspecting.inspect(model, InspectRequest(full.request, LAYER, TOKEN, NATIVE), full)
    np.testing.assert_allclose(seen.largest_differences, 0.5, atol=1e-4)


def test_a_k_for_each_layer_counts_in_its_layer(ask: Ask, full: Trace):
    seen = opened(ask, full, RoutingPolicy((2, 5, 64)))
    assert len(seen.ids) == 5


def test_cosines_are_logits_over_norms(ask: Ask, model: Model, full: Trace):
    seen = opened(ask, full, *NATIVE)
    rows = model.module.model.layers[LAYER].mlp.gate.weight.norm(dim=-1).numpy()
    np.testing.assert_allclose(
        seen.router_cosines, seen.router_logits / (rows * seen.input_norm), rtol=1e-4
    )


def test_what_cannot_be_inspected_is_refused_in_a_sentence(ask: Ask, model: Model, full: Trace):
    bare = ov.trace(model, TEXT)
    foreign = replace(full, provenance=replace(full.provenance, digest="sha256:other"))
    with pytest.raises(InputError, match='detail="full"'):
        ov.inspect(model, bare, LAYER, TOKEN, NATIVE)
    with pytest.raises(InputError, match="recorded with other weights"):
        ov.inspect(model, foreign, LAYER, TOKEN, NATIVE)
    with pytest.raises(InputError, match="layer must be from 0 to 2; it is 3"):
        ask(InspectRequest(full.request, 3, TOKEN, NATIVE))
    with pytest.raises(InputError, match="token must be from 0 to"):
        ask(InspectRequest(full.request, LAYER, -1, NATIVE))
    with pytest.raises(InputError, match="k must be from 1 to 64; it is 65"):
        opened(ask, full, RoutingPolicy(65))
    with pytest.raises(InputError, match="at least one policy"):
        opened(ask, full)


def test_the_call_on_a_trace_is_the_request(ask: Ask, model: Model, full: Trace):
    called, asked = ov.inspect(model, full, LAYER, TOKEN, NATIVE), opened(ask, full, *NATIVE)
    assert called.request == asked.request
    np.testing.assert_array_equal(called.sums, asked.sums)


def test_bfloat16_as_a_gpu_computes_it(folder: Path):
    model = load_model(str(folder), device="cpu", dtype="bfloat16")
    run = ov.trace(model, TEXT, detail="full")
    seen = ov.inspect(model, run, LAYER, TOKEN, POLICIES)
    size = np.abs(seen.block_outputs).max(axis=-1)
    assert (seen.largest_differences < 0.02 * size).all()  # 8 bits of mantissa, up to 64 terms
    trained = POLICIES.index(RoutingPolicy(8))
    places = seen.weights[trained] > 0
    assert seen.ids[places].tolist() == run.expert_ids[LAYER, TOKEN].tolist()
    states = np.abs(run.hidden_states[LAYER + 1, TOKEN]).max()  # which the sum is rounded into
    np.testing.assert_allclose(
        seen.block_outputs[trained],
        added_by_experts(run),
        atol=0.02 * float(max(size[trained], states)),
    )


def test_weights_that_are_kept_elsewhere_are_fetched(model: Model, full: Trace, folder: Path):
    """As accelerate places a model that is larger than the GPU's memory."""
    spread = load_model(str(folder), device="cpu", dtype="float32")
    cpu_offload(spread.module, execution_device=torch.device("cpu"))
    assert spread.module.lm_head.weight.is_meta
    both = (spread, model)
    request = InspectRequest(full.request, LAYER, TOKEN, POLICIES)
    seen, expected = (inspecting.inspect(each, request, full) for each in both)
    for part in ("outputs", "sums", "block_outputs", "router_cosines", "active_shares"):
        np.testing.assert_allclose(getattr(seen, part), getattr(expected, part), atol=1e-5)
    towards = DirectionsRequest(full.request, TOKEN, (99,))
    rows, same = (predicting.directions(each, towards, full).directions for each in both)
    np.testing.assert_allclose(rows, same)
    looks = AttentionRequest(full.request, LAYER, 0, len(full.tokens))
    weights, same = (attending.attend(each, looks, full).weights for each in both)
    np.testing.assert_allclose(weights, same, atol=1e-6)
