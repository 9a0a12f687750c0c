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

from olmoe_viz import InputError, RoutingPolicy, Trace, inspect, load_model, routing, trace
from olmoe_viz.analysis.attention import attention_weights
from olmoe_viz.analysis.prediction import expert_pushes
from olmoe_viz.models.load import Model
from olmoe_viz.policy import WEIGHTINGS

KS = (1, 8, 16, 32, 64)
POLICIES = tuple(RoutingPolicy(k, weighting) for weighting in WEIGHTINGS for k in KS)
NATIVE = tuple(RoutingPolicy(k) for k in KS)
LAYER, TOKEN = 1, 5


@pytest.fixture
def entering_experts(stock: OlmoeForCausalLM, full: Trace) -> torch.Tensor:
    """Return what stock transformers hands to the experts of LAYER, [1, tokens, hidden]."""
    seen: list[torch.Tensor] = []
    mlp = stock.model.layers[LAYER].mlp
    hook = mlp.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        stock(torch.tensor(full.token_ids).unsqueeze(0))
    hook.remove()
    return seen[0]


def test_the_router_sees_and_says_what_stock_does(
    model: Model, full: Trace, stock: OlmoeForCausalLM, entering_experts: torch.Tensor
):
    seen = inspect(model, full, LAYER, TOKEN, NATIVE)
    expected = entering_experts[0, TOKEN]
    np.testing.assert_allclose(seen.router_input, expected.numpy(), atol=2e-6)
    assert seen.input_norm == pytest.approx(float(expected.norm()), rel=1e-6)
    with torch.no_grad():
        logits, weights, ids = stock.model.layers[LAYER].mlp.gate(expected)
    np.testing.assert_allclose(seen.router_logits, logits[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(full.router_logits[LAYER, TOKEN], logits[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(
        routing.probabilities(seen.router_logits), logits[0].softmax(-1).numpy(), atol=1e-6
    )
    trained = NATIVE.index(RoutingPolicy(8))
    assert seen.ids[:8].tolist() == ids[0].tolist()
    np.testing.assert_allclose(seen.weights[trained, :8], weights[0].numpy(), atol=1e-6)
    assert not seen.weights[trained, 8:].any()


def test_the_weights_are_those_of_the_routing_numerics(model: Model, full: Trace):
    seen = inspect(model, full, LAYER, TOKEN, POLICIES)
    probabilities = routing.probabilities(seen.router_logits)[None, None]
    for policy, weights in zip(POLICIES, seen.weights, strict=True):
        ids, expected = routing.select(probabilities, policy, trained_k=8)
        assert seen.ids[weights > 0].tolist() == ids[0, 0].tolist()
        np.testing.assert_allclose(weights[weights > 0], expected[0, 0], rtol=1e-5)


@pytest.mark.parametrize("k", KS)
def test_the_sum_equals_the_stock_block(
    model: Model,
    full: Trace,
    stock_at: Callable[[int], OlmoeForCausalLM],
    entering_experts: torch.Tensor,
    k: int,
):
    seen = inspect(model, full, LAYER, TOKEN, [RoutingPolicy(k)])
    with torch.no_grad():
        expected = stock_at(k).model.layers[LAYER].mlp(entering_experts)[0, TOKEN].numpy()
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
    model: Model,
    full: Trace,
    checkpoint: Path,
    entering_experts: torch.Tensor,
    policy: RoutingPolicy,
):
    seen = inspect(model, full, LAYER, TOKEN, [policy])
    vector = entering_experts[0, TOKEN].double()
    outputs, weights, active = _from_file(checkpoint, vector, policy)
    experts = seen.ids.tolist()
    np.testing.assert_allclose(seen.outputs, outputs[experts].numpy(), atol=2e-5)
    np.testing.assert_allclose(seen.weights[0], weights[experts].numpy(), atol=1e-6)
    np.testing.assert_array_equal(seen.active_shares, active[experts].numpy())
    expected = (weights[:, None] * outputs).sum(0).numpy()
    np.testing.assert_allclose(seen.sums[0], expected, atol=2e-5)
    assert seen.largest_differences[0] < 2e-5


def _from_file(
    checkpoint: Path, vector: torch.Tensor, policy: RoutingPolicy
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Work out every expert's output, weight and share of active units in float64."""
    tensors = load_file(checkpoint / "model.safetensors")

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


def test_the_trained_sum_is_what_the_run_added(model: Model, full: Trace, wide: Trace):
    for run in (full, wide):
        seen = inspect(model, run, LAYER, TOKEN, [run.policy])
        np.testing.assert_allclose(seen.sums[0], run.expert_outputs[LAYER, TOKEN], atol=2e-5)


def test_policies_together_equal_each_alone(model: Model, full: Trace):
    together = inspect(model, full, LAYER, TOKEN, POLICIES)
    assert len(together.ids) == 64
    for row, policy in enumerate(POLICIES):
        alone = inspect(model, full, LAYER, TOKEN, [policy])
        places = [together.ids.tolist().index(expert) for expert in alone.ids]
        np.testing.assert_allclose(together.weights[row, places], alone.weights[0], rtol=1e-6)
        np.testing.assert_allclose(together.sums[row], alone.sums[0], atol=1e-5)


def test_the_check_sees_a_block_that_gives_something_else(
    model: Model, full: Trace, monkeypatch: pytest.MonkeyPatch
):
    block = type(model.module.model.layers[LAYER].mlp)
    real = block.forward
    monkeypatch.setattr(block, "forward", lambda self, hidden: real(self, hidden) + 0.5)
    seen = inspect(model, full, LAYER, TOKEN, NATIVE)
    np.testing.assert_allclose(seen.largest_differences, 0.5, atol=1e-4)


def test_a_k_for_each_layer_counts_in_its_layer(model: Model, full: Trace):
    seen = inspect(model, full, LAYER, TOKEN, [RoutingPolicy((2, 5, 64))])
    assert len(seen.ids) == 5


def test_cosines_are_logits_over_norms(model: Model, full: Trace):
    seen = inspect(model, full, LAYER, TOKEN, NATIVE)
    rows = model.module.model.layers[LAYER].mlp.gate.weight.norm(dim=-1).numpy()
    np.testing.assert_allclose(
        seen.router_cosines, seen.router_logits / (rows * seen.input_norm), rtol=1e-4
    )


def test_what_cannot_be_inspected_is_refused_in_a_sentence(model: Model, full: Trace):
    bare = replace(full, hidden_states=None, attention_outputs=None, expert_outputs=None)
    foreign = replace(full, provenance=replace(full.provenance, digest="sha256:other"))
    with pytest.raises(InputError, match='Record it with detail="full"'):
        inspect(model, bare, LAYER, TOKEN, NATIVE)
    with pytest.raises(InputError, match="recorded with other weights"):
        inspect(model, foreign, LAYER, TOKEN, NATIVE)
    with pytest.raises(InputError, match="layer must be from 0 to 2; it is 3"):
        inspect(model, full, 3, TOKEN, NATIVE)
    with pytest.raises(InputError, match="token must be from 0 to"):
        inspect(model, full, LAYER, -1, NATIVE)
    with pytest.raises(InputError, match="k must be from 1 to 64; it is 65"):
        inspect(model, full, LAYER, TOKEN, [RoutingPolicy(65)])
    with pytest.raises(InputError, match="at least one k"):
        inspect(model, full, LAYER, TOKEN, [])


def test_bfloat16_as_a_gpu_computes_it(checkpoint: Path):
    model = load_model(str(checkpoint), device="cpu", dtype="bfloat16")
    run = trace(model, "Süß 🙂, said the robot.", detail="full")
    seen = inspect(model, run, LAYER, TOKEN, POLICIES)
    size = np.abs(seen.block_outputs).max(axis=-1)
    assert (seen.largest_differences < 0.02 * size).all()  # 8 bits of mantissa, up to 64 terms
    trained = POLICIES.index(RoutingPolicy(8))
    recorded = run.expert_outputs[LAYER, TOKEN]
    np.testing.assert_allclose(seen.block_outputs[trained], recorded, atol=0.02 * size[trained])


def test_weights_that_are_kept_elsewhere_are_fetched(model: Model, full: Trace, checkpoint: Path):
    """As accelerate places a model that is larger than the GPU's memory."""
    spread = load_model(str(checkpoint), device="cpu", dtype="float32")
    cpu_offload(spread.module, execution_device=torch.device("cpu"))
    assert spread.module.lm_head.weight.is_meta
    seen, expected = (inspect(m, full, LAYER, TOKEN, POLICIES) for m in (spread, model))
    for part in ("outputs", "sums", "router_cosines", "active_shares"):
        np.testing.assert_allclose(getattr(seen, part), getattr(expected, part), atol=1e-5)
    pushes, same = (expert_pushes(m, full, expected, 0, 99) for m in (spread, model))
    np.testing.assert_allclose(pushes, same)
    np.testing.assert_allclose(
        attention_weights(spread, full, LAYER), attention_weights(model, full, LAYER), atol=1e-6
    )
