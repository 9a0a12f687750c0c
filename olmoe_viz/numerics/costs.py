"""Parameters, bytes and FLOPs per token of an OLMoE-shaped model, from its shape alone.

Knows nothing about weights or devices. The counts follow the architecture of OLMoE
(arXiv 2409.02060, section 2 and table 1) as transformers builds it: untied embeddings, no biases,
two RMSNorms a block, RMSNorms over the full query and key widths, three matrices an expert.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from olmoe_viz.numerics.geometry import Geometry


@dataclass(frozen=True)
class Costs:
    """Parameters as counted on a loaded model: all, those of the experts, the input embedding's."""

    total: int
    experts: int
    embedding: int


def total_parameters(geometry: Geometry) -> int:
    """Return the number of parameters of the whole model."""
    return active_parameters(geometry, geometry.experts)


def active_parameters(geometry: Geometry, k: float | Sequence[float]) -> int:
    """Return how many parameters take part when each token uses `k` experts.

    `k` is one number, or one per layer; what a token uses in the mean (`records.routed.
    experts_used`) need not be whole, and the result is rounded. For k in every layer of OLMoE this
    is 2VH + H + L(4H^2 + 4H + EH + 3kHI). Counts both embedding matrices in full. ValueError for a
    k outside the model, and for a model with other blocks than these formulas know.
    """
    return _embedding(geometry) + _matrices(geometry, k) + _norms(geometry)


def bytes_per_token(
    geometry: Geometry, k: float | Sequence[float], bytes_per_value: int = 2
) -> int:
    """Return the bytes of weights read to decode one token alone; 2 bytes a value is bf16.

    The input embedding is left out: a token reads one row of it. The key-value cache, which
    grows with the position, is not counted.
    """
    return bytes_per_value * (active_parameters(geometry, k) - _embedding(geometry))


def flops_per_token(geometry: Geometry, k: float | Sequence[float], position: int = 0) -> int:
    """Return the floating-point operations to decode the token at `position` (0 is the first).

    Two per weight of every matrix product (arXiv 2001.08361, section 2.1), and four per channel
    and visible position for attention: `position + 1` scores and as many weighted values.
    Norms, softmax and activations are not counted.
    """
    if position < 0:
        raise ValueError(f"The position must be 0 or more; it is {position}.")
    attention = 4 * geometry.layers * geometry.hidden * (position + 1)
    return 2 * _matrices(geometry, k) + attention


def counted(geometry: Geometry) -> Costs:
    """Return what the formulas here count, to be held against a loaded model."""
    hidden, expert = geometry.hidden, 3 * geometry.hidden * geometry.intermediate
    return Costs(
        total=total_parameters(geometry),
        experts=len(geometry.moe_layers) * geometry.experts * expert,
        embedding=geometry.vocab * hidden,
    )


def _embedding(geometry: Geometry) -> int:
    return geometry.vocab * geometry.hidden


def _matrices(geometry: Geometry, k: float | Sequence[float]) -> int:
    """Count the weights of all matrix products: attention, routers, k experts, lm_head."""
    hidden, key_value = geometry.hidden, geometry.kv_heads * geometry.head_dim
    attention = 2 * hidden * hidden + 2 * hidden * key_value
    router = geometry.experts * hidden
    expert = 3 * hidden * geometry.intermediate
    blocks = geometry.layers * (attention + router) + round(sum(_ks(geometry, k)) * expert)
    return blocks + geometry.vocab * hidden


def _norms(geometry: Geometry) -> int:
    block = 3 * geometry.hidden + geometry.kv_heads * geometry.head_dim
    return geometry.layers * block + geometry.hidden


def _ks(geometry: Geometry, k: float | Sequence[float]) -> Sequence[float]:
    layers = geometry.moe_layers
    uneven = any(each.always_on or each.experts != geometry.experts for each in layers)
    if uneven or len(layers) != geometry.layers:
        raise ValueError(
            "Costs are only known of models whose blocks all have the same number of experts, and "
            "no experts that are always on."
        )
    ks = [k] * geometry.layers if isinstance(k, int | float) else k
    if len(ks) != geometry.layers:
        raise ValueError(f"There are {len(ks)} ks for {geometry.layers} layers.")
    if min(ks) < 1 or max(ks) > geometry.experts:
        raise ValueError(f"k must be from 1 to {geometry.experts}; it is {k}.")
    return ks
