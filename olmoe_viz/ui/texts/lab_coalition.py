"""The words of the part of Lab that looks for experts which flip a token together."""

from olmoe_viz.figures.labels import digits, expert_name, visible
from olmoe_viz.records.coalition import Coalition
from olmoe_viz.ui.widgets.wording import listed

TITLE = "A set that flips the token"
FIND = "Look for a set that flips the token"
FIND_SAYS = (
    "Greedy search among all experts that run for this token: in each step the one is switched off "
    "that brings the likeliest next token least far ahead, until another is likelier. Then those "
    "are switched on again that are not needed."
)
STEPS = (
    "A bar is how far the run's likeliest token is ahead of all others after a step, below zero it "
    "has lost; the word at its end is the likeliest token then. A hollow bar is an expert that the "
    "flip does not need in the end."
)
APPLY = "Switch these off"
APPLIED = "They are switched off, for this token alone: before and after are compared above."


def of(found: Coalition) -> str:
    """What the search came to, and what it does not say."""
    names = [expert_name(expert, layer) for layer, expert in found.needed]
    top, end = visible(found.top_token), visible(found.end_token)
    if not found.flipped:
        return (
            f"Even without the {len(found.kept)} experts that the search took, ‘{top}’ stays the "
            f"likeliest, {digits(found.end_margin)} nats ahead after {digits(found.margin)}. That "
            "does not show that no set flips it: the search is greedy."
        )
    if len(names) == 1:
        return (
            f"Without {names[0]} alone ‘{end}’ is likelier than ‘{top}’. Other single experts "
            "may do it too."
        )
    needless = len(found.kept) - len(names)
    also = f", after {needless} of those taken proved needless" if needless else ""
    return (
        f"Without {listed(names)} together ‘{end}’ is likelier than ‘{top}’{also}. None of these "
        f"{len(names)} can be left out. The search is greedy, so {len(names)} is an upper bound: a "
        "smaller set of others may be enough."
    )
