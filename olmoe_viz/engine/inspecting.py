"""One token in one layer, opened: what goes into the router, and what each expert makes of it.

Everything is computed by the model's own modules from the recorded residual stream, for one token
at a time.
"""

import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from accelerate.utils import align_module_device  # type: ignore[import-untyped]
from torch import Tensor

from olmoe_viz.engine.experts import experts_of
from olmoe_viz.engine.inputs import check_place, check_policies
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.residual import details_of, floats, on_device, parts_of
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.errors import InputError
from olmoe_viz.families.gate import route
from olmoe_viz.models.model import Model
from olmoe_viz.numerics.routing import ranking
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.record import Float32s, Float64s, Ids
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import InspectRequest


@torch.inference_mode()
def inspect(model: Model, request: InspectRequest, run: Trace) -> Inspection:
    """Open one token of one layer, as the run's policy brought it there, under each policy.

    Takes 4 * (n + 2 * policies) * hidden bytes for n selected experts. Raises InputError for a run
    with other weights, and for a layer, a token or a policy that it or the model does not have.
    """
    start = time.perf_counter()
    states, attended = details_of(model, run)
    number = _number(model, request.layer)
    check_place("token", request.token, len(run.tokens))
    check_policies(model, request.policies)
    site = model.sites[number]
    block = parts_of(model).blocks[request.layer]
    entering, added = (
        on_device(model, values[request.layer, request.token], block.device)
        for values in (states, attended)
    )
    vector = block.norm_mid((entering + added).unsqueeze(0))  # [1, hidden]
    logits, ids, weights, block_outputs = _route(model, request, number, vector)
    chosen = torch.from_numpy(ids).to(block.device)
    ones = vector.new_ones(len(ids), 1)
    outputs = experts_of(site.experts)(vector.expand(len(ids), -1), chosen.unsqueeze(1), ones)
    sums = weights @ outputs.double().cpu().numpy()
    return Inspection(
        request=request,
        input_norm=float(vector.float().norm()),
        experts_shown=len(ids),
        geometry=model.geometry,
        provenance=provenance(model, time.perf_counter() - start),
        router_input=floats(vector[0]),
        router_logits=logits,
        router_cosines=_cosines(site.router, vector[0]),
        ids=ids,
        outputs=floats(outputs),
        active_shares=_active_shares(site.experts, vector, chosen),
        weights=weights,
        sums=sums.astype(np.float32),
        block_outputs=block_outputs,
        largest_differences=np.abs(sums - block_outputs).max(axis=-1),
    )


def _number(model: Model, layer: int) -> int:
    """Return which of the layers of experts that is."""
    ids = model.geometry.layer_ids
    check_place("layer", layer, model.geometry.layers)
    if layer not in ids:
        raise InputError(f"Layer {layer} has no experts; the layers that do are {ids}.")
    return ids.index(layer)


def _route(
    model: Model, request: InspectRequest, number: int, vector: Tensor
) -> tuple[Float32s, Ids, Float64s, Float32s]:
    """Return what a pass under the policies would use, and what the block would make of it.

    Raw logits [experts], the union of selected experts [n], weights [policies, n], and the block's
    outputs [policies, hidden].
    """
    site, policies = model.sites[number], request.policies
    plan = runner_of(model).plan(policies).at([request.token] * len(policies), 1).layers[number]
    rows = vector.expand(len(policies), -1)
    logits = site.router(rows)[0]
    weighed = route(site.rule, plan, logits)
    chosen, weights, _ = weighed
    weights = weights.to(logits.dtype)
    block = floats(model.family.combine(site, rows, chosen, weights))
    spread = np.zeros((len(policies), site.facts.experts + 1))  # the last column takes the -1
    selected = weighed.named().cpu().numpy()
    np.put_along_axis(spread, selected, weights.double().cpu().numpy(), axis=-1)
    raw = floats(logits[0])
    falling = ranking(raw)
    ids = falling[np.isin(falling, selected)]
    return raw, ids, spread[:, ids], block


def _cosines(router: Any, vector: Tensor) -> Float64s:
    with align_module_device(router):
        cosines = F.cosine_similarity(router.weight.double(), vector.double(), dim=-1)
    values: Float64s = cosines.cpu().numpy()
    return values


def _active_shares(experts: Any, vector: Tensor, chosen: Tensor) -> Float64s:
    """Return, for each chosen expert, the share of inner units with silu(gate) > 0: gate > 0."""
    with align_module_device(experts):
        gate = experts.gate_up_proj[chosen, : experts.gate_up_proj.shape[1] // 2]
        gates = F.linear(vector, gate.flatten(0, 1)).view(len(chosen), -1)
    values: Float64s = (gates > 0).double().mean(dim=-1).cpu().numpy()
    return values
