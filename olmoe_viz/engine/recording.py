"""One forward pass over a text, recorded.

Knows nothing about pictures. Nothing is attached to the shared model: the pass itself is watched.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import tokenizers
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor

from olmoe_viz.engine.forward import Cache, Span, forward, logits
from olmoe_viz.engine.inputs import InputError, check_policies, encode
from olmoe_viz.engine.router import Recorder, routing
from olmoe_viz.engine.text import TokenBytes
from olmoe_viz.engine.threads import threads
from olmoe_viz.models.load import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.trace import NEXT_TOKENS, Provenance, Trace, display_token

__all__ = ["InputError", "provenance", "router_logits", "trace"]

Detail = Literal["routing", "full"]
Progress = Callable[[int, int], None]

PART = 256  # tokens of all rows in one pass over a prompt: what a stop waits for at most
Float32s = NDArray[np.float32]


def trace(
    model: Model,
    text_or_ids: str | Iterable[int],
    policy: RoutingPolicy | None = None,
    detail: Detail = "routing",
    progress: Progress | None = None,
) -> Trace:
    """Run a text, or token ids, through the model once and record it.

    Without a policy the model routes as trained. detail "routing" records router logits and norms,
    4 * layers * tokens * experts bytes and little more; "full" adds the residual stream and what
    attention and experts add to it, 4 * (3 * layers + 1) * tokens * hidden bytes. A text given as
    ids is recorded as their decoded text. A long one runs in parts; `progress` is called with the
    tokens done and their number before each part, and may raise to end the run. Raises InputError
    for a text or a policy that does not fit the model. Threads may trace on one model at the same
    time.
    """
    if detail not in ("routing", "full"):
        raise InputError(f'detail must be "routing" or "full"; it is {detail!r}.')
    policy = policy or RoutingPolicy(model.geometry.trained_k)
    check_policies(model, [policy])
    ids = encode(model, text_or_ids)
    table = TokenBytes(model.tokenizer)
    token_bytes = tuple(map(table.of, ids))
    start = time.perf_counter()
    values = _run(model, ids, policy, progress, full=detail == "full")
    return Trace(
        text=text_or_ids if isinstance(text_or_ids, str) else table.text(ids),
        token_ids=np.array(ids, dtype=np.int64),
        tokens=tuple(map(display_token, token_bytes)),
        token_bytes=token_bytes,
        policy=policy,
        geometry=model.geometry,
        provenance=provenance(model, time.perf_counter() - start),
        **values,
    )


@torch.inference_mode()
def _run(
    model: Model,
    ids: list[int],
    policy: RoutingPolicy,
    progress: Progress | None,
    *,
    full: bool,
) -> dict[str, Any]:
    """Return the numbers of a trace by name; leaves the device's work done."""
    cache = Cache(model.module, slots=1, length=len(ids))
    parts = []
    for start in range(0, len(ids), PART):
        if progress is not None:
            progress(start, len(ids))
        last, arrays = _part(model, cache, ids[start : start + PART], start, policy, full=full)
        parts.append(arrays)
    scores = logits(model.module, last)[0].cpu()
    top = scores.topk(min(NEXT_TOKENS, len(scores)))
    return {
        "next_ids": top.indices.numpy(),
        "next_logits": top.values.numpy(),
        "log_sum_exp": float(scores.double().logsumexp(-1)),
        **{name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]},
    }


def _part(
    model: Model, cache: Cache, ids: list[int], start: int, policy: RoutingPolicy, *, full: bool
) -> tuple[Tensor, dict[str, Float32s]]:
    """Run tokens that continue what the cache holds.

    Returns the last one's residual stream, [1, hidden], and arrays with tokens on axis 1.
    """
    seen: dict[str, list[Tensor]] = {"norms": [], "hidden": [], "attention": [], "experts": []}

    def observe(what: str, values: Tensor) -> None:
        if what == "hidden":
            seen["norms"].append(values[0].float().norm(dim=-1).cpu())
        if full:
            seen[what].append(values[0].float().cpu())

    recorder: Recorder = {}
    tokens = torch.tensor([ids], device=model.device)
    with routing([policy], recorder), threads(model, len(ids)):
        span = Span.at(cache, [0], [start], len(ids))
        hidden = forward(model.module, tokens, cache, span, observe)
    names = {"hidden_norms": "norms"}
    if full:
        names |= {
            "hidden_states": "hidden",
            "attention_outputs": "attention",
            "expert_outputs": "experts",
        }
    arrays = {name: torch.stack(seen[what]).numpy() for name, what in names.items()}
    return hidden[0, -1:], {"router_logits": router_logits(recorder, rows=1)[0], **arrays}


def router_logits(recorder: Recorder, rows: int) -> Float32s:
    """Return what a recorder holds of one pass as float32 [rows, layers, tokens, experts]."""
    layers = [recorder[layer].float().cpu() for layer in range(len(recorder))]
    stacked = torch.stack(layers).view(len(layers), rows, -1, layers[0].shape[-1])
    values: Float32s = stacked.transpose(0, 1).numpy()
    return values


def provenance(model: Model, seconds: float) -> Provenance:
    """Return where numbers recorded just now, in so many seconds, are from."""
    libraries = (torch, transformers, tokenizers)
    return Provenance(
        model=model.name,
        revision=model.revision,
        digest=model.digest,
        dtype=str(model.dtype).removeprefix("torch."),
        device=_device_name(model.device),
        versions={library.__name__: library.__version__ for library in libraries},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
