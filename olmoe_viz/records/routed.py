"""What ran in the layers of experts, as records hold it: ids and weights beside router logits.

The logits do not name the experts: equal ones tie, and some families add a bias to the choice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.file import Layout
from olmoe_viz.records.record import ExpertIds, Float32s, Record

Precision = Literal["float32", "float16"]
Score = Literal["softmax", "sigmoid"]
_LOGITS = "router_logits"


@dataclass(frozen=True, eq=False, repr=False)
class RoutedRecord(Record):
    """A record of what ran in the layers of experts.

    `score` is what the model's router makes of the logits before it chooses. The router logits are
    float32; `logits_precision` is "float16" where they were rounded to fit into a smaller file,
    which they were loaded from.
    """

    # How a notebook shows a record. Figures stand above records; the package puts theirs here.
    drawing: ClassVar[Callable[[Any], str]]

    logits_precision: Precision = field(default="float32", kw_only=True)
    score: Score = field(default="softmax", kw_only=True)

    def save(self, path: str | PathLike[str], *, half_logits: bool = False) -> None:
        """Write the record to one safetensors file, its router logits in float16 on request.

        OSError from the file system; ValueError as `halved`.
        """
        Record.save(self.halved() if half_logits else self, path)

    def _repr_html_(self) -> str:
        return RoutedRecord.drawing(self)

    def halved(self) -> Self:
        """Return the record with router logits rounded to float16, as its file will hold them.

        ValueError when they are too large for that.
        """
        names = [part.name for part in fields(self) if part.name.endswith(_LOGITS)]
        with np.errstate(over="ignore"):
            logits = {name: getattr(self, name).astype(np.float16) for name in names}
        if not all(np.isfinite(each).all() for each in logits.values()):
            raise ValueError("Router logits above 65,504 do not fit into float16.")
        rounded: dict[str, Any] = {name: each.astype("float32") for name, each in logits.items()}
        return replace(self, logits_precision="float16", **rounded)

    @classmethod
    def stored_layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return the layout of the arrays in a file."""
        kind = facts.get("logits_precision", "float32")
        return {
            name: (kind if name.endswith(_LOGITS) else dtype, shape)
            for name, (dtype, shape) in cls.layout(facts).items()
        }


def width(policy: RoutingPolicy, geometry: Geometry) -> int:
    """Return the most experts that a token can have under a policy: the columns of a record."""
    return max(policy.widths(geometry.layer_ids, geometry.experts))


def routing_layout(
    policy: RoutingPolicy, geometry: Geometry, tokens: int, prefix: str = ""
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the layout of router logits, expert ids and weights, [layers of experts, tokens, :].

    ValueError when the policy does not fit the geometry.
    """
    layers, most = len(geometry.moe_layers), width(policy, geometry)
    return {
        f"{prefix}router_logits": ("float32", (layers, tokens, geometry.experts)),
        f"{prefix}expert_ids": ("int16", (layers, tokens, most)),
        f"{prefix}weights": ("float32", (layers, tokens, most)),
    }


def check_routing(ids: ExpertIds, weights: Float32s, geometry: Geometry) -> None:
    """Raise ValueError unless every token has different experts, and weights for just these.

    Columns that a token does not use come last and hold id -1 and weight 0.
    """
    used = ids >= 0
    if (ids < -1).any() or (ids >= geometry.experts).any():
        raise ValueError(f"an expert id is not from 0 to {geometry.experts - 1}, nor -1")
    if (weights < 0).any() or (weights[~used] != 0).any():
        raise ValueError("a routing weight is below 0, or stands where no expert does")
    if (used[..., 1:] & ~used[..., :-1]).any() or not used[..., :1].all():
        raise ValueError("a token has no expert, or a gap among its experts")
    ordered = np.sort(ids, axis=-1)
    if ((ordered[..., 1:] == ordered[..., :-1]) & (ordered[..., 1:] >= 0)).any():
        raise ValueError("a token has the same expert twice")


def experts_used(ids: NDArray[Any]) -> NDArray[np.float64]:
    """Return how many experts a token used in each layer, in the mean, float64 [layers].

    From expert ids [layers, tokens, :]; whole numbers unless the policy has a threshold. Zeros when
    there are no tokens.
    """
    return np.asarray((ids >= 0).sum(axis=-1).sum(axis=-1) / max(ids.shape[1], 1))


def experts_together(rows: Sequence[ExpertIds], experts: int) -> NDArray[np.float64]:
    """Return how many different experts the rows of a batch used in a step, float64 [layers].

    The mean over the steps. Each row has expert ids [layers, tokens, :], one token a step from the
    first step on; a row that ended earlier uses none afterwards. Zeros when there are no tokens.
    """
    layers, steps = len(rows[0]), max(ids.shape[1] for ids in rows)
    used = np.zeros((layers, steps, experts + 1), dtype=bool)  # the last is for the id -1
    for ids in rows:
        layer, step = np.ogrid[:layers, : ids.shape[1]]
        used[layer[..., None], step[..., None], ids] = True
    return np.asarray(used[..., :-1].sum(axis=-1).sum(axis=-1) / max(steps, 1))
