"""One figure of every kind, drawn from small numbers; its words are foreign text."""

from collections.abc import Callable

import numpy as np

from olmoe_viz.figures import (
    attention_heads,
    attention_map,
    claim_lines,
    coalition_steps,
    contributions,
    cosine_matrix,
    direct_scatter,
    domain_experts,
    effect_scatter,
    expert_bars,
    expert_effects,
    expert_load,
    layer_change,
    layer_lines,
    layer_profile,
    logit_lens,
    logit_moves,
    more_bits,
    paired_bars,
    quality_against_k,
    rank_change,
    recovery_map,
    route_spread,
    router_bars,
    routing_map,
    saturation,
    strongest_experts,
    temperature,
    tradeoff,
    training_curve,
    vector_strip,
)
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.palette import Theme

HOSTILE = "<img src=x onerror=alert(1)>&\"'$x^2$%{x}\x00"
TOKENS = (HOSTILE, " was", "", "=1+1")
DRAW = np.random.default_rng(8)
PROBABILITIES = DRAW.dirichlet(np.full(8, 0.5), size=4)  # [layers, experts]
RAN = np.argsort(-PROBABILITIES, axis=1)[:, :2].astype(np.int16)
VECTORS = DRAW.normal(size=(2, 40)).astype(np.float32)
ATTENTION = np.tril(np.full((4, 4), 0.25, np.float32))
LAYERS = (1, 3, 4, 7)
BITS = (np.array([1.3, 1.1, 1.2]), np.array([1.2, 1.0, 1.1]), np.array([1.5, 1.3, 1.4]))
SIDE = ([1, 2], [HOSTILE, "=1+1"], np.array([0.5, 0.25]))

