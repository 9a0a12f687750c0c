"""Steps 7 and 8: what every selected expert gives, and how the block adds it up."""

from dataclasses import replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.figures import contributions, cosine_matrix, layer_change, vector_strip
from olmoe_viz.figures.labels import digits, number
from olmoe_viz.figures.palette import Theme
from olmoe_viz.policy import WEIGHTINGS, Weighting
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.ui.follow.step import Step, needs_vectors
from olmoe_viz.ui.follow.story import Story
from olmoe_viz.ui.session import state
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES

EXPERTS = Step(
    7,
    "Experts",
    "Every selected expert is a small network of its own that turns the same input into a vector.",
    (
        (
            r"E_i(x) = W_i^{\text{down}} \big( \operatorname{silu}(W_i^{\text{gate}} x) \odot "
            r"W_i^{\text{up}} x \big)"
        ),
    ),
    "seen = ov.inspect(model, trace, layer, token, [policy])\n"
    "seen.ids, seen.outputs, seen.active_shares",
    terms=("expert", "hidden state"),
    vectors=True,
)
COMBINATION = Step(
    8,
    "Weighted combination",
    "The outputs are scaled by their weights and added up, and the sum is added to the vector that "
    "came in.",
    (
        r"y = \textstyle\sum_{i \in S_k} w_i\,E_i(x)",
        r"h \leftarrow 1 \cdot h + y",
    ),
    "seen = ov.inspect(model, trace, layer, token, [policy, other_policy])\n"
    "seen.weights @ seen.outputs, seen.block_outputs, seen.largest_differences",
    terms=("routing weights", "gain", "gain-anchored"),
    vectors=True,
)
_ROWS, _ROWS_HEIGHT = 16, 560  # a table is shown whole up to so many; px of a longer one
_WEIGHTS: dict[Weighting, str] = {
    "native": r"w_i = p_i",
    "renormalized": r"w_i = p_i / \textstyle\sum_{j \in S_k} p_j",
    "gain_anchored": r"w_i = p_i\,M_{%d} / M_k",
}


def weights_formula(weighting: Weighting, trained_k: int) -> str:
    """The routing weights in LaTeX, with the name of the weighting."""
    formula = _WEIGHTS[weighting].replace("%d", str(trained_k))
    return rf"{formula} \ \text{{({WEIGHTING_NAMES[weighting]})}}"


def experts(story: Story) -> None:
    """Strips of the output vectors, their norms, how alike they are, and how many units work."""
    hidden = story.geometry.hidden
    with EXPERTS.place(story, f"outputs [{max(story.ks)} experts, {hidden}] float32"):
        seen = _seen(story)
        if seen is None:
            return
        small, large = sorted(story.ks)
        both = _selected_with_both(seen)
        names = [str(e) if kept else f"+{e}" for e, kept in zip(seen.ids, both, strict=True)]
        plot(
            vector_strip.figure(seen.outputs, names=names, theme=story.theme),
            alt=vector_strip.describe(seen.outputs, names=[f"expert {e}" for e in seen.ids]),
            key="outputs",
        )
        if large > small:
            st.caption(
                f"Experts with a plus are selected only with k = {large}, from the same input."
            )
        norms = np.linalg.norm(seen.outputs, axis=1)
        parts = {"both": both, f"k = {large} alone": ~both}
        st.text(
            "\n".join(
                f"Selected with {which}: mean norm {digits(float(norms[part].mean()))}, "
                f"{seen.active_shares[part].mean():.1%} of the "
                f"{story.geometry.intermediate} inner units active."
                for which, part in parts.items()
                if len(norms[part])
            )
        )
        _each(story, seen, norms)


def _each(story: Story, seen: Inspection, norms: np.ndarray) -> None:
    """Work out what the fold shows: it stays in memory as long as the tab, vectors need not."""
    units = seen.outputs / np.maximum(norms, 1e-30)[:, None]
    cosines = (units @ units.T).astype(np.float64)
    others = (cosines.sum(axis=1) - 1) / max(len(norms) - 1, 1)
    large, both = max(story.ks), _selected_with_both(seen)
    ids = seen.ids.tolist()
    records = [
        {
            "expert": str(expert),
            "selected with": "both" if both[at] else f"k = {large}",
            "norm": f"{norms[at]:.4g}",
            "units active": f"{seen.active_shares[at]:.1%}",
            "mean cosine": number(others[at], ".3f"),
        }
        for at, expert in enumerate(ids)
    ]
    _details(records, cosines, ids, story.theme)


@st.fragment
def _details(
    records: list[dict[str, str]], cosines: np.ndarray, ids: list[int], theme: Theme
) -> None:
    """Each expert's numbers and the cosines between outputs, drawn only while open."""
    fold = st.expander(
        "Each expert: norm, active units, likeness to the others",
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
                alt="Norm, active units and mean cosine of each selected expert",
            )
        with right:
            plot(
                cosine_matrix.figure(cosines, ids=ids, theme=theme),
                alt=cosine_matrix.describe(cosines, ids=ids),
                key="cosines",
            )
        st.caption(
            "A unit counts as active when its gate is above 0, so that SiLU lets it through."
            + f" The table has {len(records)} rows and scrolls." * (len(records) > _ROWS)
        )


