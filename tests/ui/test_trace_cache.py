"""The traces kept for the next look are bounded by their bytes."""

from collections.abc import Callable

from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.trace_cache import Request, TraceCache, size


def request(name: str) -> Request:
    return (name, "k=8", "routing", "sha256:0")


def test_the_size_counts_every_array(make_trace: Callable[..., Trace]) -> None:
    brief, full = make_trace(), make_trace(full=True)
    assert full.hidden_states is not None
    assert full.attention_outputs is not None
    assert full.expert_outputs is not None
    arrays = (full.hidden_states, full.attention_outputs, full.expert_outputs)
    assert size(brief) > brief.router_logits.nbytes
    assert size(full) == size(brief) + sum(array.nbytes for array in arrays)


def test_what_was_unused_for_longest_goes_when_the_bytes_are_used_up(
    make_trace: Callable[..., Trace],
) -> None:
    trace = make_trace()
    cache = TraceCache(3 * size(trace))
    for name in "abc":
        cache.keep(request(name), trace)
    assert cache.find(request("a")) is trace
    cache.keep(request("d"), trace)
    assert cache.find(request("b")) is None
    assert all(cache.find(request(name)) is trace for name in "acd")


def test_one_large_trace_takes_the_room_of_many_but_two_always_stay(
    make_trace: Callable[..., Trace],
) -> None:
    small, large = make_trace(), make_trace(full=True)
    cache = TraceCache(size(large) - 1)
    for name in "abc":
        cache.keep(request(name), small)
    cache.keep(request("one"), large)
    cache.keep(request("two"), large)
    assert [cache.find(request(name)) for name in "abc"] == [None] * 3
    assert cache.find(request("one")) is large
    assert cache.find(request("two")) is large
    cache.keep(request("two"), large)
    assert cache.find(request("one")) is large
