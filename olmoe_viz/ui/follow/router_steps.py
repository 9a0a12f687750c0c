"""Steps 4 to 6: the router's logits, their softmax, and the k experts that are kept."""

import math
from dataclasses import replace

import numpy as np
import streamlit as st

from olmoe_viz.figures import expert_bars, router_bars, temperature
from olmoe_viz.figures.labels import alike, digits, number
from olmoe_viz.numerics import routing
from olmoe_viz.policy import Weighting
from olmoe_viz.ui.follow.step import Step, needs_vectors
from olmoe_viz.ui.follow.story import Story
from olmoe_viz.ui.widgets.figure import plot

ROUTER = Step(
    4,
    "Router",
    "One small matrix compares the normed vector with a row for each expert: a larger number is "
    "a better match.",
    (
        r"x = \operatorname{RMSNorm}(h)",
        r"z = W_r\,x \in \mathbb{R}^{E} \quad \text{(no bias)}",
    ),
    "trace.router_logits[layer, token]\n"
    "ov.inspect(model, trace, layer, token, [policy]).router_cosines",
    terms=("router", "router logits"),
)
SOFTMAX = Step(
    5,
    "Softmax",
    "The numbers become probabilities over all experts, which sum to 1.",
    (r"p_i = \frac{e^{z_i}}{\sum_{j=1}^{E} e^{z_j}} \quad \text{(temperature 1)}",),
    "ov.routing.probabilities(trace.router_logits)[layer, token]\n"
    "ov.routing.entropy(ov.routing.probabilities(trace.router_logits))",
    terms=("softmax", "router probabilities", "entropy"),
)
TOP_K = Step(
    6,
    "Top k",
    "Only the k most probable experts work on this token; the mass of the others is dropped.",
    (r"S_k = \text{the } k \text{ largest of } p", r"M_k = \textstyle\sum_{i \in S_k} p_i"),
    "p = ov.routing.probabilities(trace.router_logits)\n"
    "trace.expert_ids[layer, token], trace.weights[layer, token]\n"
    "ov.routing.mass(p, trace.expert_ids), ov.routing.margin(p, policy.k)",
    terms=("top-k", "retained mass", "margin"),
)
_MANY = 16  # more rows than this stand beside an almost empty half
_DROPPED: dict[Weighting, str] = {
    "native": "Native weights put nothing in its place.",
    "renormalized": "Renormalized weights scale up the kept probabilities until they sum to 1.",
    "gain_anchored": (
        "Gain-anchored weights scale the kept probabilities until they sum to what the trained k "
        "keeps."
    ),
}


def router(story: Story) -> None:
    """The logits by expert id, and which router row points most in the token's direction."""
    logits = story.trace.router_logits[story.row, story.token].astype(np.float64)
    experts = list(range(len(logits)))
    with ROUTER.place(story, f"router_logits[layer, token] [{len(logits)}] float32"):
        also = None
        line = ""
        if story.full:
            seen = story.inspected(story.trace)
            also = ("cosine", seen.router_cosines)
            line = direction(seen.router_cosines, logits, seen.input_norm)
        plot(
            expert_bars.figure(
                logits,
                ids=experts,
                quantity="router logit",
                also=also,
                base=float(logits.mean()),
                theme=story.theme,
            ),
            alt=expert_bars.describe(logits, ids=experts, quantity="router logit"),
            key="logits",
        )
        st.caption(
            "The bars start at the mean of the logits, because softmax sees only their differences."
        )
        if line:
            st.text(line)
        needs_vectors(story, "The norm and the direction of the input come with a run.")


def direction(cosines: np.ndarray, logits: np.ndarray, norm: float) -> str:
    """Which row is nearest in direction, and why another may still have the largest logit.

    A logit is the product of the cosine and both norms. Where all cosines are below zero, a shorter
    row is therefore the better match.
    """
    near, strongest = int(cosines.argmax()), int(logits.argmax())
    largest = number(logits[strongest], ".3f")
    how = "points most in its direction" if cosines[near] > 0 else "is the least opposed to it"
    if near == strongest:
        also = f"Expert {strongest} also has the largest logit, {largest}."
    else:
        also = f"The largest logit, {largest}, is that of expert {strongest}"
        if cosines[near] and cosines[strongest]:
            own, other = (float(logits[at] / (cosines[at] * norm)) for at in (strongest, near))
            word = "longer" if own > other else "shorter"
            also += f": its row is {word}, {digits(own)} against {digits(other)}"
        also += "."
    return (
        f"The router's input has norm {digits(norm)}. Of all rows, that of expert {near} {how}, "
        f"with a cosine of {number(cosines[near], '.3f')}. {also}"
    )


