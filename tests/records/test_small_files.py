"""What a run takes in a file, and router logits that are kept in half of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from olmoe_viz import Generation, Geometry, RoutingPolicy, Trace
from olmoe_viz.numerics.geometry import OLMOE_1B_7B
from olmoe_viz.requests import TraceRequest
from tests.records.files import refused, split

MakeTrace = Callable[..., Trace]
TOKENS = 512


@pytest.fixture
def long_run(make_trace: MakeTrace) -> Callable[[int], Trace]:
    """Return a function that makes a run of 512 tokens in the sizes of the real model."""
    sizes = Geometry(**vars(OLMOE_1B_7B))
    logits = np.random.default_rng(0).normal(size=(16, TOKENS, 64)).astype(np.float32)
    next_logits = -np.arange(50, dtype=np.float32)

    def run(k: int) -> Trace:
        return make_trace(
            policy=RoutingPolicy(k),
            geometry=sizes,
            tokens=(" something",) * TOKENS,
            token_bytes=(b" something",) * TOKENS,
            token_ids=np.arange(TOKENS),
            router_logits=logits,
            next_ids=np.arange(50),
            next_logits=next_logits,
            next_tokens=(" something",) * 50,
            log_sum_exp=1.0,
        )

    return run


@pytest.mark.parametrize(
    ("k", "half_logits", "most"), [(8, False, 2.7e6), (16, False, 3.2e6), (8, True, 1.7e6)]
)
def test_a_prompt_of_512_tokens_of_the_real_model(
    long_run: Callable[[int], Trace], tmp_path: Path, k: int, half_logits: bool, most: float
):
    trace, path = long_run(k), tmp_path / "run"
    trace.save(path, half_logits=half_logits)
    size = path.stat().st_size
    assert size < most
    told = Trace.file_bytes(trace.request, trace.geometry, TOKENS, half_logits=half_logits)
    assert told < size < told + 60 * TOKENS + 6_000


def test_the_size_of_a_full_run_is_told_before_it_is_made(make_trace: MakeTrace, tmp_path: Path):
    request = TraceRequest("m", "a", RoutingPolicy(8), "full")
    assert 135e6 < Trace.file_bytes(request, OLMOE_1B_7B, TOKENS) < 150e6
    trace, path = make_trace(full=True), tmp_path / "run"
    trace.save(path)
    told = Trace.file_bytes(trace.request, trace.geometry, len(trace.tokens))
    assert told == len(split(path)[1])
    with pytest.raises(ValueError, match="from 1 to 64"):
        Trace.file_bytes(TraceRequest("m", "a", RoutingPolicy(65)), OLMOE_1B_7B, 1)


def test_a_run_in_half_precision_says_so_and_is_kept_as_it_is(
    make_trace: MakeTrace, tmp_path: Path
):
    trace, path = make_trace(), tmp_path / "run"
    trace.save(path, half_logits=True)
    assert split(path)[0]["router_logits"]["dtype"] == "F16"
    loaded = Trace.load(path)
    assert loaded.logits_precision == "float16"
    assert trace.logits_precision == "float32"
    assert loaded.router_logits.dtype == np.float32
    rounded = trace.router_logits.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(loaded.router_logits, rounded)
    np.testing.assert_array_equal(loaded.expert_ids, trace.expert_ids)
    np.testing.assert_array_equal(loaded.weights, trace.weights)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_both_router_logits_of_a_generation_are_halved(
    make_generation: Callable[..., Generation], tmp_path: Path
):
    generation, path = make_generation(), tmp_path / "run"
    generation.save(path, half_logits=True)
    header = split(path)[0]
    assert {header[f"{part}router_logits"]["dtype"] for part in ("", "prompt_")} == {"F16"}
    assert Generation.load(path).logits_precision == "float16"


def test_logits_that_are_too_large_for_half_precision(make_trace: MakeTrace, tmp_path: Path):
    logits = np.array(make_trace().router_logits)
    logits[0, 0, 0] = 70_000
    trace = make_trace(router_logits=logits)
    with pytest.raises(ValueError, match="do not fit into float16"):
        trace.save(tmp_path / "run", half_logits=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_cannot_claim_another_precision(
    make_trace: MakeTrace, rewrite: Callable[..., Path], tmp_path: Path
):
    refused(rewrite(logits_precision="float16"), "router_logits is not float16")


def test_a_file_cannot_claim_an_unknown_precision(rewrite: Callable[..., Path]):
    refused(rewrite(logits_precision="int8"), "logits_precision is missing or damaged")


def test_a_file_must_mark_missing_experts_as_we_do(rewrite: Callable[..., Path]):
    refused(rewrite(description={"missing_expert": 0}), "does not mark missing experts with -1")
