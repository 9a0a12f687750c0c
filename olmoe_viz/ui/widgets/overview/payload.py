"""What the browser gets to draw the overview of the model for one token. Knows no streamlit."""

from typing import Any

import numpy as np

from olmoe_viz.analysis.stream import stream
from olmoe_viz.figures.expert_colors import expert_color
from olmoe_viz.figures.labels import visible
from olmoe_viz.figures.palette import Theme
from olmoe_viz.numerics import routing
from olmoe_viz.records.expert_uses import recorded_uses
from olmoe_viz.records.trace import Trace

_NEXT = 3


def build(trace: Trace, *, token: int, layer: int, theme: Theme) -> dict[str, Any]:
    """Return the numbers of a token on its way, as plain data; `layer` is where it stands first.

    Norms are by block, those of the residual stream before each and after the last. What attention
    and experts add is None where neither the run nor a record has the vectors.
    """
    probabilities = routing.probabilities(trace.router_logits[:, token])
    layer_ids, uses = trace.geometry.layer_ids, recorded_uses(trace.provenance.digest)
    ran = [[int(each) for each in row if each >= 0] for row in trace.expert_ids[:, token]]
    parts = stream(trace)
    norms = (
        {}
        if parts is None
        else {
            "attention": parts.attention[:, token].round(4).tolist(),
            "between": parts.between[:, token].round(4).tolist(),
            "added": parts.experts[:, token].round(4).tolist(),
        }
    )
    return {
        "token": {"token": visible(trace.tokens[token]), "id": int(trace.token_ids[token])},
        "layerIds": list(layer_ids),
        "row": list(layer_ids).index(layer),
        "experts": trace.geometry.experts,
        "norms": trace.hidden_norms[:, token].astype(np.float64).round(4).tolist(),
        "attention": None,
        "between": None,
        "added": None,
        **norms,
        "ids": ran,
        "probabilities": [
            row[ids].round(4).tolist() for row, ids in zip(probabilities, ran, strict=True)
        ],
        "shares": probabilities.round(4).tolist(),
        "mass": routing.mass(probabilities, trace.expert_ids[:, token]).round(4).tolist(),
        "colors": [
            [expert_color(each, at, theme, uses) for each in ids]
            for at, ids in zip(layer_ids, ran, strict=True)
        ],
        "next": _next(trace, token),
    }


def _next(trace: Trace, token: int) -> list[tuple[str, float | None]]:
    """The likeliest next tokens after the last; inside the text the one that follows there."""
    if token + 1 < len(trace.tokens):
        return [(visible(trace.tokens[token + 1]), None)]
    pairs = zip(trace.next_tokens, trace.next_probabilities().tolist(), strict=True)
    return [(visible(text), round(share, 4)) for text, share in pairs][:_NEXT]
