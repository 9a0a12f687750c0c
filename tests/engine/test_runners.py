"""Both passes, held against stock transformers and against each other."""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import cpu_offload
from transformers import OlmoeForCausalLM

import olmoe_viz as ov
from olmoe_viz.engine.hooked_runner import HookedRunner
from olmoe_viz.engine.olmoe_runner import OlmoeRunner
from olmoe_viz.engine.runner import Runner, runner_of
from olmoe_viz.engine.taps import Taps
from olmoe_viz.models.model import Model
from olmoe_viz.policy import WEIGHTINGS
from tests.engine.tiny import KS, load_stock

IDS = [40, 7, 99, 200, 12, 300, 41]
MIXED = [
    *(ov.RoutingPolicy(k, weighting) for k in (1, 8, 16, 64) for weighting in WEIGHTINGS),
    ov.RoutingPolicy((4, 64, 1)),
    ov.RoutingPolicy(8, threshold=0.05),
    ov.RoutingPolicy(threshold=0.03, weighting="renormalized"),
]
WISHES = ("hidden_norms", "hidden_states", "attention_outputs")
Stock = Callable[[int], OlmoeForCausalLM]
Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def hooked(model: Model) -> Iterator[HookedRunner]:
    made = HookedRunner(model)
    yield made
    made.close()


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()


@torch.inference_mode()
def read(
    runner: Runner, policies: list[ov.RoutingPolicy], ids: list[int] = IDS, **more: Any
) -> tuple[torch.Tensor, Arrays]:
    """Return the logits at every position, [rows, tokens, vocab], and what was recorded."""
    state = more.get("state") or runner.open(len(policies), 40)
    taps = Taps(len(policies), *WISHES)
    rows, starts = range(len(policies)), [more.get("start", 0)] * len(policies)
    hidden = runner.step(state, [ids] * len(rows), rows, starts, runner.plan(policies), taps)
    return runner.readout(hidden), taps.arrays()


@pytest.fixture(params=["fast", "hooked"])
def runner(request: pytest.FixtureRequest, model: Model, hooked: HookedRunner) -> Runner:
    return runner_of(model) if request.param == "fast" else hooked


@pytest.mark.parametrize("k", KS)
def test_logits_are_stock_logits_at_that_k(runner: Runner, stock: Stock, k: int) -> None:
    with torch.no_grad():
        expected = stock(k)(torch.tensor([IDS])).logits
    close(read(runner, [ov.RoutingPolicy(k)])[0], expected)


def test_a_batch_of_five_ks_is_five_solo_runs(runner: Runner, stock: Stock) -> None:
    together, _ = read(runner, [ov.RoutingPolicy(k) for k in KS])
    assert not torch.allclose(together[0], together[1], atol=0.1)
    for row, k in zip(together, KS, strict=True):
        with torch.no_grad():
            close(row[None], stock(k)(torch.tensor([IDS])).logits)


def test_both_passes_give_the_same_numbers(model: Model, hooked: HookedRunner) -> None:
    fast = runner_of(model)
    assert isinstance(fast, OlmoeRunner)
    states = {each: each.open(len(MIXED), 40) for each in (fast, hooked)}
    for ids, start in ((IDS, 0), ([5], len(IDS)), ([9, 4], len(IDS) + 1)):
        (ours, own), (theirs, others) = (
            read(each, MIXED, ids, state=states[each], start=start) for each in (fast, hooked)
        )
        assert (ours - theirs).abs().max() <= 2e-5 * max(1, theirs.abs().max())
        assert own.keys() == others.keys()
        np.testing.assert_allclose(own["router_logits"], others["router_logits"], atol=2e-5)
        np.testing.assert_array_equal(own["expert_ids"], others["expert_ids"])
        np.testing.assert_allclose(own["weights"], others["weights"], atol=1e-5)
        for wish in WISHES:
            np.testing.assert_allclose(own[wish], others[wish], rtol=1e-4, atol=1e-4)


def test_both_passes_agree_on_the_bundled_model(bundled: Model) -> None:
    hooked = HookedRunner(bundled)
    policies = [ov.RoutingPolicy(k) for k in (1, 8, 16, 64)]
    ids = bundled.tokenizer("Once upon a time there was a").input_ids
    try:
        (ours, own), (theirs, others) = (
            read(each, policies, ids) for each in (runner_of(bundled), hooked)
        )
    finally:
        hooked.close()
    np.testing.assert_allclose(own["router_logits"], others["router_logits"], atol=2e-5)
    np.testing.assert_array_equal(own["expert_ids"], others["expert_ids"])
    assert (ours - theirs)[:, -1].abs().max() <= 2e-5


def test_hooks_without_a_step_leave_the_model_as_it_is(
    model: Model, hooked: HookedRunner, stock: Stock
) -> None:
    assert hooked.name == "hooked"
    ids = torch.tensor([IDS])
    with torch.no_grad():
        assert torch.equal(model.module(ids).logits, stock(8)(ids).logits)
        ours = model.module(ids, output_router_logits=True).router_logits
        theirs = stock(8)(ids, output_router_logits=True).router_logits
        assert torch.equal(torch.stack(ours), torch.stack(theirs))
        written = model.module.generate(ids, max_new_tokens=5, do_sample=False)
        assert torch.equal(written, stock(8).generate(ids, max_new_tokens=5, do_sample=False))


def test_rows_of_a_hooked_pass_neither_join_nor_leave(model: Model, hooked: HookedRunner) -> None:
    assert not hooked.rows_join
    state, two = hooked.open(2, 8), [ov.RoutingPolicy(8)] * 2
    for slots, starts in (([0], [0]), ([1, 0], [0, 0]), ([0, 1], [0, 3])):
        with pytest.raises(ValueError, match="cannot join or leave"):
            hooked.step(state, [[5]] * len(slots), slots, starts, hooked.plan(two), Taps(2))
    with pytest.raises(ValueError, match="positions 0 to 7"):
        hooked.step(state, [IDS + IDS] * 2, [0, 1], [0, 0], hooked.plan(two), Taps(2))


