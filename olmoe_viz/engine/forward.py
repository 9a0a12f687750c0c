"""One forward pass over any rows of a batch, with a preallocated key-value cache.

Knows nothing about policies, sampling or text. The pass calls the model's own modules one by one,
so it can be watched (`observe`) without hooks on a model that other threads use, and so that a
placement by accelerate keeps working. A row is a sequence: its tokens, the position of the first of
them, and its slot in the cache. Rows may differ in position; nothing is ever padded.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import OlmoeForCausalLM
from transformers.models.olmoe.modeling_olmoe import OlmoeAttention, OlmoeDecoderLayer

from olmoe_viz.costs import Geometry

Observe = Callable[[str, Tensor], None]


class Cache:
    """Keys and values of every layer for `slots` sequences of up to `length` tokens.

    Two tensors per layer, [slots * length, kv_heads * head_dim]: 2 * layers * slots * length *
    hidden values in all, without grouped heads. Slots are independent; one is free again as soon
    as its sequence is no longer stepped.
    """

    def __init__(self, module: OlmoeForCausalLM, slots: int, length: int) -> None:
        geometry = Geometry.from_config(module.config)
        width = geometry.kv_heads * geometry.head_dim
        self.slots, self.length = slots, length
        self.layers = [
            tuple(
                # Zeros, not empty: what a mask hides must still be finite.
                torch.zeros(slots * length, width, dtype=module.dtype, device=device_of(block))
                for _ in range(2)
            )
            for block in module.model.layers
        ]


class _Span:
    """Where the new tokens of a pass go in the cache, and which of its entries they may see."""

    def __init__(
        self, cache: Cache, slots: Sequence[int], starts: Sequence[int], tokens: int
    ) -> None:
        self.end = max(starts) + tokens
        if self.end > cache.length or min(starts) < 0:
            raise ValueError(f"The cache holds positions 0 to {cache.length - 1}.")
        self.slots = slots
        self.whole = list(slots) == list(range(len(slots)))
        first = torch.tensor(starts).unsqueeze(1)
        self.positions = first + torch.arange(tokens)  # [rows, tokens]
        offsets = torch.tensor(slots).unsqueeze(1) * cache.length
        self.targets = (offsets + self.positions).flatten()
        self.length = cache.length
        self.mask: Tensor | None = None
        if tokens > 1 or len(set(starts)) > 1:
            seen = torch.arange(self.end) <= self.positions.unsqueeze(-1)
            self.mask = seen.unsqueeze(1)  # [rows, 1, tokens, end]

    def to(self, device: torch.device) -> None:
        """Move the index tensors to where the next layer runs."""
        self.targets = self.targets.to(device)
        if self.mask is not None:
            self.mask = self.mask.to(device)

    def visible(self, entries: Tensor, heads: int) -> Tensor:
        """Return the cached entries of the rows as [rows, heads, end, head_dim]."""
        entries = entries.view(-1, self.length, heads, entries.shape[-1] // heads)
        rows = entries[: len(self.slots)] if self.whole else entries[list(self.slots)]
        return rows[:, : self.end].transpose(1, 2)


def forward(
    module: OlmoeForCausalLM,
    token_ids: Tensor,
    cache: Cache,
    slots: Sequence[int],
    starts: Sequence[int],
    observe: Observe | None = None,
) -> Tensor:
    """Run the blocks over `token_ids` [rows, tokens]; return the residual stream after them.

    Row r continues the sequence in `slots[r]` of the cache at position `starts[r]`, and sees what
    the cache holds before it. The result, [rows, tokens, hidden], is not yet normed: see `logits`.
    `observe` is called with "hidden" (the residual stream entering each block and, last, leaving
    the last one), "attention" and "experts" (what each half of a block adds), each
    [rows, tokens, hidden]. The experts follow the policies of `router.routing`. Raises ValueError
    for positions that the cache does not hold.
    """
    span = _Span(cache, slots, starts, token_ids.shape[1])
    hidden: Tensor = module.model.embed_tokens(token_ids)
    cosines, sines = module.model.rotary_emb(hidden, span.positions.to(hidden.device))
    # rotate_half(x) * sin, written as a roll: the sign of the first half moves to the sine.
    half = sines.shape[-1] // 2
    turn = cosines.unsqueeze(2), torch.cat((-sines[..., :half], sines[..., half:]), -1).unsqueeze(2)
    for block, entries in zip(module.model.layers, cache.layers, strict=True):
        device = entries[0].device
        if hidden.device != device or span.targets.device != device:
            hidden, turn = hidden.to(device), (turn[0].to(device), turn[1].to(device))
            span.to(device)
        if observe is not None:
            observe("hidden", hidden)
        attended = _attend(block.self_attn, block.input_layernorm(hidden), turn, entries, span)
        hidden = hidden + attended
        mixed = block.mlp(block.post_attention_layernorm(hidden))
        hidden = hidden + mixed
        if observe is not None:
            observe("attention", attended)
            observe("experts", mixed)
    if observe is not None:
        observe("hidden", hidden)
    return hidden


def logits(module: OlmoeForCausalLM, hidden: Tensor) -> Tensor:
    """Return float32 logits [..., vocab] of the residual stream [..., hidden] after all blocks."""
    scores: Tensor = module.lm_head(module.model.norm(hidden))
    return scores.float()


def device_of(block: OlmoeDecoderLayer) -> torch.device:
    """Return where a block computes: accelerate's choice, or where its weights are."""
    hook = getattr(block.input_layernorm, "_hf_hook", None)
    planned = getattr(hook, "execution_device", None)
    if planned is not None:
        return torch.device(planned)
    device: torch.device = block.input_layernorm.weight.device
    return device


def _attend(
    attention: OlmoeAttention,
    hidden: Tensor,
    turn: tuple[Tensor, Tensor],
    entries: tuple[Tensor, ...],
    span: _Span,
) -> Tensor:
    config = attention.config
    heads = config.num_attention_heads
    kv_heads = heads // attention.num_key_value_groups
    rows, tokens, _ = hidden.shape
    queries = attention.q_norm(attention.q_proj(hidden))
    keys = attention.k_norm(attention.k_proj(hidden))
    values = attention.v_proj(hidden)
    if config.clip_qkv is not None:
        limit = config.clip_qkv
        queries, keys, values = (x.clamp(-limit, limit) for x in (queries, keys, values))
    both = torch.cat((queries, keys), dim=-1).view(rows, tokens, heads + kv_heads, -1)
    cosines, sines = turn
    both = both * cosines + both.roll(both.shape[-1] // 2, dims=-1) * sines
    queries, keys = torch.split(both, [heads, kv_heads], dim=2)
    entries[0].index_copy_(0, span.targets, keys.reshape(rows * tokens, -1))
    entries[1].index_copy_(0, span.targets, values.reshape(rows * tokens, -1))
    attended = F.scaled_dot_product_attention(
        queries.transpose(1, 2),
        span.visible(entries[0], kv_heads),
        span.visible(entries[1], kv_heads),
        attn_mask=span.mask,
        scale=attention.scaling,
        enable_gqa=heads != kv_heads,
    )
    output: Tensor = attention.o_proj(attended.transpose(1, 2).reshape(rows, tokens, -1))
    return output
