"""Claims about taking experts away, and verdicts that the recorded figures give.

A claim, a verdict and a sentence are made for each; the numbers choose the words.
"""

from collections.abc import Mapping, Sequence

from olmoe_viz.analysis.claims import Claim, Claims, Figure
from olmoe_viz.figures.labels import number
from olmoe_viz.ui.widgets.wording import count

TITLE = "What is claimed about taking experts away"
INTRODUCTION = (
    "Each claim was tested on the bundled model and held-out text. The quoted figures are of the "
    "real model, OLMoE-1B-7B; this project has not checked them."
)
CLAIM, VERDICT = "claim", "here"
CLAIMS: Mapping[Claim, str] = {
    "weight": "An expert's weight says nothing about its effect",
    "pruning": "Weak experts can be left out, unless the others are scaled to sum to 1",
    "strongest": "A few of the strongest experts carry the model",
    "least_used": "The least used experts can be switched off for nothing",
}
YES, PARTLY, NO, UNCLEAR = "holds here", "in part", "does not hold here", "cannot be told"
LINES = {
    "drop": "dropped",
    "restore": "restored",
    "renormalize": "renormalized",
    "random": "as many others of the same layers",
}
RANK_CORRELATION = "Spearman's rank correlation"
MORE_BITS = "bits per byte above the trained"
SETTINGS: Mapping[Claim, str] = {
    "weight": "layer",
    "pruning": "least router probability of an expert that runs",
    "strongest": "strongest experts that cannot be chosen",
}
_SAME_ORDER = 0.9  # from here on a rank correlation is called close to 1
_TESTED, _BLOCKED = "0.03", "10"  # the settings of which there are figures of the real model


def where(claims: Claims, model: str) -> str:
    """For the badge: on what the figures were measured, and when."""
    return (
        f"{model} ({claims.digest[:12]}), {count(claims.documents, 'document')} of held-out text, "
        f"{claims.tokens:,} tokens, {claims.date}; intervals are 95%, over documents."
    )


def line(claim: Claim, rule: str) -> str:
    """The name of a line: under which rule, or which experts are meant."""
    return "the strongest" if (claim, rule) == ("strongest", "drop") else LINES[rule]


def answer(claim: Claim, claims: Claims) -> tuple[str, str]:
    """What was found of a claim, and the verdict."""
    return _ANSWERS[claim](claims)


def weight(claims: Claims) -> tuple[str, str]:
    """Whether weight and effect go together, from their correlation in each layer."""
    (together,) = (each for each in claims.of("weight") if each.setting == "all")
    layers = [each for each in claims.of("weight") if each.setting != "all"]
    apart = sum(each.low > 0 or each.high < 0 for each in layers)
    least, most = (choose(layers, key=lambda each: each.value) for choose in (min, max))
    found = (
        f"{RANK_CORRELATION} of weight and effect (KL) is {_with_interval(together)} over all "
        f"layers, from {number(least.value, '.2f')} in layer {least.setting} to "
        f"{number(most.value, '.2f')} in layer {most.setting}; its interval is apart from 0 in "
        f"{apart} of {len(layers)} layers."
    )
    return f"{found} {_meaning(together)}", NO if apart == len(layers) else PARTLY if apart else YES


def pruning(claims: Claims) -> tuple[str, str]:
    """What leaving out weak experts costs, under each rule for the lost mass."""
    rows = _rows(claims.of("pruning"))
    at = list(rows).index(_TESTED)
    drop, restore, renormalize = (
        rows[_TESTED][rule] for rule in ("drop", "restore", "renormalize")
    )
    found = (
        f"Below a probability of {_TESTED}, {claims.shares[at]:.0%} of those that ran: "
        f"{_more(drop)} bits per byte with their mass dropped, {_more(restore)} restored, "
        f"{_more(renormalize)} renormalized."
    )
    if renormalize.low <= drop.high:
        return found, NO if renormalize.high < drop.low else UNCLEAR
    return found, YES if drop.value < 0.05 * claims.bits_per_byte else PARTLY


def strongest(claims: Claims) -> tuple[str, str]:
    """What blocking the strongest experts costs, beside as many others."""
    rows = _rows(claims.of("strongest"))[_BLOCKED]
    drop, random = rows["drop"], rows["random"]
    found = (
        f"Without the {_BLOCKED} strongest of all layers: {_more(drop)} bits per byte; without as "
        f"many others of the same layers: {_more(random)}. As trained it needs "
        f"{claims.bits_per_byte:.3f}."
    )
    if drop.low <= random.high:
        return found, UNCLEAR if drop.high >= random.low else NO
    # More than others do is not yet to carry the model.
    return found, YES if drop.value > 0.1 * claims.bits_per_byte else PARTLY


def least_used(claims: Claims) -> tuple[str, str]:
    """What switching off the least used 1% costs."""
    (only,) = claims.of("least_used")
    found = f"Without the {only.setting} least used of all layers, 1%: {_more(only)} bits per byte"
    if only.low > 0:
        return f"{found}, which is more than nothing.", NO
    if only.high < 0:
        return f"{found}, which is even better.", YES
    return f"{found}, which cannot be told from 0.", YES


_ANSWERS = {
    "weight": weight,
    "pruning": pruning,
    "strongest": strongest,
    "least_used": least_used,
}


def _rows(figures: Sequence[Figure]) -> dict[str, dict[str, Figure]]:
    rows: dict[str, dict[str, Figure]] = {}
    for each in figures:
        rows.setdefault(each.setting, {})[each.rule] = each
    return rows


def _meaning(together: Figure) -> str:
    """What a rank correlation says of the order that experts have by weight and by effect."""
    value = number(together.value, ".2f")
    if together.low <= 0:
        return f"{value} cannot be told from 0: a larger weight does not go with a larger effect."
    scale = f"1 would be the same order by weight and by effect, 0 no relation; {value} is"
    if together.value >= _SAME_ORDER:
        return f"{scale} close to 1: who is asked most nearly always matters most."
    return (
        f"{scale} far from 1: experts with more weight tend to matter more, but weight does not "
        "say which one matters most."
    )


def _with_interval(each: Figure) -> str:
    ends = f"{number(each.low, '.2f')} to {number(each.high, '.2f')}"
    return f"{number(each.value, '.2f')} ({ends})"


def _more(each: Figure) -> str:
    ends = f"{number(each.low, '+.4f')} to {number(each.high, '+.4f')}"
    return f"{number(each.value, '+.4f')} ({ends})"
