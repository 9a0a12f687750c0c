"""The tensors of a decoding step: weights as the kernels read them, and what they work on."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from olmoe_viz.families.base import Block, Parts, Site

MAX_ROWS = 64
SPLITS = 32  # programs that share the context of one head, at most
COLUMNS = 2  # of the residual stream, owned by one program


@dataclass(frozen=True)
class Sizes:
    """The sizes that the kernels are compiled for."""

    layers: int
    hidden: int
    heads: int
    experts: int
    inner: int
    vocab: int
    trained_k: int
    scaling: float
    epsilon: float

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    @property
    def parts(self) -> int:
        """Partial sums of squares of one row of the residual stream."""
        return self.hidden // COLUMNS


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """One block; matrices are [out, in], `qkv` is the three under each other.

    `next_norm` is the weight of the norm that reads the residual stream after this block. The
    router with the weights of its norm, and that after attention's output projection, are float32
    [experts, hidden].
    """

    qkv: Tensor
    norm_q: Tensor
    norm_k: Tensor
    output: Tensor
    norm_mid: Tensor
    router: Tensor
    router_of_hidden: Tensor
    router_of_attended: Tensor
    gate_up: Tensor
    down: Tensor
    next_norm: Tensor


@dataclass(frozen=True, eq=False)
class Weights:
    """A model: its own memory, but for queries, keys and values, and products of the router.

    `cosines` and `sines` are float32 [positions, head_dim / 2].
    """

    embed: Tensor
    first_norm: Tensor
    layers: tuple[LayerWeights, ...]
    norm: Tensor
    head: Tensor
    cosines: Tensor
    sines: Tensor


@dataclass(eq=False)
class Work:
    """What a step of `rows` rows reads and writes.

    Of each row: `position` of the token that runs and `base`, the first entry of its part of the
    cache; `ks` [layers, MAX_ROWS] its largest number of experts (0: the row rests), `threshold`,
    and `weighting` as an index into `policy.WEIGHTINGS`. `acting` [rows, layers] says where its
    interventions act; `bias`, `marks` and `targets` [rows, layers, experts] are theirs as in
    `families.edits.Coded`, and `mass` is an index into `LOST_MASS`.

    `hidden` is the residual stream between blocks and `middle` that in the middle of one; of the
    last written, `scaled` is it times the next norm's weight and `squares` its partial sums of
    squares. `raw` [rows, experts] are router logits that lack the scale of their norm. `record`
    [rows, 2, layers, experts] takes router logits, and weights with -1 where an expert does not
    run. `chosen` [rows, 2] takes the next token and its log-probability.
    """

    rows: int
    position: Tensor
    base: Tensor
    ks: Tensor
    threshold: Tensor
    weighting: Tensor
    acting: Tensor
    bias: Tensor
    marks: Tensor
    targets: Tensor
    mass: Tensor
    token: Tensor
    hidden: Tensor
    middle: Tensor
    scaled: Tensor
    squares: Tensor
    qkv: Tensor
    split: Tensor
    split_top: Tensor
    split_sum: Tensor
    attended: Tensor
    projected: Tensor
    raw: Tensor
    scale: Tensor
    used: Tensor
    used_count: Tensor
    counting: Tensor
    users: Tensor
    row_ids: Tensor
    row_weights: Tensor
    inner: Tensor
    logits: Tensor
    best: Tensor
    arrived: Tensor
    record: Tensor
    chosen: Tensor

    @classmethod
    def empty(cls, sizes: Sizes, rows: int, device: torch.device) -> "Work":
        """Return the work of `rows` rows that all rest."""

        def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        int32, bfloat16, heads = torch.int32, torch.bfloat16, sizes.heads
        of_experts = (rows, sizes.layers, sizes.experts)
        return cls(
            rows=rows,
            position=zeros(rows, dtype=int32),
            base=zeros(rows, dtype=int32),
            ks=zeros(sizes.layers, MAX_ROWS, dtype=int32),
            threshold=zeros(rows),
            weighting=zeros(rows, dtype=int32),
            acting=zeros(rows, sizes.layers, dtype=int32),
            bias=zeros(*of_experts),
            marks=zeros(*of_experts, dtype=torch.uint8),
            targets=zeros(*of_experts, dtype=torch.int16),
            mass=zeros(rows, dtype=int32),
            token=zeros(rows, dtype=int32),
            hidden=zeros(rows, sizes.hidden),
            middle=zeros(rows, sizes.hidden),
            scaled=zeros(rows, sizes.hidden, dtype=bfloat16),
            squares=zeros(rows, sizes.parts),
            qkv=zeros(rows, 3 * sizes.hidden),
            split=zeros(rows, heads, SPLITS, sizes.head_dim),
            split_top=zeros(rows, heads, SPLITS),
            split_sum=zeros(rows, heads, SPLITS),
            attended=zeros(rows, sizes.hidden, dtype=bfloat16),
            projected=zeros(rows, sizes.hidden),
            raw=zeros(rows, sizes.experts),
            scale=zeros(rows),
            used=zeros(sizes.experts, dtype=int32),
            used_count=zeros(1, dtype=int32),
            counting=zeros(sizes.experts, dtype=int32),
            users=zeros(sizes.experts, dtype=int32),
            row_ids=zeros(sizes.experts, MAX_ROWS, dtype=int32),
            row_weights=zeros(sizes.experts, MAX_ROWS),
            inner=zeros(sizes.experts * rows, sizes.inner, dtype=bfloat16),
            logits=zeros(rows, sizes.vocab),
            best=zeros(3, rows, 64),
            arrived=zeros(MAX_ROWS * heads + MAX_ROWS + 1, dtype=int32),
            record=zeros(rows, 2, sizes.layers, sizes.experts),
            chosen=zeros(rows, 2),
        )

    def clone(self) -> "Work":
        """Return a copy that shares nothing."""
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        values |= {name: each.clone() for name, each in values.items() if isinstance(each, Tensor)}
        return Work(**values)


def weights_of(parts: Parts, sites: Sequence[Site], positions: int) -> Weights:
    """Return a model's weights as the kernels read them."""
    norms = [_weight(block.norm_in) for block in parts.blocks] + [_weight(parts.norm)]
    device = norms[0].device
    steps = torch.arange(positions, device=device).unsqueeze(0)
    cosines, sines = parts.rotary(torch.empty(0, dtype=torch.float32, device=device), steps)
    half = cosines.shape[-1] // 2  # the two halves of the table are equal
    return Weights(
        embed=_weight(parts.embed),
        first_norm=norms[0],
        layers=tuple(
            _layer(block, site, following)
            for block, site, following in zip(parts.blocks, sites, norms[1:], strict=True)
        ),
        norm=norms[-1],
        head=_weight(parts.head),
        cosines=cosines[0, :, :half].float().contiguous(),
        sines=sines[0, :, :half].float().contiguous(),
    )


def _layer(block: Block, site: Site, following: Tensor) -> LayerWeights:
    experts: Any = site.experts
    output, norm_mid = _weight(block.output), _weight(block.norm_mid)
    routed = _weight(site.router).float() * norm_mid.float()
    return LayerWeights(
        qkv=torch.cat([_weight(part) for part in (block.query, block.key, block.value)]),
        norm_q=_weight(block.norm_q),
        norm_k=_weight(block.norm_k),
        output=output,
        norm_mid=norm_mid,
        router=_weight(site.router),
        router_of_hidden=routed,
        router_of_attended=routed @ output.float(),
        gate_up=experts.gate_up_proj,
        down=experts.down_proj,
        next_norm=following,
    )


def _weight(part: Any) -> Tensor:
    weight: Tensor = part.weight
    return weight
