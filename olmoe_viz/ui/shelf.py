"""The models of the server: loaded when somebody first runs something, shared, read-only.

The bundled model has a slot of its own and stays. All other models share a second slot of one. A
thread of its own loads a model, so that those who wait for it can be told how far it is, and leave.
Knows nothing about streamlit.
"""

from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.ui import heap

if TYPE_CHECKING:
    from olmoe_viz.models.load import Model


class GivenUp(Exception):  # noqa: N818  # nothing went wrong
    """Nobody waits for the model any more."""


class Loading:
    """A model on its way: how much of it has been downloaded, and what became of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting = 0
        self.arrived = self.total = 0  # bytes; both 0 where nothing is downloaded
        self.ended = Event()
        self.error: Exception | None = None
        self.model: Model | None = None

    def progress(self, arrived: int, total: int) -> None:
        """Called by the download. Two counters report to it: bytes received and bytes written."""
        if self.waiting == 0:
            raise GivenUp
        self.arrived, self.total = max(self.arrived, arrived), max(self.total, total)


class Shelf:
    """Two slots and the models on their way to them."""

    def __init__(self) -> None:
        self._slots: dict[bool, Model] = {}  # by whether the model is the bundled one
        self._loading: dict[str, Loading] = {}
        self._people = Lock()
        self._one_at_a_time = Lock()  # two large models are never read at once

    def find(self, name: str) -> "Model | None":
        """The model, if it is there."""
        model = self._slots.get(name == BUNDLED)
        return model if model is not None and model.name == name else None

    def join(self, name: str) -> Loading:
        """Wait for a model together with whoever waits for it already; it begins to load if not."""
        with self._people:
            begun = self._loading.get(name)
            loading = begun or self._loading.setdefault(name, Loading(name))
            loading.waiting += 1
        if begun is None:
            Thread(target=self._load, args=(loading,), daemon=True).start()
        return loading

    def leave(self, loading: Loading) -> None:
        """Wait no longer. When the last one leaves, a download ends."""
        with self._people:
            loading.waiting -= 1

    def clear(self) -> None:
        """Forget all models."""
        self._slots.clear()

    def _load(self, loading: Loading) -> None:
        try:
            if loading.name == BUNDLED:
                self._fill(loading)
            else:
                with self._one_at_a_time:
                    self._fill(loading)
        except Exception as error:  # noqa: BLE001  # told to whoever waits
            loading.error = error
        finally:
            with self._people:
                del self._loading[loading.name]
            loading.ended.set()

    def _fill(self, loading: Loading) -> None:
        from olmoe_viz.models.load import load_model
        from olmoe_viz.models.memory import release_memory

        if loading.waiting == 0:
            raise GivenUp
        loading.model = self.find(loading.name)
        if loading.model is not None:
            return  # another came first
        bundled = loading.name == BUNDLED
        if not bundled and self._slots.pop(bundled, None) is not None:
            # Two large models at once would take the memory of both.
            heap.take_back()
            release_memory()
        try:
            made = load_model(loading.name, progress=loading.progress)
            loading.model = self._slots[bundled] = made
        finally:
            heap.set_aside()
