"""The models of a process: loaded when somebody first asks for one, shared, read-only.

The bundled model has a slot of its own and stays. All other models share a second slot of one. A
thread of its own loads a model, so that those who wait for it can be told how far it is, and leave.
"""

from collections.abc import Callable
from threading import Lock, Thread

from olmoe_viz.errors import CancelledError
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.models.load import load_model
from olmoe_viz.models.memory import release_memory
from olmoe_viz.models.model import Model

Loaded = Callable[[Model | None, Exception | None], None]


class Loading:
    """A model on its way: how much of it has been downloaded, and who waits for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.arrived = self.total = 0  # bytes; both 0 where nothing is downloaded
        self.waiting: list[Loaded] = []

    def progress(self, arrived: int, total: int) -> None:
        """Called by the download. Two counters report to it: bytes received and bytes written."""
        if not self.waiting:
            raise CancelledError("Nobody waits for the model any more.")
        self.arrived, self.total = max(self.arrived, arrived), max(self.total, total)


class ModelPool:
    """Two slots and the models on their way to them; `models` are there from the start."""

    def __init__(self, *models: Model) -> None:
        self._held = {model.name: model for model in models}
        self._slots: dict[bool, Model] = {}  # by whether the model is the bundled one
        self._loading: dict[str, Loading] = {}
        self._lock = Lock()
        self._one_at_a_time = Lock()  # two large models are never read at once

    def find(self, name: str) -> Model | None:
        """Return the model, if it is there."""
        model = self._held.get(name) or self._slots.get(name == BUNDLED)
        return model if model is not None and model.name == name else None

    @property
    def large(self) -> Model | None:
        """The model in the second slot, while there is one."""
        return self._slots.get(False)

    def give_back_large(self) -> None:
        """Empty the second slot; the memory is free once nobody uses the model any more."""
        if self._slots.pop(False, None) is not None:
            release_memory()

    def load(self, name: str, then: Loaded) -> Loading:
        """Load a model, together with whoever waits for it already.

        `then` is called by the loading thread with the model, or with what went wrong.
        """
        with self._lock:
            begun = self._loading.get(name)
            loading = begun or self._loading.setdefault(name, Loading(name))
            loading.waiting.append(then)
        if begun is None:
            Thread(target=self._load, args=(loading,), name="load", daemon=True).start()
        return loading

    def leave(self, loading: Loading, then: Loaded) -> None:
        """Wait no longer. When the last one leaves, a download ends."""
        with self._lock:
            if then in loading.waiting:
                loading.waiting.remove(then)

    def _load(self, loading: Loading) -> None:
        model, problem = None, None
        try:
            if loading.name == BUNDLED:
                model = self._fill(loading)
            else:
                with self._one_at_a_time:
                    model = self._fill(loading)
        except Exception as error:  # noqa: BLE001  # told to whoever waits
            problem = error
        with self._lock:
            del self._loading[loading.name]
            waiting = list(loading.waiting)
        for then in waiting:
            then(model, problem)

    def _fill(self, loading: Loading) -> Model:
        if not loading.waiting:
            raise CancelledError("Nobody waits for the model any more.")
        found = self.find(loading.name)
        if found is not None:
            return found  # another came first
        bundled = loading.name == BUNDLED
        if not bundled:
            self.give_back_large()  # two large models at once would take the memory of both
        made = load_model(loading.name, progress=loading.progress)
        self._slots[bundled] = made
        return made
