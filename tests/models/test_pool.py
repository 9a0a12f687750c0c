"""Which models a process keeps, with a loader that makes none."""

import gc
import threading
from collections.abc import Callable
from weakref import ref

import pytest

from olmoe_viz.errors import CancelledError
from olmoe_viz.models import pool
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.models.pool import Loading, ModelPool

LARGE, OTHER = "allenai/OLMoE-1B-7B-0924", "allenai/OLMoE-1B-7B-0125"
SOON = 30.0  # seconds that a thread may take on a busy machine


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


class Visitor:
    """Waits for a model."""

    def __init__(self, models: ModelPool, name: str) -> None:
        self.told = threading.Event()
        self.model: Fake | None = None
        self.problem: Exception | None = None
        self.loading = models.load(name, self.take)

    def take(self, model: Fake | None, problem: Exception | None) -> None:
        self.model, self.problem = model, problem
        self.told.set()

    def wait(self) -> Fake | None:
        assert self.told.wait(SOON)
        return self.model


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    made = Loader()
    monkeypatch.setattr(pool, "load_model", made)
    return made


def get(models: ModelPool, name: str) -> Fake | None:
    return models.find(name) or Visitor(models, name).wait()


def test_two_visitors_on_different_models_both_keep_theirs(loader: Loader) -> None:
    models = ModelPool()
    for _ in range(3):
        assert [get(models, name).name for name in (BUNDLED, LARGE)] == [BUNDLED, LARGE]
    assert loader.asked == [BUNDLED, LARGE]


def test_another_large_model_takes_the_place_of_the_one_before_and_the_bundled_one_stays(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[bool] = []

    def release() -> None:
        gc.collect()
        released.append(any(kept() is not None for kept in loader.large))

    monkeypatch.setattr(pool, "release_memory", release)
    models = ModelPool()
    for name in (BUNDLED, LARGE, OTHER, BUNDLED, LARGE):
        assert get(models, name).name == name
    assert loader.asked == [BUNDLED, LARGE, OTHER, LARGE]
    assert loader.alive_on_entry == [0, 0, 0]
    assert released == [False, False]


def test_two_large_models_are_never_loaded_at_once(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, second_asked = threading.Semaphore(1), threading.Event()
    overlaps: list[bool] = []

    def slow(name: str, **_: object) -> Fake:
        overlaps.append(not inside.acquire(blocking=False))
        assert second_asked.wait(SOON)
        inside.release()
        return loader(name)

    monkeypatch.setattr(pool, "load_model", slow)
    models = ModelPool()
    visitors = [Visitor(models, name) for name in (LARGE, OTHER)]
    second_asked.set()
    assert [visitor.wait().name for visitor in visitors] == [LARGE, OTHER]
    assert overlaps == [False, False]


def test_all_who_wait_for_one_model_are_told_of_one_load(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def slow(name: str, **options: object) -> Fake:
        assert go.wait(SOON)
        return loader(name, **options)

    monkeypatch.setattr(pool, "load_model", slow)
    models = ModelPool()
    visitors = [Visitor(models, BUNDLED) for _ in range(5)]
    go.set()
    found = {id(visitor.wait()) for visitor in visitors}
    assert len(found) == 1
    assert loader.asked == [BUNDLED]


@pytest.mark.parametrize("name", [BUNDLED, LARGE])
@pytest.mark.parametrize("failure", [OSError("It is damaged."), MemoryError()])
def test_a_failure_is_told_and_not_kept(loader: Loader, name: str, failure: Exception) -> None:
    loader.failures = [failure]
    models = ModelPool()
    first = Visitor(models, name)
    assert first.wait() is None
    assert first.problem is failure
    assert get(models, name).name == name


def test_a_download_ends_when_the_last_one_leaves(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go = threading.Event(), threading.Event()
    ended: list[type[Exception]] = []

    def downloading(name: str, progress: Callable[[int, int], None]) -> Fake:
        progress(1, 100)
        began.set()
        assert go.wait(SOON)
        try:
            progress(2, 100)
        except Exception as error:
            ended.append(type(error))
            raise
        return loader(name)

    monkeypatch.setattr(pool, "load_model", downloading)
    models = ModelPool()
    first, second = Visitor(models, LARGE), Visitor(models, LARGE)
    assert began.wait(SOON)
    assert (first.loading.arrived, first.loading.total) == (1, 100)
    models.leave(first.loading, first.take)
    assert first.loading.waiting == [second.take]
    models.leave(second.loading, second.take)
    go.set()
    third = Visitor(models, LARGE)  # comes while the other is ending
    third.wait()
    assert ended in ([CancelledError], [])  # it may have come before the end: then it goes on
    assert not first.told.is_set()
    assert third.model is not None or isinstance(third.problem, CancelledError)


def test_progress_takes_the_larger_of_its_two_counters() -> None:
    loading = Loading(LARGE)
    loading.waiting.append(lambda *_: None)
    for arrived, total in ((5, 10), (3, 0), (7, 10)):
        loading.progress(arrived, total)
    assert (loading.arrived, loading.total) == (7, 10)


def test_models_that_are_handed_in_are_found_and_never_loaded(loader: Loader) -> None:
    own = Fake("/some/folder")
    models = ModelPool(own)  # type: ignore[arg-type]
    assert models.find("/some/folder") is own
    assert models.find(BUNDLED) is None
    assert loader.asked == []
