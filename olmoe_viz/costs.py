"""Parameters, bytes and FLOPs per token of an OLMoE-shaped model, from its shape alone.

Knows nothing about weights or devices. The counts follow the architecture of OLMoE
(arXiv 2409.02060, section 2 and table 1) as transformers builds it: untied embeddings, no biases,
two RMSNorms a block, RMSNorms over the full query and key widths, three matrices an expert.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Geometry:
    """The sizes that define a model; ValueError when they do not fit together.

    `hidden` is the width of the residual stream, `intermediate` the inner width of one expert,
    `context` the number of positions the model was made for.
    """

    layers: int
    experts: int
    trained_k: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    vocab: int
    context: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a whole number from 1; it is {value!r}.")
        if self.trained_k > self.experts:
            raise ValueError(
                f"A model of {self.experts} experts cannot have a trained k of {self.trained_k}."
            )
        if self.hidden % self.heads:
            raise ValueError(f"A width of {self.hidden} cannot be split over {self.heads} heads.")
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads cannot share {self.kv_heads} key-value heads.")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    @classmethod
    def from_config(cls, config: Any) -> "Geometry":
        """Read the sizes from an OLMoE configuration of transformers (or one with its names)."""
        return cls(
            layers=config.num_hidden_layers,
            experts=config.num_experts,
            trained_k=config.num_experts_per_tok,
            hidden=config.hidden_size,
            intermediate=config.intermediate_size,
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            vocab=config.vocab_size,
            context=config.max_position_embeddings,
        )


OLMOE_1B_7B = Geometry(
    layers=16,
    experts=64,
    trained_k=8,
    hidden=2048,
    intermediate=1024,
    heads=16,
    kv_heads=16,
    vocab=50304,
    context=4096,
)


def total_parameters(geometry: Geometry) -> int:
    """Return the number of parameters of the whole model."""
    return active_parameters(geometry, geometry.experts)


def active_parameters(geometry: Geometry, k: int | Sequence[int]) -> int:
    """Return how many parameters take part when each token uses `k` experts.

    `k` is one number, or one per layer. For k in every layer of OLMoE this is
    2VH + H + L(4H^2 + 4H + EH + 3kHI). Counts both embedding matrices in full.
    """
    return _embedding(geometry) + _matrices(geometry, k) + _norms(geometry)


def bytes_per_token(geometry: Geometry, k: int | Sequence[int], bytes_per_value: int = 2) -> int:
    """Return the bytes of weights read to decode one token alone; 2 bytes a value is bf16.

    The input embedding is left out: a token reads one row of it. The key-value cache, which
    grows with the position, is not counted.
    """
    return bytes_per_value * (active_parameters(geometry, k) - _embedding(geometry))


def flops_per_token(geometry: Geometry, k: int | Sequence[int], position: int = 0) -> int:
    """Return the floating-point operations to decode the token at `position` (0 is the first).

    Two per weight of every matrix product (arXiv 2001.08361, section 2.1), and four per channel
    and visible position for attention: `position + 1` scores and as many weighted values.
    Norms, softmax and activations are not counted.
    """
    if position < 0:
        raise ValueError(f"The position must be 0 or more; it is {position}.")
    attention = 4 * geometry.layers * geometry.hidden * (position + 1)
    return 2 * _matrices(geometry, k) + attention


def _embedding(geometry: Geometry) -> int:
    return geometry.vocab * geometry.hidden


def _matrices(geometry: Geometry, k: int | Sequence[int]) -> int:
    """Count the weights of all matrix products: attention, routers, k experts, lm_head."""
    hidden, key_value = geometry.hidden, geometry.kv_heads * geometry.head_dim
    attention = 2 * hidden * hidden + 2 * hidden * key_value
    router = geometry.experts * hidden
    expert = 3 * hidden * geometry.intermediate
    blocks = geometry.layers * (attention + router) + sum(_ks(geometry, k)) * expert
    return blocks + geometry.vocab * hidden


def _norms(geometry: Geometry) -> int:
    block = 3 * geometry.hidden + geometry.kv_heads * geometry.head_dim
    return geometry.layers * block + geometry.hidden


def _ks(geometry: Geometry, k: int | Sequence[int]) -> Sequence[int]:
    ks = [k] * geometry.layers if isinstance(k, int) else k
    if len(ks) != geometry.layers:
        raise ValueError(f"There are {len(ks)} ks for {geometry.layers} layers.")
    if min(ks) < 1 or max(ks) > geometry.experts:
        raise ValueError(f"k must be from 1 to {geometry.experts}; it is {k}.")
    return ks
