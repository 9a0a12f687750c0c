"""Rows that share steps: each writes what it writes alone, whoever comes, goes or breaks off."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as some

import olmoe_viz as ov
from olmoe_viz.engine.decoder import PlainDecoder
from olmoe_viz.engine.generating import Generating
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.sampling import Sampling, pick
from olmoe_viz.engine.scheduler import Scheduler
from olmoe_viz.engine.sequence_group import SequenceGroup
from olmoe_viz.engine.taps import Taps
from olmoe_viz.models.model import Model
from olmoe_viz.requests import GenerateRequest

ROWS, ENTRIES = 6, 120
Alone = Callable[[str, GenerateRequest], tuple[ov.Generation, ...]]
CLOSE = 1e-4  # of logits, or of shares of a distribution: rounding of another size of batch
POLICIES = (
    ov.RoutingPolicy(8),
    ov.RoutingPolicy(64),
    ov.RoutingPolicy((1, 5, 16)),
    ov.RoutingPolicy(12, "renormalized"),
    ov.RoutingPolicy(3, "gain_anchored", 0.02),
)


class Arrival(NamedTuple):
    """A request, the step before which it comes, and after how many of its own it is left."""

    at: int
    request: GenerateRequest
    left_after: int


arrivals = some.builds(
    Arrival,
    some.integers(0, 8),
    some.builds(
        GenerateRequest,
        model=some.just("tiny"),
        prompt=some.lists(some.integers(5, 300), min_size=1, max_size=14).map(tuple),
        policies=some.lists(some.sampled_from(POLICIES), min_size=1, max_size=3).map(tuple),
        max_new_tokens=some.integers(1, 6),
        temperature=some.sampled_from([0.0, 1.0]),
        top_p=some.sampled_from([0.9, 1.0]),
        seed=some.integers(0, 3),
    ),
    some.sampled_from([99, 99, 99, 2]),
)


def run(model: Model, visits: list[Arrival], most_read: int) -> list[SequenceGroup]:
    """Let everybody come, wait for room in turn, and write; nobody more than the limits allow."""
    scheduler = Scheduler(model, ROWS, ENTRIES)
    groups = [SequenceGroup(model, visit.request) for visit in visits]
    waiting, now = sorted(range(len(visits)), key=lambda i: visits[i].at), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("olmoe_viz.engine.prompt.PART", most_read)
        while waiting or scheduler.groups:
            while waiting and visits[waiting[0]].at <= now and scheduler.admit(groups[waiting[0]]):
                waiting.pop(0)
            scheduler.step()
            for visit, group in zip(visits, groups, strict=True):
                if group.written >= visit.left_after:
                    group.stop()
            rows = [row for group in scheduler.groups for row in group.rows]
            assert len(rows) <= ROWS
            assert sum(row.length for row in rows) <= ENTRIES
            now += 1
            assert now < 500
    return groups


@pytest.fixture(scope="session")
def alone(model: Model, wide_model: Model) -> Alone:
    @cache
    def write(name: str, request: GenerateRequest) -> tuple[ov.Generation, ...]:
        with Generating({"plain": model, "compiled": wide_model}[name], request) as generating:
            list(generating)
        return generating.generations()

    return write


@given(visits=some.lists(arrivals, min_size=1, max_size=6), most_read=some.sampled_from([8, 256]))
def test_every_row_writes_to_the_bit_what_it_writes_alone(
    wide_model: Model, alone: Alone, visits: list[Arrival], most_read: int
) -> None:
    """With the compiled step, in which no row's numbers depend on another's."""
    for visit, group in zip(visits, run(wide_model, visits, most_read), strict=True):
        for own, solo in zip(group.generations(), alone("compiled", visit.request), strict=True):
            count = len(own.token_ids)
            assert own.finish in (solo.finish, "stopped")
            assert count == len(solo.token_ids) or own.finish == "stopped"
            for name in ("token_ids", "logprobs"):
                assert np.array_equal(getattr(own, name), getattr(solo, name)[:count])
            for name in ("router_logits", "expert_ids", "weights"):
                assert np.array_equal(getattr(own, name), getattr(solo, name)[:, :count])
                read = f"prompt_{name}"
                assert np.array_equal(getattr(own, read), getattr(solo, read))


@settings(max_examples=10)
@given(visits=some.lists(arrivals, min_size=1, max_size=5), most_read=some.sampled_from([8, 256]))
def test_every_row_writes_what_it_writes_alone_as_far_as_rounding_decides(
    model: Model, alone: Alone, visits: list[Arrival], most_read: int
) -> None:
    """With the pass, whose products round by the size of the batch."""
    for visit, group in zip(visits, run(model, visits, most_read), strict=True):
        for own, solo in zip(group.generations(), alone("plain", visit.request), strict=True):
            ours, theirs = own.token_ids.tolist(), solo.token_ids.tolist()[: len(own.token_ids)]
            if ours != theirs:
                first = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
                assert close_call(model, solo, first)
                event("the two best were closer than rounding")
                continue
            np.testing.assert_allclose(
                own.router_logits, solo.router_logits[:, : len(ours)], atol=1e-3
            )


def close_call(model: Model, row: ov.Generation, at: int) -> bool:
    """Whether two choices of a token lie within rounding of each other."""
    ids = [*row.prompt_ids.tolist(), *row.token_ids.tolist()[:at]]
    runner, request = runner_of(model), row.request
    with torch.inference_mode():
        plan = runner.plan([row.policy])
        hidden = runner.step(runner.open(1, len(ids)), [ids], [0], [0], plan, Taps(1))
        scores = runner.readout(hidden[:, -1])
    sampling = Sampling(request.temperature, request.top_p, request.seed)
    two = scores.topk(2).values[0]
    if sampling.temperature == 0:
        return bool(two[0] - two[1] < CLOSE)
    uniform = sampling.uniforms(len(ids), 1)
    around = [pick(scores, [sampling], (uniform + by).clamp(0, 1)) for by in (-CLOSE, CLOSE)]
    return around[0].item() != around[1].item()


def test_a_step_that_fails_for_one_group_goes_on_for_the_others(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [GenerateRequest("tiny", (5 + i, 9), POLICIES[:2], 5) for i in range(3)]
    whole = [ov.compare(model, request.prompt, request.policies, 5) for request in requests]
    groups, scheduler = [SequenceGroup(model, each) for each in requests], Scheduler(model, 6, 99)
    assert all(map(scheduler.admit, groups))
    step, bad = PlainDecoder.step, groups[1].rows[0]

    def failing(decoder: PlainDecoder, parts: list) -> object:
        if any(row is bad and row.position == 4 for row, _ in parts):
            raise MemoryError
        return step(decoder, parts)

    monkeypatch.setattr(PlainDecoder, "step", failing)
    while scheduler.groups:
        scheduler.step()
    assert "memory ran out after 2 tokens" in str(groups[1].error)
    assert [len(row.token_ids) for row in groups[1].generations()] == [2, 2]
    for place in (0, 2):
        assert groups[place].error is None
        for own, solo in zip(groups[place].generations(), whole[place], strict=True):
            assert own.token_ids.tolist() == solo.token_ids.tolist()


@pytest.mark.parametrize("compiled", [False, True])
def test_numbers_that_are_not_finite_stay_in_their_row(
    model: Model, wide_model: Model, compiled: bool
) -> None:
    """Also in the cache, where another row's entries lie behind and the next row's upon them."""
    chosen = wide_model if compiled else model
    requests = [GenerateRequest("tiny", (new, 9), POLICIES[:1], new) for new in (5, 6, 4)]
    whole = [
        ov.compare(chosen, each.prompt, POLICIES[:1], each.max_new_tokens) for each in requests
    ]
    groups, scheduler = [SequenceGroup(chosen, each) for each in requests], Scheduler(chosen, 6, 99)
    assert all(map(scheduler.admit, groups[:2]))
    scheduler.step()
    scheduler.step()
    (decoder,) = set(scheduler._groups.values())
    spoilt = groups[0].rows[0]
    for pair in decoder._cache.layers:
        for entries in pair:
            entries[spoilt.base : spoilt.base + spoilt.length] = float("nan")
    scheduler.step()
    assert "no longer finite" in str(groups[0].error)
    assert scheduler.admit(groups[2])
    assert groups[2].rows[0].base == spoilt.base
    while scheduler.groups:
        scheduler.step()
    for group, (solo,) in zip(groups[1:], whole[1:], strict=True):
        assert group.generations()[0].token_ids.tolist() == solo.token_ids.tolist()


def test_a_long_prompt_stalls_nobody_and_a_short_one_passes_it(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("olmoe_viz.engine.prompt.PART", 16)
    writer, long, short = (
        SequenceGroup(model, GenerateRequest("tiny", (7,) * length, POLICIES[:1], new))
        for length, new in ((2, 20), (60, 2), (4, 2))
    )
    scheduler = Scheduler(model, 6, 200)
    assert scheduler.admit(writer)
    scheduler.step()
    assert scheduler.admit(long)
    scheduler.step()
    assert scheduler.admit(short)
    written = writer.written
    for _ in range(4):
        scheduler.step()
        assert writer.written == (written := written + 1)
    assert not short.reading
    assert long.reading
