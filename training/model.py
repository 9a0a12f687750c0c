"""OLMoE's forward pass, written to train fast; its parameters are transformers' own.

`Olmoe` computes what ``OlmoeForCausalLM`` computes (a test compares them), with three differences
of form: one sort brings each expert's tokens together for a grouped matrix product, the router's
two losses come back with the hidden states, and matrix products run in bfloat16 on a GPU.
State dict names and shapes are those of transformers, so a checkpoint needs no conversion.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import OlmoeConfig, OlmoeForCausalLM


def make_config(**changes: Any) -> OlmoeConfig:
    """The shape of olmoe-nano; `changes` are for tests and smoke runs."""
    settings: dict[str, Any] = {
        "vocab_size": 12_288,
        "hidden_size": 256,
        "intermediate_size": 48,
        "num_hidden_layers": 16,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "max_position_embeddings": 1_024,
        "num_experts": 64,
        "num_experts_per_tok": 8,
        "norm_topk_prob": False,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": 1,
    }
    return OlmoeConfig(**(settings | changes))


class SortByExpert(torch.autograd.Function):
    """[tokens, hidden] -> [tokens * k, hidden], rows in the order of `order`.

    Row i of the result is token ``order[i] // k``. The backward pass gathers and sums over k, where
    indexing would scatter with atomic additions: faster, and the same on every run.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, order: Tensor, inverse: Tensor, k: int) -> Tensor:
        ctx.save_for_backward(inverse)
        ctx.k = k
        return states[order // k]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        (inverse,) = ctx.saved_tensors
        return gradient[inverse].unflatten(0, (-1, ctx.k)).sum(1), None, None, None


class SumOverExperts(torch.autograd.Function):
    """[tokens * k, hidden] in expert order -> [tokens, hidden]; the adjoint of `SortByExpert`."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor, inverse: Tensor, k: int) -> Tensor:
        ctx.save_for_backward(order)
        ctx.k = k
        return rows[inverse].unflatten(0, (-1, k)).sum(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        (order,) = ctx.saved_tensors
        return gradient[order // ctx.k], None, None, None


def grouped_product(rows: Tensor, matrices: Tensor, ends: Tensor) -> Tensor:
    """Rows [n, in] times their expert's matrix of [experts, out, in]; group e ends at `ends[e]`."""
    if rows.is_cuda:
        return torch._grouped_mm(rows, matrices.transpose(1, 2), offs=ends)
    sizes = torch.diff(ends, prepend=ends.new_zeros(1)).tolist()
    groups = zip(rows.split(sizes), matrices.unbind(), strict=True)
    return torch.cat([F.linear(group, matrix) for group, matrix in groups])


class Attention(nn.Module):
    def __init__(self, config: OlmoeConfig) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.heads = config.num_attention_heads
        self.q_proj = nn.Linear(hidden, hidden, bias=False)
        self.k_proj = nn.Linear(hidden, hidden, bias=False)
        self.v_proj = nn.Linear(hidden, hidden, bias=False)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)
        self.q_norm = nn.RMSNorm(hidden, config.rms_norm_eps)
        self.k_norm = nn.RMSNorm(hidden, config.rms_norm_eps)

    def forward(self, states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        def project(linear: nn.Linear) -> Tensor:
            return F.linear(states, linear.weight.to(states.dtype))

        def split(projected: Tensor) -> Tensor:
            return projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        def rotate(head: Tensor) -> Tensor:
            first, second = head.chunk(2, -1)
            return head * cos + torch.cat((-second, first), -1) * sin

        queries = rotate(split(norm(project(self.q_proj), self.q_norm)))
        keys = rotate(split(norm(project(self.k_proj), self.k_norm)))
        mixed = F.scaled_dot_product_attention(
            queries, keys, split(project(self.v_proj)), is_causal=True
        )
        return F.linear(mixed.transpose(1, 2).flatten(2), self.o_proj.weight.to(states.dtype))


class Router(nn.Module):
    def __init__(self, config: OlmoeConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.num_experts, config.hidden_size))


class Experts(nn.Module):
    def __init__(self, config: OlmoeConfig) -> None:
        super().__init__()
        experts, hidden, inner = config.num_experts, config.hidden_size, config.intermediate_size
        self.gate_up_proj = nn.Parameter(torch.empty(experts, 2 * inner, hidden))
        self.down_proj = nn.Parameter(torch.empty(experts, hidden, inner))


