"""What the browser gets to draw a routing map: a JSON object of base64 bytes within a budget.

Knows nothing about streamlit. Arrays are written token by token, [tokens, layers, ...], so that a
growing text extends them at the end. Numbers are fixed-point: `round(value / high * levels)` with
levels 255 or 65,535 (`depth` 1 or 2 bytes). The hover card gets the strongest experts of a cell as
far as the budget goes: short prompts all of the k experts (at most 16) in two bytes, 2,048 tokens
of 16 layers one or two experts in one byte.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.numerics import routing
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.tokens import display_token

View = Literal["strongest", "mass", "entropy", "margin", "drift", "follow"]
VIEWS: tuple[View, ...] = get_args(View)

BUDGET = 250_000  # bytes of JSON for one map
MAX_CARD_EXPERTS = 16
_TOKEN_BYTES = 40_000  # of the budget, for the text of all tokens
_MAX_TOKEN_BYTES = 72
_COLOR_BYTES = 11
_FACTOR_DEPTH = 2
_RESERVE = 1_700  # field names, sizes, legend, scale and the code of the feed

Floats = NDArray[np.float64]


class TraceLike(Protocol):
    """What a map needs of a trace: one token a column, raw router logits and the geometry."""

    @property
    def tokens(self) -> Sequence[str]:
        """Text of each token."""
        ...

    @property
    def router_logits(self) -> NDArray[np.float32]:
        """Raw router logits [layers, tokens, experts]."""
        ...

    @property
    def geometry(self) -> Geometry:
        """The model's sizes."""
        ...


@dataclass(frozen=True)
class Columns:
    """Tokens and their router logits [layers, tokens, experts], where there is no Trace (yet)."""

    tokens: Sequence[str]
    router_logits: NDArray[np.float32]
    geometry: Geometry


@dataclass(frozen=True)
class _Shade:
    """One number a cell, drawn between `low` and `high`; [layers, tokens]."""

    values: Floats
    low: float
    high: float


def build(
    columns: TraceLike,
    *,
    policy: RoutingPolicy,
    view: View = "strongest",
    against: RoutingPolicy | None = None,
    other: TraceLike | None = None,
    expert: int | None = None,
    budget: int = BUDGET,
) -> dict[str, Any]:
    """Return the map's data, JSON of at most `budget` bytes.

    `against` adds the mass under a second k to the card. `drift` compares with `other`, the same
    tokens recorded under another policy; `follow` draws the probability of `expert`. Raises
    ValueError, a sentence for people, when one of these is missing or does not fit, and when the
    text is too long for the budget.
    """
    _check(columns, policy, against, view, other, expert)
    probabilities = routing.probabilities(columns.router_logits)
    layers, tokens, experts = probabilities.shape
    ks = np.array(policy.ks(layers))
    ranked = np.flip(np.sort(probabilities, axis=-1), axis=-1)
    mass = _mass(ranked, ks)
    shade = _shade(view, probabilities, ranked, mass, ks, other, expert)
    others = policy.ks(layers) if against is None else against.ks(layers)
    compared = others != policy.ks(layers)
    scaled = policy.weighting != "native"
    payload: dict[str, Any] = {
        "view": view,
        "tokens": _shown_tokens(columns.tokens),
        "layers": layers,
        "experts": experts,
        "ks": ks.tolist(),
        "againstKs": list(others) if compared else None,
        "weighting": policy.weighting,
        "expert": expert if view == "follow" else None,
        "low": shade.low,
        "high": shade.high,
    }
    if view == "follow" and expert is not None:
        payload["marks"] = _bits(_selected(probabilities, ks, expert))
    plan = _plan(
        budget - len(json.dumps(payload)) - _RESERVE - _COLOR_BYTES * experts,
        cells=layers * tokens,
        columns=1 if view in ("strongest", "mass") else 2,
        extras=(compared, scaled),
        wanted=min(int(max(ks.max(), *others)), experts, MAX_CARD_EXPERTS),
    )
    order = routing.ranking(probabilities)[..., : plan.experts]
    payload["depth"], payload["shown"] = plan.depth, plan.experts
    payload["ids"] = _text(_by_token(order).astype(np.uint8))
    payload["probabilities"] = _fixed(ranked[..., : plan.experts], 0.0, 1.0, plan.depth)
    payload["mass"] = _fixed(mass, 0.0, 1.0, plan.depth)
    if view not in ("strongest", "mass"):
        payload["values"] = _fixed(shade.values, shade.low, shade.high, plan.depth)
    if plan.extras and compared:
        payload["against"] = _fixed(_mass(ranked, np.array(others)), 0.0, 1.0, plan.depth)
    if plan.extras and scaled:
        gain = routing.gain(probabilities, policy, columns.geometry.trained_k)
        payload["factor"] = _factor(gain / mass)
    payload["version"] = hashlib.blake2b(json.dumps(payload).encode(), digest_size=8).hexdigest()
    return payload


