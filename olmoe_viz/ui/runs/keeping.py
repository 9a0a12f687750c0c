"""Runs to take along, as a file and as a report, which are made when a button is pressed."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import streamlit as st

from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.file import array_bytes
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.texts import runs as texts

Run = Trace | Generation | Comparison
Cell = tuple[int, int]  # layer, token


def buttons(run: Run, *, key: str, half: bool = False, cell: Cell | None = None) -> None:
    """Buttons that save a run, with its size, and a report of it.

    A run with hidden states has a button more, because these are most of its size. With `half`
    the router logits are rounded in the file. `cell` is the layer and the token that the report
    draws the router of, else some of the last token.
    """
    without = _routing_only(run)
    with st.container(horizontal=True, gap="small", key=f"{key}_row"):
        _file(without, texts.save(run.kind, size(without, half=half)), key, half=half)
        if without is not run:
            _file(run, texts.save_full(size(run, half=half)), f"{key}_full", half=half)
        report(run, key=f"{key}_report", cells=() if cell is None else (cell,))


def report(
    run: Run,
    other: Run | None = None,
    *,
    key: str,
    label: str = texts.REPORT,
    cells: Sequence[Cell] = (),
) -> None:
    """A button that saves a run, or two set against each other, as one page."""
    _download(label, lambda: _page(run, other, cells), "report.html", "text/html", key)


def content(run: Run, *, half: bool = False) -> bytes:
    """The bytes of the file of a run."""
    return (run.halved() if half else run).to_bytes()


def size(run: Run, *, half: bool = False) -> int:
    """The bytes that the arrays of a run take in its file."""
    precision = {"logits_precision": "float16"} if half else {}
    parts = run.generations if isinstance(run, Comparison) else (run,)
    return sum(array_bytes(part.stored_layout(vars(part) | precision)) for part in parts)


def _routing_only(run: Run) -> Run:
    """A trace without its hidden states; any other run as it is."""
    if not isinstance(run, Trace) or run.detail == "routing":
        return run
    request = replace(run.request, detail="routing")
    return replace(run, request=request, hidden_states=None, attention_outputs=None)


def _file(run: Run, label: str, key: str, *, half: bool) -> None:
    name = f"{run.kind}.safetensors"
    _download(label, lambda: content(run, half=half), name, "application/octet-stream", key)


def _page(run: Run, other: Run | None, cells: Sequence[Cell]) -> str:
    from olmoe_viz.report.page import page  # brings a template engine, which no page needs

    return page(run, other, cells)


def _download(label: str, make: Callable[[], bytes | str], name: str, kind: str, key: str) -> None:
    st.download_button(
        label,
        make,
        name,
        kind,
        key=key,
        on_click="ignore",
        icon=":material/download:",
    )
