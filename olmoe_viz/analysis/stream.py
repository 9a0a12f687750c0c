"""How long the vector of a token gets on its way through the blocks, and who adds how much."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import olmoe_viz
from olmoe_viz.records.trace import Trace

RECORDED = Path(olmoe_viz.__file__).parent / "data" / "stream.json"
Norms = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stream:
    """L2 norms around the two additions of each block, [blocks, tokens] each.

    `attention` is that of what attention adds, `between` that of the residual stream after it,
    `experts` that of what the experts add. The stream's before a block are the trace's
    `hidden_norms`.
    """

    attention: Norms
    between: Norms
    experts: Norms


def stream(trace: Trace) -> Stream | None:
    """Return the norms of a trace with all vectors; None where only the stream's own are known.

    Of the example that comes with the package they are recorded.
    """
    if trace.hidden_states is None or trace.attention_outputs is None:
        return _recorded(RECORDED).get(identity(trace))
    before, added = trace.hidden_states[:-1], trace.attention_outputs
    between = before + added
    parts = (added, between, trace.hidden_states[1:] - between)
    return Stream(*(np.linalg.norm(part, axis=-1).astype(np.float64) for part in parts))


def distances(trace: Trace, other: Trace, token: int) -> Norms | None:
    """Return how far another run's stream is from a run's after each block, [blocks].

    Relative to the run's own norm; None where a record has no vectors.
    """
    own, others = trace.hidden_states, other.hidden_states
    if own is None or others is None:
        return None
    before, after = own[1:, token], others[1:, token]
    apart = np.linalg.norm(after - before, axis=1) / np.linalg.norm(before, axis=1)
    return np.asarray(apart, dtype=np.float64)


def identity(trace: Trace) -> str:
    """What decides the numbers of a trace: the weights, the text and how it was routed."""
    return f"{trace.provenance.digest} {trace.policy} {trace.text}"


def save(trace: Trace, path: Path = RECORDED) -> None:
    """Record the norms of a trace with all vectors; ValueError when it has none."""
    found = stream(trace) if trace.hidden_states is not None else None
    if found is None:
        raise ValueError('Record a trace with detail="full".')
    arrays = {name: values.round(4).tolist() for name, values in vars(found).items()}
    path.write_text(json.dumps({"of": identity(trace), **arrays}) + "\n", encoding="utf-8")


@cache
def _recorded(path: Path) -> dict[str, Stream]:
    known = json.loads(path.read_text(encoding="utf-8"))
    return {known.pop("of"): Stream(**{name: np.array(each) for name, each in known.items()})}
