"""Records made of random numbers, for tests that need no model."""

from collections.abc import Callable

import numpy as np
import pytest

from olmoe_viz import Generation, Geometry, RoutingPolicy, Trace
from olmoe_viz.trace import Provenance, display_token

TEXT = "Süß 🙂!"


@pytest.fixture
def geometry() -> Geometry:
    """Three layers of eight experts; fewer words than the next tokens that a trace lists."""
    return Geometry(
        layers=3,
        experts=8,
        trained_k=2,
        hidden=12,
        intermediate=6,
        heads=2,
        kv_heads=2,
        vocab=40,
        context=32,
    )


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(
        model="random",
        revision=None,
        digest="sha256:00",
        dtype="float32",
        device="cpu",
        versions={"numpy": np.__version__},
        created="2026-01-02T03:04:05+00:00",
        seconds=0.25,
    )


@pytest.fixture
def make_trace(geometry: Geometry, provenance: Provenance) -> Callable[..., Trace]:
    """Return a function that makes a trace of one byte a token; keywords replace its parts."""

    def make(*, full: bool = False, seed: int = 0, **parts: object) -> Trace:
        token_bytes = tuple(bytes([byte]) for byte in TEXT.encode())
        layers, tokens = geometry.layers, len(token_bytes)
        draw = np.random.default_rng(seed)
        next_logits = -np.sort(-draw.normal(size=geometry.vocab)).astype(np.float32)
        values: dict[str, object] = {
            "text": TEXT,
            "token_ids": draw.integers(0, geometry.vocab, tokens),
            "tokens": tuple(map(display_token, token_bytes)),
            "token_bytes": token_bytes,
            "router_logits": _normal(draw, layers, tokens, geometry.experts),
            "hidden_norms": np.abs(_normal(draw, layers + 1, tokens)),
            "next_ids": draw.permutation(geometry.vocab),
            "next_logits": next_logits,
            "log_sum_exp": float(np.log(np.exp(next_logits.astype(float)).sum())),
            "policy": RoutingPolicy(2),
            "geometry": geometry,
            "provenance": provenance,
        }
        if full:
            values["hidden_states"] = _normal(draw, layers + 1, tokens, geometry.hidden)
            values["attention_outputs"] = _normal(draw, layers, tokens, geometry.hidden)
            values["expert_outputs"] = _normal(draw, layers, tokens, geometry.hidden)
        return Trace(**(values | parts))

    return make


@pytest.fixture
def make_generation(geometry: Geometry, provenance: Provenance) -> Callable[..., Generation]:
    """Return a function that makes a generation of `tokens` tokens; keywords replace its parts."""

    def make(*, tokens: int = 4, seed: int = 0, **parts: object) -> Generation:
        draw = np.random.default_rng(seed)
        values: dict[str, object] = {
            "policy": RoutingPolicy((1, 2, 8), "renormalized"),
            "prompt": "one two",
            "prompt_ids": np.array([1, 2]),
            "token_ids": draw.integers(0, geometry.vocab, tokens),
            "tokens": tuple("abcdefgh"[:tokens]),
            "text": "abcdefgh"[:tokens],
            "logprobs": -np.abs(_normal(draw, tokens)),
            "router_logits": _normal(draw, geometry.layers, tokens, geometry.experts),
            "prompt_router_logits": _normal(draw, geometry.layers, 2, geometry.experts),
            "seconds": 0.5,
            "prefill_seconds": 0.125,
            "finish": "length",
            "temperature": 0.0,
            "top_p": 1.0,
            "seed": seed,
            "geometry": geometry,
            "provenance": provenance,
        }
        return Generation(**(values | parts))

    return make


def _normal(draw: np.random.Generator, *shape: int) -> np.ndarray:
    return draw.normal(size=shape).astype(np.float32)