def shown_token(token: str, limit: int = _MAX_TOKEN_BYTES) -> str:
    """Return a token's visible text, cut with an ellipsis to at most `limit` bytes of JSON.

    Spaces stay: the browser draws them as middle dots, which would be six bytes each.
    """
    text = display_token(token.encode("utf-8", "surrogatepass"))
    if len(json.dumps(text)) <= limit:
        return text
    while text and len(json.dumps(text)) + 6 > limit:
        text = text[:-1]
    return text + "…"


def _shown_tokens(tokens: Sequence[str]) -> list[str]:
    limit = min(_MAX_TOKEN_BYTES, _TOKEN_BYTES // max(len(tokens), 1))
    return [shown_token(token, limit) for token in tokens]


def _check(
    columns: TraceLike,
    policy: RoutingPolicy,
    against: RoutingPolicy | None,
    view: View,
    other: TraceLike | None,
    expert: int | None,
) -> None:
    if view not in VIEWS:
        raise ValueError(f"The view must be one of {', '.join(VIEWS)}; it is {view!r}.")
    shape = columns.router_logits.shape
    if len(shape) != 3 or shape[1] != len(columns.tokens) or not len(columns.tokens):
        raise ValueError(
            f"The map needs router logits [layers, tokens, experts] for its {len(columns.tokens)} "
            f"tokens; their shape is {list(shape)}."
        )
    if shape[2] > 256:
        raise ValueError(f"The map can draw at most 256 experts; the model has {shape[2]}.")
    for each in (policy, against):
        if each is not None:
            each.check(shape[0], shape[2])
    if view == "drift" and (other is None or other.router_logits.shape != shape):
        raise ValueError("Drift compares two traces of the same tokens: give the other trace.")
    if view == "follow" and (expert is None or not 0 <= expert < shape[2]):
        raise ValueError(f"Choose the expert to follow, from 0 to {shape[2] - 1}.")


def _shade(
    view: View,
    probabilities: Floats,
    ranked: Floats,
    mass: Floats,
    ks: NDArray[np.int64],
    other: TraceLike | None,
    expert: int | None,
) -> _Shade:
    if view == "mass":
        return _Shade(mass, 0.0, 1.0)
    if view == "entropy":
        values = routing.entropy(probabilities)
        return _Shade(values, _floor(values.min(), 0.5), _ceiling(values.max(), 0.5))
    if view == "margin":
        values = _margin(ranked, ks)
        return _Shade(values, 0.0, _ceiling(values.max(), 0.01))
    if view == "drift" and other is not None:
        values = _drift(probabilities, routing.probabilities(other.router_logits), ks)
        return _Shade(values, 0.0, float(ks.max()))
    values = ranked[..., 0] if expert is None or view != "follow" else probabilities[..., expert]
    return _Shade(values, 0.0, min(_ceiling(values.max(), 0.1), 1.0))


def _mass(ranked: Floats, ks: NDArray[np.int64]) -> Floats:
    """Retained mass with one k per layer, [layers, tokens]."""
    kept = np.arange(ranked.shape[-1]) < ks[:, None, None]
    return np.asarray(np.minimum((ranked * kept).sum(axis=-1), 1.0))


def _margin(ranked: Floats, ks: NDArray[np.int64]) -> Floats:
    padded = np.pad(ranked, ((0, 0), (0, 0), (0, 1)))
    last = np.broadcast_to(ks[:, None, None], (*ranked.shape[:2], 1))
    pair = [np.take_along_axis(padded, index, axis=-1)[..., 0] for index in (last - 1, last)]
    return np.asarray(pair[0] - pair[1])


def _drift(probabilities: Floats, others: Floats, ks: NDArray[np.int64]) -> Floats:
    """How many of a layer's k strongest are not among the other's k strongest, same k."""
    rows = [
        k * (1.0 - routing.overlap(mine[None], theirs[None], int(k))[0])
        for mine, theirs, k in zip(probabilities, others, ks, strict=True)
    ]
    return np.asarray(np.rint(np.stack(rows)))


def _selected(probabilities: Floats, ks: NDArray[np.int64], expert: int) -> NDArray[np.bool_]:
    """Whether `expert` is among a layer's k; of equal probabilities the lower id goes first."""
    mine = probabilities[..., expert, None]
    ahead = (probabilities > mine).sum(axis=-1)
    ahead += (probabilities[..., :expert] == mine).sum(axis=-1)
    return np.asarray(ahead < ks[:, None])


@dataclass(frozen=True)
class _Plan:
    depth: int  # bytes a number
    experts: int  # in the card
    extras: bool


def _plan(room: int, *, cells: int, columns: int, extras: tuple[bool, bool], wanted: int) -> _Plan:
    """Spend `room` bytes of base64 on the cells: full precision, else fewer bytes, else less."""
    a_cell = room * 3 // 4 / cells - 0.01  # padding of base64
    for depth, with_extras, least in ((2, True, wanted), (1, True, 4), (1, True, 2), (1, False, 1)):
        compared, scaled = extras if with_extras else (False, False)
        rest = depth * (columns + compared) + _FACTOR_DEPTH * scaled
        experts = min(wanted, int((a_cell - rest) // (1 + depth)))
        if experts >= min(least, wanted):
            return _Plan(depth, experts, with_extras)
    raise ValueError("The text is too long for the map: shorten it to 2,048 tokens or fewer.")


def _floor(value: float, step: float) -> float:
    return round(float(np.floor(value / step) * step), 6)


def _ceiling(value: float, step: float) -> float:
    return round(max(float(np.ceil(value / step - 1e-9)), 1.0) * step, 6)


def _by_token(values: NDArray[Any]) -> NDArray[Any]:
    """[layers, tokens, ...] -> [tokens, layers, ...]."""
    return np.ascontiguousarray(np.swapaxes(values, 0, 1))


def _fixed(values: Floats, low: float, high: float, depth: int) -> str:
    levels = 256**depth - 1
    share = np.clip((_by_token(values) - low) / ((high - low) or 1.0), 0.0, 1.0)
    return _text(np.rint(share * levels).astype(f"<u{depth}"))


def _factor(values: Floats) -> dict[str, Any]:
    """What a router probability is multiplied by; one byte would be off in the second digit."""
    high = float(values.max())
    return {"high": high, "values": _fixed(values, 0.0, high, _FACTOR_DEPTH)}


def _bits(values: NDArray[np.bool_]) -> str:
    return _text(np.packbits(_by_token(values), bitorder="little"))


def _text(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


LEGENDS: Mapping[View, tuple[str, str]] = {
    "strongest": (
        "Color: the expert with the largest router probability; its number is in the cell.",
        "Intensity: its probability",
    ),
    "mass": ("Color: how much router probability the selected experts hold.", "Retained mass"),
    "entropy": ("Color: how evenly the router spreads its probability.", "Entropy in nats"),
    "margin": (
        "Color: how far the last selected expert is ahead of the first that is cut off.",
        "Margin in probability",
    ),
    "drift": (
        "Color: how many of the k strongest are no longer among the k strongest in the other run.",
        "Experts that dropped out",
    ),
    "follow": (
        "Color: the router probability of one expert; a ring marks where it is selected.",
        "Probability",
    ),
}
