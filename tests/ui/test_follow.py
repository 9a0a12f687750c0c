"""The page `Follow a token` on the bundled model, without a browser."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import olmoe_viz as ov
from olmoe_viz import RoutingPolicy, Trace, routing
from olmoe_viz.engine import recording
from olmoe_viz.ui.follow import expert_steps

ROOT = Path(__file__).resolve().parents[2]
PROMPT = "The cat sat on the mat"
STEPS = 9
HOSTILE = {
    "one token": "a",
    "emoji": "🙂👩‍👩‍👧‍👦",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "formula": "$x^2$ **bold** :red[red] [link](javascript:alert(1))",
    "long": "word " * 400,
}


def checked(test: AppTest) -> AppTest:
    assert [e.message for e in test.exception] == []
    return test


def follow(prompt: str = PROMPT, query: str = "token=2") -> AppTest:
    """The page at an address."""
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    for key, value in [("prompt", prompt), *parse_qsl(query)]:
        test.query_params[key] = value
    test.switch_page("pages/follow.py")
    return checked(test.run())


def press(test: AppTest, label: str) -> AppTest:
    return checked(next(b for b in test.button if b.label == label).click().run())


def texts(test: AppTest) -> str:
    return "\n".join(text.value for text in test.text)


def found(test: AppTest, pattern: str) -> tuple[str, ...]:
    match = re.search(pattern, texts(test))
    assert match, f"no {pattern!r} on the page"
    return match.groups()


@cache
def model() -> object:
    return ov.load_model()


@cache
def trace(policy: str = "k=8", prompt: str = PROMPT) -> Trace:
    return ov.trace(model(), prompt, RoutingPolicy.parse(policy), "full")


def charts(test: AppTest) -> int:
    return len(test.get("plotly_chart"))


def test_the_first_paint_shows_the_record_and_needs_no_torch() -> None:
    code = (
        "from streamlit.testing.v1 import AppTest\n"
        f"test = AppTest.from_file({str(ROOT / 'app.py')!r}, default_timeout=60)\n"
        "test.switch_page('pages/follow.py').run()\n"
        "assert not test.exception\n"
        "assert len(test.get('plotly_chart')) == 4, len(test.get('plotly_chart'))\n"
        "assert any('retained mass is' in text.value for text in test.text)\n"
        "assert sum(button.label == 'Run the model' for button in test.button) == 5\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)\n"
    )
    script = f"import os, sys; os.chdir({str(ROOT)!r}); sys.path.insert(0, '.')\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]


def test_the_first_paint_offers_to_run_the_model() -> None:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    checked(test.switch_page("pages/follow.py").run())
    press(test, "Run the model")
    assert charts(test) == 13


def test_every_step_has_its_sentence_code_and_origin() -> None:
    test = follow()
    names = [heading.value for heading in test.subheader]
    assert names[:STEPS] == [
        "Tokenization",
        "Embedding",
        "Attention",
        "Router",
        "Softmax",
        "Top k",
        "Experts",
        "Weighted combination",
        "Prediction",
    ]
    assert len(test.code) == STEPS
    assert charts(test) == 13
    assert "token 2 ‘·sat’ · layer 7 of 15 · k 8 against 16" in texts(test)


def test_the_numbers_are_those_of_the_library() -> None:
    test = follow(query="token=2&layer=5")
    row = routing.probabilities(trace().router_logits)[5, 2]
    eight, sixteen = found(
        test, r"retained mass is ([\d.]*\d) with k = 8 and ([\d.]*\d) with k = 16"
    )
    assert float(eight) == pytest.approx(routing.retained_mass(row, 8), rel=5e-3)
    assert float(sixteen) == pytest.approx(routing.retained_mass(row, 16), rel=5e-3)
    (entropy,) = found(test, r"entropy is ([\d.]*\d) of at most 4\.16 nats")
    assert float(entropy) == pytest.approx(routing.entropy(row), rel=5e-3)
    (norm,) = found(test, r"What attention adds has norm ([\d.]*\d)")
    assert float(norm) == pytest.approx(np.linalg.norm(trace().attention_outputs[5, 2]), rel=5e-3)


def test_the_live_check_holds_and_both_kinds_of_change_are_said() -> None:
    test = follow(query="token=2&layer=5")
    (difference,) = found(test, r"sum of contributions = block output, largest difference (\S+)\.")
    assert 0 <= float(difference) < 1e-3
    seen = ov.inspect(model(), trace(), 5, 2, [RoutingPolicy(8), RoutingPolicy(16)])
    there = ov.inspect(model(), trace("k=16"), 5, 2, [RoutingPolicy(16)])
    (same,) = found(test, r"Same input: the sum changes by ([\d.]*\d)%")
    assert float(same) == pytest.approx(100 * expert_steps.change(*seen.sums), abs=0.06)
    (run,) = found(test, r"As run: the sum changes by ([\d.]*\d)%")
    assert float(run) == pytest.approx(
        100 * expert_steps.change(seen.sums[0], there.sums[0]), abs=0.06
    )
    first = follow(query="token=2&layer=0")
    assert found(first, r"comes into the block differs by ([\d.]*\d)%") == ("0.0",)


def test_the_last_token_predicts_what_the_trace_recorded() -> None:
    test = follow(query="")
    share = f"{100 * trace().next_probabilities()[0]:#.3g}".rstrip(".") + "%"
    assert any(share in spec for spec in map(_spec, _charts(test)))


def test_moving_redraws_without_running_the_model_again(monkeypatch: pytest.MonkeyPatch) -> None:
    test = follow()
    before = [c.proto.spec for c in test.get("plotly_chart")]

    def run(*_: object, **__: object) -> None:
        raise AssertionError("the recorded trace suffices")

    monkeypatch.setattr(recording, "trace", run)
    press(test, "layer →")
    assert "layer 8 of 15" in texts(test)
    press(test, "← token")
    assert "token 1 ‘·cat’" in texts(test)
    assert all(one != two for one, two in zip(before, map(_spec, _charts(test)), strict=True))


def _charts(test: AppTest) -> list[object]:
    return list(test.get("plotly_chart"))


def _spec(chart: object) -> str:
    return chart.proto.spec


def test_the_buttons_end_where_the_prompt_and_the_model_end() -> None:
    test = follow("a", "layer=15")
    disabled = {b.label: b.disabled for b in test.button if b.label in MOVES}
    assert disabled == {"← token": True, "token →": True, "← layer": False, "layer →": True}


MOVES = ("← token", "token →", "← layer", "layer →")


def test_the_weighting_of_step_8_is_that_of_the_whole_page() -> None:
    test = follow()
    checked(test.segmented_control(key="follow_weighting").set_value("gain_anchored").run())
    assert test.segmented_control(key="choice_weighting").value == "gain_anchored"
    sums = next(table.value for table in test.table if "sum of weights" in table.value)
    assert list(sums["weights"]) == ["native", "renormalized", "gain-anchored"]
    one, two = sums["sum of weights"].iloc[2].split(" → ")
    assert one == two


@pytest.mark.parametrize(("k", "against"), [(8, 8), (64, 1), (1, 64), (16, 8)])
def test_any_two_ks_can_be_compared(k: int, against: int) -> None:
    test = follow(query=f"token=2&k={k}&against={against}")
    assert charts(test) == 13
    assert f"k {k} against {against}" in texts(test)
    (difference,) = found(test, r"largest difference (\S+)\.")
    assert float(difference) < 1e-3


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_prompts_are_data(name: str) -> None:
    test = follow(HOSTILE[name], "")
    assert charts(test) == 13 or len(test.error) == 1


def test_the_trade_off_is_measured_on_demand() -> None:
    test = follow()
    assert "Press Measure" in " ".join(m.value for m in test.markdown)
    press(test, "Measure")
    table = next(table.value for table in test.table if "retained mass" in table.value)
    assert list(table["k"]) == ["1", "4", "8", "16", "32", "64"]
    assert table["retained mass"].iloc[-1] == "1.000"
    assert table["KL to the trained k"].iloc[2] == "0 nats"
    assert table["same"].iloc[2] == "yes"
    assert charts(test) == 17
    assert "Press Measure" not in " ".join(m.value for m in test.markdown)
    press(test, "layer →")
    assert charts(test) == 17  # what was measured stays while the prompt does


def test_the_popular_claims_are_answered_with_numbers() -> None:
    words = " ".join(m.value for m in follow().markdown)
    assert "11796, 11232, 9260, 310" in words
    assert "1.28, 2.09, 3.70 and, with all 64, 6.92 B" in words
    assert "There is no such term" in words
    everyone = routing.probabilities(trace().router_logits)
    eight, sixteen = (routing.retained_mass(everyone, k).mean() for k in (8, 16))
    assert f"by {100 * (sixteen - eight):.1f} points" in words
    bits = re.search(r"([\d.]*\d) at k = 8, ([\d.]*\d) at k = 16", words)
    assert bits is not None
    assert 0.5 < float(bits[1]) < 3
