"""One forward pass over any rows of a batch, with a preallocated key-value cache.

Knows nothing about policies, sampling or text. The pass goes through the model's own parts one by
one, so it can be watched (`observe`) without hooks on a model that other threads use. A row is a
sequence: its tokens, the position of the first of them, and its slot in the cache. Rows may differ
in position; nothing is ever padded.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import OlmoeForCausalLM
from transformers.models.olmoe.modeling_olmoe import (
    OlmoeDecoderLayer,
    OlmoeExperts,
    OlmoeRMSNorm,
)

from olmoe_viz.engine.experts import mix

Observe = Callable[[str, Tensor], None]


class Cache:
    """Keys and values of every layer for `slots` sequences of up to `length` tokens.

    Two tensors per layer, [slots * length, kv_heads * head_dim]: 2 * layers * slots * length *
    hidden values in all, without grouped heads. Slots are independent; one is free again as soon
    as its sequence is no longer stepped.
    """

    def __init__(self, module: OlmoeForCausalLM, slots: int, length: int) -> None:
        self.length = length
        self.blocks = [_Block(block) for block in module.model.layers]
        self.layers = [
            tuple(
                # Zeros, not empty: what a mask hides must still be finite.
                torch.zeros(slots * length, block.kv_width, dtype=module.dtype, device=block.device)
                for _ in range(2)
            )
            for block in self.blocks
        ]


class _Block:
    """One block's parts as plain functions.

    For one token on a CPU, calling modules and reading a configuration takes as long as the
    arithmetic, so both are done once here. A part with a hook of accelerate stays a module: the
    hook brings its weights.
    """

    def __init__(self, block: OlmoeDecoderLayer) -> None:
        attention, config = block.self_attn, block.self_attn.config
        self.heads: int = config.num_attention_heads
        self.kv_heads = self.heads // attention.num_key_value_groups
        self.head_dim: int = attention.head_dim
        self.kv_width = self.kv_heads * self.head_dim
        self.scaling: float = attention.scaling
        self.limit: float | None = config.clip_qkv
        self.device = device_of(block)
        self.norm_in = _plain(block.input_layernorm)
        self.norm_mid = _plain(block.post_attention_layernorm)
        self.norm_q, self.norm_k = _plain(attention.q_norm), _plain(attention.k_norm)
        self.query, self.key = _plain(attention.q_proj), _plain(attention.k_proj)
        self.value, self.output = _plain(attention.v_proj), _plain(attention.o_proj)
        self.router = _plain(block.mlp.gate)
        self.experts = _plain(block.mlp.experts)


def _plain(part: nn.Module) -> Callable[..., Any]:
    if hasattr(part, "_hf_hook"):
        return part
    if isinstance(part, nn.Linear):
        return partial(F.linear, weight=part.weight, bias=part.bias)
    if isinstance(part, OlmoeRMSNorm) and part.weight.dtype == torch.float32:
        # In other dtypes the stock norm rounds before it multiplies by the weight; this does not.
        return partial(_rms_norm, weight=part.weight, epsilon=part.variance_epsilon)
    if isinstance(part, OlmoeExperts):
        return partial(mix, part)
    return part


def _rms_norm(hidden: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    width = weight.numel()
    if hidden.numel() > width or hidden.device.type != "cpu":
        return F.rms_norm(hidden, weight.shape, weight, epsilon)
    # On a CPU rms_norm is a chain of eight operations, which for one token is a tenth of a step.
    vector = hidden.view(-1)
    scale = (vector.dot(vector).item() / width + epsilon) ** -0.5
    return (hidden * weight).mul_(scale)


class Span:
    """Where the new tokens of a pass stand: their rows' slots, their positions, and what they see.

    `slots` is int64 [rows], `positions` int64 [rows, tokens]; each row looks at the first `end`
    entries of its slot, and with `masked` only at those up to its own position.
    """

    def __init__(
        self, slots: Tensor, positions: Tensor, end: int, *, masked: bool, first_slots: bool
    ) -> None:
        self.slots, self.positions, self.end = slots, positions, end
        self.masked = masked
        self.first_slots = first_slots  # the rows are slots 0, 1, 2 ...: no copy is needed

    @classmethod
    def at(cls, cache: Cache, slots: Sequence[int], starts: Sequence[int], tokens: int) -> "Span":
        """`tokens` new tokens from position `starts[r]` of slot `slots[r]` on, looking no further.

        Raises ValueError for positions that the cache does not hold.
        """
        end = max(starts) + tokens
        if end > cache.length or min(starts) < 0:
            raise ValueError(f"The cache holds positions 0 to {cache.length - 1}.")
        positions = torch.tensor(starts).unsqueeze(1) + torch.arange(tokens)
        return cls(
            torch.tensor(slots),
            positions,
            end,
            masked=tokens > 1 or len(set(starts)) > 1,
            first_slots=list(slots) == list(range(len(slots))),
        )

    @classmethod
    def anywhere(cls, cache: Cache, slots: Tensor, positions: Tensor) -> "Span":
        """Any rows and positions, as tensors on the device that may be filled anew for each step.

        Looks at the whole cache behind a mask, so every step has the same shapes and reads nothing
        back: what the capture in a CUDA graph needs. Positions are the caller's to keep in range.
        """
        return cls(slots, positions, cache.length, masked=True, first_slots=False)

    def to(self, device: torch.device) -> None:
        """Move the index tensors to where the pass begins."""
        self.slots, self.positions = self.slots.to(device), self.positions.to(device)


class _Places:
    """A span as what a layer needs: where in its cache to write, and what the mask hides."""

    def __init__(self, cache: Cache, span: Span) -> None:
        self.span, self.length = span, cache.length
        self.targets = (span.slots.unsqueeze(1) * cache.length + span.positions).flatten()
        self.mask: Tensor | None = None
        if span.masked:
            seen = torch.arange(span.end, device=self.targets.device)
            self.mask = (seen <= span.positions.unsqueeze(-1)).unsqueeze(
                1
            )  # [rows, 1, tokens, end]

    def to(self, device: torch.device) -> None:
        """Move the index tensors to where the next layer runs."""
        self.targets = self.targets.to(device)
        self.span.to(device)
        if self.mask is not None:
            self.mask = self.mask.to(device)

    def visible(self, entries: Tensor, heads: int) -> Tensor:
        """Return the cached entries of the rows as [rows, heads, end, head_dim]."""
        entries = entries.view(-1, self.length, heads, entries.shape[-1] // heads)
        slots = self.span.slots
        rows = entries[: slots.numel()] if self.span.first_slots else entries.index_select(0, slots)
        return rows[:, : self.span.end].transpose(1, 2)


def forward(
    module: OlmoeForCausalLM,
    token_ids: Tensor,
    cache: Cache,
    span: Span,
    observe: Observe | None = None,
) -> Tensor:
    """Run the blocks over `token_ids` [rows, tokens]; return the residual stream after them.

    Row r continues the sequence that `span` names, and sees what the cache holds before it. The
    result, [rows, tokens, hidden], is not yet normed: see `logits`. `observe` is called with
    "hidden" (the residual stream entering each block and, last, leaving the last one), "attention"
    and "experts" (what each half of a block adds), each [rows, tokens, hidden]. The experts follow
    the policies of `router.routing`.
    """
    hidden: Tensor = module.model.embed_tokens(token_ids)
    span.to(hidden.device)
    places = _Places(cache, span)
    cosines, sines = module.model.rotary_emb(hidden, span.positions)
    # rotate_half(x) * sin, written as a roll: the sign of the first half moves to the sine.
    half = sines.shape[-1] // 2
    turn = cosines.unsqueeze(2), torch.cat((-sines[..., :half], sines[..., half:]), -1).unsqueeze(2)
    for block, entries in zip(cache.blocks, cache.layers, strict=True):
        device = block.device
        if hidden.device != device or places.targets.device != device:
            hidden, turn = hidden.to(device), (turn[0].to(device), turn[1].to(device))
            places.to(device)
        if observe is not None:
            observe("hidden", hidden)
        attended = _attend(block, block.norm_in(hidden), turn, entries, places)
        hidden = hidden + attended
        flat = block.norm_mid(hidden).view(-1, hidden.shape[-1])
        _, weights, experts = block.router(flat)
        mixed = block.experts(flat, experts, weights).view_as(hidden)
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
    block: _Block,
    hidden: Tensor,
    turn: tuple[Tensor, Tensor],
    entries: tuple[Tensor, ...],
    places: _Places,
) -> Tensor:
    rows, tokens, _ = hidden.shape
    flat = hidden.view(-1, hidden.shape[-1])
    queries, keys = block.norm_q(block.query(flat)), block.norm_k(block.key(flat))
    values = block.value(flat)
    if block.limit is not None:
        queries, keys, values = (
            x.clamp(-block.limit, block.limit) for x in (queries, keys, values)
        )
    both = torch.cat((queries, keys), dim=-1).view(rows, tokens, -1, block.head_dim)
    cosines, sines = turn
    both = both * cosines + both.roll(block.head_dim // 2, dims=-1) * sines
    queries, keys = both[:, :, : block.heads], both[:, :, block.heads :]
    entries[0].index_copy_(0, places.targets, keys.reshape(rows * tokens, -1))
    entries[1].index_copy_(0, places.targets, values)
    attended = F.scaled_dot_product_attention(
        queries.transpose(1, 2),
        places.visible(entries[0], block.kv_heads),
        places.visible(entries[1], block.kv_heads),
        attn_mask=places.mask,
        scale=block.scaling,
        enable_gqa=block.heads != block.kv_heads,
    )
    output: Tensor = block.output(attended.transpose(1, 2).reshape(rows * tokens, -1))
    return output.view(rows, tokens, -1)