def combination(story: Story) -> None:
    """What each expert adds, both sums and their difference, and the check against the block."""
    hidden = story.geometry.hidden
    total, added = COMBINATION.formula
    weights = weights_formula(story.chosen.weighting, story.geometry.trained_k)
    step = replace(COMBINATION, formula=(total, weights, added))
    with step.place(story, f"sums [2 policies, {hidden}] float32"):
        seen = _seen(story)
        if seen is None:
            return
        _switch(story)
        rows = _rows(seen, story.chosen.weighting)
        norms = seen.weights[rows] * np.linalg.norm(seen.outputs, axis=1)
        ids = seen.ids.tolist()
        plot(
            contributions.figure(norms, ids=ids, names=story.names, theme=story.theme),
            alt=contributions.describe(norms, ids=ids, names=story.names),
            key="contributions",
        )
        sums = seen.sums[rows]
        strips = np.vstack([sums, sums[1] - sums[0]])
        names = [*story.names, "change"]
        plot(
            vector_strip.figure(strips, names=names, theme=story.theme),
            alt=vector_strip.describe(strips, names=names),
            key="sums",
        )
        st.text(
            "Checked by the model: sum of contributions = block output, largest difference "
            f"{seen.largest_differences[rows].max():.1e}."
        )
        _same_input_and_as_run(story, seen)


def _switch(story: Story) -> None:
    st.session_state["follow_weighting"] = story.chosen.weighting
    st.segmented_control(
        "weights, here and above",
        WEIGHTINGS,
        key="follow_weighting",
        required=True,
        wrap=True,
        format_func=WEIGHTING_NAMES.__getitem__,
        on_change=state.take,
        args=("weighting", "follow_weighting"),
    )


def _same_input_and_as_run(story: Story, seen: Inspection) -> None:
    """The change of this block's output: alone, and after earlier layers have rerouted too."""
    other = story.other
    if other is None:
        return
    there = story.inspected(other)
    rows = _rows(seen, story.chosen.weighting)
    st.markdown(
        "**Same input** changes k in this layer alone. **As run** changes it in all layers, so "
        "that what comes in here differs already."
    )
    same = change(seen.sums[rows][0], seen.sums[rows][1])
    run = change(seen.sums[rows][0], there.sums[rows][1])
    st.text(
        f"Same input: the sum changes by {same:.1%} of its norm.\n"
        f"As run: the sum changes by {run:.1%} of its norm,\n"
        "and what comes into the block differs by "
        f"{change(seen.router_input, there.router_input):.1%} of its norm."
    )
    _by_weighting(story, seen)
    _through_layers(story, other.hidden_states)


def _by_weighting(story: Story, seen: Inspection) -> None:
    """How much of the change is left when the sum of the weights is held."""
    records = []
    for weighting in WEIGHTINGS:
        rows = _rows(seen, weighting)
        gains = seen.weights[rows].sum(axis=1)
        one, two = seen.sums[rows].astype(np.float64)
        norms = [float(np.linalg.norm(one)), float(np.linalg.norm(two))]
        records.append(
            {
                "weights": WEIGHTING_NAMES[weighting],
                "sum of weights": f"{gains[0]:.3f} → {gains[1]:.3f}",
                "norm of the sum": f"{digits(norms[0])} → {digits(norms[1])}",
                "change": f"{change(one, two):.1%}",
                "cosine of the sums": number(_cosine(one, two), ".3f"),
            }
        )
    st.caption(
        f"Same input, from k = {story.chosen.k} to {story.chosen.against}, under the three "
        "weightings. Gain-anchored weights always sum to what the trained k keeps: the more "
        "experts share it, the less each of them gets."
    )
    st.table(records, border="horizontal", hide_index=True, alt="Change of the sum by weighting")


def _through_layers(story: Story, others: np.ndarray | None) -> None:
    own = story.trace.hidden_states
    if own is None or others is None:
        return
    before, after = own[1:, story.token], others[1:, story.token]
    apart = np.linalg.norm(after - before, axis=1) / np.linalg.norm(before, axis=1)
    apart = apart.astype(np.float64)
    words = {"name": "as run", "quantity": "relative change"}
    st.caption(
        f"As run: how far the residual stream with k = {story.chosen.against} is from that with "
        f"k = {story.chosen.k} after each block."
    )
    plot(
        layer_change.figure(apart, layer=story.layer, **words),
        alt=layer_change.describe(apart, **words),
        key="as_run",
    )


def _seen(story: Story) -> Inspection | None:
    """The inspection of this place, or None after the page has said why not."""
    return None if needs_vectors(story) else story.inspected(story.trace)


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
