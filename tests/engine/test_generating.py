from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers import OlmoeForCausalLM

import olmoe_viz as ov
from olmoe_viz.engine import prompt
from olmoe_viz.engine.decoder import PlainDecoder
from olmoe_viz.engine.engine import Ask
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.taps import Taps
from olmoe_viz.models.catalogue import bundled_path
from olmoe_viz.models.model import Model
from olmoe_viz.policy import WEIGHTINGS
from olmoe_viz.requests import ScoreRequest
from tests.engine.tiny import KS, load_stock

PROMPT = "the little robot found"
POLICIES = [ov.RoutingPolicy(k) for k in KS]
Stock = Callable[[int], OlmoeForCausalLM]


def greedy(stock: OlmoeForCausalLM, prompt: np.ndarray, new: int) -> list[int]:
    ids = torch.tensor(prompt)[None]
    mask = torch.ones_like(ids)
    written = stock.generate(ids, attention_mask=mask, max_new_tokens=new, do_sample=False)
    return written[0, ids.shape[1] :].tolist()


def test_greedy_rows_are_stock_generate_at_each_k(model: Model, stock: Stock) -> None:
    written = ov.compare(model, PROMPT, POLICIES, 40)
    for k, row in zip(KS, written, strict=True):
        assert row.token_ids.tolist() == greedy(stock(k), row.prompt_ids, 40)
    assert len({tuple(row.token_ids) for row in written}) > 2


def test_the_bundled_model_writes_what_generate_writes(bundled: Model) -> None:
    prompt = "Once upon a time there was"
    written = ov.compare(bundled, prompt, [ov.RoutingPolicy(8), ov.RoutingPolicy(32)], 16)
    for k, row in zip((8, 32), written, strict=True):
        assert row.token_ids.tolist() == greedy(load_stock(bundled_path(), k), row.prompt_ids, 16)


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.9, "top_p": 0.9, "seed": 5}])
def test_a_row_is_its_solo_run(model: Model, settings: dict[str, float]) -> None:
    ks = [1, 8, (1, 64, 8), 64]
    policies = [ov.RoutingPolicy(k, weighting) for k in ks for weighting in WEIGHTINGS]
    together = ov.compare(model, PROMPT, policies, 12, **settings)
    for policy, row in zip(policies, together, strict=True):
        (alone,) = ov.compare(model, PROMPT, [policy], 12, **settings)
        np.testing.assert_array_equal(row.token_ids, alone.token_ids)
        np.testing.assert_allclose(row.logprobs, alone.logprobs, atol=1e-3)
        np.testing.assert_allclose(row.router_logits, alone.router_logits, atol=1e-3)


