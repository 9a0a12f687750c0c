"""The whole step: every kernel in order, and the same in torch."""

from collections.abc import Sequence

from torch import Tensor

from olmoe_viz.engine.kernels.gpu import attention, experts, linear, next_token, router
from olmoe_viz.engine.kernels.gpu.work import Sizes, Weights, Work

Cache = Sequence[tuple[Tensor, Tensor]]


def run(sizes: Sizes, weights: Weights, cache: Cache, work: Work, *, pdl: bool) -> None:
    """Run the token that `work` holds of every row, up to the logits of the next."""
    for index, (layer, entries) in enumerate(zip(weights.layers, cache, strict=True)):
        linear.run(work.scaled, layer.qkv, work.qkv, pdl=pdl)
        attention.run(sizes, weights, layer, entries, work, pdl=pdl)
        linear.project(sizes, layer, work, pdl=pdl)
        router.run(sizes, index, work, pdl=pdl)
        experts.run(sizes, layer, work, pdl=pdl)
    next_token.score(sizes, weights, work, pdl=pdl)


def reference(sizes: Sizes, weights: Weights, cache: Cache, work: Work) -> None:
    """As `run`."""
    for index, (layer, entries) in enumerate(zip(weights.layers, cache, strict=True)):
        linear.reference(work.scaled, layer.qkv, work.qkv)
        attention.reference(sizes, weights, layer, entries, work)
        linear.project_reference(sizes, layer, work)
        router.reference(sizes, index, work)
        experts.reference(sizes, layer, work)
    next_token.score_reference(sizes, weights, work)
