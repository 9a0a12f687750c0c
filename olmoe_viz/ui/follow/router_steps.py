"""Steps 4 to 6: the router's logits, their softmax, and the k experts that are kept."""

import math
from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.figures import expert_bars, router_bars, temperature
from olmoe_viz.figures.labels import expert_name, number
from olmoe_viz.numerics import routing
from olmoe_viz.ui.follow.place import Place
from olmoe_viz.ui.texts import follow as texts
from olmoe_viz.ui.widgets.by_hand import by_hand
from olmoe_viz.ui.widgets.figure import plot

Floats = NDArray[np.float64]
_MANY = 16  # more rows than this stand beside an almost empty half


def router(place: Place, logits: Floats, cosines: Floats | None) -> None:
    """The logits [experts] by expert id; `cosines` between router rows and input where known."""
    experts = list(range(len(logits)))
    plot(
        expert_bars.figure(
            logits,
            ids=experts,
            quantity=texts.ROUTER_LOGIT,
            also=None if cosines is None else (texts.COSINE, cosines),
            base=float(logits.mean()),
            layer=place.layer,
            uses=place.uses,
            theme=place.theme,
        ),
        key="logits",
    )
    st.caption(texts.from_the_mean(float(logits.mean()), len(logits)))


def softmax(place: Place, logits: Floats, row: Floats) -> None:
    """The probabilities against an even choice, and the entropy at other temperatures.

    Args:
        place: for the theme.
        logits: of the router, [experts].
        row: their softmax, [experts].
    """
    experts, even = len(row), math.log(len(row))
    own = float(routing.entropy(row))
    temperatures = np.geomspace(0.25, 4, 33)
    entropies = routing.entropy(routing.probabilities(logits / temperatures[:, None]))
    by_hand(
        expert_bars.figure(
            row,
            ids=list(range(experts)),
            quantity=texts.ROUTER_PROBABILITY,
            level=(1 / experts, texts.even_choice(experts)),
            layer=place.layer,
            uses=place.uses,
            theme=place.theme,
        ),
        logits=logits,
        curve=temperature.figure(temperatures, entropies, uniform=even, theme=place.theme),
        key="softmax",
    )
    st.text(texts.entropy(own, even, experts))


def top_k(
    place: Place, logits: Floats, row: Floats, ran: NDArray[np.int16], ranked: Sequence[int]
) -> None:
    """The bars with both cutoffs, and the table of the selected experts.

    Args:
        place: the layer and the two ks.
        logits: of the router, [experts].
        row: their softmax, [experts].
        ran: the experts that ran, [largest k].
        ranked: all experts, first those that ran.
    """
    by_hand(
        router_bars.figure(
            row,
            expert_ids=ran,
            marks=place.ks,
            layer=place.layer,
            uses=place.uses,
            theme=place.theme,
        ),
        logits=logits[routing.ranking(row)],
        k=int((ran >= 0).sum()),
        marks=place.ks,
        key="top_k",
    )
    masses = [float(row[list(ranked[:k])].sum()) for k in place.ks]
    st.text(f"{texts.retained(masses, place.ks)}\n{texts.margins(row, place.ks)}")
    st.caption(f"{texts.RETAINED_MASS} {texts.what_ran(place.ks)}")
    small, large = sorted(place.ks)
    _table(_rows(place.layer, logits, row, ranked[:large]), small, large)


def _rows(layer: int, logits: Floats, row: Floats, order: Sequence[int]) -> list[dict[str, str]]:
    """The experts of `order` as rows of a table."""
    cumulative = np.cumsum(row[list(order)])
    return [
        {
            texts.RANK: str(rank + 1),
            texts.EXPERT: expert_name(expert, layer),
            texts.LOGIT: number(logits[expert], ".3f"),
            texts.PROBABILITY: f"{row[expert]:.4f}",
            texts.CUMULATIVE_MASS: f"{cumulative[rank]:.4f}",
        }
        for rank, expert in enumerate(order)
    ]


@st.fragment
def _table(records: list[dict[str, str]], small: int, large: int) -> None:
    # A key of its own: else what was open for few rows would stay open for many.
    long = large - small > _MANY
    fold = st.expander(
        texts.table_of_experts(small, large),
        key="long_table_fold" if long else "table_fold",
        on_change="rerun",
        expanded=not long,
    )
    if not fold.open:
        return
    with fold:
        parts = [(texts.WITH_BOTH, records[:small])]
        if large > small:
            parts.append((texts.with_one(large), records[small:]))
        for column, (title, part) in zip(st.columns(len(parts), gap="large"), parts, strict=True):
            with column:
                st.caption(title)
                st.table(part, border="horizontal", hide_index=True, alt=title)
