"""OLMoE's pass, written by hand over a preallocated key-value cache.

The pass goes through the model's own parts one by one, so it can be watched without hooks on a
model that other threads use. A row is a sequence: its tokens, the position of the first of them,
and its slot in the cache. Rows may differ in position; nothing is ever padded.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from olmoe_viz.engine.cache import KvCache
from olmoe_viz.engine.experts import experts_of
from olmoe_viz.engine.plan import Plan, plan_rows
from olmoe_viz.engine.taps import Taps
from olmoe_viz.families.base import Block, Parts, Site
from olmoe_viz.families.gate import GateRule, LayerPlan, Weighed, route
from olmoe_viz.interventions import Phase
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy

Call = Callable[..., Any]
Turn = tuple[Tensor, Tensor]
# From queries and keys [rows, tokens, heads, head_dim], values flat, and the scale of the products
# to what is read, [rows, tokens, heads, head_dim].
Look = Callable[[Tensor, Tensor, Tensor, float], Tensor]


class Span:
    """Where the new tokens of a pass stand, and what they see.

    `bases` int64 [rows] are their rows' first entries, `positions` int64 [rows, tokens]; each row
    looks at its entries before `end`, and with `masked` only at those up to its own position. With
    `causal` the new tokens are all there are, so that no mask has to be made. With `together` the
    rows' slots lie one behind the other, there, and the rows stand at one position: nothing has to
    be gathered.
    """

    def __init__(
        self,
        bases: Tensor,
        positions: Tensor,
        end: int,
        *,
        masked: bool,
        causal: bool,
        together: slice | None,
    ) -> None:
        self.bases, self.positions, self.end = bases, positions, end
        self.masked, self.causal, self.together = masked, causal, together

    @classmethod
    def at(cls, cache: KvCache, slots: Sequence[int], starts: Sequence[int], tokens: int) -> "Span":
        """`tokens` new tokens from position `starts[r]` of slot `slots[r]` on, looking no further.

        Raises ValueError for positions that the cache does not hold.
        """
        end = max(starts) + tokens
        if end > cache.length or min(starts) < 0:
            raise ValueError(f"The cache holds positions 0 to {cache.length - 1}.")
        positions = torch.tensor(starts).unsqueeze(1) + torch.arange(tokens)
        bases = [cache.bases[slot] for slot in slots]
        causal, alike = tokens > 1 and max(starts) == 0, len(set(starts)) == 1
        return cls(
            torch.tensor(bases),
            positions,
            end,
            masked=not causal and (tokens > 1 or not alike),
            causal=causal,
            together=_piece(cache, bases) if alike else None,
        )

    def to(self, device: torch.device) -> None:
        """Move the index tensors to where the pass begins."""
        self.bases, self.positions = self.bases.to(device), self.positions.to(device)


def _piece(cache: KvCache, bases: Sequence[int]) -> slice | None:
    """Return the entries of some slots if these lie one behind the other."""
    first, length = bases[0], cache.length
    end = first + len(bases) * length
    behind = list(bases) == list(range(first, end, length)) and end <= len(cache.layers[0][0])
    return slice(first, end) if behind else None


class OlmoeRunner:
    """The fast pass of a model whose blocks are those of `families.base.Block`."""

    name = "olmoe"
    rows_join = True

    def __init__(self, model: Model, parts: Parts) -> None:
        self._parts, self._geometry, self._dtype = parts, model.geometry, model.dtype
        self._layers = [_Layer(*each) for each in zip(parts.blocks, model.sites, strict=True)]
        self._device = model.device
        self.devices = tuple(layer.device for layer in self._layers)

    def open(self, slots: int, length: int) -> KvCache:
        """Return a cache of `slots` sequences of up to `length` tokens."""
        return KvCache.empty(self._parts.blocks, self._dtype, slots, length)

    def plan(self, policies: Sequence[RoutingPolicy], phase: Phase = "prompt") -> Plan:
        """Return the plan in which row r runs under `policies[r]`; see `Runner.plan`."""
        return plan_rows(tuple(policies), self._geometry, self.devices, phase)

    def step(
        self,
        state: KvCache,
        ids: Sequence[Sequence[int]],
        slots: Sequence[int],
        starts: Sequence[int],
        plan: Plan,
        taps: Taps,
    ) -> Tensor:
        """Run new tokens; see `Runner.step`."""
        tokens = torch.tensor(ids, device=self._device)
        span = Span.at(state, slots, starts, tokens.shape[1])
        return self.run(state, tokens, span, plan.at(starts, tokens.shape[1]), taps)

    def run(self, cache: KvCache, ids: Tensor, span: Span, plan: Plan, taps: Taps) -> Tensor:
        """Run tokens that are on the device already; see `Runner.step`."""
        hidden: Tensor = self._parts.embed(ids)
        span.to(hidden.device)
        places = _Places(cache, span)
        turn = self.turn(hidden, span.positions)
        for number, (entries, routed) in enumerate(zip(cache.layers, plan.layers, strict=True)):
            device = self.devices[number]
            if hidden.device != device or places.targets.device != device:
                hidden, turn = hidden.to(device), (turn[0].to(device), turn[1].to(device))
                places.to(device)
            taps.add_hidden(hidden)
            attended = self.attend(number, hidden, turn, partial(places.look, entries))
            taps.add_attention(attended)
            hidden = hidden + attended
            logits, weighed, added = self.mix(number, hidden, routed)
            taps.add_routing(logits, weighed)
            hidden = hidden + added
        taps.add_hidden(hidden)
        return hidden

    def attend(self, number: int, hidden: Tensor, turn: Turn, look: Look) -> Tensor:
        """Return what attention adds in block `number`, [rows, tokens, hidden]."""
        layer = self._layers[number]
        return layer.attend(layer.norm_in(hidden), turn, look)

    def mix(self, number: int, hidden: Tensor, plan: LayerPlan) -> tuple[Tensor, Weighed, Tensor]:
        """Return router logits, what runs, and what the experts add, [rows, tokens, hidden]."""
        layer = self._layers[number]
        flat = layer.norm_mid(hidden).view(-1, hidden.shape[-1])
        logits, weighed = layer.route(flat, plan)
        added = layer.experts(flat, weighed.ids, weighed.weights)
        return logits, weighed, added.view_as(hidden)

    def readout(self, hidden: Tensor) -> Tensor:
        """Return float32 logits [..., vocab] of the residual stream [..., hidden]."""
        scores: Tensor = self._parts.head(self._parts.norm(hidden))
        return scores.float()

    def turn(self, hidden: Tensor, positions: Tensor) -> Turn:
        """Return cosines and sines of the rotary embedding, [rows, tokens, 1, head_dim]."""
        cosines, sines = self._parts.rotary(hidden, positions)
        # rotate_half(x) * sin, written as a roll: the sign of the first half moves to the sine.
        half = sines.shape[-1] // 2
        signed = torch.cat((-sines[..., :half], sines[..., half:]), -1)
        return cosines.unsqueeze(2), signed.unsqueeze(2)

    def attention_weights(self, layer: int, hidden: Tensor, first: int) -> Tensor:
        """Return where tokens look, [heads, tokens from `first` on (from), tokens (to)] float32.

        Recomputed from the residual stream that enters the block, [tokens, hidden]: the fast
        attention of the pass keeps no weights. The softmax is taken in float32.
        """
        block = self._layers[layer]
        hidden = hidden.unsqueeze(0)
        positions = torch.arange(hidden.shape[1], device=hidden.device).unsqueeze(0)
        queries, keys, _ = block.heads_of(block.norm_in(hidden), self.turn(hidden, positions))
        keys = keys.repeat_interleave(block.heads // block.kv_heads, dim=2)
        queries, keys = queries[0, first:].transpose(0, 1), keys[0].transpose(0, 1)
        scores = queries @ keys.transpose(1, 2) * block.scaling
        later = positions > positions[0, first:, None]
        return scores.masked_fill(later, -torch.inf).softmax(dim=-1, dtype=torch.float32)


class _Layer:
    """One block's parts as plain functions.

    For one token on a CPU, calling modules and reading a configuration takes as long as the
    arithmetic, so both are done once here. A part with a hook of accelerate stays a module: the
    hook brings its weights.
    """

    def __init__(self, block: Block, site: Site) -> None:
        self.heads, self.kv_heads, self.head_dim = block.heads, block.kv_heads, block.head_dim
        self.scaling, self.limit, self.device = block.scaling, block.limit, block.device
        self.norm_in = _norm(block.norm_in, block.epsilon)
        self.norm_mid = _norm(block.norm_mid, block.epsilon)
        self.norm_q = _norm(block.norm_q, block.epsilon)
        self.norm_k = _norm(block.norm_k, block.epsilon)
        self.query, self.key = _linear(block.query), _linear(block.key)
        self.value, self.output = _linear(block.value), _linear(block.output)
        self.experts = experts_of(site.experts)
        self.logits = _router_logits(site.router)
        self.rule: GateRule = site.rule

    def route(self, flat: Tensor, plan: LayerPlan) -> tuple[Tensor, Weighed]:
        """Return raw router logits [tokens, experts] and what runs, in the precision of `flat`."""
        logits = self.logits(flat)
        ids, weights, used = route(self.rule, plan, logits)
        return logits, Weighed(ids, weights.to(logits.dtype), used)

    def heads_of(self, hidden: Tensor, turn: Turn) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries and keys [rows, tokens, heads, head_dim], turned, and values flat."""
        rows, tokens, width = hidden.shape
        flat = hidden.view(-1, width)
        queries, keys = self.norm_q(self.query(flat)), self.norm_k(self.key(flat))
        values = self.value(flat)
        if self.limit is not None:
            queries, keys, values = (
                x.clamp(-self.limit, self.limit) for x in (queries, keys, values)
            )
        both = torch.cat((queries, keys), dim=-1).view(rows, tokens, -1, self.head_dim)
        cosines, sines = turn
        both = both * cosines + both.roll(self.head_dim // 2, dims=-1) * sines
        return both[:, :, : self.heads], both[:, :, self.heads :], values

    def attend(self, hidden: Tensor, turn: Turn, look: Look) -> Tensor:
        """Return what attention adds, [rows, tokens, hidden]."""
        rows, tokens, _ = hidden.shape
        attended = look(*self.heads_of(hidden, turn), self.scaling)
        output: Tensor = self.output(attended.reshape(rows * tokens, -1))
        return output.view(rows, tokens, -1)


class _Places:
    """A span as what a layer needs: where in its cache to write, to read, and what is hidden."""

    def __init__(self, cache: KvCache, span: Span) -> None:
        self.span, self.length = span, cache.length
        self.targets = (span.bases.unsqueeze(1) + span.positions).flatten()
        self.sources: Tensor | None = None
        self.mask: Tensor | None = None
        seen = torch.arange(span.end, device=self.targets.device)
        if span.together is None:
            # No further than the row's own entries: behind them is another's, finite or not.
            own = torch.minimum(seen, span.positions[:, -1:])
            self.sources = (span.bases.unsqueeze(1) + own).flatten()
        if span.masked:
            hidden = seen > span.positions.unsqueeze(-1)  # [rows, tokens, end]
            self.mask = hidden.logical_not_().unsqueeze(1)

    def to(self, device: torch.device) -> None:
        """Move the index tensors to where the next layer runs."""
        self.targets = self.targets.to(device)
        self.span.to(device)
        if self.sources is not None:
            self.sources = self.sources.to(device)
        if self.mask is not None:
            self.mask = self.mask.to(device)

    def look(
        self,
        entries: tuple[Tensor, Tensor],
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        scaling: float,
    ) -> Tensor:
        """Put keys and values into a layer's cache, and read what the tokens see; see `Look`."""
        heads, kv_heads = queries.shape[2], keys.shape[2]
        self.write(entries[0], keys.reshape(values.shape))
        self.write(entries[1], values)
        attended = F.scaled_dot_product_attention(
            queries.transpose(1, 2),
            self.visible(entries[0], kv_heads),
            self.visible(entries[1], kv_heads),
            attn_mask=self.mask,
            is_causal=self.span.causal,
            scale=scaling,
            enable_gqa=heads != kv_heads,
        )
        return attended.transpose(1, 2)

    def write(self, entries: Tensor, new: Tensor) -> None:
        """Put what the new tokens leave behind, [rows * tokens, width], where it belongs."""
        span = self.span
        if span.causal and span.together is not None:  # a plain copy, which is faster
            rows, tokens = span.positions.shape
            by_slot = entries[span.together].view(rows, self.length, -1)
            by_slot[:, :tokens] = new.view(rows, tokens, -1)
        else:
            entries.index_copy_(0, self.targets, new)

    def visible(self, entries: Tensor, heads: int) -> Tensor:
        """Return the cached entries of the rows as [rows, heads, end, head_dim]."""
        rows, width = len(self.span.bases), entries.shape[-1] // heads
        if self.sources is None:
            seen = entries[self.span.together]
        else:
            seen = entries.index_select(0, self.sources)
        return seen.view(rows, -1, heads, width)[:, : self.span.end].transpose(1, 2)


def _hooked(part: nn.Module) -> bool:
    return hasattr(part, "_hf_hook")


def _linear(part: nn.Module) -> Call:
    if _hooked(part) or not isinstance(part, nn.Linear):
        return part
    return partial(F.linear, weight=part.weight, bias=part.bias)


def _router_logits(router: Any) -> Call:
    if _hooked(router):
        return lambda flat: router(flat)[0]
    return partial(F.linear, weight=router.weight)


def _norm(part: Any, epsilon: float) -> Any:
    if _hooked(part) or (part.weight.dtype != torch.float32 and part.weight.device.type == "cpu"):
        # In other dtypes the stock norm rounds before it multiplies by the weight as well as after.
        # On a GPU, one kernel that rounds once is a fifth of the time and no less exact.
        return part
    return partial(_rms_norm, weight=part.weight, epsilon=epsilon)


def _rms_norm(hidden: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    width = weight.numel()
    if hidden.numel() > width or hidden.device.type != "cpu":
        return F.rms_norm(hidden, weight.shape, weight, epsilon)
    # On a CPU rms_norm is a chain of eight operations, which for one token is a tenth of a step.
    vector = hidden.view(-1)
    scale = (vector.dot(vector).item() / width + epsilon) ** -0.5
    return (hidden * weight).mul_(scale)
