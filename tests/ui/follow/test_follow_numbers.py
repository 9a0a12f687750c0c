"""The numbers on `Follow a token` are those of the library."""

import ast
import json
import re

import numpy as np
import pytest

import olmoe_viz as ov
from olmoe_viz import RoutingPolicy, routing
from olmoe_viz.figures.labels import k_is
from olmoe_viz.ui.follow import expert_steps
from olmoe_viz.ui.widgets.wording import plain
from tests.ui.follow_page import (
    PROMPT,
    STEPS,
    charts,
    follow,
    found,
    model,
    texts,
    trace,
)
from tests.ui.visitor import checked, drawn


def test_the_numbers_are_those_of_the_library() -> None:
    test = follow(query="token=2&layer=5")
    row = routing.probabilities(trace().router_logits)[5, 2]
    eight, sixteen = found(
        test, rf"retained mass is ([\d.]*\d) with {k_is(8)} and ([\d.]*\d) with {k_is(16)}"
    )
    assert float(eight) == pytest.approx(routing.retained_mass(row, 8), rel=5e-3)
    assert float(sixteen) == pytest.approx(routing.retained_mass(row, 16), rel=5e-3)
    (entropy,) = found(test, r"entropy is ([\d.]*\d) of at most 4\.16 nats")
    assert float(entropy) == pytest.approx(routing.entropy(row), rel=5e-3)
    (norm,) = found(test, r"What attention adds has norm ([\d.]*\d)")
    assert float(norm) == pytest.approx(np.linalg.norm(trace().attention_outputs[5, 2]), rel=5e-3)


def test_the_lines_of_code_run_as_they_stand() -> None:
    names = {
        "ov": ov,
        "model": model(),
        "prompt": PROMPT,
        "layer": 5,
        "token": 2,
        "policy": RoutingPolicy(8),
        "other_policy": RoutingPolicy(16),
    }
    shown = [_run(code.value, names) for code in follow().code]
    assert len(shown) == STEPS
    (tokens, ids, _), embedding, attention, cosines, _, (kept, _), seen, sums, last = shown
    assert tokens == trace().tokens
    np.testing.assert_array_equal(ids, trace().token_ids)
    np.testing.assert_array_equal(embedding, trace().hidden_states[0, 2])
    np.testing.assert_array_equal(attention, trace().attention_outputs[5, 2])
    assert cosines.shape == (64,)
    assert kept.shape == trace().router_logits.shape[:2]
    assert len(seen[0]) == 8
    np.testing.assert_allclose(sums[0], sums[1], atol=1e-4)
    np.testing.assert_array_equal(last, trace().next_probabilities())


def _run(code: str, names: dict[str, object]) -> object:
    """Run lines in a namespace and return the value of the last one."""
    *lines, last = ast.parse(code).body
    assert isinstance(last, ast.Expr)
    exec(compile(ast.Module(lines, []), "step", "exec"), names)  # noqa: S102 - our own lines
    return eval(compile(ast.Expression(last.value), "step", "eval"), names)  # noqa: S307


def test_the_live_check_holds_and_both_kinds_of_change_are_said() -> None:
    test = follow(query="token=2&layer=5")
    (difference,) = found(
        test, r"the contributions sum to the block's output, largest difference (\S+)\."
    )
    assert 0 <= float(difference) < 1e-4
    seen = ov.inspect(model(), trace(), 5, 2, [RoutingPolicy(8), RoutingPolicy(16)])
    there = ov.inspect(model(), trace("k=16"), 5, 2, [RoutingPolicy(16)])
    (same,) = found(test, r"Same input: the block's output changes by ([\d.]*\d)%")
    assert float(same) == pytest.approx(100 * expert_steps.change(*seen.sums), abs=0.06)
    (run,) = found(test, r"and its output by ([\d.]*\d)%")
    assert float(run) == pytest.approx(
        100 * expert_steps.change(seen.sums[0], there.sums[0]), abs=0.06
    )
    first = follow(query="token=2&layer=0")
    assert "As run: this block gets the same input" in texts(first)


def test_the_last_token_predicts_what_the_trace_recorded() -> None:
    test = follow(query="")
    share = f"{100 * trace().next_probabilities()[0]:#.3g}".rstrip(".") + "%"
    assert any(share in figure for figure in drawn(test).values())


def test_the_logit_lens_says_what_it_draws() -> None:
    test = follow(query="k=16&token=2")
    words = next(m.value for m in test.markdown if "Through the layers." in m.value)
    lens = drawn(test)["lens"]
    (note,) = json.loads(lens)["figure"]["notes"]
    winner = re.fullmatch("probability of ‘(.+)’, k = 16", note["text"])[1]
    assert f"in the run with {k_is(16)}. The model was not" in words
    assert f"the probability of ‘{plain(winner)}’, which wins" in words


def test_the_next_tokens_of_both_ks_stand_in_two_tables() -> None:
    test = follow(query=f"token={len(trace().tokens) - 1}")
    test.session_state["prediction_fold"] = True
    checked(test.run())
    tables = [table.value for table in test.table if "token" in table.value]
    assert len(tables) == 2
    for table, policy in zip(tables, ("k=8", "k=16"), strict=True):
        made = trace(policy)
        assert list(table["id"]) == [str(i) for i in made.next_ids[:10]]
        for name, values in (
            ("logit", made.next_logits),
            ("probability", made.next_probabilities()),
        ):
            assert table[name].astype(float).to_numpy() == pytest.approx(values[:10], abs=6e-4)


@pytest.mark.parametrize(("k", "against"), [(8, 8), (64, 1), (1, 64), (16, 8)])
def test_any_two_ks_can_be_compared(k: int, against: int) -> None:
    test = follow(query=f"token=2&k={k}&against={against}")
    assert charts(test) == 13
    assert f"k {k} against {against}" in texts(test)
    (difference,) = found(test, r"largest difference (\S+)\.")
    assert 0 <= float(difference) < 1e-4
