"""Steps 7 and 8: what every selected expert gives, and how the block adds it up."""

from collections.abc import Callable

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.figures import contributions, cosine_matrix, layer_change, vector_strip
from olmoe_viz.figures.labels import digits, expert_name, number
from olmoe_viz.policy import WEIGHTINGS, Weighting
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.ui.follow.place import Place
from olmoe_viz.ui.texts import follow as texts
from olmoe_viz.ui.texts.follow_steps import WEIGHTS
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES

_WEIGHTING = "follow_weighting"
_ROWS, _ROWS_HEIGHT = 16, 560  # a table is shown whole up to so many; px of a longer one


def weights_formula(weighting: Weighting, trained_k: int) -> str:
    """The routing weights in LaTeX, with the name of the weighting."""
    formula = WEIGHTS[weighting].replace("%d", str(trained_k))
    return rf"{formula} \ \text{{({WEIGHTING_NAMES[weighting]})}}"


def experts(place: Place, seen: Inspection) -> None:
    """Strips of the output vectors, their norms, how alike they are, and how many units work."""
    large, both = max(place.ks), _selected_with_both(seen)
    names = [expert_name(expert, place.layer) for expert in seen.ids.tolist()]
    marked = [name if kept else f"+{name}" for name, kept in zip(names, both, strict=True)]
    plot(
        vector_strip.figure(seen.outputs, names=marked, theme=place.theme),
        key="outputs",
    )
    if not both.all():
        st.caption(texts.only_with(large))
    norms = np.linalg.norm(seen.outputs, axis=1)
    groups = zip(texts.groups(place.ks), (both, ~both), strict=True)
    st.text(
        "\n".join(
            texts.group_of_experts(
                name,
                float(norms[part].mean()),
                float(seen.active_shares[part].mean()),
                place.geometry.intermediate,
            )
            for name, part in groups
            if part.any()
        )
    )
    _each(place, seen, norms, names)


def _each(place: Place, seen: Inspection, norms: np.ndarray, names: list[str]) -> None:
    """Compute what the fold shows: it stays in memory as long as the tab, vectors need not."""
    units = seen.outputs / np.maximum(norms, 1e-30)[:, None]
    cosines = (units @ units.T).astype(np.float64)
    others = (cosines.sum(axis=1) - 1) / max(len(norms) - 1, 1)
    large, both = max(place.ks), _selected_with_both(seen)
    records = [
        {
            texts.EXPERT: name,
            texts.SELECTED_WITH: texts.BOTH if both[at] else texts.selected_with(large),
            texts.NORM: f"{norms[at]:.4g}",
            texts.UNITS_ACTIVE: f"{seen.active_shares[at]:.1%}",
            texts.MEAN_COSINE: number(others[at], ".3f"),
        }
        for at, name in enumerate(names)
    ]
    _details(records, cosines, seen.ids.tolist(), place)


@st.fragment
def _details(
    records: list[dict[str, str]], cosines: np.ndarray, ids: list[int], place: Place
) -> None:
    """Each expert's numbers and the cosines between outputs, drawn only while open."""
    fold = st.expander(
        texts.EACH_EXPERT,
        key="experts_fold",
        on_change="rerun",
    )
    if not fold.open:
        return
    with fold:
        left, right = st.columns([1.2, 1], gap="large")
        with left:
            st.table(
                records,
                border="horizontal",
                hide_index=True,
                height="content" if len(records) <= _ROWS else _ROWS_HEIGHT,
                alt=texts.EACH_EXPERT_ALT,
            )
        with right:
            plot(
                cosine_matrix.figure(cosines, ids=ids, layer=place.layer, theme=place.theme),
                key="cosines",
            )
        scrolls = [texts.rows_scroll(len(records))] if len(records) > _ROWS else []
        st.caption(" ".join([texts.ACTIVE_UNITS, *scrolls]))


