"""Traces for the pages: kept from run to run, and what is said when there is none."""

from collections.abc import Callable

import pytest
import torch

from olmoe_viz.engine import recording
from olmoe_viz.engine.decoding import DecodingError
from olmoe_viz.engine.inputs import InputError
from olmoe_viz.ui import trouble
from tests.ui.test_pages import run_prompt, specs
from tests.ui.visitor import app

CPU = "[enforce fail at alloc_cpu.cpp:129] DefaultCPUAllocator: can't allocate memory: tried 9\nat"
SENTENCES: list[tuple[Exception, str]] = [
    (InputError("There is no text yet."), "There is no text yet."),
    (DecodingError("The memory ran out after 3 tokens.", []), "The memory ran out after 3 tokens."),
    (MemoryError(), "The memory ran out. "),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), "The memory ran out."),
    (RuntimeError(CPU), "The memory ran out."),
    (RuntimeError("shapes differ.\n  at line 3"), "The model stopped: shapes differ. Run again"),
]


@pytest.mark.parametrize(("error", "start"), SENTENCES)
def test_trouble_is_a_sentence(error: Exception, start: str) -> None:
    assert isinstance(error, trouble.TROUBLE)
    said = trouble.sentence(error)
    assert said.startswith(start)
    assert said.endswith(".")
    assert "\n" not in said


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("shapes differ")])
def test_a_run_that_breaks_off_is_said_and_the_next_one_works(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(recording, "trace", fail)
        test = run_prompt(app(), f"A text of its own for {type(error).__name__}")
    assert len(test.error) == 1
    assert specs(test) == []
    again = run_prompt(test, "The cat")
    assert len(again.error) == 0
    assert specs(again)


def test_a_prompt_is_run_once_for_all_pages_and_visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    trace: Callable[..., object] = recording.trace

    def count(model: object, text: str, *more: object) -> object:
        asked.append(text)
        return trace(model, text, *more)

    monkeypatch.setattr(recording, "trace", count)
    prompt = "Nobody else asks for this."
    test = run_prompt(app(), prompt)
    test.switch_page("pages/about.py").run()
    assert specs(test.switch_page("pages/map.py").run())
    assert specs(run_prompt(app(), prompt))
    assert asked == [prompt]
