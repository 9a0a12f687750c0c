"""One pass over a text, recorded."""

import time
from typing import Any

import numpy as np
import torch

from olmoe_viz.engine.inputs import check_details, check_policies, encode, message_of, text_of
from olmoe_viz.engine.prompt import OnProgress, joined, read
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.taps import Wish, fitted
from olmoe_viz.models.model import Model
from olmoe_viz.records.routed import width
from olmoe_viz.records.tokens import display_token
from olmoe_viz.records.trace import NEXT_TOKENS, Trace
from olmoe_viz.requests import TraceRequest

_WISHES: dict[str, tuple[Wish, ...]] = {
    "routing": ("hidden_norms",),
    "full": ("hidden_norms", "hidden_states", "attention_outputs"),
}


def trace(model: Model, request: TraceRequest, on_progress: OnProgress) -> Trace:
    """Run a text through the model once and record it.

    Detail "routing" takes 4 * layers * tokens * (experts + 2 * largest k) bytes and little more;
    "full" 4 * (2 * blocks + 1) * tokens * hidden bytes besides. Raises InputError for a text or a
    policy that does not fit the model.
    """
    check_policies(model, [request.policy])
    if request.detail == "full":
        check_details(model)
    ids = encode(model, request.text)
    token_bytes = tuple(map(model.token_bytes.of, ids))
    start = time.perf_counter()
    arrays = _run(model, ids, request, on_progress)
    seconds = time.perf_counter() - start
    return Trace(
        request=request,
        text=text_of(model, request.text),
        token_ids=np.array(ids, dtype=np.int64),
        tokens=tuple(map(display_token, token_bytes)),
        token_bytes=token_bytes,
        geometry=model.geometry,
        provenance=provenance(model, seconds),
        message=message_of(model, request.text, ids),
        score=model.sites[0].rule.score,
        **arrays,
    )


@torch.inference_mode()
def _run(
    model: Model, ids: list[int], request: TraceRequest, on_progress: OnProgress
) -> dict[str, Any]:
    """Return the numbers of a trace by name; leaves the device's work done."""
    runner, table, parts = runner_of(model), model.token_bytes, []
    state, plan = runner.open(1, len(ids)), runner.plan([request.policy])
    for hidden, arrays in read(model, state, ids, plan, on_progress, *_WISHES[request.detail]):
        parts.append(arrays)
        last = hidden[0, -1]
    whole = fitted(joined(parts), width(request.policy, model.geometry))
    scores = runner.readout(last)
    top = scores.topk(min(NEXT_TOKENS, len(scores)))
    return {
        "next_ids": top.indices.cpu().numpy(),
        "next_tokens": tuple(display_token(table.of(token)) for token in top.indices.tolist()),
        "next_logits": top.values.cpu().numpy(),
        "log_sum_exp": float(scores.double().logsumexp(-1)),
        **{name: np.ascontiguousarray(values[0]) for name, values in whole.items()},
    }
