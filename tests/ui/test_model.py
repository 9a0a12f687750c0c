"""Which models the server keeps, with a loader that makes none."""

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from weakref import ref

import pytest
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from olmoe_viz.models import load, memory
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.ui import model
from olmoe_viz.ui.shelf import GivenUp, Shelf

LARGE, OTHER = "allenai/OLMoE-1B-7B-0924", "allenai/OLMoE-1B-7B-0125"


class Fake:
    def __init__(self, name: str) -> None:
        self.name = name


class Loader:
    """Stands for `load_model`: notes what is loaded and how much of it is alive."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failures: list[Exception] = []
        self.large: list[ref[Fake]] = []
        self.alive_on_entry: list[int] = []

    def __call__(self, name: str, **_: object) -> Fake:
        self.asked.append(name)
        if self.failures:
            raise self.failures.pop()
        made = Fake(name)
        if name != BUNDLED:
            self.alive_on_entry.append(sum(kept() is not None for kept in self.large))
            self.large.append(ref(made))
        return made


@pytest.fixture
def sentences(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(model, "refusal", told.append)
    return told


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loader]:
    made = Loader()
    monkeypatch.setattr(load, "load_model", made)
    model.shelf.clear()
    yield made
    model.shelf.clear()


def test_two_visitors_on_different_models_both_keep_theirs(
    loader: Loader, sentences: list[str]
) -> None:
    for _ in range(3):
        names = [model.get_model(name).name for name in (BUNDLED, LARGE)]
        assert names == [BUNDLED, LARGE]
    assert loader.asked == [BUNDLED, LARGE]
    assert sentences == []


def test_another_large_model_takes_the_place_of_the_one_before_and_the_bundled_one_stays(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[bool] = []

    def release() -> None:
        gc.collect()
        released.append(any(kept() is not None for kept in loader.large))

    monkeypatch.setattr(memory, "release_memory", release)
    for name in (BUNDLED, LARGE, OTHER, BUNDLED, LARGE):
        assert model.get_model(name).name == name
    assert loader.asked == [BUNDLED, LARGE, OTHER, LARGE]
    assert loader.alive_on_entry == [0, 0, 0]
    assert released == [False, False]


def test_two_large_models_are_never_loaded_at_once(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, entered = threading.Semaphore(1), threading.Event()
    overlaps: list[bool] = []

    def slow(name: str, **_: object) -> Fake:
        overlaps.append(not inside.acquire(blocking=False))
        entered.wait(0.3)  # long enough for the other visitor to come in, if the door is open
        inside.release()
        return loader(name)

    monkeypatch.setattr(load, "load_model", slow)
    with ThreadPoolExecutor(2) as visitors:
        found = list(visitors.map(lambda name: model.get_model(name).name, (LARGE, OTHER)))
    assert found == [LARGE, OTHER]
    assert overlaps == [False, False]


@pytest.mark.parametrize("name", [BUNDLED, LARGE])
@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (load.ModelError("It is damaged."), "It is damaged."),
        (RuntimeError("CUDA error"), "{} cannot be loaded: CUDA error"),
        (MemoryError(), "{} cannot be loaded: the memory ran out."),
    ],
)
def test_a_failure_is_told_and_not_kept(
    loader: Loader, sentences: list[str], name: str, failure: Exception, sentence: str
) -> None:
    loader.failures = [failure]
    assert model.get_model(name) is None
    assert sentences == [sentence.format(name)]
    assert model.get_model(name).name == name
    assert loader.asked == [name, name]


def test_a_download_ends_when_the_last_who_waits_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def download(name: str, progress: Callable[[int, int], None]) -> Fake:
        progress(3, 10)
        begun.set()
        go_on.wait(5)
        progress(4, 10)
        return Fake(name)

    monkeypatch.setattr(load, "load_model", download)
    shelf = Shelf()
    one, two = shelf.join(LARGE), shelf.join(LARGE)
    assert one is two
    assert begun.wait(5)
    assert (one.arrived, one.total) == (3, 10)
    shelf.leave(one)
    shelf.leave(two)
    go_on.set()
    assert one.ended.wait(5)
    assert isinstance(one.error, GivenUp)
    assert shelf.find(LARGE) is None
    again = shelf.join(LARGE)
    assert again is not one
    assert again.ended.wait(5)
    assert shelf.find(LARGE) is again.model


def test_a_visitor_who_stops_no_longer_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, ended = threading.Event(), threading.Event()

    def download(name: str, progress: Callable[[int, int], None]) -> Fake:
        go_on.wait(5)
        try:
            progress(1, 2)
        finally:
            ended.set()
        return Fake(name)

    def stop(*_: object) -> None:
        raise StopException

    monkeypatch.setattr(load, "load_model", download)
    monkeypatch.setattr(model, "_PATIENCE", 0)
    monkeypatch.setattr(model, "_tell", stop)
    with pytest.raises(StopException):
        model.get_model(LARGE)
    go_on.set()
    assert ended.wait(5)
    assert model.shelf.find(LARGE) is None


def test_a_stop_leads_back_to_the_bundled_model() -> None:
    def script() -> None:
        import streamlit as st

        from olmoe_viz.models.catalogue import BUNDLED
        from olmoe_viz.ui import state

        state.change(model="allenai/OLMoE-1B-7B-0924")
        state.withdraw(model=BUNDLED)
        st.text(f"{state.selection().model} {state.asked()}")

    assert AppTest.from_function(script).run().text[0].value == f"{BUNDLED} False"


def test_a_page_that_waits_twice_has_two_stop_buttons(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script() -> None:
        from olmoe_viz.models.catalogue import BUNDLED
        from olmoe_viz.ui import model

        model.get_model(BUNDLED)
        model.shelf.clear()
        model.get_model(BUNDLED)

    def slow(name: str, **_: object) -> Fake:
        threading.Event().wait(0.5)
        return loader(name)

    monkeypatch.setattr(load, "load_model", slow)
    monkeypatch.setattr(model, "_PATIENCE", 0)
    page = AppTest.from_function(script).run(timeout=30)
    assert not page.exception
    assert loader.asked == [BUNDLED, BUNDLED]