SAMPLES: dict[str, Callable[[Theme], Figure]] = {
    "attention_heads": lambda theme: attention_heads.figure(ATTENTION, tokens=TOKENS, theme=theme),
    "attention_map": lambda theme: attention_map.figure(
        ATTENTION, tokens=TOKENS, token=2, head=3, theme=theme
    ),
    "claim_lines": lambda theme: claim_lines.figure(
        [HOSTILE, "2", "3"],
        {HOSTILE: BITS, "=1+1": tuple(-each for each in BITS)},
        setting=HOSTILE,
        quantity="bits",
        theme=theme,
    ),
    "coalition_steps": lambda theme: coalition_steps.figure(
        np.array([1.5, 0.5, -0.25]),
        members=((3, 5), (1, 0)),
        kept=(False, True),
        tops=(HOSTILE, HOSTILE, "=1+1"),
        theme=theme,
    ),
    "contributions": lambda theme: contributions.figure(
        np.array([[1.0, 0.5, 0.0], [0.8, 0.4, 0.2]]),
        ids=(5, 1, 7),
        names=(HOSTILE, "k = 3"),
        theme=theme,
    ),
    "cosine_matrix": lambda theme: cosine_matrix.figure(
        np.array([[1.0, -0.2], [-0.2, 1.0]]), ids=(4, 9), theme=theme
    ),
    "domain_experts": lambda theme: domain_experts.figure(
        PROBABILITIES[:2], (HOSTILE, "stories"), fair=0.25, layer=3, theme=theme
    ),
    "expert_effects": lambda theme: expert_effects.figure(
        np.array([0.02, 0.0]),
        ids=(5, 1),
        layer=3,
        quantity=HOSTILE,
        band=np.array([[0.0, 0.001], [0.03, 0.01]]),
        new_tops=(HOSTILE, ""),
        theme=theme,
    ),
    "direct_scatter": lambda theme: direct_scatter.figure(
        np.array([0.2, -0.1, 0.05, 0.0]),
        np.array([0.02, 0.3, 1e-5, 2.0]),
        layers=(1, 1, 3, 3),
        experts=(5, 2, 7, 1),
        opposite=np.array([False, True, False, False]),
        titles=(HOSTILE, "measured, nats"),
        layer=3,
        theme=theme,
    ),
    "effect_scatter": lambda theme: effect_scatter.figure(
        np.array([0.2, 0.1, 0.05, 0.04]),
        np.array([0.02, 0.0, 1e-5, 2.0]),
        layers=(1, 1, 3, 3),
        experts=(5, 2, 7, 1),
        new_tops=(HOSTILE, "", "", HOSTILE),
        ceiling=np.array([0.1, 0.0, 0.01, 0.02]),
        layer=3,
        theme=theme,
    ),
    "more_bits": lambda theme: more_bits.figure(
        np.array([[0.1, -0.1, 0.2], [1.0, 0.5, 1.5], [0.55, 0.2, 0.9]]),
        plain=np.array([1.0, 2.0, 1.5]),
        kinds=(HOSTILE, "stories"),
        chosen="stories",
        theme=theme,
    ),
    "route_spread": lambda theme: route_spread.figure(
        np.array([0.2, 0.5, 0.4]), ran=0.3, token=HOSTILE, theme=theme
    ),
    "expert_load": lambda theme: expert_load.figure(
        PROBABILITIES, tokens=10, layer_ids=LAYERS, theme=theme
    ),
    "expert_bars": lambda theme: expert_bars.figure(
        np.array([0.5, -0.25]),
        ids=(0, 1),
        quantity=HOSTILE,
        level=(0.1, HOSTILE),
        also=("weight", np.array([0.1, 0.2])),
        theme=theme,
    ),
    "layer_change": lambda theme: layer_change.figure(
        np.array([0.1, 0.3]), name=HOSTILE, quantity="relative change", layer=1, theme=theme
    ),
    "layer_lines": lambda theme: layer_lines.figure(
        PROBABILITIES[:2, :4],
        names=(HOSTILE, "top 2"),
        quantity="retained mass",
        layer_ids=LAYERS,
        layer=3,
        theme=theme,
    ),
    "layer_profile": lambda theme: layer_profile.figure(
        PROBABILITIES[0, :4], quantity=HOSTILE, layer_ids=LAYERS, name=HOSTILE, theme=theme
    ),
    "logit_moves": lambda theme: logit_moves.figure(
        np.array([[0.5, -0.25]] * 4), names=(HOSTILE, "b"), layer_ids=LAYERS, theme=theme
    ),
    "paired_bars": lambda theme: paired_bars.figure(
        np.array([[0.5, -0.25], [-0.1, 0.2]]),
        things=(HOSTILE, "b"),
        title="expert",
        names=(HOSTILE, "measured"),
        quantity="nats",
        signs=("≠", ""),
        theme=theme,
    ),
    "quality_against_k": lambda theme: quality_against_k.figure(
        (4, 8, 16), {HOSTILE: BITS, "renormalized": BITS}, trained_k=8, theme=theme
    ),
    "saturation": lambda theme: saturation.figure(
        np.array([0.1, 0.5, 1.0]),
        np.array([[0.2] * 4, [0.6] * 4, [1.0] * 4]),
        chance=0.125,
        layer_ids=LAYERS,
        theme=theme,
    ),
    "tradeoff": lambda theme: tradeoff.figure(
        (4, 8, 16),
        np.array([1e6, 2e6, 4.5e6]),
        quantity=HOSTILE,
        trained_k=8,
        spread=(np.array([5e5, 1e6, 4e6]), np.array([2e6, 3e6, 5e6])),
        theme=theme,
    ),
    "training_curve": lambda theme: training_curve.figure(
        ((65_536, 1.03), (16_000_000, 1.05), (32_000_000, 1.01)),
        quantity=HOSTILE,
        ideal=(1.0, HOSTILE),
        theme=theme,
    ),
    "logit_lens": lambda theme: logit_lens.figure(
        [TOKENS[:2]] * 3,
        np.array([[0.5, 0.25]] * 3),
        np.array([0.1, 0.2, 0.5]),
        np.array([9, 2, 1]),
        k=8,
        theme=theme,
    ),
    "rank_change": lambda theme: rank_change.figure(
        SIDE, ([2, 3], ["=1+1", "c"], np.array([0.4, 0.3])), names=(HOSTILE, "k = 16"), theme=theme
    ),
    "recovery_map": lambda theme: recovery_map.figure(
        np.array([[0.5, -0.25, 1.2], [np.nan, 0.0, 0.1]]),
        rows=("7·1", HOSTILE),
        row_title="expert",
        tokens=((HOSTILE, "=1+1"), ("a", "a")),
        theme=theme,
    ),
    "router_bars": lambda theme: router_bars.figure(
        PROBABILITIES[0], expert_ids=RAN[0], marks=(4,), theme=theme
    ),
    "routing_map": lambda theme: routing_map.figure(
        RAN[None].repeat(2, 0),
        tokens=TOKENS,
        layer_ids=LAYERS[:2],
        known={"weight": PROBABILITIES[None, :, 0].repeat(2, 0)},
        first=48,
        theme=theme,
    ),
    "strongest_experts": lambda theme: strongest_experts.figure(
        RAN, PROBABILITIES, layer_ids=LAYERS, layer=4, theme=theme
    ),
    "temperature": lambda theme: temperature.figure(
        np.array([0.5, 1.0, 2.0]), np.array([1.0, 1.5, 1.8]), uniform=2.08, theme=theme
    ),
    "vector_strip": lambda theme: vector_strip.figure(VECTORS, names=(HOSTILE, "b"), theme=theme),
}
