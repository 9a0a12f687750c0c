"""Where each head of one layer looks, recomputed from the recorded residual stream.

The fast attention of a run keeps no weights; these are made by the same projections, norms and
rotary embedding of the model (arXiv 2409.02060, section 2).
"""

import time

import torch

from olmoe_viz.engine.inputs import check_place
from olmoe_viz.engine.olmoe_runner import OlmoeRunner
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.residual import details_of, floats, on_device, parts_of
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.models.model import Model
from olmoe_viz.records.attention import Attention
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import AttentionRequest


@torch.inference_mode()
def attend(model: Model, request: AttentionRequest, run: Trace) -> Attention:
    """Return attention weights of the tokens of the request.

    Takes 4 * heads * rows * tokens bytes, and up to three times as many on the way. Raises
    InputError for a run with other weights, and for a layer or a token that it does not have.
    """
    start = time.perf_counter()
    states, _ = details_of(model, run)
    check_place("layer", request.layer, model.geometry.layers)
    check_place("token", request.stop - 1, len(run.tokens))
    runner = runner_of(model)
    assert isinstance(runner, OlmoeRunner)  # noqa: S101 - what the capability "details" says
    device = parts_of(model).blocks[request.layer].device
    hidden = on_device(model, states[request.layer, : request.stop], device)
    weights = runner.attention_weights(request.layer, hidden, request.first)
    return Attention(
        request=request,
        geometry=model.geometry,
        provenance=provenance(model, time.perf_counter() - start),
        weights=floats(weights[:, :, request.seen_from :].contiguous()),
    )
