"""Texts with random routing in OLMoE's shape, and random effects of their experts."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from olmoe_viz import RoutingPolicy, routing
from olmoe_viz.figures.interactive_map.cells import Columns, TraceLike
from olmoe_viz.figures.interactive_map.effects import CellEffects
from olmoe_viz.numerics.geometry import OLMOE_1B_7B

EIGHT = RoutingPolicy(8)


def columns(tokens: Sequence[str], policy: RoutingPolicy = EIGHT, seed: int = 0) -> Columns:
    """Random routing of the tokens in OLMoE's shape, and what the policy makes of it."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(16, len(tokens), 64)).astype(np.float32)
    ids, weights = routing.select(routing.probabilities(logits), policy, 8)
    return Columns(tokens, logits, ids.astype(np.int16), weights.astype(np.float32), OLMOE_1B_7B)


@cache
def long_text(token: str, tokens: int, policy: RoutingPolicy, seed: int = 0) -> Columns:
    """One token, so many times."""
    return columns([token] * tokens, policy, seed)


def effects_of(text: TraceLike) -> CellEffects:
    """Random effects of the last of the experts, at every second token of the first hundred."""
    there = (np.arange(len(text.tokens)) % 2 == 0) & (np.arange(len(text.tokens)) < 100)
    kl = np.random.default_rng(2).random(text.expert_ids.shape[:2]) / 20
    experts = np.where(there, text.expert_ids.max(axis=-1), -1)
    return CellEffects(np.where(there, kl, np.nan), experts.astype(np.int64))
