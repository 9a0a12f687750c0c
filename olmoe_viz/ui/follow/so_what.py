"""The sentence with which each step ends, from the numbers that the step shows."""

import numpy as np

from olmoe_viz.analysis.embedding import cosine_similarities
from olmoe_viz.figures.labels import expert_name
from olmoe_viz.numerics import routing
from olmoe_viz.ui.follow.details import Details
from olmoe_viz.ui.texts import so_what as texts


def tokenization(details: Details) -> str:
    """Step 1."""
    trace = details.trace
    spelled = trace.token_bytes[details.place.token]
    whole = "�" not in spelled.decode("utf-8", "replace")
    return texts.tokenization(len(trace.tokens), len(trace.text), whole=whole)


def embedding(details: Details) -> str:
    """Step 2."""
    trace, own = details.trace, details.place.token
    ids, tokens = trace.token_ids.tolist(), trace.tokens
    same = [at for at, each in enumerate(ids) if each == ids[own] and at != own]
    cosines = cosine_similarities(trace, own)
    others = [at for at in range(len(tokens)) if at != own]
    near = max(others, key=cosines.__getitem__, default=None)
    nearest = None if near is None else (tokens[near], float(cosines[near]))
    return texts.embedding(tokens[own], same[0] if same else None, nearest)


def attention(details: Details) -> str:
    """Step 3."""
    shares = details.attention_row.mean(axis=0)
    most = int(shares.argmax())
    before, added = (float(np.linalg.norm(each)) for each in details.stream_around_attention)
    found = (most, details.trace.tokens[most], float(shares[most]))
    return texts.attention(len(shares), details.place.token, found, added / before)


def router(details: Details) -> str:
    """Step 4."""
    first, second = details.ranked[:2]
    layer = details.place.layer
    gap = float(details.logits[first] - details.logits[second])
    return texts.router(expert_name(first, layer), expert_name(second, layer), gap)


def softmax(details: Details) -> str:
    """Step 5."""
    row = details.probabilities[details.place.row]
    effective, mass = float(np.exp(routing.entropy(row))), float(routing.mass(row, details.ran))
    return texts.softmax(effective, _ran(details), len(row), mass)


def top_k(details: Details) -> str:
    """Step 6."""
    row = details.probabilities[details.place.row]
    return texts.top_k(_ran(details), len(row), float(routing.mass(row, details.ran)))


def experts(details: Details) -> str:
    """Step 7."""
    seen, ran = details.inspection(details.trace), details.ran.tolist()
    length = dict(zip(seen.ids.tolist(), np.linalg.norm(seen.outputs, axis=1), strict=True))
    ids = [expert for expert in ran if expert in length]
    names = [expert_name(expert, details.place.layer) for expert in ids]
    return texts.experts(names, [float(length[expert]) for expert in ids])


def combination(details: Details) -> str:
    """Step 8."""
    place, states = details.place, details.trace.hidden_states
    assert states is not None  # noqa: S101 - the step is only drawn of a full record
    between = np.add(*details.stream_around_attention)
    added = states[place.layer + 1, place.token] - between
    return texts.combination(float(np.linalg.norm(added) / np.linalg.norm(between)))


def prediction(details: Details) -> str:
    """Step 9; empty where the second k could not be run."""
    other = details.other
    if other is None:
        return ""
    one, two = details.predictions(details.trace), details.predictions(other)
    return texts.prediction(
        details.place.ks,
        (one.top_tokens[0][0], two.top_tokens[0][0]),
        (float(one.probabilities[0, 0]), float(two.probabilities[0, 0])),
    )


def way_in(details: Details) -> str:
    """Between steps 2 and 3."""
    place, norms = details.place, details.trace.hidden_norms[:, details.place.token]
    return texts.way_in(
        place.layer, place.geometry.layer_ids, (float(norms[0]), float(norms[place.layer]))
    )


def way_out(details: Details) -> str:
    """Between steps 8 and 9."""
    place, norms = details.place, details.trace.hidden_norms[:, details.place.token]
    return texts.way_out(
        place.layer, place.geometry.layer_ids, (float(norms[place.layer + 1]), float(norms[-1]))
    )


def _ran(details: Details) -> int:
    return int((details.ran >= 0).sum())
