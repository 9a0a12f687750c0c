"""What the browser gets to draw a routing map: a JSON object of base64 bytes within a budget.

Knows nothing about streamlit. Arrays are written token by token, [tokens, layers, ...], so that a
growing text extends them at the end. Numbers are fixed-point: `round(value / high * levels)` with
levels 255 or 65,535 (`depth` 1 or 2 bytes). The hover card gets the experts of a cell that ran,
strongest first, then those that were cut off, as far as the budget goes: short prompts as many as
the larger k (at most 16) in two bytes, 2,048 tokens of 16 layers one or two experts in one byte.
The budget of a longer text grows with it, up to that of 4,096 tokens, so that each of its cells
says as much.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from olmoe_viz.figures.expert_colors import color_place, color_scale
from olmoe_viz.figures.interactive_map import packing, words
from olmoe_viz.figures.interactive_map.cells import (
    Cells,
    Floats,
    Ints,
    TraceLike,
    compared,
    drift,
    would_run,
)
from olmoe_viz.figures.interactive_map.effects import CellEffects
from olmoe_viz.figures.labels import k_is
from olmoe_viz.figures.palette import SEQUENTIAL, Theme
from olmoe_viz.numerics import routing
from olmoe_viz.policy import RoutingPolicy, one_k
from olmoe_viz.records.expert_uses import ExpertUses
from olmoe_viz.records.routed import width
from olmoe_viz.records.tokens import display_token

View = Literal["strongest", "mass", "entropy", "margin", "drift", "follow", "effect"]
VIEWS: tuple[View, ...] = get_args(View)

BUDGET = 250_000  # bytes of JSON for a map of up to 2,048 tokens
_BUDGET_TOKENS = 2_048
_MAX_TOKENS = 4_096
_WITHOUT_VALUES = ("strongest", "mass", "effect")  # what colors the cells is sent in any case
MAX_CARD_EXPERTS = 16
_TEXT_SHARE = 0.16  # of the budget, for the text of all tokens
_BYTES_SHARE = 0.064  # of the budget, for the bytes of all tokens
_MAX_TOKEN_BYTES = 72
_COLOR_BYTES = 11
_FACTOR_DEPTH = 2
_RESERVE = 1_700  # field names, sizes, legend, scale and the code of the feed


@dataclass(frozen=True)
class _Shade:
    """One number a cell, [layers, tokens], all between `low` and `high`.

    Colors spread over `usual`, where a few values far from all others lie outside.
    """

    values: Floats
    low: float
    high: float
    usual: tuple[float, float] | None = None


def budget(tokens: int) -> int:
    """Return how many bytes of JSON the map of so many tokens may have."""
    return BUDGET * min(max(tokens, _BUDGET_TOKENS), _MAX_TOKENS) // _BUDGET_TOKENS


def build(
    columns: TraceLike,
    *,
    policy: RoutingPolicy,
    view: View = "strongest",
    against: RoutingPolicy | None = None,
    other: TraceLike | None = None,
    expert: tuple[int, int] | None = None,
    effects: CellEffects | None = None,
    uses: ExpertUses | None = None,
    token_bytes: Sequence[bytes] | None = None,
    message: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Return the map's data, JSON of at most `budget` bytes.

    `policy` is the one that the columns ran under. `against` adds to the card what a second policy
    would keep of the same router probabilities. `drift` compares with `other`, the same tokens
    recorded under another policy; `follow` draws the probability of `expert`, a layer and an id,
    within its layer; `effect` draws `effects`, where they were measured. With `uses` the card says
    what experts are used for. With `token_bytes` it says what they are, where any is more than
    ASCII. Tokens outside of a `message`, from
    its first token to before its end, are a chat template's. Raises ValueError, a sentence
    for people, when one of these is missing or does not fit, and when the text is too long for the
    budget.
    """
    _check(columns, policy, against, view, other, expert, effects)
    cells, size = Cells(columns), budget(len(columns.tokens))
    shade = _shade(view, cells, other, expert, effects, columns.geometry.layer_ids)
    would = would_run(cells, policy, against)
    payload: dict[str, Any] = {
        "view": view,
        "tokens": _shown_tokens(columns.tokens, int(size * _TEXT_SHARE)),
        "bytes": _token_bytes(token_bytes or (), int(size * _BYTES_SHARE)),
        "message": message and list(message),
        "layerIds": list(columns.geometry.layer_ids),
        "experts": cells.experts,
        "ks": _each_layers(cells.counts),
        "againstName": None if against is None or would is None else _name(against),
        "driftKs": _each_layers(compared(cells, other)) if view == "drift" and other else None,
        "weighting": policy.weighting,
        "places": _places(columns.geometry.layer_ids, cells.experts, uses),
        "domains": uses and list(uses.domains),
        "expert": expert and expert[1] if view == "follow" else None,
        "row": expert and columns.geometry.layer_ids.index(expert[0]) if view == "follow" else None,
        "low": shade.low,
        "high": shade.high,
        "usual": list(shade.usual or (shade.low, shade.high)),
    }
    if view == "follow" and expert is not None:
        ran, row = np.zeros(cells.counts.shape, np.bool_), payload["row"]
        ran[row] = cells.ran[row, :, expert[1]]
        payload["marks"] = packing.bits(ran)
    if view == "effect" and effects is not None:
        payload["effect"] = effects.sent()
    extras = _Extras(would is not None, policy.weighting != "native", payload["ks"] is None)
    plan = _plan(
        size - len(json.dumps(payload)) - _RESERVE - _COLOR_BYTES * max(cells.experts, 64),
        cells=cells.counts.size,
        columns=1 if view in _WITHOUT_VALUES else 2,
        extras=extras,
        wanted=min(_most(cells, would), MAX_CARD_EXPERTS),
        surely=int(cells.counts.min()),
    )
    payload |= {"depth": plan.depth, "shown": plan.experts} | _drawn(cells, plan)
    if view not in _WITHOUT_VALUES:
        payload["values"] = _fixed(shade.values, shade.low, shade.high, plan.depth)
    if plan.extras.compared and would is not None:
        kept = routing.mass(cells.probabilities, would)
        payload["against"] = _fixed(kept, 0.0, 1.0, plan.depth)
    if plan.extras.scaled:
        payload["factor"] = _factor(columns.weights.sum(axis=-1, dtype=np.float64) / cells.mass)
    if plan.extras.uneven:
        payload["more"] = packing.text(packing.by_token(cells.counts - 1).astype(np.uint8))
    payload["version"] = hashlib.blake2b(json.dumps(payload).encode(), digest_size=8).hexdigest()
    return payload


