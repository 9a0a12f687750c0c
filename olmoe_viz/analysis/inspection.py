"""One token in one layer, opened: what goes into the router, and what each expert makes of it.

Knows nothing about drawing. Everything is computed by the model's own modules from the recorded
residual stream, for one token at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from accelerate.utils import align_module_device  # type: ignore[import-untyped]
from numpy.typing import NDArray
from torch import Tensor
from transformers.models.olmoe.modeling_olmoe import OlmoeExperts, OlmoeSparseMoeBlock

from olmoe_viz.analysis.recorded import (
    attention_outputs,
    check_layer,
    check_token,
    on_device,
    residual_stream,
)
from olmoe_viz.engine.forward import device_of
from olmoe_viz.engine.inputs import check_policies
from olmoe_viz.engine.router import routing
from olmoe_viz.models.load import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.numerics.routing import ranking
from olmoe_viz.records.trace import Trace

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Inspection:
    """One token in one layer under several policies, which all see the same input.

    `router_input` is float32 [hidden], the normed residual stream after attention, and `input_norm`
    its L2 norm. `router_logits` is float32 [experts], raw; `router_cosines` float64 [experts], the
    cosine between each router row and the input.

    `ids` is int64 [n]: every expert that a policy selects, by falling probability. `outputs` is
    float32 [n, hidden], what each expert gives before it is weighted, and `active_shares` float64
    [n] the share of its inner units whose gate is above 0. `weights` is float64 [policies, n], 0
    where a policy does not select the expert.

    `sums` is float32 [policies, hidden], `weights @ outputs`; `block_outputs` the same from the
    model's own block; `largest_differences` float64 [policies], the largest distance between the
    two: rounding.
    """

    layer: int
    token: int
    policies: tuple[RoutingPolicy, ...]
    router_input: Float32s
    input_norm: float
    router_logits: Float32s
    router_cosines: Float64s
    ids: Ids
    outputs: Float32s
    active_shares: Float64s
    weights: Float64s
    sums: Float32s
    block_outputs: Float32s
    largest_differences: Float64s


@torch.inference_mode()
def inspect(
    model: Model, trace: Trace, layer: int, token: int, policies: Sequence[RoutingPolicy]
) -> Inspection:
    """Open one token of one layer, as the trace's policy brought it there, under each policy.

    This changes the routing of this layer alone ("same input"). To see a policy that rerouted the
    earlier layers too ("as run"), give a trace that was recorded under it. Takes
    4 * (n + 2 * policies) * hidden bytes for n selected experts. Raises InputError for a trace
    without hidden states or of another model, and for a layer, a token or a policy that the trace
    or the model does not have.
    """
    states, attended = residual_stream(model, trace), attention_outputs(model, trace)
    check_layer(trace, layer)
    check_token(trace, token)
    check_policies(model, policies)
    block = model.module.model.layers[layer]
    device = device_of(block)
    entering = on_device(model, states[layer, token], device)
    residual = entering + on_device(model, attended[layer, token], device)
    vector = block.post_attention_layernorm(residual.unsqueeze(0))  # [1, hidden]
    logits, ids, weights = _route(model, block.mlp, vector, layer, policies)
    chosen = torch.from_numpy(ids).to(device)
    ones = vector.new_ones(len(ids), 1)
    outputs = block.mlp.experts(vector.expand(len(ids), -1), chosen.unsqueeze(1), ones)
    with routing(policies):
        block_outputs = _floats(block.mlp(vector.expand(len(policies), 1, -1)).squeeze(1))
    sums = weights @ outputs.double().cpu().numpy()
    return Inspection(
        layer=layer,
        token=token,
        policies=tuple(policies),
        router_input=_floats(vector[0]),
        input_norm=float(vector.float().norm()),
        router_logits=logits,
        router_cosines=_cosines(block.mlp, vector[0]),
        ids=ids,
        outputs=_floats(outputs),
        active_shares=_active_shares(block.mlp.experts, vector)[ids],
        weights=weights,
        sums=sums.astype(np.float32),
        block_outputs=block_outputs,
        largest_differences=np.abs(sums - block_outputs).max(axis=-1),
    )


def _route(
    model: Model,
    mlp: OlmoeSparseMoeBlock,
    vector: Tensor,
    layer: int,
    policies: Sequence[RoutingPolicy],
) -> tuple[Float32s, Ids, Float64s]:
    """Return raw logits [experts], the union of selected experts [n], weights [policies, n].

    All from the router itself, so that a tie at the cutoff falls as it does in the model.
    """
    with routing(policies):
        logits, weights, chosen = mlp.gate(vector.expand(len(policies), -1))
    raw = _floats(logits[0])
    spread = np.zeros((len(policies), model.geometry.experts))
    selected: set[int] = set()
    for row, policy in enumerate(policies):
        k = policy.ks(model.geometry.layers)[layer]
        kept = chosen[row, :k].cpu().numpy()
        selected.update(kept.tolist())
        spread[row, kept] = weights[row, :k].double().cpu().numpy()
    falling = ranking(raw).tolist()
    ids = np.array([expert for expert in falling if expert in selected], dtype=np.int64)
    return raw, ids, spread[:, ids]


def _cosines(mlp: OlmoeSparseMoeBlock, vector: Tensor) -> Float64s:
    with align_module_device(mlp.gate):
        cosines = F.cosine_similarity(mlp.gate.weight.double(), vector.double(), dim=-1)
    values: Float64s = cosines.cpu().numpy()
    return values


def _active_shares(experts: OlmoeExperts, vector: Tensor) -> Float64s:
    """Return, for all experts, the share of inner units with silu(gate) > 0, that is gate > 0."""
    with align_module_device(experts):
        inner = F.linear(vector, experts.gate_up_proj.flatten(0, 1))
    gates = inner.view(experts.num_experts, 2, -1)[:, 0]
    values: Float64s = (gates > 0).double().mean(dim=-1).cpu().numpy()
    return values


def _floats(values: Tensor) -> Float32s:
    array: Float32s = values.float().cpu().numpy()
    return array
