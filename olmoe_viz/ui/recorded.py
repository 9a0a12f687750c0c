"""The measured tables that come with the bundled model, read once."""

import json
from pathlib import Path

import pandas as pd
import streamlit as st

import olmoe_viz
from olmoe_viz.models.catalogue import BUNDLED

_DATA = Path(olmoe_viz.__file__).parent / "data"
ALL = "all"
HELD_OUT = "held-out text in windows of 1,024 tokens, float32"


@st.cache_data(max_entries=4, show_spinner=False)
def table(name: str) -> pd.DataFrame:
    """One of "quality", "experts" or "layers"; see the model card for the columns."""
    return pd.read_csv(_DATA / f"{name}.csv")


@st.cache_data(max_entries=4, show_spinner=False)
def where(what: str = HELD_OUT) -> str:
    """For the badge: the weights that all tables were measured on, on what, and when."""
    measured = json.loads((_DATA / "measured.json").read_text(encoding="utf-8"))
    return f"{BUNDLED} ({measured['digest'][:12]}), {what}, {measured['date']}."


def domains() -> list[str]:
    """The ten domains in the order of the tables."""
    return list(table("experts").columns[2:])


def readable(domain: str) -> str:
    """A domain's name for people."""
    return "mean of the ten domains" if domain == ALL else domain.replace("math_latex", "LaTeX")
