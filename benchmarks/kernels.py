"""Each GPU kernel of a decoding step alone, beside the time that its bytes would take.

A CUDA graph has one kind of kernel of all layers, so that each finds its weights in no cache.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.bench import Bench
from olmoe_viz.numerics.geometry import Geometry

if TYPE_CHECKING:
    from olmoe_viz.engine.kernels.gpu.work import Sizes, Weights, Work

CASES = ((8,), (64,), (8, 16, 32, 64), (8,) * 32)
CONTEXT = 100  # tokens of each row in the cache
_REPLAYS = 20


def kernels(bench: Bench) -> list[dict[str, Any]]:
    """Time every kernel at some numbers of rows and ks; seconds a layer, or a step for the last."""
    from olmoe_viz.engine.gpu_decoder import sizes_of
    from olmoe_viz.engine.kernels.gpu.work import weights_of

    model = bench.model
    if model.parts is None:
        raise RuntimeError(f"{model.name} is not of a family that the kernels know.")
    sizes = sizes_of(model, model.parts)
    weights = weights_of(model.parts, model.sites, model.geometry.context)
    return [_case(bench, sizes, weights, ks) for ks in CASES]


def floors(geometry: Geometry, rows: int, used: int, context: int = CONTEXT) -> dict[str, int]:
    """Return the bytes that each kernel must read in bfloat16: weights, and the cache of the rows.

    Of one layer, or of a step for the vocabulary; `used` experts of a layer.
    """
    hidden = geometry.hidden
    return {
        "queries, keys, values": 6 * hidden * hidden,
        "attention": 4 * rows * context * hidden,
        "output projection, router logits": 2 * hidden * (hidden + geometry.experts),
        "choice of experts": 0,
        "experts": 6 * used * hidden * geometry.intermediate,
        "vocabulary": 2 * geometry.vocab * hidden,
        "next token": 0,
    }


def _case(bench: Bench, sizes: "Sizes", weights: "Weights", ks: Sequence[int]) -> dict[str, Any]:
    from olmoe_viz.engine.kernels.gpu.self_test import random_work

    work, cache = random_work(sizes, weights, len(ks))
    work.position.fill_(CONTEXT)
    work.ks[:, : len(ks)] = torch.tensor(ks, dtype=torch.int32, device=work.ks.device)
    for each in (work.threshold, work.weighting, work.acting):
        each.zero_()
    launches = _launches(sizes, weights, cache, work)
    launches["output projection, router logits"]()
    launches["choice of experts"]()  # which the next ones run
    used = int(work.used_count)
    seconds = {name: _replayed(launch) for name, launch in launches.items()}
    once = ("vocabulary", "next token")
    return {
        "ks": list(ks),
        "experts_used": used,
        "seconds": {
            name: value / (1 if name in once else sizes.layers) for name, value in seconds.items()
        },
        "floors": {
            name: size / bench.copy
            for name, size in floors(bench.model.geometry, len(ks), used).items()
        },
    }


def _launches(
    sizes: "Sizes", weights: "Weights", cache: tuple[Any, Any], work: "Work"
) -> dict[str, Callable[[], None]]:
    """Return what launches one kind of kernel in every layer."""
    from olmoe_viz.engine.kernels.gpu import attention, experts, linear, next_token, router

    pdl = torch.cuda.get_device_capability(work.hidden.device) >= (9, 0)
    layers = weights.layers

    def each(launch: Callable[[int, Any], None]) -> Callable[[], None]:
        def launch_all() -> None:
            for pair in enumerate(layers):
                launch(*pair)

        return launch_all

    return {
        "queries, keys, values": each(
            lambda _, layer: linear.run(work.scaled, layer.qkv, work.qkv, pdl=pdl)
        ),
        "attention": each(
            lambda _, layer: attention.run(sizes, weights, layer, cache, work, pdl=pdl)
        ),
        "output projection, router logits": each(
            lambda _, layer: linear.project(sizes, layer, work, pdl=pdl)
        ),
        "choice of experts": each(lambda index, _: router.run(sizes, index, work, pdl=pdl)),
        "experts": each(lambda _, layer: experts.run(sizes, layer, work, pdl=pdl)),
        "vocabulary": lambda: next_token.score(sizes, weights, work, pdl=pdl),
        "next token": lambda: next_token.advance(sizes, weights, work, drawn=False, pdl=pdl),
    }


def _replayed(launch: Callable[[], None]) -> float:
    """Capture a launch in a graph; return the median seconds of a replay."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        launch()  # compiles
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        launch()
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    seconds = []
    for _ in range(6):
        began.record()
        for _ in range(_REPLAYS):
            graph.replay()
        ended.record()
        ended.synchronize()
        seconds.append(began.elapsed_time(ended) / 1000 / _REPLAYS)
    return median(seconds[1:])