class MixtureOfExperts(nn.Module):
    def __init__(self, config: OlmoeConfig) -> None:
        super().__init__()
        self.k = config.num_experts_per_tok
        self.gate = Router(config)
        self.experts = Experts(config)

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        flat = states.flatten(0, 1)
        logits = F.linear(flat.float(), self.gate.weight)
        probabilities = logits.softmax(-1)
        weights, ids = probabilities.topk(self.k, dim=-1)
        by_expert, order = ids.flatten().to(torch.int16).sort(stable=True)
        inverse = torch.empty_like(order).scatter_(
            0, order, torch.arange(len(order), device=order.device)
        )
        experts = torch.arange(logits.shape[1], dtype=torch.int16, device=order.device)
        ends = torch.searchsorted(by_expert, experts, right=True).to(torch.int32)
        rows = SortByExpert.apply(flat, order, inverse, self.k)
        scale = SortByExpert.apply(weights.flatten(), order, inverse, 1).to(rows.dtype)
        gate, up = grouped_product(rows, self.experts.gate_up_proj.to(rows.dtype), ends).chunk(
            2, -1
        )
        # The routing weight is applied to the few inner units: the down projection is linear.
        inner = F.silu(gate) * up * scale.unsqueeze(-1)
        rows = grouped_product(inner, self.experts.down_proj.to(rows.dtype), ends)
        mixed = SumOverExperts.apply(rows, order, inverse, self.k).view_as(states)
        return mixed, load_balancing_loss(probabilities, ends), logits.logsumexp(-1).square().mean()


def load_balancing_loss(probabilities: Tensor, ends: Tensor) -> Tensor:
    """Experts x sum of (share of assignments x mean probability): 1 when balanced.

    OLMoE, arXiv 2409.02060, section 3 (Eq. 3 there, divided by k as its training code does), over
    all tokens of the batch, so that a domain may still prefer some experts.
    """
    assigned = torch.diff(ends, prepend=ends.new_zeros(1)).float()
    return len(assigned) * (assigned / assigned.sum() * probabilities.mean(0)).sum()


class Block(nn.Module):
    def __init__(self, config: OlmoeConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MixtureOfExperts(config)
        self.input_layernorm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, states: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states = states + self.self_attn(norm(states, self.input_layernorm), cos, sin)
        update, balance, z_loss = self.mlp(norm(states, self.post_attention_layernorm))
        return states + update, balance, z_loss


def norm(states: Tensor, module: nn.RMSNorm) -> Tensor:
    """RMSNorm in float32, back in the dtype of `states`."""
    return F.rms_norm(states.float(), module.normalized_shape, module.weight, module.eps).to(
        states.dtype
    )


class Stack(nn.Module):
    def __init__(self, config: OlmoeConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)


class Olmoe(nn.Module):
    """``forward(ids [batch, tokens])`` -> (final states, load-balancing loss, router z-loss).

    Both losses are averaged over layers and over all tokens of the batch.
    """

    def __init__(self, config: OlmoeConfig, *, router_std: float = 0.035) -> None:
        super().__init__()
        self.config = config
        self.model = Stack(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self._initialize(router_std)

    def _initialize(self, router_std: float) -> None:
        """Normal weights; matrices that write into the residual stream start smaller with depth."""
        residual = 1 / (2 * self.config.num_hidden_layers) ** 0.5
        inverse_root = self.config.hidden_size**-0.5
        for name, parameter in self.named_parameters():
            if name.endswith("norm.weight") or "layernorm" in name:
                nn.init.ones_(parameter)
            elif name.endswith("gate.weight"):
                nn.init.normal_(parameter, std=router_std)
            elif name.endswith("down_proj"):
                # No depth factor: the k weights sum to far less than 1 already.
                nn.init.normal_(parameter, std=self.config.intermediate_size**-0.5)
            elif name.endswith("o_proj.weight"):
                nn.init.normal_(parameter, std=inverse_root * residual)
            elif "embed" in name:
                nn.init.normal_(parameter, std=0.2)
            elif "lm_head" in name:
                nn.init.normal_(parameter, std=0.02)
            else:
                nn.init.normal_(parameter, std=inverse_root)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        dtype = torch.bfloat16 if ids.is_cuda else torch.float32
        cos, sin = self._rotations(ids.shape[1], ids.device, dtype)
        states = F.embedding(ids, self.model.embed_tokens.weight).to(dtype)
        balances, z_losses = [], []
        for block in self.model.layers:
            states, balance, z_loss = block(states, cos, sin)
            balances.append(balance)
            z_losses.append(z_loss)
        return (
            norm(states, self.model.norm),
            torch.stack(balances).mean(),
            torch.stack(z_losses).mean(),
        )

    def _rotations(
        self, tokens: int, device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        width = self.config.hidden_size // self.config.num_attention_heads
        theta = self.config.rope_parameters["rope_theta"]
        frequencies = theta ** (-torch.arange(0, width, 2, device=device).float() / width)
        angles = torch.outer(torch.arange(tokens, device=device).float(), frequencies).repeat(1, 2)
        return angles.cos().to(dtype), angles.sin().to(dtype)


def token_losses(states: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy in nats of every target, [batch, tokens]."""
    logits = F.linear(states.flatten(0, 1), head.to(states.dtype)).float()
    return F.cross_entropy(logits, targets.flatten(), reduction="none").view_as(targets)


def export(model: Olmoe, folder: str) -> None:
    """Write an ordinary transformers checkpoint in bfloat16, shards under 15 MB."""
    with torch.device("meta"):
        reference = OlmoeForCausalLM(model.config)
    weights = {
        name: tensor.detach().to("cpu", torch.bfloat16)
        for name, tensor in model.state_dict().items()
    }
    reference.load_state_dict(weights, strict=True, assign=True)
    reference.save_pretrained(folder, max_shard_size="14MB")
