"""Coalitions, held against plain runs of every set of experts."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

import olmoe_viz as ov
from olmoe_viz.engine.engine import Ask
from olmoe_viz.errors import CancelledError
from olmoe_viz.interventions import Intervention, LostMass
from olmoe_viz.models.model import Model
from olmoe_viz.numerics.divergence import log_softmax
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.requests import CoalitionRequest, PredictRequest, TraceRequest

IDS = (40, 7, 99, 200, 12)
Members = frozenset[tuple[int, int]]


def margin(ask: Ask, run: TraceRequest, token: int, gone: Members, top: int) -> tuple[float, int]:
    """How far `top` is ahead in a plain run without some experts, and who is the likeliest."""
    off = tuple(Intervention("off", layer, expert, token) for layer, expert in gone)
    policy = replace(run.policy, interventions=off)
    found = ask(PredictRequest(replace(run, policy=policy), (token,), detail="logits"))
    assert found.logits is not None
    logits = found.logits[0]
    return float(logits[top] - np.delete(logits, top).max()), int(logits.argmax())


@pytest.mark.parametrize(
    ("ids", "token", "mass", "sizes"),
    [
        (IDS, 3, "drop", (3, 3)),
        (IDS, 4, "restore", (1, 1)),
        ((239, 212, 70, 230, 17), 0, "drop", (3, 2)),  # one of three turns out to be needless
        (IDS, 1, "drop", (6, 6)),  # nothing flips it
    ],
)
def test_greedy_does_what_it_promises(
    ask: Ask,
    model: Model,
    ids: tuple[int, ...],
    token: int,
    mass: LostMass,
    sizes: tuple[int, int],
) -> None:
    """Against all 64 sets of the experts that ran: each step, the end, and what it cannot know."""
    run = TraceRequest(model.name, ids[: token + 1], RoutingPolicy(2, lost_mass=mass), "full")
    found = ask(CoalitionRequest(run, token))
    assert (len(found.kept), sum(found.kept)) == sizes
    trace, top = ask(run), found.top_id
    ran = [(layer, int(e)) for layer in range(3) for e in trace.expert_ids[layer, token]]
    every = {
        frozenset(some): margin(ask, run, token, frozenset(some), top)
        for size in range(len(ran) + 1)
        for some in combinations(ran, size)
    }
    assert found.margin == pytest.approx(every[frozenset()][0], abs=1e-4)
    assert every[frozenset()][1] == top

    taken: list[tuple[int, int]] = []
    for step, member in enumerate(found.members):
        best = min(every[frozenset((*taken, each))][0] for each in ran if each not in taken)
        taken.append(member)
        assert found.margins[step] == pytest.approx(every[frozenset(taken)][0], abs=1e-4)
        assert found.margins[step] == pytest.approx(best, abs=1e-4)
        assert found.new_tops[step] == every[frozenset(taken)][1]
    assert (found.new_tops[:-1] == top).all()  # it stops at the first flip
    flips = {some for some, (_, likeliest) in every.items() if likeliest != top}
    kept = frozenset(found.needed)
    assert found.flipped == (found.new_tops[-1] != top)
    if found.flipped:
        assert kept in flips
        assert not any(kept - {each} in flips for each in kept)
        assert len(kept) >= min(map(len, flips))  # an upper bound of the smallest
        assert (found.end_margin, found.end_top) == pytest.approx(every[kept], abs=1e-4)
    else:
        assert len(taken) == len(ran)


def test_what_is_found_can_be_applied(ask: Ask, model: Model) -> None:
    found = ov.coalition(model, IDS, 3, RoutingPolicy(8), most=2)
    policy = RoutingPolicy(8, interventions=found.interventions())
    run = TraceRequest(model.name, IDS, policy, "full")
    after = ask(PredictRequest(run, (3,), detail="logits"))
    assert after.logits is not None
    assert after.top_ids[0, 0] == found.end_top
    assert log_softmax(after.logits[0])[found.top_id] == pytest.approx(found.end_logprob, abs=1e-4)
    assert len(found.margins) <= 2


def test_it_tells_how_far_it_is_and_can_be_stopped(model: Model) -> None:
    seen: list[tuple[int, int]] = []

    def watch(done: int, total: int) -> None:
        seen.append((done, total))
        if done >= 12:
            raise CancelledError("enough")

    with pytest.raises(CancelledError, match="enough"):
        ov.coalition(model, IDS, 1, RoutingPolicy(2), most=5, progress=watch)
    assert seen[1:] == [(0, 30), (6, 30), (12, 30)]


def test_a_token_that_is_not_there_is_refused(ask: Ask, model: Model) -> None:
    with pytest.raises(ov.InputError, match="token must be from 0 to 4"):
        ask(CoalitionRequest(TraceRequest(model.name, IDS, RoutingPolicy(8)), 5))
