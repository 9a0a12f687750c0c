"""The router of a shared model, led by the request that runs.

Knows nothing about prompts, caches or text. A policy is never stored on the model: `routing` puts
one policy for each row of the batch into a context variable, and every router reads it there. So
threads that share a model, and rows that share a batch, each have their own k.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from accelerate.hooks import (  # type: ignore[import-untyped]
    add_hook_to_module,
    remove_hook_from_module,
)
from torch import Tensor
from transformers import OlmoeForCausalLM
from transformers.models.olmoe.modeling_olmoe import OlmoeTopKRouter

from olmoe_viz.policy import RoutingPolicy

Recorder = dict[int, Tensor]
Routed = tuple[Tensor, Tensor, Tensor]

_request: ContextVar[tuple[tuple[RoutingPolicy, ...], Recorder | None] | None] = ContextVar(
    "olmoe_viz_routing", default=None
)


@contextmanager
def routing(policies: Sequence[RoutingPolicy], recorder: Recorder | None = None) -> Iterator[None]:
    """Run row r of the batches in this block under `policies[r]`.

    One policy serves any batch. A `recorder` is filled with the raw router logits of each layer,
    [rows * tokens, experts], of the last forward pass in the block. Must not surround a `yield`:
    the context would leak to whoever resumes the generator.
    """
    if not policies:
        raise ValueError("There must be a policy for each row.")
    token = _request.set((tuple(policies), recorder))
    try:
        yield
    finally:
        _request.reset(token)


class PolicyRouter(OlmoeTopKRouter):
    """Stands in for one block's `mlp.gate`: the same weight, and k from the running request."""

    def __init__(self, stock: OlmoeTopKRouter, layer: int, layers: int) -> None:
        torch.nn.Module.__init__(self)
        self.weight = stock.weight
        self.trained_k, self.num_experts = stock.top_k, stock.num_experts
        self.norm_topk_prob, self.hidden_dim = stock.norm_topk_prob, stock.hidden_dim
        self.layer, self.layers = layer, layers
        self._as_trained = (RoutingPolicy(stock.top_k),)

    def forward(self, hidden_states: Tensor) -> Routed:
        """Route [..., hidden], flattened to rows * tokens, rows first.

        Returns raw logits [rows * tokens, experts], weights and expert ids, both
        [rows * tokens, largest k]: weights and logits in the model's dtype, ids int64, as the
        stock router does. Past a row's own k the weight is 0. Raises ValueError when a policy
        does not fit the model or the rows do not divide the tokens.
        """
        hidden_states = hidden_states.reshape(-1, self.hidden_dim)
        logits = F.linear(hidden_states, self.weight)
        policies, recorder = _request.get() or (self._as_trained, None)
        if recorder is not None:
            recorder[self.layer] = logits
        plan = _plan(
            policies, self.layer, self.layers, self.num_experts, self.trained_k, logits.device
        )
        probabilities = F.softmax(logits, dtype=torch.float, dim=-1)
        values, ids = torch.topk(probabilities, plan.width, dim=-1)
        weights = plan.weights(values)
        return logits, weights[:, : plan.k].to(logits.dtype), ids[:, : plan.k]


@dataclass(frozen=True, eq=False)
class _Plan:
    """What one layer does for the rows of a batch, as tensors.

    `k` is the largest k of the rows, `width` how many probabilities their weights are made from
    (a gain-anchored row needs the trained k's too). `kept` is bool [rows, 1, width]; `scaled` and
    `anchored` are bool [rows, 1, 1]; each is None where it would change nothing.
    """

    k: int
    width: int
    trained_k: int
    rows: int
    kept: Tensor | None
    scaled: Tensor | None
    anchored: Tensor | None

    def weights(self, values: Tensor) -> Tensor:
        """Return routing weights from falling probabilities, both float32 [tokens, width]."""
        if self.kept is None and self.scaled is None:
            return values
        if len(values) % self.rows:
            raise ValueError(f"{len(values)} tokens cannot be split over {self.rows} policies.")
        values = values.view(self.rows, -1, self.width)
        weights = values if self.kept is None else values * self.kept
        if self.scaled is not None:
            target = values.new_ones(())
            if self.anchored is not None:
                mass = values[..., : self.trained_k].sum(-1, keepdim=True)
                target = torch.where(self.anchored, mass, target)
            scale = target / weights.sum(-1, keepdim=True)
            weights = weights * torch.where(self.scaled, scale, 1.0)
        return weights.view(-1, self.width)


@lru_cache(maxsize=2048)
def _plan(
    policies: tuple[RoutingPolicy, ...],
    layer: int,
    layers: int,
    experts: int,
    trained_k: int,
    device: torch.device,
) -> _Plan:
    for policy in policies:
        policy.check(layers, experts)
    if len(set(policies)) == 1:
        policies = policies[:1]
    ks = [policy.ks(layers)[layer] for policy in policies]
    scaled = [policy.weighting != "native" for policy in policies]
    anchored = [policy.weighting == "gain_anchored" for policy in policies]
    width = max(ks + [trained_k] * any(anchored))
    column = torch.tensor(ks, device=device).view(-1, 1, 1)
    kept = torch.arange(width, device=device) < column
    return _Plan(
        k=max(ks),
        width=width,
        trained_k=trained_k,
        rows=len(policies),
        kept=None if min(ks) == width else kept,
        scaled=torch.tensor(scaled, device=device).view(-1, 1, 1) if any(scaled) else None,
        anchored=torch.tensor(anchored, device=device).view(-1, 1, 1) if any(anchored) else None,
    )


def install_routers(module: OlmoeForCausalLM) -> None:
    """Replace the router of every block; parameter names and all weights stay as they are.

    Raises ValueError for a model that was trained with renormalized routing weights: what this
    package calls native weights would not be that model's.
    """
    if module.config.norm_topk_prob:
        raise ValueError("The model renormalizes its routing weights (norm_topk_prob is true).")
    blocks = module.model.layers
    for layer, block in enumerate(blocks):
        stock = block.mlp.gate
        # accelerate's hook brings inputs and offloaded weights to the right device.
        hook = getattr(stock, "_hf_hook", None)
        if hook is not None:
            remove_hook_from_module(stock)
        router = PolicyRouter(stock, layer, len(blocks)).train(stock.training)
        block.mlp.gate = router if hook is None else add_hook_to_module(router, hook)