def softmax(story: Story) -> None:
    """The probabilities against an even choice, and the entropy at other temperatures."""
    row = story.probabilities[story.row]
    experts = len(row)
    even, own = math.log(experts), float(routing.entropy(row))
    logits = story.trace.router_logits[story.row, story.token].astype(np.float64)
    temperatures = np.geomspace(0.25, 4, 33)
    entropies = routing.entropy(routing.probabilities(logits / temperatures[:, None]))
    with SOFTMAX.place(story, f"probabilities[layer, token] [{experts}] float64"):
        left, right = st.columns([2.4, 1], gap="large")
        with left:
            plot(
                expert_bars.figure(
                    row,
                    ids=list(range(experts)),
                    quantity="router probability",
                    level=(1 / experts, f"dotted: an even choice, {1 / experts:.4f}"),
                    theme=story.theme,
                ),
                alt=expert_bars.describe(
                    row, ids=list(range(experts)), quantity="router probability"
                ),
                key="softmax",
            )
        with right:
            plot(
                temperature.figure(temperatures, entropies, uniform=even),
                alt=temperature.describe(own, uniform=even),
                key="temperature",
            )
        st.text(
            f"The entropy is {digits(own)} of at most {digits(even)} nats: as undecided as an "
            f"even choice among {math.exp(own):.1f} of the {experts} experts."
        )


def top_k(story: Story) -> None:
    """The bars with both cutoffs, and the table of the selected experts."""
    row = story.probabilities[story.row]
    ran = story.trace.expert_ids[story.row, story.token]
    kept = alike([float(row[story.ranked[:k]].sum()) for k in story.ks])
    step = replace(TOP_K, sentence=f"{TOP_K.sentence} {_DROPPED[story.chosen.weighting]}")
    with step.place(story, f"ids [{story.chosen.k}] int64, probabilities [{story.chosen.k}]"):
        plot(
            router_bars.figure(row, expert_ids=ran, marks=story.ks, theme=story.theme),
            alt=router_bars.describe(row, expert_ids=ran),
            key="top_k",
        )
        st.text(
            f"The retained mass is {kept[0]} with k = {story.chosen.k} and "
            f"{kept[1]} with k = {story.chosen.against}.\n{margins(row, story.ks)}"
        )
        st.caption(
            "Retained mass is the sum of the kept probabilities; some call it coverage. The margin "
            "is the probability of the last expert kept minus that of the first one dropped."
            f"{what_if(story)}"
        )
        small, large = sorted(story.ks)
        _table(_ranked(story, row, large), small, large)


def what_if(story: Story) -> str:
    """Which of the two ks ran, and what the other one rests on."""
    if story.chosen.k == story.chosen.against:
        return ""
    return (
        f" {story.names[0]} is what ran. {story.names[1]} is what this router would choose from "
        "the same probabilities."
    )


def margins(row: np.ndarray, ks: tuple[int, int]) -> str:
    """How clearly the last expert was chosen at each k that leaves one out."""
    cuts = sorted({k for k in ks if k < len(row)})
    words = alike([float(routing.margin(row, k)) for k in cuts])
    found = " and ".join(f"{word} at k = {k}" for word, k in zip(words, cuts, strict=True))
    said = [f"The margin at the cutoff is {found}."] if cuts else []
    if len(row) in ks:
        said.append(f"With k = {len(row)} all experts run, and there is no cutoff.")
    return " ".join(said)


def _ranked(story: Story, row: np.ndarray, count: int) -> list[dict[str, str]]:
    """The first `count` experts as rows of a table."""
    order = story.ranked[:count]
    cumulative = np.cumsum(row[order])
    logits = story.trace.router_logits[story.row, story.token]
    return [
        {
            "rank": str(rank + 1),
            "expert": str(expert),
            "logit": number(logits[expert], ".3f"),
            "probability": f"{row[expert]:.4f}",
            "cumulative mass": f"{cumulative[rank]:.4f}",
        }
        for rank, expert in enumerate(order)
    ]


@st.fragment
def _table(records: list[dict[str, str]], small: int, large: int) -> None:
    # Of its own key: else what was open for few rows would stay open for many.
    long = large - small > _MANY
    fold = st.expander(
        f"Table of the top {small}" + (f", and what {large} adds" if large > small else ""),
        key="long_table_fold" if long else "table_fold",
        on_change="rerun",
        expanded=not long,
    )
    if not fold.open:
        return
    with fold:
        parts = [("selected with both", records[:small])]
        if large > small:
            parts.append((f"selected only with k = {large}", records[small:]))
        for place, (title, part) in zip(st.columns(len(parts), gap="large"), parts, strict=True):
            with place:
                st.caption(title)
                st.table(part, border="horizontal", hide_index=True, alt=title)
