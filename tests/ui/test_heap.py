"""What is set aside costs the collector nothing, and comes back when it is asked to."""

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from olmoe_viz.models import load
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.ui import heap
from olmoe_viz.ui.shelf import Shelf


class Part:
    whole: "Part"


def ring() -> Part:
    """An object that only the collector frees, as a module's parts are."""
    part = Part()
    part.whole = part
    return part


@pytest.fixture(autouse=True)
def _all_taken_back() -> Iterator[None]:
    heap.take_back()
    yield
    heap.take_back()


def test_a_collection_passes_by_what_was_set_aside() -> None:
    before = len(gc.get_objects())
    heap.set_aside()
    assert len(gc.get_objects()) < before / 10
    assert gc.get_freeze_count() > 0.9 * before


def test_what_was_set_aside_is_freed_after_it_was_taken_back() -> None:
    part = ring()
    kept = ref(part)
    heap.set_aside()
    del part
    gc.collect()
    assert kept() is not None
    heap.take_back()
    assert kept() is None


def test_what_nothing_refers_to_is_freed_first() -> None:
    kept = ref(ring())
    heap.set_aside()
    assert kept() is None


@pytest.mark.parametrize("fails", [False, True])
def test_a_model_that_was_loaded_is_set_aside(
    monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    def load_model(name: str, **_: object) -> Part:
        if fails:
            raise load.ModelError(name)
        return ring()

    monkeypatch.setattr(load, "load_model", load_model)
    assert Shelf().join(BUNDLED).ended.wait(20)
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

    monkeypatch.setattr(load, "load_model", load_model)
    shelf = Shelf()
    for name in ("one", "two"):
        loading = shelf.join(name)
        assert loading.ended.wait(20)
        assert loading.error is None
        del loading
    assert alive == [False, False]
