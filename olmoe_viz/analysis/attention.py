"""Where each head of one layer looks, recomputed from the recorded residual stream.

The fast attention of a run keeps no weights; these are made by the same projections, norms and
rotary embedding of the model (arXiv 2409.02060, section 2), with the softmax in float32.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.models.olmoe.modeling_olmoe import apply_rotary_pos_emb, repeat_kv

from olmoe_viz.analysis.recorded import check_layer, check_token, on_device, residual_stream
from olmoe_viz.engine.forward import device_of
from olmoe_viz.models.load import Model
from olmoe_viz.records.trace import Trace


@torch.inference_mode()
def attention_weights(
    model: Model, trace: Trace, layer: int, tokens: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """Return attention weights [heads, rows (from), tokens (to)]; every row sums to 1.

    The rows are those of `tokens`, in that order, or of all tokens of the trace. A token sees
    itself and what stands before it, so all after it is 0. The result has
    4 * heads * rows * tokens bytes, and up to three times as many are needed on the way. Raises
    InputError for a trace without hidden states or of another model, and for a layer or a token
    that it does not have.
    """
    states = residual_stream(model, trace)
    check_layer(trace, layer)
    rows = range(len(trace.tokens)) if tokens is None else tokens
    for token in rows:
        check_token(trace, token)
    block = model.module.model.layers[layer]
    hidden = on_device(model, states[layer], device_of(block)).unsqueeze(0)
    queries, keys = _queries_and_keys(model, layer, block.input_layernorm(hidden))
    own = torch.tensor(rows, dtype=torch.long, device=queries.device)
    scores = queries[0, :, own] @ keys[0].transpose(1, 2) * block.self_attn.scaling
    later = torch.arange(keys.shape[2], device=own.device) > own[:, None]
    weights = scores.masked_fill(later, -torch.inf).softmax(dim=-1, dtype=torch.float32)
    values: NDArray[np.float32] = weights.cpu().numpy()
    return values


def _queries_and_keys(model: Model, layer: int, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return both as [1, heads, tokens, head_dim], turned to their positions."""
    attention = model.module.model.layers[layer].self_attn
    queries = attention.q_norm(attention.q_proj(hidden))
    keys = attention.k_norm(attention.k_proj(hidden))
    limit = attention.config.clip_qkv
    if limit is not None:
        queries, keys = queries.clamp(-limit, limit), keys.clamp(-limit, limit)
    shape = (1, hidden.shape[1], -1, model.geometry.head_dim)
    positions = torch.arange(hidden.shape[1], device=hidden.device).unsqueeze(0)
    turns = model.module.model.rotary_emb(hidden, positions)
    cosines, sines = (turn.to(queries.device) for turn in turns)
    queries, keys = apply_rotary_pos_emb(
        queries.view(shape).transpose(1, 2), keys.view(shape).transpose(1, 2), cosines, sines
    )
    return queries, repeat_kv(keys, attention.num_key_value_groups)
