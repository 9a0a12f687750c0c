"""What the model expects next: predictions, the logit lens, and directions of logits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.records.file import Layout
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import (
    ARRAY,
    ROUNDING,
    Float32s,
    Float64s,
    Ids,
    Record,
    check_ids,
    check_tokens,
)
from olmoe_viz.requests import DirectionsRequest, LensRequest, PredictRequest


@dataclass(frozen=True, eq=False, repr=False)
class Predictions(Record):
    """What the model expects after each token of the request, in their order.

    `top_ids` is int64 [tokens, top] by falling probability, `top_tokens` their visible text and
    `probabilities` float64 [tokens, top], from the softmax over the whole vocabulary. `entropies`
    float64 [tokens] is in nats, over all of it, and `log_sum_exp` float64 [tokens] the logarithm of
    the summed powers of its logits. `logits` is float32 [tokens, vocab] with detail "logits", else
    None.
    """

    kind = "predictions"

    request: PredictRequest
    top_tokens: tuple[tuple[str, ...], ...]
    geometry: Geometry
    provenance: Provenance
    top_ids: Ids = field(metadata=ARRAY)
    probabilities: Float64s = field(metadata=ARRAY)
    entropies: Float64s = field(metadata=ARRAY)
    log_sum_exp: Float64s = field(metadata=ARRAY)
    logits: Float32s | None = field(default=None, metadata=ARRAY)

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        request, vocab = facts["request"], facts["geometry"].vocab
        tokens, top = len(request.tokens), min(request.top, vocab)
        layout: dict[str, tuple[str, tuple[int, ...]]] = {
            "top_ids": ("int64", (tokens, top)),
            "probabilities": ("float64", (tokens, top)),
            "entropies": ("float64", (tokens,)),
            "log_sum_exp": ("float64", (tokens,)),
        }
        if request.detail == "logits":
            layout["logits"] = ("float32", (tokens, vocab))
        return layout

    def check(self) -> None:
        """Raise ValueError unless facts and arrays fit each other, beyond their shapes."""
        _check_top(self.top_ids, self.top_tokens, self.probabilities, self.geometry.vocab)


@dataclass(frozen=True, eq=False, repr=False)
class Lens(Record):
    """The next token as each depth of the model would already say it.

    Row 0 is the embedding, row l the residual stream after block l - 1, the last row the model's
    own prediction. `ids` is int64 [blocks + 1, top], `tokens` their visible text and
    `probabilities` float64 [blocks + 1, top]. `winner_probability` float64 [blocks + 1] and
    `winner_rank` int64 [blocks + 1], 1 for the first, follow the token that wins in the end.
    """

    kind = "lens"

    request: LensRequest
    tokens: tuple[tuple[str, ...], ...]
    geometry: Geometry
    provenance: Provenance
    ids: Ids = field(metadata=ARRAY)
    probabilities: Float64s = field(metadata=ARRAY)
    winner_probability: Float64s = field(metadata=ARRAY)
    winner_rank: Ids = field(metadata=ARRAY)

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        rows, vocab = facts["geometry"].layers + 1, facts["geometry"].vocab
        top = min(facts["request"].top, vocab)
        return {
            "ids": ("int64", (rows, top)),
            "probabilities": ("float64", (rows, top)),
            "winner_probability": ("float64", (rows,)),
            "winner_rank": ("int64", (rows,)),
        }

    def check(self) -> None:
        """Raise ValueError unless facts and arrays fit each other, beyond their shapes."""
        _check_top(self.ids, self.tokens, self.probabilities, self.geometry.vocab)
        if (self.winner_rank < 1).any() or (self.winner_rank > self.geometry.vocab).any():
            raise ValueError("a rank is not in the vocabulary")


@dataclass(frozen=True, eq=False, repr=False)
class LogitDirections(Record):
    """How what is added to the residual stream of one token moves logits directly.

    `directions` is float64 [token ids of the request, hidden]: the product of a row with an
    addition is what it contributes to that token's logit, with the scale of the final norm kept as
    it is at the end of the run, and without what later layers make of the addition (direct logit
    attribution, Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"). Under
    this rule the contributions of everything that was added, the embedding included, sum to the
    logit. `mean` float64 [hidden] is the same for the mean of the logits of the whole vocabulary:
    an addition that moves all logits alike moves no probability.
    """

    kind = "logit_directions"

    request: DirectionsRequest
    geometry: Geometry
    provenance: Provenance
    directions: Float64s = field(metadata=ARRAY)
    mean: Float64s = field(metadata=ARRAY)

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        count, hidden = len(facts["request"].token_ids), facts["geometry"].hidden
        return {"directions": ("float64", (count, hidden)), "mean": ("float64", (hidden,))}

    @property
    def above_mean(self) -> Float64s:
        """Directions of the logits less the mean of all logits, [token ids, hidden]."""
        return self.directions - self.mean


def _check_top(
    ids: Ids, tokens: tuple[tuple[str, ...], ...], probabilities: Float64s, vocab: int
) -> None:
    check_ids("the likeliest tokens", ids, vocab)
    if [len(row) for row in tokens] != [ids.shape[1]] * len(ids):
        raise ValueError("the likeliest tokens have not as many texts")
    for row in tokens:
        check_tokens(row)
    if (probabilities < 0).any() or (probabilities.sum(axis=-1) > 1 + ROUNDING).any():
        raise ValueError("probabilities are below 0, or sum to more than 1")
