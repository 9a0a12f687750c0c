"""Popular claims about more experts, each beside what was measured on this prompt."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from olmoe_viz.analysis.tradeoff import TradeOff
from olmoe_viz.figures.labels import digits, visible
from olmoe_viz.numerics import costs, routing
from olmoe_viz.numerics.geometry import OLMOE_1B_7B
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import PredictRequest
from olmoe_viz.ui.follow.story import Story
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.widgets import origin
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES, billions, plain

_LAST = 64  # tokens after which the entropies of both ks are compared
_PRESS = "Press Measure to test it on this prompt."


@dataclass(frozen=True)
class Answer:
    """A claim, what was found, and where the finding is from; nowhere while nothing was found.

    `found` is Markdown of ours, `details` what the origin's help adds.
    """

    claim: str
    found: str
    source: origin.Origin | None
    details: str = ""


def draw(story: Story, rows: list[TradeOff]) -> None:
    """The claims as two columns: what is said, and what is so."""
    st.subheader("Claims one hears, and what is so", anchor=False)
    # Laid out by follow.css: every element more is milliseconds more in each redraw of the page.
    with st.container(key="claims", gap=None):
        for answer in answers(story, rows):
            st.markdown(f"“{answer.claim}”\n\n{answer.found}")
            if answer.source is not None:
                origin.badge(answer.source, answer.details)


def answers(story: Story, rows: list[TradeOff]) -> list[Answer]:
    """Every claim with its answer, in the order of the walk-through."""
    trained, experts = story.geometry.trained_k, story.geometry.experts
    return [
        Answer(
            "The ids of ‘Artificial intelligence is’ are 3163, 11478, 374",
            "These ids are another tokenizer's. OLMoE's own gives four tokens: 11796, 11232, "
            "9260, 310.",
            "quoted",
            "OLMoE's tokenizer.",
        ),
        Answer(f"The top {trained} keep half of the mass", _mass(story), story.origin[0]),
        Answer(f"17 % more knowledge with {_doubled(story)} experts", *_knowledge(story, rows)),
        Answer("More experts, higher quality", *_quality()),
        Answer(
            f"{experts} experts are the maximum of what the model can do", *_largest(story, rows)
        ),
        Answer("More experts make it more confident", *_confidence(story, measured=bool(rows))),
        Answer(
            "1.3 B, 2.6 B and 5.2 B parameters are active with 8, 16 and 32",
            _parameters(),
            "derived",
        ),
        Answer(
            "The rest of the mass becomes a residual, or uncertainty, term",
            f"There is no such term. Below k = {experts} native weights sum to less than 1, the "
            "rest is dropped, and the block adds its input back with coefficient 1. Step 8 checks "
            "that nothing else is in the sum.",
            "derived",
            "Here: from the block's own formula.",
        ),
    ]


def _doubled(story: Story) -> int:
    """Twice the trained k, as far as there are experts."""
    return min(2 * story.geometry.trained_k, story.geometry.experts)


def _mass(story: Story) -> str:
    everyone = routing.probabilities(story.trace.router_logits)
    medians = np.median(routing.retained_mass(everyone, story.geometry.trained_k), axis=1)
    low, high = int(medians.argmin()), int(medians.argmax())
    least, most = digits(float(medians[low])), digits(float(medians[high]))
    layers = story.geometry.layer_ids
    return (
        f"Not by a rule. In the run with k = {story.chosen.k} the median over the tokens is "
        f"{least} in layer {layers[low]} and {most} in layer {layers[high]}."
    )


def _knowledge(story: Story, rows: list[TradeOff]) -> tuple[str, origin.Origin]:
    """From a run of each k where they were measured, as in the table above the claims."""
    measured = {row.k: row.retained_mass for row in rows}
    ks = (story.geometry.trained_k, _doubled(story))
    source: origin.Origin
    if all(k in measured for k in ks):
        where, source = "in the two runs measured above", "live"
        low, high = (measured[k] for k in ks)
    else:
        where = (
            f"by the same router's top {ks[0]} and top {ks[1]} in the run with k = {story.chosen.k}"
        )
        source = story.origin[0]
        everyone = routing.probabilities(story.trace.router_logits)
        low, high = (float(routing.retained_mass(everyone, k).mean()) for k in ks)
    return (
        f"What grows is the retained mass, {where}: from {digits(low)} to {digits(high)} on "
        f"the mean over this prompt, by {100 * (high - low):.1f} points. That is router "
        "probability, which measures no knowledge."
    ), source


def _quality() -> tuple[str, origin.Origin]:
    """Bits per byte on held-out text, recorded for the bundled model only."""
    table = tables.table("quality")
    mean = table[(table["domain"] == tables.ALL) & (table["weighting"] == "native")]
    bits = {int(k): float(b) for k, b in zip(mean["k"], mean["bits_per_byte"], strict=True)}
    shown = ", ".join(f"{bits[k]:.3f} at k = {k}" for k in (4, 8, 16, 32, 64) if k in bits)
    best, reach = min(bits, key=bits.__getitem__), float((mean["high"] - mean["low"]).max() / 2)
    trained, most = tables.GEOMETRY.trained_k, max(bits)
    more = f" k = {most} needs {bits[most] - bits[best]:.3f} more than that." if most > best else ""
    return (
        f"On held-out text the bundled model needs {shown}, in bits per byte under native weights: "
        f"less is better. The least is at k = {best}, {bits[trained] - bits[best]:.4f} below the "
        f"trained k, with 95% intervals of up to ± {reach:.3f}.{more}"
    ), "recorded"


def _largest(story: Story, rows: list[TradeOff]) -> tuple[str, origin.Origin | None]:
    found = {row.k: row for row in rows}
    most, doubled = story.geometry.experts, _doubled(story)
    if most not in found or doubled not in found:
        return _PRESS, None
    far, near = found[most], found[doubled]
    token = plain(visible(far.top_token))
    same = "the trained k's next token" if far.same_top else f"another next token, ‘{token}’"
    return (
        "It is the maximum of what it can cost. Here, under "
        f"{WEIGHTING_NAMES[story.chosen.weighting]} weights, k = {most} predicts {same}, and its "
        f"distribution is {digits(far.kl)} nats away from that of the trained k under native "
        f"weights; for k = {doubled} it is {digits(near.kl)}."
    ), "live"


def _confidence(story: Story, *, measured: bool) -> tuple[str, origin.Origin | None]:
    if not story.full:
        return "Run the model to test it on this prompt.", None
    if story.chosen.k == story.chosen.against:
        return f"Both ks are {story.chosen.k}. Choose two that differ to test it.", None
    if story.other is None:
        return "The run that it takes is missing.", None
    one, two = (story.expected(trace) for trace in (story.trace, story.other))
    before, after = float(one.entropies[0]), float(two.entropies[0])
    word = "less" if after > before else "more"
    return (
        f"After the chosen token k = {story.chosen.against} is {word} certain than k = "
        f"{story.chosen.k}: entropy {digits(after)} against {digits(before)} nats, "
        f"first token {two.probabilities[0, 0]:.1%} against {one.probabilities[0, 0]:.1%}. "
        f"{_lower(story, story.other) if measured else _PRESS} "
        "Certain is not the same as right."
    ), "live"


def _lower(story: Story, other: Trace) -> str:
    last = tuple(range(len(story.trace.tokens)))[-_LAST:]
    before, after = (
        story.ask(PredictRequest(trace.request, last, top=1)).entropies
        for trace in (story.trace, other)
    )
    lower = int((after < before).sum())
    return (
        f"It is more certain after {lower} of the last {len(last)} tokens of this prompt "
        f"than k = {story.chosen.k}."
    )


def _parameters() -> str:
    active = [
        billions(costs.active_parameters(OLMOE_1B_7B, k)).replace(" B", "") for k in (8, 16, 32, 64)
    ]
    return (
        f"For OLMoE-1B-7B it is {active[0]}, {active[1]}, {active[2]} and, with all 64, "
        f"{active[3]} B: only the experts grow with k, the rest of the model does not."
    )
