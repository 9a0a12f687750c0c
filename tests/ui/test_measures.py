"""What is measured of a comparison stays with it, pass by pass; a pass that fails is a sentence."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import olmoe_viz as ov
from olmoe_viz.analysis import quality
from olmoe_viz.ui import measures
from olmoe_viz.ui.comparison import Column, Comparison, Settings
from tests.ui.test_compare_page import COLUMNS, files, generated, heads
from tests.ui.test_pages import texts
from tests.ui.visitor import checked


@pytest.fixture(scope="module")
def model() -> ov.models.load.Model:
    return ov.load_model()


@pytest.fixture
def written(model: ov.models.load.Model) -> Comparison:
    """Texts of two policies without the trained k, and of the trained k."""
    policies = [ov.RoutingPolicy(4), ov.RoutingPolicy(8), ov.RoutingPolicy(16)]
    made = Comparison(
        "A cat", model.name, model.digest, model.geometry, Settings(), list(map(Column, policies))
    )
    decoding = ov.stream(model, made.prompt, policies, 3)
    for step in decoding:
        made.take(step)
    made.keep(decoding.generations())
    return made


def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Watch the passes over a whole text; returns the policies, one for each pass."""
    seen: list[str] = []
    run: Callable[..., object] = quality._final_hidden

    def watch(model: object, ids: list[int], policy: object) -> object:
        seen.append(str(policy))
        return run(model, ids, policy)

    monkeypatch.setattr(quality, "_final_hidden", watch)
    return seen


def test_each_pass_is_announced_before_it_is_made(
    written: Comparison, model: ov.models.load.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = passes(monkeypatch)
    made = [len(seen) for _ in measures.read_again(written, model)]
    assert made == [0, 1, 1]
    assert seen == ["k=8", "k=8"]
    assert written.read_again
    assert written.trained[1].tolist() == pytest.approx(np.exp(written.columns[1].logprobs))
    seen.clear()
    made = [len(seen) for _ in measures.measure_prompt(written, model)]
    assert made == [0, 2, 3, 4]
    assert seen == ["k=8", "k=4", "k=8", "k=16"]
    assert written.measured
    assert [str(one.policy) for one in written.qualities] == ["k=4", "k=8", "k=16"]


def begun(words: Iterator[str], passes: int) -> None:
    """Let some passes be made, then stop as a closed tab does."""
    for _ in range(passes + 1):
        next(words)


def test_a_stop_keeps_what_was_measured(
    written: Comparison, model: ov.models.load.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(measures.read_again(written, model), 2)
    assert (len(written.trained), written.read_again) == (2, False)
    begun(measures.measure_prompt(written, model), 1)
    assert (len(written.qualities), written.measured) == (1, False)
    seen = passes(monkeypatch)
    assert len(list(measures.read_again(written, model))) == 1
    assert len(list(measures.measure_prompt(written, model))) == 3
    assert seen == ["k=8", "k=8", "k=8", "k=16"]
    assert written.measured
    (fresh,) = quality.prompt_quality(model, written.prompt, [ov.RoutingPolicy(16)])
    assert written.qualities[2] == fresh


def test_a_stopped_run_that_ends_a_pass_late_does_no_harm(
    written: Comparison, model: ov.models.load.Model
) -> None:
    for measure in (measures.read_again, measures.measure_prompt):
        late = measure(written, model)
        next(late)
        assert list(measure(written, model))
        next(late)
    assert written.measured
    assert [len(one) for one in written.trained] == [3, 3, 3]
    assert [str(one.policy) for one in written.qualities] == ["k=4", "k=8", "k=16"]


def test_a_comparison_is_measured_once_in_a_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    test = generated(f"tokens=3&{COLUMNS}")
    seen = passes(monkeypatch)
    checked(test.selectbox(key="compare_with").set_value(1).run())
    assert heads(test)
    assert seen == []


def broken(*_: object, **__: object) -> None:
    raise MemoryError


def said(test: AppTest) -> list[str]:
    return [error.value for error in test.error]


def test_without_memory_to_measure_the_texts_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(quality, "token_probabilities", broken)
        test = generated(f"tokens=3&{COLUMNS}")
    assert [sentence.startswith("The memory ran out") for sentence in said(test)] == [True]
    assert sum("3 tokens" in text for text in texts(test)) == 2
    assert files(test) == []
    checked(test.run())
    assert said(test) == []
    assert len(files(test)) == 2


def test_without_memory_for_the_extra_experts_the_rest_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("olmoe_viz.analysis.extra_experts.trace", broken)
    test = generated(f"tokens=12&{COLUMNS}&prompt=The+old+woman+opened")
    assert [sentence.startswith("The memory ran out") for sentence in said(test)] == [True]
    assert heads(test)[-1] == "Cost"
    assert len(files(test)) == 2