def combination(place: Place, seen: Inspection, on_pick: Callable[[Weighting], None]) -> None:
    """What each expert adds, both sums and their difference, and the check against the block.

    `on_pick` takes another weighting.
    """
    _switch(place.weighting, on_pick)
    rows = _rows(seen, place.weighting)
    norms = seen.weights[rows] * np.linalg.norm(seen.outputs, axis=1)
    ids = seen.ids.tolist()
    plot(
        contributions.figure(
            norms, ids=ids, names=place.names, layer=place.layer, uses=place.uses, theme=place.theme
        ),
        key="contributions",
    )
    sums = seen.sums[rows]
    strips = np.vstack([sums, sums[1] - sums[0]])
    names = [*place.names, texts.CHANGE]
    plot(
        vector_strip.figure(strips, names=names, theme=place.theme),
        key="sums",
    )
    st.text(texts.block_check(float(seen.largest_differences[rows].max())))


def _switch(weighting: Weighting, on_pick: Callable[[Weighting], None]) -> None:
    st.session_state[_WEIGHTING] = weighting
    st.segmented_control(
        texts.SWITCH,
        WEIGHTINGS,
        key=_WEIGHTING,
        required=True,
        wrap=True,
        format_func=WEIGHTING_NAMES.__getitem__,
        on_change=lambda: on_pick(st.session_state[_WEIGHTING]),
    )


def change_of_output(place: Place, seen: Inspection, there: Inspection) -> None:
    """The change of this block's output: alone, and after earlier layers have rerouted too.

    `there` is the same place in the run of the second k.
    """
    rows = _rows(seen, place.weighting)
    before, after = seen.sums[rows]
    st.markdown(texts.SAME_INPUT_AND_AS_RUN)
    st.text(
        texts.changes(
            change(before, after),
            change(seen.router_input, there.router_input),
            change(before, there.sums[rows][1]),
        )
    )
    st.caption(texts.by_weighting(place.ks))
    st.table(
        [_by_weighting(seen, weighting) for weighting in WEIGHTINGS],
        border="horizontal",
        hide_index=True,
        alt=texts.BY_WEIGHTING_ALT,
    )


def _by_weighting(seen: Inspection, weighting: Weighting) -> dict[str, str]:
    """How much of the change is left when the sum of the weights is held."""
    rows = _rows(seen, weighting)
    gains = seen.weights[rows].sum(axis=1)
    one, two = seen.sums[rows].astype(np.float64)
    norms = [float(np.linalg.norm(one)), float(np.linalg.norm(two))]
    return {
        texts.WEIGHTING: WEIGHTING_NAMES[weighting],
        texts.SUM_OF_WEIGHTS: f"{gains[0]:.3f} → {gains[1]:.3f}",
        texts.NORM_OF_SUM: f"{digits(norms[0])} → {digits(norms[1])}",
        texts.CHANGE: f"{change(one, two):.1%}",
        texts.COSINE_OF_SUMS: number(_cosine(one, two), ".3f"),
    }


def through_layers(place: Place, distances: NDArray[np.float64]) -> None:
    """How far apart the residual streams of both runs are after each block, [blocks]."""
    st.caption(texts.through_layers(place.ks))
    plot(
        layer_change.figure(
            distances,
            layer=place.layer,
            name=texts.AS_RUN,
            quantity=texts.RELATIVE_CHANGE,
            theme=place.theme,
        ),
        key="as_run",
    )


def _selected_with_both(seen: Inspection) -> NDArray[np.bool_]:
    """Mark the experts that both ks select, [n]; the rest are those of the larger k alone."""
    return np.asarray((seen.weights[_rows(seen, "native")] > 0).all(axis=0))


def _rows(seen: Inspection, weighting: str) -> list[int]:
    """Rows of the two ks under a weighting."""
    return [row for row, policy in enumerate(seen.policies) if policy.weighting == weighting]


def change(one: np.ndarray, two: np.ndarray) -> float:
    """Length of the difference, relative to the first vector."""
    return float(np.linalg.norm(two - one) / max(float(np.linalg.norm(one)), 1e-30))


def _cosine(one: np.ndarray, two: np.ndarray) -> float:
    return float(one @ two / max(float(np.linalg.norm(one) * np.linalg.norm(two)), 1e-30))
