"""The measured tables that come with the bundled model, read once."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import olmoe_viz
from olmoe_viz.figures.quality_against_k import Lines
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.numerics.geometry import OLMOE_1B_7B
from olmoe_viz.policy import WEIGHTINGS
from olmoe_viz.records.expert_uses import ExpertUses, readable_domain, recorded_uses
from olmoe_viz.ui.texts import quality as texts
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES

if TYPE_CHECKING:
    import pandas as pd

Values = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
_DATA = Path(olmoe_viz.__file__).parent / "data"
ALL = "all"
GEOMETRY = OLMOE_1B_7B  # the bundled model has its layers, its experts and its k
HELD_OUT = "held-out text in windows of 1,024 tokens, float32"


@st.cache_data(max_entries=4, show_spinner=False)
def table(name: str) -> "pd.DataFrame":
    """One of "quality", "experts" or "layers"; see the model card for the columns."""
    import pandas as pd  # takes a quarter of a second, and the first page needs no table

    return pd.read_csv(_DATA / f"{name}.csv")


def lines(rows: "pd.DataFrame") -> Lines:
    """By weighting: bits per byte and the ends of their interval, one value for each k of `rows`.

    `rows` are those of "quality" for one text, sorted by k.
    """
    found = {}
    for weighting in WEIGHTINGS:
        part = rows[rows["weighting"] == weighting]
        bits, low, high = (part[name].to_numpy(float) for name in ("bits_per_byte", "low", "high"))
        found[WEIGHTING_NAMES[weighting]] = (bits, low, high)
    return found


def equal_to_best(ks: Sequence[int], values: Values) -> list[int]:
    """The best k and those that cannot be told apart from it, in the order of `ks`.

    `values` are bits per byte and the ends of their interval, one for each k. Two ks are equal
    where each one's value lies in the other's interval.
    """
    bits, low, high = values
    best = int(bits.argmin())
    equal = (low[best] <= bits) & (bits <= high[best]) & (low <= bits[best]) & (bits[best] <= high)
    return [k for k, same in zip(ks, equal.tolist(), strict=True) if same]


def numbers(
    ks: Sequence[int], lines: Lines, best: Mapping[str, Sequence[int]]
) -> dict[str, list[str]]:
    """By column: k, for each weighting bits per byte with their 95% interval, and who is best.

    `best` are the ks of each weighting that are equal to its best.
    """
    columns = {
        name: [
            f"{mean:.3f} ({low:.3f} to {high:.3f})" for mean, low, high in zip(*values, strict=True)
        ]
        for name, values in lines.items()
    }
    marks = [", ".join(name for name, equal in best.items() if k in equal) for k in ks]
    return {texts.K: [str(k) for k in ks], **columns, texts.BEST_UNDER: marks}


@st.cache_data(max_entries=4, show_spinner=False)
def where(what: str = HELD_OUT) -> str:
    """For the badge: the weights that all tables were measured on, on what, and when."""
    measured = json.loads((_DATA / "measured.json").read_text(encoding="utf-8"))
    return f"{BUNDLED} ({measured['digest'][:12]}), {what}, {measured['date']}."


def uses() -> ExpertUses | None:
    """What the experts of the bundled model are used for, as their colors say it."""
    return recorded_uses(json.loads((_DATA / "measured.json").read_text("utf-8"))["digest"])


def domains() -> list[str]:
    """The ten domains in the order of the tables."""
    return list(table("experts").columns[2:])


def readable(domain: str) -> str:
    """A domain's name for people."""
    return texts.ALL_DOMAINS if domain == ALL else readable_domain(domain)