def painted(
    payload: dict[str, Any], theme: Theme, key: str, uses: ExpertUses | None = None
) -> dict[str, Any]:
    """Add what depends on the theme and on the place to a payload."""
    return {
        **payload,
        "channel": key,
        "version": f"{payload['version']}-{theme}",
        "colors": list(color_scale(payload["experts"], theme, uses)),
        "scale": list(SEQUENTIAL[theme]),
        "legend": list(words.legend(payload["view"], uses_known=uses is not None)),
    }


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


def _shown_tokens(tokens: Sequence[str], room: int) -> list[str]:
    limit = min(_MAX_TOKEN_BYTES, room // max(len(tokens), 1))
    return [shown_token(token, limit) for token in tokens]


def _token_bytes(tokens: Sequence[bytes], room: int) -> dict[str, str] | None:
    """All bytes of the text and how many each token has; None where nobody needs them."""
    if all(token.isascii() for token in tokens):
        return None
    lengths = np.array([len(token) for token in tokens], dtype="<u2")
    packed = {
        "text": base64.b64encode(b"".join(tokens)).decode("ascii"),
        "lengths": packing.text(lengths),
    }
    return packed if sum(map(len, packed.values())) <= room else None


def _check(
    columns: TraceLike,
    policy: RoutingPolicy,
    against: RoutingPolicy | None,
    view: View,
    other: TraceLike | None,
    expert: tuple[int, int] | None,
    effects: CellEffects | None,
) -> None:
    if view not in VIEWS:
        raise ValueError(f"The view must be one of {', '.join(VIEWS)}; it is {view!r}.")
    shape = columns.router_logits.shape
    _check_arrays(columns, policy)
    if against is not None:
        against.ks(shape[0], shape[2])
    if view == "drift" and (other is None or other.router_logits.shape != shape):
        raise ValueError("Drift compares two traces of the same tokens: give the other trace.")
    if view == "follow" and (
        expert is None
        or expert[0] not in columns.geometry.layer_ids
        or not 0 <= expert[1] < shape[2]
    ):
        raise ValueError(
            f"Choose the expert to follow: a layer of experts, and an id from 0 to {shape[2] - 1}."
        )

    if view == "effect" and (effects is None or effects.kl.shape != shape[:2]):
        raise ValueError("Effects are drawn of the same tokens: give what was measured.")


def _check_arrays(columns: TraceLike, policy: RoutingPolicy) -> None:
    shape, layers = columns.router_logits.shape, len(columns.geometry.layer_ids)
    if len(shape) != 3 or shape[:2] != (layers, len(columns.tokens)) or not len(columns.tokens):
        raise ValueError(
            f"The map needs router logits [layers, tokens, experts] for {layers} layers and its "
            f"{len(columns.tokens)} tokens; their shape is {list(shape)}."
        )
    if shape[2] > 256:
        raise ValueError(f"The map can draw at most 256 experts; the model has {shape[2]}.")
    ran = (*shape[:2], width(policy, columns.geometry))
    if columns.expert_ids.shape != ran or columns.weights.shape != ran:
        raise ValueError(f"The map needs the expert ids and weights that {policy} gave.")


def _shade(
    view: View,
    cells: Cells,
    other: TraceLike | None,
    expert: tuple[int, int] | None,
    effects: CellEffects | None,
    layer_ids: Sequence[int],
) -> _Shade:
    if view == "mass":
        return _Shade(cells.mass, 0.0, 1.0)
    if view == "entropy":
        values = routing.entropy(cells.probabilities)
        low, high = _floor(values.min(), 0.01), _ceiling(values.max(), 0.01)
        return _Shade(values, low, high, _usual(values, 0.01))
    if view == "margin":
        values = cells.margin()
        return _Shade(values, 0.0, _ceiling(values.max(), 0.001), (0.0, _usual(values, 0.001)[1]))
    if view == "drift" and other is not None:
        return _Shade(drift(cells, other), 0.0, float(compared(cells, other).max()))
    if view == "effect" and effects is not None:
        return _Shade(effects.kl, *effects.span())
    if view == "follow" and expert is not None:
        values, row = np.zeros(cells.counts.shape), layer_ids.index(expert[0])
        values[row] = cells.probabilities[row, :, expert[1]]
    else:
        values = cells.strongest()
    return _Shade(values, 0.0, min(_ceiling(values.max(), 0.1), 1.0))


def _places(layer_ids: Sequence[int], experts: int, uses: ExpertUses | None) -> str:
    """The place of each expert's color in the scale, [layers, experts]."""
    places = [[color_place(at, layer, uses) for at in range(experts)] for layer in layer_ids]
    return packing.text(np.array(places, dtype=np.uint8))


def _most(cells: Cells, would: Ints | None) -> int:
    """The most experts that ran, or would run, in a cell."""
    ran = int(cells.counts.max())
    return ran if would is None else max(ran, int((would >= 0).sum(axis=-1).max()))


def _name(policy: RoutingPolicy) -> str:
    return k_is(str(policy.k)) if one_k([policy]) else str(replace(policy, weighting="native"))


def _each_layers(counts: Ints) -> list[int] | None:
    """The one count of each layer; None where it differs from token to token."""
    return counts[:, 0].tolist() if (counts == counts[:, :1]).all() else None


@dataclass(frozen=True)
class _Extras:
    """What some maps have more than others."""

    compared: bool = False  # a second policy
    scaled: bool = False  # weights that are not the probabilities
    uneven: bool = False  # as many experts as a threshold lets through

    def bytes(self, depth: int) -> int:
        return depth * self.compared + _FACTOR_DEPTH * self.scaled + self.uneven


@dataclass(frozen=True)
class _Plan:
    depth: int  # bytes a number
    experts: int  # in the card
    extras: _Extras


def _plan(
    room: int, *, cells: int, columns: int, extras: _Extras, wanted: int, surely: int
) -> _Plan:
    """Spend `room` bytes of base64 on the cells: full precision, else fewer bytes, else less.

    Without the extra that says how many experts ran, only the `surely` first of every cell did.
    """
    a_cell = room * 3 // 4 / cells - 0.01  # padding of base64
    short = min(wanted, surely) if extras.uneven else wanted
    for depth, with_, most, least in (
        (2, extras, wanted, wanted),
        (1, extras, wanted, 4),
        (1, extras, wanted, 2),
        (1, _Extras(), short, 1),
    ):
        rest = depth * columns + with_.bytes(depth)
        experts = min(most, int((a_cell - rest) // (1 + depth)))
        if experts >= min(least, most):
            return _Plan(depth, experts, with_)
    raise ValueError(
        f"The text is too long for the map: shorten it to {_MAX_TOKENS:,} tokens or fewer."
    )


def _drawn(cells: Cells, plan: _Plan) -> dict[str, str]:
    """What every map has: the experts of the card, their probabilities, and the mass."""
    ids = cells.listed(plan.experts)
    listed = np.take_along_axis(cells.probabilities, ids, axis=-1)
    return {
        "ids": packing.text(packing.by_token(ids).astype(np.uint8)),
        "probabilities": _fixed(listed, 0.0, 1.0, plan.depth),
        "mass": _fixed(cells.mass, 0.0, 1.0, plan.depth),
    }


def _usual(values: Floats, step: float) -> tuple[float, float]:
    """The range of nine tenths of the values: a few cells far from all others take no colors."""
    low, high = np.percentile(values, (5, 95))
    return _floor(low, step), _ceiling(high, step)


def _floor(value: float, step: float) -> float:
    return round(float(np.floor(value / step) * step), 6)


def _ceiling(value: float, step: float) -> float:
    return round(max(float(np.ceil(value / step - 1e-9)), 1.0) * step, 6)


def _fixed(values: Floats, low: float, high: float, depth: int) -> str:
    return packing.fixed(packing.by_token(values), low, high, depth)


def _factor(values: Floats) -> dict[str, Any]:
    """What a router probability is multiplied by; one byte would be off in the second digit."""
    high = float(values.max())
    return {"high": high, "values": _fixed(values, 0.0, high, _FACTOR_DEPTH)}
