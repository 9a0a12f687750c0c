"""What `Follow a token` holds in memory, and what it says when there is not enough."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.testing.v1 import AppTest

from olmoe_viz import Trace
from olmoe_viz.analysis import attention, inspection, prediction, tradeoff
from olmoe_viz.ui.follow.story import Story
from tests.ui.follow_page import STEPS, charts, follow, press
from tests.ui.visitor import ROOT, checked, drawn

OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
SAYS = "The memory ran out\\."
LONG = "word " * 400


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[object, str, Exception], None]:
    """Return a function that makes a computation of the library raise."""

    def replace(module: object, name: str, error: Exception) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(module, name, fail)

    return replace


Failing = Callable[[object, str, Exception], None]


# Prompts of their own: what is kept from another test would need no computation.
@pytest.mark.parametrize(
    ("module", "name", "said"),
    [
        (attention, "attention_weights", 1),
        (inspection, "inspect", 4),  # the router, the experts, their sum, who pushes the winner
        (prediction, "predict", 2),  # the prediction, and the claims
    ],
)
@pytest.mark.parametrize("error", [OUT_OF_MEMORY, MemoryError()], ids=["device", "host"])
def test_a_step_without_memory_leaves_the_others_standing(
    module: object, name: str, said: int, error: Exception, failing: Failing
) -> None:
    failing(module, name, error)
    test = follow(f"No memory for {name} {type(error).__name__}")
    assert len(test.error) == said
    assert all(box.value.startswith(SAYS) for box in test.error)
    assert len(test.code) == STEPS


def test_measuring_without_memory_is_said_beside_the_claims(failing: Failing) -> None:
    test = follow()
    failing(tradeoff, "tradeoff", OUT_OF_MEMORY)
    press(test, "Measure")
    assert [box.value.startswith(SAYS) for box in test.error] == [True]
    assert any("Press Measure" in part.value for part in test.markdown)


def test_an_open_map_without_memory_leaves_its_step_whole(failing: Failing) -> None:
    prompt = "No memory for the map"
    follow(prompt)  # the row of the token is kept from now on
    failing(attention, "attention_weights", OUT_OF_MEMORY)
    test = follow(prompt, "token=2&head=1")
    assert len(test.error) == 1
    assert "attention" in drawn(test)
    assert "attention_map" not in drawn(test)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("no such axis")])
def test_a_fault_of_ours_is_not_taken_for_a_lack_of_memory(
    error: Exception, failing: Failing
) -> None:
    failing(attention, "attention_weights", error)
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    test.query_params["prompt"] = f"A fault of ours, a {type(error).__name__}"
    test.switch_page("pages/follow.py").run()
    assert len(test.exception) == 1
    assert len(test.error) == 0


def test_attention_is_computed_for_the_rows_that_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Sequence[int] | None] = []
    compute = attention.attention_weights

    def count(model: object, trace: object, layer: int, tokens: Sequence[int] | None = None):
        asked.append(tokens)
        return compute(model, trace, layer, tokens)

    monkeypatch.setattr(attention, "attention_weights", count)
    test = follow(LONG, "token=300&head=5")
    assert "attention_map" in drawn(test)
    assert asked == [[300], range(109, 301)]
    checked(test.number_input(key="attention_head").set_value(6).run())
    assert len(asked) == 2  # the window has all heads


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
    assert not [value for value in held if isinstance(value, Trace | Story)]
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
