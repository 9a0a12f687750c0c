"""What is said while an answer is waited for."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.engine.engine import Progress, Ticket
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.requests import CoalitionRequest, EffectsRequest, PatchRequest, RoutesRequest
from olmoe_viz.ui.session import collector, download, engine, state
from olmoe_viz.ui.session.stop import LOOK, stop_button, touch
from olmoe_viz.ui.texts import frame as texts

_LOADING = {True: texts.LOADING_BUNDLED, False: texts.LOADING_LARGE}
_TAKES_SECONDS = {"preparing": texts.PREPARING, "restarting": texts.RESTARTING}
# Of these each step runs the text once more.
_IN_STEPS = (CoalitionRequest, EffectsRequest, PatchRequest, RoutesRequest)
_PATIENCE = 1.0  # seconds of loading until there is something to press


class Waiting:
    """A place on the page that says how far a request is; with nothing to say it stays empty.

    `running` is what is said while the request runs, None for nothing, and `on_stop` what a stop
    does then. Use it in a `with` block.
    """

    def __init__(
        self,
        place: DeltaGenerator,
        model: str,
        running: str | None,
        on_stop: Callable[[], None] = state.withdraw,
    ) -> None:
        self._place, self._model, self._words = place, model, running
        self._on_stop = on_stop
        self._unit = texts.TOKENS
        self._stage = ""
        self._loaded = False  # a model, while somebody waited here
        self._shown = ExitStack()
        self._line: DeltaGenerator | None = None  # beside a stop button
        self._since = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shown.close()
        if self._loaded:
            collector.set_aside()
        if self._stage and error is None:
            self._place.empty()

    def for_engine(self) -> None:
        """Wait until the engine has started; that is a part of loading the model."""
        while not engine.started(LOOK):
            touch()
            self._say(Progress("loading"))

    def for_ticket(self, ticket: Ticket, *, until_it_runs: bool = False) -> None:
        """Wait until a request is done, or runs."""
        if isinstance(ticket.request, _IN_STEPS):
            self._unit = texts.STEPS
        ends = ("running", "done") if until_it_runs else ("done",)
        while not ticket.wait(LOOK) and (progress := ticket.progress).stage not in ends:
            touch()
            self._loaded |= progress.stage == "loading"
            self._say(progress)

    def _say(self, progress: Progress) -> None:
        if progress.stage != self._stage:
            self._shown.close()
            self._stage, self._line, self._since = progress.stage, None, time.monotonic()
            self._begin()
        if progress.stage == "waiting":
            self._in_line(progress)
        elif progress.stage == "loading":
            self._loading(progress.done, progress.total)
        elif self._words is not None:
            self._running(progress.done, progress.total)

    def _begin(self) -> None:
        """Take down what was said of the stage before; start a spinner where one belongs."""
        self._place.empty()
        loading = self._stage == "loading"
        preparing = self._stage in _TAKES_SECONDS
        words = _LOADING[self._model == BUNDLED] if loading else self._words
        words = _TAKES_SECONDS.get(self._stage, words)
        if self._stage != "waiting" and words is not None:
            self._shown.enter_context(self._place.container())
            self._shown.enter_context(st.spinner(words, show_time=loading or preparing))

    def _in_line(self, progress: Progress) -> None:
        if progress.done:
            self._place.caption(texts.in_line(progress.done, progress.seconds))

    def _loading(self, arrived: int, total: int) -> None:
        if time.monotonic() < self._since + _PATIENCE:
            return
        line = self._beside_stop(download.stop)
        if total > arrived:
            line.progress(arrived / total, text=texts.downloaded(arrived, total))
        else:
            line.caption(texts.READING_WEIGHTS)

    def _running(self, done: int, total: int) -> None:
        if 0 < done <= total:  # one part may be all there is
            words = f"{done:,} of {total:,} {self._unit}"
            self._beside_stop(self._on_stop).progress(done / total, text=words)

    def _beside_stop(self, on_stop: Callable[[], None]) -> DeltaGenerator:
        if self._line is None:
            with st.container(horizontal=True, vertical_alignment="center"):
                stop_button(on_stop)
                self._line = st.empty()
        return self._line
