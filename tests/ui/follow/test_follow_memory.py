"""What `Follow a token` holds in memory, and what it says when there is not enough."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.testing.v1 import AppTest

from olmoe_viz.errors import EngineError, MissingError, OutOfMemoryError
from olmoe_viz.records.record import Record
from olmoe_viz.requests import (
    AttentionRequest,
    DirectionsRequest,
    InspectRequest,
    LensRequest,
    PredictRequest,
    Request,
    ScoreRequest,
)
from olmoe_viz.ui.follow.details import Details
from tests.ui.engines import Watched, serve
from tests.ui.follow_page import STEPS, charts, follow, press
from tests.ui.visitor import ROOT, checked, drawn

OUT_OF_MEMORY = OutOfMemoryError("The memory ran out in layer 3.")
SAYS = "The memory ran out\\."
LONG = "word " * 400


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    made = Watched()
    serve(monkeypatch, made)
    return made


# Prompts of their own: what is kept from another test would need no computation.
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (AttentionRequest, 1),
        (InspectRequest, 4),  # the router, the experts, their sum, who pushes the winner
        (PredictRequest, 2),  # the prediction, and the claims
        (LensRequest, 1),
        (DirectionsRequest, 1),
    ],
)
@pytest.mark.parametrize("error", [OUT_OF_MEMORY, MemoryError()], ids=["engine", "page"])
def test_a_step_without_memory_leaves_the_others_standing(
    kind: type[Request], said: int, error: Exception, watched: Watched
) -> None:
    watched.broken[kind] = error
    test = follow(f"No memory for {kind.__name__} {type(error).__name__}")
    assert len(test.error) == said
    assert all(box.value.startswith(SAYS) for box in test.error)
    assert len(test.code) == STEPS


@pytest.mark.parametrize(
    "error", [EngineError("It broke off."), MissingError("No model runs here.")]
)
def test_what_the_engine_cannot_compute_is_said_in_its_step(
    error: EngineError, watched: Watched
) -> None:
    watched.broken[AttentionRequest] = error
    test = follow(f"No answer but {error}")
    assert [box.value.replace("\\", "") for box in test.error] == [str(error)]
    assert len(test.code) == STEPS


def test_measuring_without_memory_is_said_beside_the_claims(watched: Watched) -> None:
    test = follow()
    watched.broken[ScoreRequest] = OUT_OF_MEMORY
    press(test, "Measure")
    assert [box.value.startswith(SAYS) for box in test.error] == [True]
    assert any("Press Measure" in part.value for part in test.markdown)


def test_an_open_map_without_memory_leaves_its_step_whole(watched: Watched) -> None:
    prompt = "No memory for the map"
    follow(prompt)  # the row of the token is kept from now on
    watched.broken[AttentionRequest] = OUT_OF_MEMORY
    test = follow(prompt, "token=2&head=1")
    assert len(test.error) == 1
    assert "attention" in drawn(test)
    assert "attention_map" not in drawn(test)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("no such axis")])
def test_a_fault_of_ours_is_not_taken_for_one_of_the_engine(
    error: Exception, watched: Watched
) -> None:
    watched.broken[AttentionRequest] = error
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    test.query_params["prompt"] = f"A fault of ours, a {type(error).__name__}"
    test.switch_page("pages/follow.py").run()
    assert len(test.exception) == 1
    assert len(test.error) == 0


def test_attention_is_computed_for_the_rows_that_are_shown(watched: Watched) -> None:
    test = follow(LONG, "token=300&head=5")
    assert "attention_map" in drawn(test)
    asked = [each for each in watched.asked if isinstance(each, AttentionRequest)]
    assert [(each.first, each.stop, each.seen_from) for each in asked] == [
        (300, 301, 0),
        (109, 301, 109),
    ]
    watched.asked.clear()
    checked(test.number_input(key="attention_head").set_value(6).run())
    assert watched.asked == []  # the window has all heads


def test_the_open_folds_of_a_tab_hold_neither_a_trace_nor_a_vector_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[Callable[[], object]] = []
    register = MemoryFragmentStorage.register

    def record(self: MemoryFragmentStorage, key: str, fragment: object, **more: object) -> None:
        kept.append(fragment)
        register(self, key, fragment, **more)

    monkeypatch.setattr(MemoryFragmentStorage, "register", record)
    test = follow(LONG, "token=300&head=5")
    assert charts(test) == 14
    held = [value for fragment in kept for value in arguments(fragment)]
    assert len(kept) == 4
    assert not [value for value in held if isinstance(value, Record | Details)]
    arrays = [value for value in held if isinstance(value, np.ndarray)]
    assert all(array.base is None for array in arrays)
    assert sum(array.nbytes for array in arrays) < 10_000


def arguments(fragment: Callable[[], object]) -> Iterator[object]:
    """All that a fragment was called with, and all within it."""
    cells = dict(zip(fragment.__code__.co_freevars, fragment.__closure__, strict=True))
    waiting = [cells["args"].cell_contents, cells["kwargs"].cell_contents]
    while waiting:
        value = waiting.pop()
        yield value
        if isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
        elif hasattr(value, "__dict__"):
            waiting += vars(value).values()
