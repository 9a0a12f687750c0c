"""Coalitions: experts of one token that flip the next one only together, found by greedy search."""

import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from torch import Tensor

from olmoe_viz.engine.branches import Trunk
from olmoe_viz.engine.differences import logprob
from olmoe_viz.engine.forks import Fork, Variant
from olmoe_viz.engine.inputs import check_place, check_policies, encode
from olmoe_viz.engine.prompt import OnProgress
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.interventions import Intervention
from olmoe_viz.models.model import Model
from olmoe_viz.records.coalition import Coalition
from olmoe_viz.records.tokens import display_token
from olmoe_viz.requests import CoalitionRequest

Member = tuple[int, int]  # layer, counted over all blocks, and expert


class _Outcome(NamedTuple):
    """What is predicted: the run's likeliest token ahead of all others by, and who is likeliest."""

    margin: float
    logprob: float
    top: int


def coalition(model: Model, request: CoalitionRequest, on_progress: OnProgress) -> Coalition:
    """Switch off one expert after the other, each time the one that brings the flip nearest.

    Then those are switched on again without which the token stays flipped. Raises InputError for a
    text, a policy or a token that does not fit the model, and for a model whose parts cannot be
    changed.
    """
    start = time.perf_counter()
    check_policies(model, [request.run.policy])
    ids = encode(model, request.run.text)
    check_place("token", request.token, len(ids))
    trunk = Trunk(model, ids, request.run.policy, on_progress)
    search = _Search(model, request, trunk)
    steps = search.greedy(on_progress)
    taken = [member for member, _ in steps]
    kept, end = search.without_the_needless(taken, steps[-1][1])
    plain, outcomes = search.plain, [outcome for _, outcome in steps]
    return Coalition(
        request=request,
        top_id=plain.top,
        top_token=_text(model, plain.top),
        margin=plain.margin,
        logprob=plain.logprob,
        end_top=end.top,
        end_token=_text(model, end.top),
        end_margin=end.margin,
        end_logprob=end.logprob,
        new_top_tokens=tuple(_text(model, each.top) for each in outcomes),
        kept=tuple(member in kept for member in taken),
        geometry=model.geometry,
        provenance=provenance(model, time.perf_counter() - start, trunk.runner),
        layers=np.array([layer for layer, _ in taken]),
        expert_ids=np.array([expert for _, expert in taken], np.int16),
        margins=np.array([each.margin for each in outcomes]),
        logprobs=np.array([each.logprob for each in outcomes]),
        new_tops=np.array([each.top for each in outcomes]),
    )


class _Search:
    """Sets of the experts that ran for one token, and what is predicted without them."""

    def __init__(self, model: Model, request: CoalitionRequest, trunk: Trunk) -> None:
        self._trunk, self._token, self._most = trunk, request.token, request.most
        ran = trunk.expert_ids[:, request.token]
        layers = model.geometry.layer_ids
        self._members = [
            (layer, int(expert))
            for layer, row in zip(layers, ran, strict=True)
            for expert in row
            if expert >= 0
        ]
        self._top = -1  # the run's own, once the first branch beside it has run
        self.plain: _Outcome

    def greedy(self, on_progress: OnProgress) -> list[tuple[Member, _Outcome]]:
        """Return who was taken and what was predicted then, until another token is likelier."""
        steps: list[tuple[Member, _Outcome]] = []
        left, most = list(self._members), min(self._most, len(self._members))
        every = len(left)

        def tell(done: int, _: int) -> None:
            on_progress(len(steps) * every + done, most * every)

        while len(steps) < most:
            taken = [member for member, _ in steps]
            found = self._without([(*taken, member) for member in left], tell)
            best = min(range(len(left)), key=lambda at: found[at].margin)
            steps.append((left.pop(best), found[best]))
            if found[best].top != self.plain.top:
                break
        return steps

    def without_the_needless(
        self, taken: Sequence[Member], end: _Outcome
    ) -> tuple[set[Member], _Outcome]:
        """Return a part of a set that flips the token, of which nobody can be left out."""
        kept = list(taken)
        while end.top != self.plain.top and len(kept) > 1:
            fewer = [tuple(other for other in kept if other != each) for each in kept]
            found = self._without(fewer, lambda _, __: None)
            enough = [at for at, each in enumerate(found) if each.top != self.plain.top]
            if not enough:
                break
            best = min(enough, key=lambda at: found[at].margin)
            kept, end = list(fewer[best]), found[best]
        return set(kept), end

    def _without(
        self, sets: Sequence[tuple[Member, ...]], on_progress: OnProgress
    ) -> list[_Outcome]:
        """Return what is predicted without each of the sets."""
        lowest = [min(members)[0] for members in sets]
        order = sorted(range(len(sets)), key=lowest.__getitem__)
        forks = [
            self._fork(layer, [sets[at] for at in some])
            for layer, some in groupby(order, key=lowest.__getitem__)
        ]
        found: list[_Outcome] = []
        for ends in self._trunk.grow(forks, 1, on_progress):
            if self._top < 0:
                self._top = int(ends.plain[0].argmax())
                self.plain = self._outcome(ends.plain[0])
            found += [self._outcome(logits) for logits in ends.found[:, 0]]
        by_place = dict(zip(order, found, strict=True))
        return [by_place[at] for at in range(len(sets))]

    def _fork(self, layer: int, sets: Iterable[tuple[Member, ...]]) -> Fork:
        variants = (
            Variant(tuple(Intervention("off", (each,), (expert,)) for each, expert in members))
            for members in sets
        )
        return Fork(layer, self._token, self._token + 1, tuple(variants))

    def _outcome(self, logits: Tensor) -> _Outcome:
        others = logits.clone()
        others[self._top] = -np.inf
        margin = float(logits[self._top].double() - others.max().double())
        return _Outcome(margin, logprob(logits, self._top), int(logits.argmax()))


def _text(model: Model, token: int) -> str:
    return display_token(model.token_bytes.of(token))
