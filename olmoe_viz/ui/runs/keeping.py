"""Runs as files to take along; the file is made when the button is pressed."""

import tempfile
from pathlib import Path

import streamlit as st

from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.texts import runs as texts


def button(run: Trace | Comparison, *, key: str) -> None:
    """A button that saves a run, with its size."""
    parts = run.generations if isinstance(run, Comparison) else (run,)
    st.download_button(
        texts.save(run.kind, sum(part.nbytes for part in parts)),
        lambda: content(run),
        f"{run.kind}.safetensors",
        "application/octet-stream",
        key=key,
        on_click="ignore",
        icon=":material/download:",
    )


def content(run: Trace | Comparison) -> bytes:
    """The bytes of the file of a run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.safetensors"
        run.save(path)
        return path.read_bytes()
