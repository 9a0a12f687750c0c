"""What was observed of the bundled model's routing on a few texts, and how that is measured.

Two tokens are alike in a layer by the share of experts that both use. The observations are recorded
by `python -m training.observe`, with the weights that they were made on.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import olmoe_viz
from olmoe_viz.numerics import routing
from olmoe_viz.records.trace import Trace

RECORDED = Path(olmoe_viz.__file__).parent / "data" / "observed.json"
Place = tuple[Trace, int]  # a token of a trace


@dataclass(frozen=True)
class Experiment:
    """Two tokens of one text, and the mean number of experts that they share.

    `shared` is by layer; `usual` is the mean over all pairs of the text's other tokens and layers.
    """

    name: str
    prompt: str
    places: tuple[int, int]
    tokens: tuple[str, str]
    shared: tuple[int, ...]
    usual: float


@dataclass(frozen=True)
class Observed:
    """Of the weights with a digest at their trained k.

    `first` and `last` are the mean share of experts that the first tokens of any two of `texts`
    texts have in common, by layer, and the last tokens. `balance` is the load-balancing loss
    against the tokens trained on.
    """

    digest: str
    date: str
    texts: int
    first: tuple[float, ...]
    last: tuple[float, ...]
    experiments: tuple[Experiment, ...]
    balance: tuple[tuple[int, float], ...]


def alike(one: Place, other: Place) -> NDArray[np.int64]:
    """Return how many experts two tokens share, [layers]."""
    used = [
        routing.used(trace.expert_ids[:, token], trace.geometry.experts)
        for trace, token in (one, other)
    ]
    return np.asarray((used[0] & used[1]).sum(axis=-1))


def mean_alike(places: Sequence[Place]) -> NDArray[np.float64]:
    """Return the mean share of experts that any two of the tokens have in common, [layers]."""
    pairs = [alike(*pair) for pair in combinations(places, 2)]
    k = places[0][0].expert_ids.shape[-1]
    return np.asarray(np.mean(pairs, axis=0) / k)


def experiment(name: str, trace: Trace, places: tuple[int, int]) -> Experiment:
    """Compare two tokens of a trace; the first token is left out of what is usual."""
    others = [
        alike((trace, one), (trace, other))
        for one, other in combinations(range(1, len(trace.tokens)), 2)
        if {one, other} != set(places)
    ]
    shared = alike((trace, places[0]), (trace, places[1]))
    return Experiment(
        name=name,
        prompt=trace.text,
        places=places,
        tokens=(trace.tokens[places[0]], trace.tokens[places[1]]),
        shared=tuple(shared.tolist()),
        usual=round(float(np.mean(others)), 3),
    )


def observed(digest: str) -> Observed | None:
    """Return what was observed of these weights; None where nothing was."""
    found = _recorded(RECORDED)
    return found if found.digest == digest else None


@cache
def _recorded(path: Path) -> Observed:
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Observed(
        **{name: known[name] for name in ("digest", "date", "texts")},
        first=tuple(known["first"]),
        last=tuple(known["last"]),
        experiments=tuple(
            Experiment(
                each["name"],
                each["prompt"],
                tuple(each["places"]),
                tuple(each["tokens"]),
                tuple(each["shared"]),
                each["usual"],
            )
            for each in known["experiments"]
        ),
        balance=tuple((tokens, value) for tokens, value in known["balance"]),
    )