@pytest.mark.parametrize(
    ("policy", "words"),
    [(ov.RoutingPolicy(65), "from 1 to 64"), (ov.RoutingPolicy((8, 8)), "the model has 3")],
)
def test_a_policy_that_does_not_fit_is_refused(
    runner: Runner, policy: ov.RoutingPolicy, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        runner.plan([policy])
    with pytest.raises(ValueError, match="a policy for each row"):
        runner.plan([])


def test_a_generation_through_hooks_is_the_one_of_the_fast_pass(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished rows are run on there; their numbers go nowhere."""
    policies = [ov.RoutingPolicy(k) for k in (1, 8, 64)]
    drawn = {"temperature": 1.5, "seed": 4}
    free = ov.compare(model, "the robot", policies, 8, **drawn)
    end = int(free[1].token_ids[3])
    monkeypatch.setattr(model.module.generation_config, "eos_token_id", [end, 0])
    expected = ov.compare(model, "the robot", policies, 8, **drawn)
    # Another value of the same model, so that it gets a pass of its own; its family has no parts.
    plain = dataclasses.replace(model, family=_WithoutParts(model.family))
    hooked = runner_of(plain)
    assert isinstance(hooked, HookedRunner)
    try:
        written = ov.compare(plain, "the robot", policies, 8, **drawn)
    finally:
        hooked.close()
    assert "end" in {row.finish for row in written}
    for ours, theirs in zip(written, expected, strict=True):
        assert ours.provenance.runner == "hooked"
        assert (ours.finish, ours.text) == (theirs.finish, theirs.text)
        np.testing.assert_array_equal(ours.token_ids, theirs.token_ids)
        np.testing.assert_array_equal(ours.expert_ids, theirs.expert_ids)


class _WithoutParts:
    def __init__(self, family: Any) -> None:
        self._family = family

    def __getattr__(self, name: str) -> Any:
        return getattr(self._family, name)

    def parts(self, _: object) -> None:
        return None


def test_nothing_on_the_model_changes(model: Model, folder: Path) -> None:
    stock = load_stock(folder, 8)
    names = {name: value.clone() for name, value in model.module.state_dict().items()}
    assert names.keys() == stock.state_dict().keys()
    kinds = [type(part) for part in stock.modules()]
    ov.compare(model, "the robot", [ov.RoutingPolicy(64), ov.RoutingPolicy(2)], 3)
    ov.trace(model, "the robot", ov.RoutingPolicy(32), detail="full")
    assert all(torch.equal(value, names[name]) for name, value in model.module.state_dict().items())
    assert [type(part) for part in model.module.modules()] == kinds
    assert [block.mlp.gate.top_k for block in model.module.model.layers] == [8, 8, 8]
    assert model.module.config.num_experts_per_tok == 8


def test_the_fast_pass_hangs_nothing_on_the_model(folder: Path) -> None:
    model = ov.load_model(str(folder), device="cpu")
    ov.compare(model, "the robot", [ov.RoutingPolicy(64), ov.RoutingPolicy(2)], 3)
    assert not any(module._forward_hooks for module in model.module.modules())


def test_four_threads_with_different_ks_get_their_own_results(model: Model) -> None:
    texts = {1: "the red ball", 8: "the robot found", 16: "der Hund", 64: "in the garden 🙂"}
    alone = {k: _numbers(model, text, k) for k, text in texts.items()}

    def work(k: int) -> bool:
        runs = (_numbers(model, texts[k], k) for _ in range(50))
        return all(np.allclose(ours, alone[k], rtol=1e-4, atol=1e-4) for ours in runs)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, texts)) == [True] * 4


def test_threads_share_a_hooked_pass(model: Model, hooked: HookedRunner) -> None:
    alone = {k: read(hooked, [ov.RoutingPolicy(k)])[0] for k in KS}

    def work(k: int) -> bool:
        runs = (read(hooked, [ov.RoutingPolicy(k)])[0] for _ in range(20))
        return all(torch.equal(ours, alone[k]) for ours in runs)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, KS)) == [True] * len(KS)


def _numbers(model: Model, text: str, k: int) -> np.ndarray:
    policy = ov.RoutingPolicy(k)
    recorded = ov.trace(model, text, policy)
    written = ov.compare(model, text, [policy, ov.RoutingPolicy(24)], 3)[0]
    parts = [recorded.router_logits, recorded.next_logits, written.router_logits, written.logprobs]
    return np.concatenate([part.ravel() for part in parts])


def test_weights_that_accelerate_keeps_elsewhere_are_brought_in(model: Model, folder: Path) -> None:
    module = cpu_offload(load_stock(folder, 8), execution_device=torch.device("cpu"))
    assert module.model.layers[0].mlp.gate.weight.is_meta
    offloaded = dataclasses.replace(model, module=module)
    for k in (4, 64):
        ours, theirs = (
            ov.trace(each, "the ball", ov.RoutingPolicy(k), detail="full")
            for each in (offloaded, model)
        )
        np.testing.assert_allclose(ours.router_logits, theirs.router_logits, atol=1e-4)
        np.testing.assert_allclose(ours.next_logits, theirs.next_logits, atol=1e-4)
        policies = [ov.RoutingPolicy(2)]
        seen, expected = (
            ov.inspect(each, run, 1, 0, policies)
            for each, run in ((offloaded, ours), (model, theirs))
        )
        np.testing.assert_allclose(seen.outputs, expected.outputs, atol=1e-4)
