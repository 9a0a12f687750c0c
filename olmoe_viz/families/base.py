"""The adapter: what differs between model families, and what the rest of the engine sees of it.

The rule of a gate and the facts of a layer are data; only what cannot be data is a function.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from olmoe_viz.families.gate import GateRule
from olmoe_viz.families.tokens import TokenBytes
from olmoe_viz.numerics.costs import Costs
from olmoe_viz.numerics.geometry import Geometry, MoeLayer


@dataclass(frozen=True, eq=False)
class Site:
    """The modules of one layer of experts.

    `router` is called with hidden states and gives (logits, weights, ids), as stock routers do;
    `experts` is called with (hidden states, ids, weights). `decoder` is the whole block and
    `attention` its attention. `choice_bias` is a copy that stays on the device, float [experts].
    """

    facts: MoeLayer
    rule: GateRule
    router: nn.Module
    experts: nn.Module
    decoder: nn.Module
    attention: nn.Module
    choice_bias: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Block:
    """The parts of a block that computes h += attention(norm_in(h)); h += experts(norm_mid(h)).

    Queries and keys are normed over their full width before they are split into heads, and clamped
    to `limit` where there is one; `epsilon` is that of all RMS norms.
    """

    norm_in: nn.Module
    norm_mid: nn.Module
    norm_q: nn.Module
    norm_k: nn.Module
    query: nn.Module
    key: nn.Module
    value: nn.Module
    output: nn.Module
    heads: int
    kv_heads: int
    head_dim: int
    scaling: float
    limit: float | None
    epsilon: float

    @property
    def device(self) -> torch.device:
        """Where the block computes: accelerate's choice, or where its weights are."""
        hook = getattr(self.norm_in, "_hf_hook", None)
        planned = getattr(hook, "execution_device", None)
        if planned is not None:
            return torch.device(planned)
        device: torch.device = self.norm_in.weight.device  # type: ignore[assignment]
        return device


@dataclass(frozen=True, eq=False)
class Parts:
    """A model of such blocks: token embedding, rotary embedding, blocks, final norm and head.

    `rotary` is called with hidden states and positions and gives cosines and sines.
    """

    embed: nn.Module
    rotary: nn.Module
    blocks: tuple[Block, ...]
    norm: nn.Module
    head: nn.Module


class Family(Protocol):
    """What differs between families of models."""

    model_type: str

    def refuse(self, config: Any) -> str | None:
        """Say why a configuration of this type cannot be shown, as "it ..."; None if it can."""
        ...

    def geometry(self, config: Any) -> Geometry:
        """Return the sizes; ValueError when they do not fit together."""
        ...

    def sites(self, module: nn.Module) -> tuple[Site, ...]:
        """Return the layers of experts in order."""
        ...

    def combine(self, site: Site, router_input: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
        """Return what a layer of experts adds to the residual stream, [tokens, hidden]."""
        ...

    def readout(self, module: nn.Module, hidden: Tensor) -> Tensor:
        """Return float32 logits [..., vocab] of the residual stream [..., hidden]."""
        ...

    def costs(self, module: nn.Module) -> Costs:
        """Count the parameters of a loaded model."""
        ...

    def token_bytes(self, tokenizer: PreTrainedTokenizerFast) -> TokenBytes | None:
        """Return the bytes of the tokenizer's tokens; None for a kind that is not understood."""
        ...

    def parts(self, module: nn.Module) -> Parts | None:
        """Return the model's parts if its blocks are those of `Block`, for the fast pass."""
        ...