def test_rows_of_equal_policies_read_the_prompt_once(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each goes on from what one of them has read, and is still what it is alone."""
    runner, widths = runner_of(model), []
    step = runner.step

    def seen(state: object, ids: list[list[int]], *rest: object) -> torch.Tensor:
        widths.append((len(ids), len(ids[0])))
        return step(state, ids, *rest)  # type: ignore[arg-type]

    eight, all_of_them = ov.RoutingPolicy(8), ov.RoutingPolicy(64)
    alone = [ov.compare(model, PROMPT, [policy], 6)[0] for policy in (eight, all_of_them)]
    monkeypatch.setattr(runner, "step", seen)
    written = ov.compare(model, PROMPT, [eight, all_of_them, eight, eight], 6)
    assert widths[:2] == [(2, len(written[0].prompt_ids) - 1), (4, 1)]  # the last each for itself
    for row, own in zip(written, [alone[0], alone[1], alone[0], alone[0]], strict=True):
        assert row.token_ids.tolist() == own.token_ids.tolist()
        np.testing.assert_allclose(row.router_logits, own.router_logits, atol=1e-3)
        np.testing.assert_allclose(row.prompt_router_logits, own.prompt_router_logits, atol=1e-3)


def test_equal_seeds_draw_equal_texts_and_others_do_not(model: Model) -> None:
    policies = [ov.RoutingPolicy(8), ov.RoutingPolicy(8)]
    first, beside = ov.compare(model, PROMPT, policies, 20, temperature=1.0, seed=1)
    (other,) = ov.compare(model, PROMPT, policies[:1], 20, temperature=1.0, seed=2)
    assert first.token_ids.tolist() == beside.token_ids.tolist() != other.token_ids.tolist()


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.8, "seed": 3}])
def test_numbers_of_a_row_are_those_of_a_trace(
    model: Model, ask: Ask, settings: dict[str, float]
) -> None:
    policy = ov.RoutingPolicy(16, "gain_anchored")
    row = ov.compare(model, PROMPT, [ov.RoutingPolicy(64), policy], 10, **settings)[1]
    prompt = len(row.prompt_ids)
    recorded = ov.trace(model, [*row.prompt_ids, *row.token_ids], policy)
    both = np.concatenate([row.prompt_router_logits, row.router_logits], axis=1)
    np.testing.assert_allclose(both, recorded.router_logits, atol=1e-3)
    assert recorded.text == PROMPT + row.text
    ids = np.concatenate([row.prompt_expert_ids, row.expert_ids], axis=1)
    np.testing.assert_array_equal(ids, recorded.expert_ids)
    (nll,) = ask(ScoreRequest(model.name, tuple(recorded.token_ids.tolist()), (policy,))).nll
    np.testing.assert_allclose(row.logprobs, -nll[prompt - 1 :], atol=1e-3)


def test_rows_of_different_length_join_and_leave_between_steps(model: Model) -> None:
    """One row starts while another runs, and a third takes the slot of one that left."""
    alone = {
        text: ov.compare(model, text, [ov.RoutingPolicy(k)], 6)[0]
        for text, k in (("the red ball in the garden", 64), ("für", 1), ("der Hund", 16))
    }
    first, second, third = alone.values()
    runner = runner_of(model)
    state = runner.open(2, 40)
    seen: dict[str, list[int]] = {text: [] for text in alone}

    def step(*rows: tuple[ov.Generation, int, int]) -> None:
        """Run one token, or the prompt at -1, of (row, slot, index of its token)."""
        ids = [list(g.prompt_ids) if at < 0 else [g.token_ids[at]] for g, _, at in rows]
        starts = [0 if at < 0 else len(g.prompt_ids) + at for g, _, at in rows]
        plan, taps = runner.plan([g.policy for g, _, _ in rows]), Taps(len(rows))
        with torch.inference_mode():
            hidden = runner.step(state, ids, [slot for _, slot, _ in rows], starts, plan, taps)
            scores = runner.readout(hidden[:, -1])
        routed = taps.arrays()["router_logits"]
        for row, (generation, _, at) in enumerate(rows):
            whole = np.concatenate([generation.prompt_router_logits, generation.router_logits], 1)
            part = whole[:, starts[row] : starts[row] + len(ids[row])]
            np.testing.assert_allclose(routed[row], part, atol=1e-3)
            if at < 5:
                assert int(scores[row].argmax()) == generation.token_ids[at + 1]
            seen[generation.prompt].append(at)

    step((first, 1, -1))
    step((first, 1, 0))
    step((second, 0, -1))
    for at in range(4):
        step((second, 0, at), (first, 1, at + 1))
    step((second, 0, 4))
    step((third, 1, -1))
    step((third, 1, 0), (second, 0, 5))
    for at in range(1, 6):
        step((third, 1, at))
    assert [ats[-1] for ats in seen.values()] == [4, 5, 5]


def test_the_cache_refuses_positions_that_it_does_not_hold(model: Model) -> None:
    runner = runner_of(model)
    plan = runner.plan([ov.RoutingPolicy(8)])
    with pytest.raises(ValueError, match="positions 0 to 3"):
        runner.step(runner.open(1, 4), [[5, 6]], [0], [3], plan, Taps(1))


def test_a_long_prompt_is_read_in_parts(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    policies = [ov.RoutingPolicy(4), ov.RoutingPolicy(32)]
    whole = ov.compare(model, PROMPT, policies, 5)
    monkeypatch.setattr(prompt, "PART", 6)
    decoding = ov.stream(model, PROMPT, policies, 5)
    first = next(decoding)
    assert first.index == -1
    assert [row.token_id for row in first.rows] == [None, None]
    assert decoding.generations() == ()
    steps = list(decoding)
    assert [step.index for step in steps if step.index >= 0] == [0, 1, 2, 3, 4]
    for ours, theirs in zip(decoding.generations(), whole, strict=True):
        np.testing.assert_array_equal(ours.token_ids, theirs.token_ids)
        np.testing.assert_allclose(
            ours.prompt_router_logits, theirs.prompt_router_logits, atol=1e-4
        )


def test_steps_add_up_to_the_generations(model: Model) -> None:
    decoding = ov.stream(model, PROMPT, POLICIES[1:4], 25, temperature=1.5, seed=2)
    steps = list(decoding)
    assert [step.index for step in steps] == list(range(25))
    assert all(a.seconds < b.seconds for a, b in pairwise(steps))
    for row, written in enumerate(decoding.generations()):
        own = [step.rows[row] for step in steps if step.rows[row].token_id is not None]
        assert [step.token_id for step in own] == written.token_ids.tolist()
        assert "".join(step.text for step in own) == written.text
        np.testing.assert_array_equal(
            np.stack([step.router_logits for step in own], 1), written.router_logits
        )
        for part in ("expert_ids", "weights"):
            stepped = np.stack([getattr(step, part) for step in own], 1)
            np.testing.assert_array_equal(stepped, getattr(written, part))
        assert own[-1].finish == written.finish
        assert written.text == model.tokenizer.decode(written.token_ids, skip_special_tokens=True)
        assert written.tokens_per_second > 0


def test_a_row_that_ends_stops_and_leaves_the_others_alone(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies = [ov.RoutingPolicy(1), ov.RoutingPolicy(8), ov.RoutingPolicy(64)]
    drawn = {"temperature": 1.5, "seed": 4}
    free = [row.token_ids.tolist() for row in ov.compare(model, PROMPT, policies, 10, **drawn)]
    end = next(token for token in free[1][:5] if token not in free[0] + free[2])
    monkeypatch.setattr(model.module.generation_config, "eos_token_id", [end, 0])
    decoding = ov.stream(model, PROMPT, policies, 10, **drawn)
    steps = list(decoding)
    first, ended, last = decoding.generations()
    assert ended.finish == "end"
    assert ended.token_ids.tolist() == free[1][: free[1].index(end) + 1]
    assert ended.text == model.tokenizer.decode(ended.token_ids[:-1])
    assert ended.seconds < first.seconds
    idle = steps[-1].rows[1]
    assert (idle.token_id, idle.text, idle.finish) == (None, "", "end")
    assert np.isnan(idle.logprob)
    assert idle.router_logits.shape == (3, 0)
    for written, expected in ((first, free[0]), (last, free[2])):
        assert written.finish == "length"
        assert written.token_ids.tolist() == expected


def test_a_stopped_run_keeps_its_text_and_the_next_starts_at_once(model: Model) -> None:
    with ov.stream(model, PROMPT, POLICIES, 40) as decoding:
        for step in decoding:
            if step.index == 3:
                break
        assert [row.finish for row in decoding.generations()] == ["stopped"] * 5
    stopped = decoding.generations()
    whole = ov.compare(model, PROMPT, POLICIES, 8)
    assert list(decoding) == []
    assert decoding.error is None
    for ours, theirs in zip(stopped, whole, strict=True):
        assert ours.finish == "stopped"
        np.testing.assert_array_equal(ours.token_ids, theirs.token_ids[:4])
        assert theirs.text.startswith(ours.text.rstrip("\N{REPLACEMENT CHARACTER}"))


def test_a_run_that_never_started_can_be_closed(model: Model) -> None:
    decoding = ov.stream(model, PROMPT, POLICIES, 40)
    decoding.close()
    assert decoding.generations() == ()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("the device is gone"), "stopped after 3 tokens: the device is gone"),
        (
            RuntimeError("shapes differ.\n  at line 3"),
            "3 tokens: shapes differ. Run again",
        ),
        (MemoryError(), "memory ran out after 3 tokens"),
        (torch.OutOfMemoryError("CUDA"), "memory ran out after 3 tokens"),
    ],
)
def test_an_error_keeps_the_text_so_far_and_says_what_happened(
    model: Model, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    expected = ov.compare(model, PROMPT, POLICIES[:2], 10)
    calls = iter(range(100))

    step = PlainDecoder.step

    def failing(*arguments: object) -> object:
        if next(calls) == 4:  # the first reads the prompt
            raise error
        return step(*arguments)

    monkeypatch.setattr(PlainDecoder, "step", failing)
    decoding = ov.stream(model, PROMPT, POLICIES[:2], 10)
    steps = list(decoding)
    assert words in str(decoding.error)
    assert [row.finish for row in steps[-1].rows] == ["error", "error"]
    for ours, theirs in zip(decoding.generations(), expected, strict=True):
        assert ours.finish == "error"
        np.testing.assert_array_equal(ours.token_ids, theirs.token_ids[:3])
        assert ours.router_logits.shape[1] == 3
    calls = iter(range(100))
    with pytest.raises(ov.GenerationError, match=words) as caught:
        ov.compare(model, PROMPT, POLICIES[:2], 10)
    assert [row.finish for row in caught.value.generations] == ["error", "error"]
    assert len(caught.value.generations[0].token_ids) == 3


def test_numbers_that_are_not_finite_end_the_run_in_words(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = runner_of(model)
    whole = runner.readout
    monkeypatch.setattr(runner, "readout", lambda hidden: whole(hidden) * float("nan"))
    decoding = ov.stream(model, PROMPT, POLICIES[:1], 10)
    (step,) = decoding
    assert step.rows[0].finish == "error"
    assert "no longer finite" in str(decoding.error)
    assert [row.tokens for row in decoding.generations()] == [()]


def test_the_context_can_be_filled_to_its_last_token(model: Model, stock: Stock) -> None:
    prompt = [token % 300 + 5 for token in range(90)]
    (written,) = ov.compare(model, prompt, [ov.RoutingPolicy(8)], 6)
    assert written.token_ids.tolist() == greedy(stock(8), np.array(prompt), 6)
    assert written.prompt == model.tokenizer.decode(prompt)
