"""What is set aside costs the collector nothing, and comes back when it is asked to."""

import gc
import threading
from collections.abc import Iterator
from functools import partial
from weakref import ref

import pytest
import streamlit as st

from olmoe_viz.engine.engine import Progress, Ticket
from olmoe_viz.errors import ModelError
from olmoe_viz.models import pool
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.requests import ModelRequest
from olmoe_viz.ui.session import answers, collector
from tests.ui.engines import ByHand, serve


class Part:
    whole: "Part"


def ring() -> Part:
    """An object that only the collector frees, as a module's parts are."""
    part = Part()
    part.whole = part
    return part


@pytest.fixture(autouse=True)
def _all_taken_back() -> Iterator[None]:
    collector.take_back()
    yield
    collector.take_back()


def test_a_collection_passes_by_what_was_set_aside() -> None:
    before = len(gc.get_objects())
    collector.set_aside()
    assert len(gc.get_objects()) < before / 10
    assert gc.get_freeze_count() > 0.9 * before


def test_what_was_set_aside_is_freed_after_it_was_taken_back() -> None:
    part = ring()
    kept = ref(part)
    collector.set_aside()
    del part
    gc.collect()
    assert kept() is not None
    collector.take_back()
    assert kept() is None


def test_what_nothing_refers_to_is_freed_first() -> None:
    kept = ref(ring())
    collector.set_aside()
    assert kept() is None


@pytest.mark.parametrize("fails", [False, True])
def test_a_model_that_was_loaded_is_set_aside(
    monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    def load(ticket: Ticket) -> None:
        ticket.advance(Progress("loading"))
        end = partial(ticket.fail, ModelError("It is damaged."))
        threading.Timer(0.5, end if fails else partial(ticket.advance, Progress("running"))).start()
        threading.Timer(0.8, end).start()

    serve(monkeypatch, ByHand(load))
    with pytest.raises(ModelError):
        answers.asking(st.empty())(ModelRequest(BUNDLED))
    assert gc.get_freeze_count() > 0


def test_a_large_model_is_gone_before_the_next_one_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ref[Part]] = []
    alive: list[bool] = []

    def load_model(name: str, **_: object) -> Part:
        alive.append(any(kept() is not None for kept in made))
        model = ring()
        model.name = name  # type: ignore[attr-defined]
        made.append(ref(model))
        return model

    models, there = pool.ModelPool(), threading.Event()

    def load(ticket: Ticket) -> None:
        def loaded(_: object, problem: Exception | None) -> None:
            assert problem is None
            there.set()

        models.load(ticket.request.model, loaded)

    monkeypatch.setattr(pool, "load_model", load_model)
    serve(monkeypatch, ByHand(load))
    for name in ("one", "two"):
        answers.submit(ModelRequest(name))
        assert there.wait(20)
        there.clear()
        collector.set_aside()
    assert alive == [False, False]
