"""Routes: which experts ran, as far as a foreign file says; and the same of a run of ours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.analysis.run import Run
from olmoe_viz.numerics.geometry import MAX_LAYERS
from olmoe_viz.records.record import MAX_TOKENS, ExpertIds

Values = NDArray[np.float64]
EFFECT = "effect"  # known where it was measured, while the others are known of all or of none
VALUES = ("logit", "probability", "weight", EFFECT)
MAX_ROUTES = 2**24
MAX_EXPERT = 32_767


@dataclass(frozen=True, eq=False)
class Routes:
    """The experts of every token in every layer, and what is known of them.

    `expert_ids` is int16 [layers, tokens, most experts], strongest first as far as that is known,
    -1 where there is none. `layer_ids` counts the layers over all blocks. `logit`, `probability`
    and `weight` are float64 of the same shape, nan where there is no expert, or None where the file
    does not say. `effect`, what taking an expert away changes in the prediction (Kullback-Leibler
    divergence in nats), is nan where it was not measured, too. Raises ValueError for what does not
    fit together.
    """

    layer_ids: tuple[int, ...]
    expert_ids: ExpertIds
    logit: Values | None = None
    probability: Values | None = None
    weight: Values | None = None
    effect: Values | None = None

    def __post_init__(self) -> None:
        ids = self.expert_ids
        check_sizes(ids.shape)
        if len(self.layer_ids) != len(ids) or list(self.layer_ids) != sorted(set(self.layer_ids)):
            raise ValueError("the layers are not in order, or not as many as there are routes of")
        if not 0 <= self.layer_ids[0] <= self.layer_ids[-1] < MAX_LAYERS:
            raise ValueError(f"a layer is not from 0 to {MAX_LAYERS - 1}")
        if (ids < -1).any():
            raise ValueError("an expert id is below 0")
        ordered = np.sort(ids, axis=-1)
        if ((ordered[..., 1:] == ordered[..., :-1]) & (ordered[..., 1:] >= 0)).any():
            raise ValueError("a token has the same expert twice in a layer")
        for name in VALUES:
            self._check_values(name)

    def _check_values(self, name: str) -> None:
        values: Values | None = getattr(self, name)
        if values is None:
            return
        if values.shape != self.expert_ids.shape:
            raise ValueError(f"there are not as many numbers of {name} as experts")
        given = values[self.expert_ids >= 0]
        if not np.isfinite(given[~np.isnan(given)] if name == EFFECT else given).all():
            raise ValueError(f"a {name} is missing or not finite")

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return int(self.expert_ids.shape[1])


def check_sizes(shape: tuple[int, ...]) -> None:
    """Raise ValueError unless routes [layers, tokens, experts] may have this shape."""
    if len(shape) != 3 or 0 in shape:
        raise ValueError("it holds no routes [tokens, layers, experts]")
    layers, tokens, most = shape
    if tokens > MAX_TOKENS or layers > MAX_LAYERS or layers * tokens * most > MAX_ROUTES:
        raise ValueError(
            f"it has {tokens:,} tokens, {layers:,} layers and up to {most:,} experts: at most "
            f"{MAX_TOKENS:,} tokens and {MAX_LAYERS:,} layers can be read"
        )


def routes_of(run: Run) -> Routes:
    """Return the experts that ran, with their logits, probabilities and weights."""
    ids = run.expert_ids
    places, used = np.maximum(ids, 0), ids >= 0

    def of_the_used(values: NDArray[np.floating]) -> Values:
        return np.where(used, values.astype(np.float64), np.nan)

    return Routes(
        layer_ids=run.geometry.layer_ids,
        expert_ids=ids,
        logit=of_the_used(np.take_along_axis(run.router_logits, places, axis=-1)),
        probability=of_the_used(np.take_along_axis(run.probabilities(), places, axis=-1)),
        weight=of_the_used(run.weights),
    )


def with_effects(
    routes: Routes,
    cells: Sequence[tuple[int, int]],
    expert_ids: NDArray[np.integer[Any]],
    effects: NDArray[np.floating[Any]],
) -> Routes:
    """Return routes with the effects that were measured in some cells, each a layer and a token.

    `expert_ids` and `effects` are [cells, experts], -1 for none. ValueError for a cell or an expert
    that is not in the routes.
    """
    found = np.full(routes.expert_ids.shape, np.nan)
    for (layer, token), ids, values in zip(cells, expert_ids, effects, strict=True):
        if layer not in routes.layer_ids or not 0 <= token < routes.tokens:
            raise ValueError(f"There is no token {token} in a layer {layer} of experts.")
        cell = routes.layer_ids.index(layer), token
        ran = routes.expert_ids[cell]
        unknown = set(ids[ids >= 0].tolist()) - set(ran.tolist())
        if unknown:
            raise ValueError(f"Expert {layer}·{min(unknown)} did not run for token {token}.")
        for expert, value in zip(ids[ids >= 0], values[ids >= 0], strict=True):
            found[cell][ran == expert] = value
    return replace(routes, effect=found)
