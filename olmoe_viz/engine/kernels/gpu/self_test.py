"""Every kernel against its reference on one layer of a model, before it is trusted."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from olmoe_viz.engine.kernels.gpu import attention, experts, linear, next_token, router
from olmoe_viz.engine.kernels.gpu.work import MAX_ROWS, Sizes, Weights, Work
from olmoe_viz.families.edits import ADDED, BARRED, FORCED, OFF
from olmoe_viz.interventions import LOST_MASS

TOLERANCE = 0.01  # of the reference's norm: bfloat16 has eight bits
LENGTH = 200  # tokens that each row may have in the cache
Kernel = Callable[[Work, tuple[Tensor, Tensor]], None]


def failing(sizes: Sizes, weights: Weights, *, rows: int, pdl: bool, layer: int = 0) -> list[str]:
    """Return what differs from the references for random rows: "kernel: tensor", none if all agree.

    Each kernel gets what the one before made, and both sides the same.
    """
    work, cache = random_work(sizes, weights, rows)
    found = []
    for name, tensors, run, reference in _stages(sizes, weights, layer, pdl=pdl):
        ours, theirs = work.clone(), work.clone()
        own_cache, their_cache = _copy(cache), _copy(cache)
        run(ours, own_cache)
        reference(theirs, their_cache)
        pairs = ((tensor, getattr(ours, tensor), getattr(theirs, tensor)) for tensor in tensors)
        found += [f"{name}: {tensor}" for tensor, a, b in pairs if not _alike(a, b)]
        if not all(map(_alike, own_cache, their_cache)):
            found.append(f"{name}: cache")
        work = ours
    return found


def random_work(sizes: Sizes, weights: Weights, rows: int) -> tuple[Work, tuple[Tensor, Tensor]]:
    """Return rows at different places under different policies, and one layer's filled cache."""
    device = weights.embed.device
    random = torch.Generator(device).manual_seed(rows)

    def whole(high: int, *shape: int) -> Tensor:
        return torch.randint(0, high, shape, generator=random, device=device)

    work = Work.empty(sizes, rows, device)
    work.position.copy_(whole(LENGTH - 1, rows))
    work.base.copy_(torch.arange(rows, device=device) * LENGTH)
    work.ks.copy_(whole(sizes.experts + 1, sizes.layers, MAX_ROWS))
    work.ks[:, 0] = sizes.trained_k
    work.threshold.copy_(whole(2, rows) * 1.5 / sizes.experts)
    work.weighting.copy_(whole(3, rows))
    _intervene(work, whole)
    work.hidden.copy_(torch.randn(work.hidden.shape, generator=random, device=device))
    linear.settle(sizes, work.hidden, weights.first_norm, work)
    shape = (rows * LENGTH, sizes.hidden)
    keys, values = (
        torch.randn(shape, generator=random, device=device, dtype=torch.bfloat16) for _ in range(2)
    )
    return work, (keys, values)


def _intervene(work: Work, whole: Callable[..., Tensor]) -> None:
    """Let something of everything act on about half of the rows and layers."""
    shape = work.marks.shape
    experts = torch.arange(shape[-1], device=work.marks.device).expand(shape)
    work.acting.copy_(whole(2, *work.acting.shape))
    work.acting[-1] = 1
    work.acting *= work.ks[:, : work.rows].t() > 0  # on rows that rest nothing acts
    work.bias.copy_(torch.where(whole(4, *shape) == 0, whole(9, *shape) - 4, 0) / 2)
    work.bias[::2] = 0
    for bit in (BARRED, FORCED, ADDED, OFF):
        work.marks |= torch.where(whole(16, *shape) == 0, bit, 0).to(work.marks.dtype)
    work.targets.copy_(torch.where(whole(12, *shape) == 0, whole(shape[-1], *shape), experts))
    work.mass.copy_(whole(len(LOST_MASS), work.rows))


def _stages(
    sizes: Sizes, weights: Weights, index: int, *, pdl: bool
) -> Iterator[tuple[str, tuple[str, ...], Kernel, Kernel]]:
    """Yield of each kernel its name, the tensors that it makes, itself, and its reference."""
    layer = weights.layers[index]
    stream = ("hidden", "scaled", "squares")
    yield (
        "queries, keys and values",
        ("qkv",),
        lambda w, _: linear.run(w.scaled, layer.qkv, w.qkv, pdl=pdl),
        lambda w, _: linear.reference(w.scaled, layer.qkv, w.qkv),
    )
    yield (
        "attention",
        ("attended",),
        lambda w, cache: attention.run(sizes, weights, layer, cache, w, pdl=pdl),
        lambda w, cache: attention.reference(sizes, weights, layer, cache, w),
    )
    yield (
        "output projection",
        ("middle", "scaled", "squares", "raw"),
        lambda w, _: linear.project(sizes, layer, w, pdl=pdl),
        lambda w, _: linear.project_reference(sizes, layer, w),
    )
    yield (
        "router",
        ("record", "scale", "users", "used_count"),
        lambda w, _: router.run(sizes, index, w, pdl=pdl),
        lambda w, _: router.reference(sizes, index, w),
    )
    yield (
        "experts",
        stream,
        lambda w, _: experts.run(sizes, layer, w, pdl=pdl),
        lambda w, _: experts.reference(sizes, layer, w),
    )
    yield (
        "vocabulary",
        ("logits",),
        lambda w, _: next_token.score(sizes, weights, w, pdl=pdl),
        lambda w, _: next_token.score_reference(sizes, weights, w),
    )
    yield (
        "next token",
        ("token", "chosen", "position", *stream),
        lambda w, _: next_token.advance(sizes, weights, w, drawn=False, pdl=pdl),
        lambda w, _: next_token.advance_reference(sizes, weights, w, drawn=False),
    )


def _alike(ours: Tensor, theirs: Tensor) -> bool:
    difference = (ours.float() - theirs.float()).norm()
    return bool(difference <= TOLERANCE * theirs.float().norm())


def _copy(cache: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    keys, values = cache
    return keys.clone(), values.clone()
