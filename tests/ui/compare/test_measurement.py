"""What is measured of a comparison stays with it; a request that fails is a sentence."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

import olmoe_viz as ov
from olmoe_viz.analysis import quality
from olmoe_viz.engine import scoring
from olmoe_viz.engine.engine import Ask, asking
from olmoe_viz.engine.local import LocalEngine
from olmoe_viz.models.model import Model
from olmoe_viz.requests import BandwidthRequest, Request, ScoreRequest, TraceRequest
from olmoe_viz.ui.compare import measurement
from olmoe_viz.ui.compare.comparison import Column, Comparison
from olmoe_viz.ui.compare.settings import Settings
from tests.ui.compare_page import COLUMNS, files, generated, heads
from tests.ui.test_pages import texts
from tests.ui.visitor import checked

Measure = Callable[[Comparison, measurement.Asking], None]


@pytest.fixture(scope="module")
def model() -> Model:
    return ov.load_model()


@pytest.fixture(scope="module")
def ask(model: Model) -> Ask:
    return asking(LocalEngine(model))


class Watched:
    """A page that asks: what it said and what it asked for. It may be left before a request."""

    def __init__(self, ask: Ask, leave_at: int | None = None) -> None:
        self.words: list[str] = []
        self.requests: list[Request] = []
        self._ask, self._leave_at = ask, leave_at

    def asking(self, words: str) -> Ask:
        if len(self.words) == self._leave_at:
            raise StopException
        self.words.append(words)
        return self.ask

    def ask(self, request: Any) -> Any:
        self.requests.append(request)
        return self._ask(request)

    @property
    def asked(self) -> list[str]:
        return [type(request).__name__ for request in self.requests]


@pytest.fixture
def written(model: Model) -> Comparison:
    """Texts of two policies without the trained k, and of the trained k."""
    policies = [ov.RoutingPolicy(4), ov.RoutingPolicy(8), ov.RoutingPolicy(16)]
    return comparison(model, policies)


def comparison(model: Model, policies: list[ov.RoutingPolicy]) -> Comparison:
    columns = list(map(Column, policies))
    made = Comparison("A cat", model.name, model.digest, model.geometry, 4, Settings(), columns)
    made.keep(ov.compare(model, made.prompt, policies, 3))
    return made


def test_each_request_is_announced_before_it_is_made(written: Comparison, ask: Ask) -> None:
    page = Watched(ask)
    measurement.read_again(written, page.asking)
    assert page.words == [f"Reading text {at} of 3 again with the trained k." for at in (1, 2, 3)]
    trained = (ov.RoutingPolicy(8),)
    texts = [
        (*record.prompt_ids.tolist(), *record.token_ids.tolist()) for record in written.records()
    ]
    assert page.requests == [ScoreRequest(written.model, texts[at], trained) for at in (0, 2)]
    assert written.read_again
    assert written.trained[1].tolist() == pytest.approx(np.exp(written.columns[1].logprobs))
    page = Watched(ask)
    measurement.measure_prompt(written, page.asking)
    policies = tuple(column.policy for column in written.columns)
    assert page.requests == [
        ScoreRequest(written.model, "A cat", policies, reference=ov.RoutingPolicy(8))
    ]
    assert written.measured
    assert [str(one.policy) for one in written.qualities] == ["k=4", "k=8", "k=16"]
    assert [one.mean_kl for one in written.qualities][1] == pytest.approx(0, abs=1e-9)


def test_the_trained_k_says_of_its_own_text_what_it_said_while_it_wrote(
    written: Comparison, ask: Ask
) -> None:
    record = written.records()[1]
    text = (*record.prompt_ids.tolist(), *record.token_ids.tolist())
    scores = ask(ScoreRequest(written.model, text, (record.policy,)))
    again = quality.token_probabilities(scores, 0, len(record.prompt_ids))
    assert again == pytest.approx(np.exp(record.logprobs), abs=1e-5)


def test_the_prompt_is_routed_by_the_trained_k_where_no_column_has_it(
    model: Model, ask: Ask
) -> None:
    made, page = comparison(model, [ov.RoutingPolicy(4), ov.RoutingPolicy(16)]), Watched(ask)
    measurement.measure_prompt(made, page.asking)
    assert page.requests[1:] == [TraceRequest(made.model, "A cat", ov.RoutingPolicy(8))]
    assert made.routed is not None
    with_it = comparison(model, [ov.RoutingPolicy(8), ov.RoutingPolicy(16)])
    measurement.measure_prompt(with_it, page.asking)
    assert with_it.routed is not None
    assert made.routed.tolist() == with_it.routed.tolist()


def test_a_stop_keeps_what_was_measured(written: Comparison, ask: Ask) -> None:
    with pytest.raises(StopException):
        measurement.read_again(written, Watched(ask, leave_at=2).asking)
    assert (len(written.trained), written.read_again) == (2, False)
    with pytest.raises(StopException):
        measurement.measure_prompt(written, Watched(ask, leave_at=0).asking)
    assert not written.measured
    page = Watched(ask)
    measurement.read_again(written, page.asking)
    measurement.measure_prompt(written, page.asking)
    assert page.asked == ["ScoreRequest", "ScoreRequest"]
    assert page.words[0].startswith("Reading text 3 of 3")
    assert written.measured


@pytest.mark.parametrize("measure", [measurement.read_again, measurement.measure_prompt])
def test_a_stopped_run_that_is_answered_late_does_no_harm(
    measure: Measure, written: Comparison, ask: Ask
) -> None:
    late: list[Request] = []

    def slow(request: Any) -> Any:
        if not late:
            late.append(request)
            measure(written, Watched(ask).asking)
        return ask(request)

    measure(written, Watched(slow).asking)
    measurement.read_again(written, Watched(ask).asking)
    measurement.measure_prompt(written, Watched(ask).asking)
    assert late
    assert written.measured
    assert [len(one) for one in written.trained] == [3, 3, 3]
    assert [str(one.policy) for one in written.qualities] == ["k=4", "k=8", "k=16"]


def test_the_bandwidth_of_a_device_is_asked_for_once(
    model: Model, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "_bandwidths", {})
    page = Watched(ask)
    first = measurement.bandwidth(model.name, "cpu", page.ask)
    assert measurement.bandwidth(model.name, "cpu", page.ask) is first
    assert page.requests == [BandwidthRequest(model.name)]
    assert first.device == "cpu"


def test_a_comparison_is_measured_once_in_a_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    test = generated(f"tokens=3&{COLUMNS}")
    for name in ("prompt_quality", "token_probabilities"):
        monkeypatch.setattr(measurement, name, broken)
    checked(test.selectbox(key="compare_with").set_value(1).run())
    assert heads(test)
    assert said(test) == []
    assert len(files(test)) == 2


def broken(*_: object, **__: object) -> None:
    raise MemoryError


def said(test: AppTest) -> list[str]:
    return [error.value for error in test.error]


def test_without_memory_to_measure_the_texts_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "score", broken)
        test = generated(f"tokens=3&{COLUMNS}&prompt=Not+measured+before")
    assert [sentence.startswith("The memory ran out") for sentence in said(test)] == [True]
    assert sum("3 tokens" in text for text in texts(test)) == 2
    assert files(test) == []
    checked(test.run())
    assert said(test) == []
    assert len(files(test)) == 2


def test_without_memory_for_the_extra_experts_the_rest_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("olmoe_viz.analysis.extra_experts.contributions", broken)
    test = generated(f"tokens=12&{COLUMNS}&prompt=The+old+woman+opened")
    assert [sentence.startswith("The memory ran out") for sentence in said(test)] == [True]
    assert heads(test)[-1] == "Cost"
    assert len(files(test)) == 2
