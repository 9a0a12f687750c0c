"""The compiled step against the plain pass and stock transformers, and when which of them runs."""

import sys
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from olmoe_viz import RoutingPolicy, compare, load_model
from olmoe_viz.engine import compiling, cpu_decoder
from olmoe_viz.engine.cache import KvCache
from olmoe_viz.engine.cpu_decoder import CpuKernels, Piece
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.families.base import Parts
from olmoe_viz.models.model import Model
from tests.engine.tiny import load_stock

POLICIES = (
    RoutingPolicy(8),
    RoutingPolicy(64),
    RoutingPolicy((1, 5, 16)),
    RoutingPolicy(12, weighting="renormalized"),
    RoutingPolicy(3, weighting="gain_anchored", threshold=0.02),
    RoutingPolicy.parse("k=8,off:*.0-20@generated,bias:0.1_5~2.5,add:2.3_4@1_6_7,mass=restore"),
)
PROMPT = (5, 6, 7, 8, 9)
PLAIN, COMPILED = "olmoe", "olmoe, compiled by numba"


def parts_of(model: Model) -> Parts:
    assert model.parts is not None
    return model.parts


def test_generations_are_those_of_the_plain_pass(
    wide_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = compare(wide_model, PROMPT, POLICIES, 12)
    monkeypatch.setattr(compiling, "fits", lambda _: False)
    plain = compare(wide_model, PROMPT, POLICIES, 12)
    for one, other in zip(ours, plain, strict=True):
        assert (one.provenance.runner, other.provenance.runner) == (COMPILED, PLAIN)
        np.testing.assert_array_equal(one.token_ids, other.token_ids)
        np.testing.assert_array_equal(one.expert_ids, other.expert_ids)
        for name in ("logprobs", "router_logits", "weights"):
            np.testing.assert_allclose(
                getattr(one, name), getattr(other, name), rtol=1e-3, atol=1e-4
            )


def test_greedy_text_is_that_of_stock_transformers(wide_model: Model, wide_folder: Path) -> None:
    for k in (8, 64):
        (ours,) = compare(wide_model, PROMPT, [RoutingPolicy(k)], 12)
        stock = load_stock(wide_folder, k)
        ids = stock.generate(torch.tensor([PROMPT]), max_new_tokens=12, do_sample=False)
        assert ours.token_ids.tolist() == ids[0, len(PROMPT) :].tolist()


def pieces(
    cache: KvCache, policies: Sequence[RoutingPolicy], tokens: Sequence[int], position: int
) -> list[Piece]:
    """Return one token of each policy, in a slot of its own."""
    rows = zip(policies, tokens, cache.bases, strict=True)
    return [Piece(policy, [token], base, position, "generated") for policy, token, base in rows]


def test_rows_do_not_depend_on_the_rows_beside_them(wide_model: Model) -> None:
    kernels, runner = CpuKernels(wide_model, parts_of(wide_model)), runner_of(wide_model)
    tokens = [3, 4, 5, 6, 7, 8]
    together, alone = runner.open(6, 6), runner.open(6, 6)
    for position in range(6):
        all_rows = kernels.run(together, pieces(together, POLICIES, tokens, position))
        for row, own_piece in enumerate(pieces(alone, POLICIES, tokens, position)):
            own = kernels.run(alone, [own_piece])
            width = own.expert_ids.shape[-1]
            assert np.array_equal(own.scores[0], all_rows.scores[row])
            assert np.array_equal(own.router_logits[0], all_rows.router_logits[row])
            assert np.array_equal(own.expert_ids[0], all_rows.expert_ids[row, :, :width])
            assert np.array_equal(own.weights[0], all_rows.weights[row, :, :width])
        tokens = [int(scores.argmax()) for scores in all_rows.scores]


@pytest.mark.parametrize("helped", [False, True])
def test_a_prompt_in_any_parts_beside_anything_is_to_the_bit_token_after_token(
    wide_model: Model, helped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_decoder, "_BUSY", np.inf)
    kernels, runner = CpuKernels(wide_model, parts_of(wide_model)), runner_of(wide_model)
    kernels.helped = helped
    prompts = [[3 + row * 7 + token for token in range(4 + 3 * row)] for row in range(3)]
    alone, beside = runner.open(3, 12), runner.open(3, 12)
    expected = [
        [
            kernels.run(alone, [Piece(POLICIES[row], [token], alone.bases[row], at, "prompt")])
            for at, token in enumerate(prompt)
        ]
        for row, prompt in enumerate(prompts)
    ]
    done = [0, 0, 0]
    for counts in ((4, 1, 6), (0, 5, 3), (0, 1, 1)):
        parts = [
            Piece(
                POLICIES[row],
                prompts[row][done[row] : done[row] + count],
                base,
                done[row],
                "prompt",
            )
            for row, (count, base) in enumerate(zip(counts, beside.bases, strict=True))
            if count
        ]
        found, first = kernels.run(beside, parts), 0
        for number, part in enumerate(parts):
            row = POLICIES.index(part.policy)
            for at in range(done[row], done[row] + len(part.tokens)):
                own = expected[row][at]
                width = own.expert_ids.shape[-1]
                assert np.array_equal(own.router_logits[0], found.router_logits[first])
                assert np.array_equal(own.expert_ids[0], found.expert_ids[first, :, :width])
                first += 1
            done[row] += len(part.tokens)
            assert np.array_equal(expected[row][done[row] - 1].scores[0], found.scores[number])
    assert done == [len(prompt) for prompt in prompts]


@pytest.mark.parametrize("policies", [POLICIES, POLICIES * 3])
def test_a_second_thread_changes_no_bit(
    wide_model: Model, policies: tuple[RoutingPolicy, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    submit = cpu_decoder._helper.submit
    monkeypatch.setattr(
        cpu_decoder,
        "_helper",
        SimpleNamespace(submit=lambda *a, **b: asked.append(a) or submit(*a, **b)),
    )
    kernels, runner = CpuKernels(wide_model, parts_of(wide_model)), runner_of(wide_model)
    rows, caches = range(len(policies)), [runner.open(len(policies), 4) for _ in range(2)]
    monkeypatch.setattr(cpu_decoder, "_BUSY", np.inf)
    for position in range(4):
        tokens = [3 + row + position for row in rows]
        found = []
        for cache, kernels.helped in zip(caches, (False, True), strict=True):
            found.append(kernels.run(cache, pieces(cache, policies, tokens, position)))
        for alone, helped in zip(*found, strict=True):
            assert np.array_equal(alone, helped)
    assert len(asked) == 4


def test_where_cores_are_busy_nobody_helps(
    wide_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels, cache = CpuKernels(wide_model, parts_of(wide_model)), runner_of(wide_model).open(1, 2)
    monkeypatch.setattr(cpu_decoder, "_BUSY", 0.0)
    monkeypatch.setattr(cpu_decoder, "_ALONE", np.inf)
    kernels.helped = True
    kernels.run(cache, [Piece(RoutingPolicy(64), [3], 0, 0, "prompt")])
    monkeypatch.setattr(cpu_decoder, "_helper", None)
    kernels.run(cache, [Piece(RoutingPolicy(64), [3], 0, 1, "prompt")])


def test_kernels_that_compute_something_else_are_refused(wide_model: Model) -> None:
    parts = parts_of(wide_model)
    wrong = torch.nn.Linear(1, 1)
    wrong.weight = torch.nn.Parameter(parts.norm.weight * 1.01)  # type: ignore[operator]
    with pytest.raises(RuntimeError, match="other scores than the plain pass"):
        CpuKernels(wide_model, replace(parts, norm=wrong))


def test_the_plain_pass_runs_until_the_step_is_compiled(
    wide_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending: Future[CpuKernels | None] = Future()
    monkeypatch.setattr(compiling, "compiled", lambda _: pending)
    assert compare(wide_model, PROMPT, POLICIES[:1], 2)[0].provenance.runner == PLAIN
    pending.set_result(CpuKernels(wide_model, parts_of(wide_model)))
    assert compare(wide_model, PROMPT, POLICIES[:1], 2)[0].provenance.runner == COMPILED


def test_the_second_text_of_a_program_begins_to_compile(
    wide_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Model] = []
    pending: Future[CpuKernels | None] = Future()
    monkeypatch.setattr(compiling, "compiled", lambda model: begun.append(model) or pending)
    model = load_model(str(wide_folder), device="cpu")
    for texts in (0, 1, 2):
        assert len(begun) == max(texts - 1, 0)
        assert compare(model, PROMPT, POLICIES[:1], 2)[0].provenance.runner == PLAIN


def test_without_numba_the_plain_pass_runs(
    wide_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "olmoe_viz.engine.cpu_decoder", None)
    model = load_model(str(wide_folder), device="cpu")
    assert compiling.compiled(model).result() is None
    assert compare(model, PROMPT, POLICIES[:1], 2)[0].provenance.runner == PLAIN


def test_other_sizes_and_types_are_left_to_the_plain_pass(model: Model, wide_folder: Path) -> None:
    assert not compiling.fits(model)  # its heads are eight wide
    assert not compiling.fits(load_model(str(wide_folder), device="cpu", dtype="bfloat16"))
