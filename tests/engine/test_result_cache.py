"""What is kept of the last answers."""

from collections.abc import Callable

import pytest

from olmoe_viz import RoutingPolicy, Trace
from olmoe_viz.engine.result_cache import ResultCache, size
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.requests import ModelRequest, TraceRequest

Make = Callable[..., Trace]


def requests(count: int) -> list[TraceRequest]:
    return [TraceRequest("random", str(number), RoutingPolicy(2)) for number in range(count)]


def test_those_used_last_stay(make_trace: Make) -> None:
    trace = make_trace()
    cache = ResultCache(3 * trace.nbytes)
    first, second, third, fourth = requests(4)
    for request in (first, second, third):
        cache.keep(request, trace)
    assert cache.find(first) is trace
    cache.keep(fourth, trace)
    assert [cache.find(request) is not None for request in (first, second, third, fourth)] == [
        True,
        False,
        True,
        True,
    ]


def test_the_last_two_traces_stay_whatever_their_size(
    make_trace: Make, geometry: Geometry, provenance: Provenance
) -> None:
    trace = make_trace(full=True)
    cache = ResultCache(1)
    first, second, third = requests(3)
    for request in (first, second, third):
        cache.keep(request, trace)
    assert cache.find(first) is None
    assert cache.find(second) is cache.find(third) is trace
    facts = ModelFacts(ModelRequest("random"), geometry, 4, (), provenance)
    cache.keep(facts.request, facts)
    assert cache.find(second) is cache.find(third) is trace


def test_a_model_can_be_forgotten(make_trace: Make) -> None:
    cache, trace = ResultCache(10**9), make_trace()
    own, other = requests(1)[0], TraceRequest("other", "0", RoutingPolicy(2))
    for request in (own, other):
        cache.keep(request, trace)
    cache.forget("random")
    assert cache.find(own) is None
    assert cache.find(other) is trace


@pytest.mark.parametrize("full", [False, True])
def test_the_size_is_that_of_all_arrays(make_trace: Make, *, full: bool) -> None:
    trace = make_trace(full=full)
    arrays = [getattr(trace, name) for name in ("router_logits", "expert_ids", "weights")]
    assert size(trace) > sum(array.nbytes for array in arrays)
    assert size((trace, trace)) == 2 * size(trace)
