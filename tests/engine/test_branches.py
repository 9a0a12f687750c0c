"""Compiled branches against those of the plain pass, and when which of them runs."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import olmoe_viz as ov
from olmoe_viz import load_model
from olmoe_viz.engine import branches, compiled_branches, compiling, cpu_decoder
from olmoe_viz.engine.branches import Ends, Trunk
from olmoe_viz.engine.compiling import COMPILED
from olmoe_viz.engine.cpu_decoder import CpuKernels
from olmoe_viz.engine.differences import difference
from olmoe_viz.engine.forks import Fork, Put, Variant
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.requests import Part

IDS = (40, 7, 99, 200, 12, 300, 41, 7, 98, 3, 11, 60, 44, 7, 12, 90, 33, 21, 5)
POLICIES = (
    RoutingPolicy(8),
    RoutingPolicy.parse("k=4,p>=0.02,w=gain_anchored,off:1.0-20,add:2.3_4@1_6_7,mass=restore"),
)
PARTS: tuple[Part, ...] = ("hidden", "attention", "experts")


@pytest.fixture(scope="module")
def kernels(wide_model: Model) -> CpuKernels:
    made = compiling.compiled_to_branch(wide_model).result()
    assert made is not None
    return made


def trunks(
    model: Model, policy: RoutingPolicy, monkeypatch: pytest.MonkeyPatch
) -> tuple[Trunk, Trunk]:
    """Read the text by the plain pass, and by the compiled one."""
    compiled = Trunk(model, IDS, policy, silent)
    with monkeypatch.context() as patched:
        patched.setattr(branches, "ready_to_branch", lambda _: None)
        plain = Trunk(model, IDS, policy, silent)
    assert (plain.runner, compiled.runner) == (None, COMPILED)
    return plain, compiled


def silent(_: int, __: int) -> None:
    pass


def forks(trunk: Trunk) -> Iterator[Fork]:
    """Branches of all lengths from all layers, and behind the last."""

    def gone(words: str) -> Variant:
        return Variant(RoutingPolicy.parse(f"k=8,{words}").interventions)

    def put(part: Part, token: int, *, replaces: bool) -> Variant:
        return Variant(puts=(Put(part, token, trunk.part("attention", 1, 2), replaces=replaces),))

    end = len(IDS)
    yield Fork(0, 3, end, (gone("off:0.1_5_9"), gone("route_around:0.0-40"), Variant()))
    yield Fork(0, 0, 2, (put("hidden", 1, replaces=True), put("attention", 0, replaces=False)))
    yield Fork(1, 4, 6, tuple(gone(f"off:1.{expert}") for expert in range(7)))
    yield Fork(
        1, 17, end, (put("attention", 18, replaces=True), gone("keep_only:1.3-9,swap:1.3~4"))
    )
    yield Fork(3, 16, 18, (put("hidden", 17, replaces=False), Variant()))


def ends(trunk: Trunk, some: list[Fork]) -> list[Ends]:
    return list(trunk.grow(some, 2, silent))


@pytest.mark.parametrize("policy", POLICIES)
def test_compiled_branches_are_those_of_the_plain_pass(
    wide_model: Model,
    kernels: CpuKernels,
    policy: RoutingPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, compiled = trunks(wide_model, policy, monkeypatch)
    np.testing.assert_array_equal(plain.expert_ids, compiled.expert_ids)
    near(plain.weights, compiled.weights)
    near(plain.router_logits, compiled.router_logits)
    near(plain.end(), compiled.end())
    for part in PARTS:
        near(plain.part(part, 2, 5), compiled.part(part, 2, 5))
    some = list(forks(plain))
    for one, other in zip(ends(plain, some), ends(compiled, some), strict=True):
        assert (one.fork, one.start) == (other.fork, other.start)
        near(one.plain, other.plain)
        near(one.found, other.found)
        columns = min(one.expert_ids.shape[1], other.expert_ids.shape[1])
        for found in (one, other):  # what only another branch uses is empty
            assert (found.expert_ids[:, columns:] == -1).all()
        np.testing.assert_array_equal(one.expert_ids[:, :columns], other.expert_ids[:, :columns])
        near(one.weights[:, :columns], other.weights[:, :columns])
        apart = compiled.difference(one.plain[0], one.found[:, 0])
        np.testing.assert_array_equal(apart.tops, one.found[:, 0].argmax(-1))


def near(one: object, other: object) -> None:
    np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-3, atol=1e-4)


def test_a_second_thread_changes_no_bit_of_a_branch(
    wide_model: Model, kernels: CpuKernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    submit = cpu_decoder._helper.submit
    monkeypatch.setattr(
        cpu_decoder, "_helper", SimpleNamespace(submit=lambda *a: asked.append(a) or submit(*a))
    )
    monkeypatch.setattr(cpu_decoder, "_BUSY", np.inf)
    monkeypatch.setattr(kernels, "_alone_until", 0.0)
    trunk, found = Trunk(wide_model, IDS, POLICIES[0], silent), []
    some = list(forks(trunk))
    for helped in (False, True):
        monkeypatch.setattr(kernels, "helped", helped)
        found.append(ends(trunk, some))
    assert len(asked) == 1
    for alone, beside in zip(*found, strict=True):
        assert torch.equal(alone.plain, beside.plain)
        assert torch.equal(alone.found, beside.found)
        np.testing.assert_array_equal(alone.weights, beside.weights)


def test_compiled_effects_are_those_of_the_plain_pass(
    wide_model: Model, kernels: CpuKernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = ((0, 3), (1, 18), (2, 0))
    ours = ov.effects(wide_model, IDS, cells, read="last", continuation=(5, 9))
    monkeypatch.setattr(branches, "ready_to_branch", lambda _: None)
    plain = ov.effects(wide_model, IDS, cells, read="last", continuation=(5, 9))
    assert (ours.provenance.runner, plain.provenance.runner) == (COMPILED, "olmoe")
    for name in ("expert_ids", "matched_tokens", "matched_ids", "new_tops", "ranks", "read_at"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(plain, name))
    for name in ("kl", "matched_kl", "random_kl", "shares", "continuation_changes"):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(plain, name), rtol=1e-2, atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize(("size", "vocab"), [(1e-3, 512), (1.0, 512), (1.0, 500), (400.0, 512)])
def test_compiled_differences_are_torchs(size: float, vocab: int) -> None:
    draw = torch.Generator().manual_seed(0)
    plain = torch.randn(vocab, generator=draw) * 3
    found = plain + torch.randn(5, vocab, generator=draw) * size
    ours, theirs = (each(plain, found) for each in (compiled_branches.difference, difference))
    np.testing.assert_array_equal(ours.tops, theirs.tops)
    np.testing.assert_allclose(ours.shifts, theirs.shifts, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.kl, theirs.kl, rtol=2e-3)


def test_the_second_text_of_a_program_begins_to_compile_branches(
    wide_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Model] = []
    pending: Future[CpuKernels | None] = Future()
    monkeypatch.setattr(
        compiling, "compiled_to_branch", lambda model: begun.append(model) or pending
    )
    model = load_model(str(wide_folder), device="cpu")
    for texts in (0, 1, 2):
        assert len(begun) == max(texts - 1, 0)
        assert Trunk(model, IDS[:3], POLICIES[0], silent).runner is None


def test_branches_that_predict_something_else_are_refused(
    wide_model: Model, kernels: CpuKernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = CpuKernels.branch

    def wrong(self: CpuKernels, *args: object) -> None:
        ran(self, *args)  # type: ignore[arg-type]
        args[-1].scores[...] *= 1.01  # type: ignore[attr-defined]

    monkeypatch.setattr(CpuKernels, "branch", wrong)
    with pytest.raises(RuntimeError, match="predict other than by the plain pass"):
        compiled_branches.check(wide_model, kernels)
    done: Future[CpuKernels | None] = Future()
    done.set_result(kernels)
    assert compiling._make_to_branch(wide_model, done) is None
