"""Muon for the matrices inside the blocks, AdamW for everything else.

Muon (Keller Jordan, 2024): the momentum of a matrix is replaced by the nearest orthogonal matrix,
found by a few Newton-Schulz steps. The update is scaled to the root mean square of AdamW's, 0.2
(Liu et al., arXiv 2502.16982, section 2.2), so that one learning rate suits both.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Keller Jordan's coefficients of x, x^3 and x^5
UPDATE_RMS = 0.2


def orthogonalize(matrices: Tensor) -> Tensor:
    """Each of [n, rows, columns] replaced by (nearly) U V^T of its singular value decomposition."""
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x.bfloat16() if x.is_cuda else x.float()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Muon over matrices and stacks of matrices (leading dimensions are a stack).

    A fused gate-and-up projection [experts, 2 x inner, hidden] holds two matrices an expert, so it
    is orthogonalized as two: `halves` names these parameters.
    """

    def __init__(
        self, parameters: Iterable[Tensor], halves: Iterable[Tensor], lr: float, weight_decay: float
    ) -> None:
        self.halves = {id(parameter) for parameter in halves}
        super().__init__(parameters, {"lr": lr, "momentum": 0.95, "weight_decay": weight_decay})
        self.orthogonalize = (
            torch.compile(orthogonalize, dynamic=False)
            if torch.cuda.is_available()
            else orthogonalize
        )

    def _as_matrices(self, parameter: Tensor, tensor: Tensor) -> Tensor:
        if id(parameter) in self.halves:
            tensor = tensor.unflatten(-2, (2, -1))
        return tensor.reshape(-1, *tensor.shape[-2:])

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                by_shape.setdefault(parameter.shape, []).append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group["lr"], group["momentum"], group["weight_decay"])

    def _update(
        self, parameters: list[Tensor], lr: float, momentum: float, weight_decay: float
    ) -> None:
        gradients = [parameter.grad for parameter in parameters]
        buffers = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in parameters]
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        nesterov = torch._foreach_lerp(gradients, buffers, momentum)
        pairs = zip(parameters, nesterov, strict=True)
        matrices = torch.cat([self._as_matrices(parameter, update) for parameter, update in pairs])
        scale = UPDATE_RMS * max(matrices.shape[1:]) ** 0.5
        updates = self.orthogonalize(matrices).split(len(matrices) // len(parameters))
        torch._foreach_mul_(parameters, 1 - lr * weight_decay)
        for parameter, update in zip(parameters, updates, strict=True):
            parameter.add_(update.reshape(parameter.shape).to(parameter.dtype), alpha=-lr * scale)


def make_optimizers(
    model: torch.nn.Module,
    *,
    muon_lr: float,
    adam_lr: float,
    router_lr: float,
    weight_decay: float,
) -> list[torch.optim.Optimizer]:
    """Muon for attention and experts; AdamW for embeddings, head, norms and the routers.

    A router learning rate of a fraction of the others' keeps its softmax flat in a long run; with
    one rate for everything it turns sharp and k stops mattering.
    """
    named = dict(model.named_parameters())
    routers = [p for name, p in named.items() if name.endswith("gate.weight")]
    norms = [p for p in named.values() if p.ndim == 1]
    tables = [p for name, p in named.items() if "embed_tokens" in name or "lm_head" in name]
    others = {id(p) for p in (*routers, *norms, *tables)}
    matrices = [p for p in named.values() if id(p) not in others]
    halves = [p for name, p in named.items() if name.endswith("gate_up_proj")]
    groups = [
        {"params": tables, "lr": adam_lr},
        {"params": norms, "lr": adam_lr, "weight_decay": 0.0},
        {"params": routers, "lr": router_lr},
    ]
    fused = next(model.parameters()).is_cuda
    adam = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=weight_decay, fused=fused)
    return [Muon(matrices, halves, muon_lr, weight_decay), adam]
