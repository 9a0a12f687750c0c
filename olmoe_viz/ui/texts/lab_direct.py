"""The words about what experts add to a logit directly, beside what is measured."""

from collections.abc import Sequence

import numpy as np

from olmoe_viz.analysis.attribution import ByLayer, Compared
from olmoe_viz.figures.labels import number, visible
from olmoe_viz.ui import glossary
from olmoe_viz.ui.widgets.wording import listed

TITLE = "Said directly, and measured"
CAPTION = (
    f"The {glossary.link('direct logit attribution')} is computed, not measured: weight times "
    "output of an expert, along the direction that lifts the logit of the likeliest next token "
    "above the mean of all logits. (Follow a token counts the logit from 0 instead, so its numbers "
    "differ.) The final norm is held as it was in the run, so that all parts sum to the logit; "
    "what later layers make of an output is left out. Measured is how much the log-probability of "
    "that token falls when the expert is switched off. ≠: the signs are opposite, and the measured "
    "change lies outside of 95% of random directions of the same length. ↕: the ranks by size "
    "differ by half of the experts or more."
)
DIRECT, MEASURED = "direct", "measured"
QUANTITY = "for the token, logit or nats"
ATTENTION, EXPERTS = "attention", "experts"
OF_LAYERS = "added to the logit"
LAYER = "layer"
EVERYWHERE = "In all layers, directly and measured"
SCATTER = (
    "A dot is an expert: to the right what raises the logit directly, up what raises the "
    "log-probability as measured. Squares are those that do the opposite when measured, beyond 95% "
    "of random directions of the same length. The final norm is held as it was in the run."
)
DIRECT_AXIS, MEASURED_AXIS = "direct, logit above the mean", "measured, nats"
_NAMED = 5  # of those that do the opposite
OPPOSITE, FAR = "≠", "↕"


def signs(found: Compared) -> list[str]:
    """The mark above each expert's bars."""
    return [
        OPPOSITE if opposite else FAR if far else ""
        for opposite, far in zip(found.opposite, found.far, strict=True)
    ]


def of_cell(found: Compared, names: Sequence[str], token: str) -> str:
    """What the experts of a cell add, and where measuring says something else."""
    most = int(abs(found.direct).argmax())
    words = (
        f"Directly these {len(names)} experts add {number(float(found.direct.sum()), '+.3g')} to "
        f"the logit of ‘{visible(token)}’ above the mean of all logits, {names[most]} most with "
        f"{number(float(found.direct[most]), '+.3g')}."
    )
    opposite = [name for name, each in zip(names, found.opposite, strict=True) if each]
    far = [
        name
        for name, each, other in zip(names, found.far, found.opposite, strict=True)
        if each and not other
    ]
    if opposite:
        words += f" Measured, {listed(opposite)} {_does(opposite)} the opposite."
    if far:
        words += f" The rank of {listed(far)} is another when measured."
    if not opposite and not far:
        words += " Measuring does not contradict it."
    return words


def of_token(found: Compared, names: Sequence[str], token: str, correlation: float | None) -> str:
    """What the experts of all layers add, and how many of them measuring contradicts."""
    order = np.argsort(-abs(found.measured), kind="stable").tolist()
    opposite = [names[at] for at in order if found.opposite[at]]
    far = int((found.far & ~found.opposite).sum())
    said = (
        f"Over all layers, {len(names)} experts add {number(float(found.direct.sum()), '+.3g')} to "
        f"the logit of ‘{visible(token)}’ directly."
    )
    if correlation is not None:
        said += (
            " Spearman's rank correlation of what they add and what is measured is "
            f"{number(correlation, '.2f')}."
        )
    if opposite:
        more = len(opposite) - _NAMED
        shown = [*opposite[:_NAMED], *([f"{more} more"] if more > 0 else [])]
        said += f" Measured, {listed(shown)} {_does(opposite)} the opposite."
    else:
        said += " Measured, none does the opposite."
    return f"{said} The rank in its layer is another for {far} of the others."


def of_layers(parts: ByLayer, token: str, blocks: Sequence[int]) -> str:
    """What all parts sum to, and who adds most."""
    experts, attention = parts.experts, parts.attention
    most = int(abs(experts).argmax())
    return (
        f"The logit of ‘{visible(token)}’ is {number(parts.total, '.3g')} above the mean: the "
        f"embedding adds {number(parts.embedding, '+.3g')}, attention in all layers "
        f"{number(float(attention.sum()), '+.3g')}, the experts "
        f"{number(float(experts.sum()), '+.3g')}, most those of layer {blocks[most]} with "
        f"{number(float(experts[most]), '+.3g')}."
    )


def _does(names: Sequence[str]) -> str:
    return "does" if len(names) == 1 else "do"
