"""The words of the page Map around its panels."""

from collections.abc import Mapping, Sequence

from olmoe_viz.figures.labels import OF_TEMPLATE, k_is, visible
from olmoe_viz.ui import glossary

TITLE = "Which experts does each token use?"
CELL_TITLE = "The router's choice for one token in one layer"
THROUGH_LAYERS = "This token through the layers"
LOAD_TITLE = "Load of all experts"
COLOR, TOKEN, ORDER = "color of a cell", "token", "order of the bars"
FOLLOWED_LAYER, EXPERT_ID = "layer of the expert", "its id"
MASS = "retained mass"

VIEW_NAMES: Mapping[str, str] = {
    "strongest": "strongest expert",
    "mass": "retained mass",
    "entropy": "entropy",
    "margin": "margin",
    "drift": "drift",
    "follow": "follow an expert",
    "effect": "effect",
}
VIEW_HELP = "\n\n".join(
    f"{name}: {glossary.term(name)}" for name in ("retained mass", "entropy", "margin", "drift")
)
NOT_MEASURED = "Nothing is measured of this run yet, so the map is empty."
MEASURE = "Measure this token in all layers"
ORDER_NAMES: Mapping[str, str] = {"probability": "by probability", "expert": "by expert id"}

EXPLANATION = (
    f"Each cell is one {glossary.link('token')} in one {glossary.link('layer')}, where the "
    f"{glossary.link('router')} chooses its {glossary.link('expert')}s. Click or tap a cell, and "
    "everything below follows."
)
BARS = (
    "The filled bars are the experts that ran. A dotted line shows what another k would choose "
    "from the same router probabilities."
)
STRONGEST = (
    "The strongest of the experts that ran in each layer, and its probability. Each layer has "
    "experts of its own: the same id in two layers is two of them."
)


def measured(tokens: Sequence[bool], chosen: int, *, known: bool) -> str:
    """In the view of effects: which tokens have measured cells, and whether all of `chosen` are."""
    places = [at for at, there in enumerate(tokens) if there]
    which = f"token {places[0]}" if len(places) == 1 else f"{len(places)} of {len(tokens)} tokens"
    said = f"Measured so far: {which}." if places else NOT_MEASURED
    if known:
        return f"{said} Choose another token to measure more."
    return (
        f"{said} ‘{MEASURE}’ switches off each expert that ran for token {chosen}, one at a time, "
        "and compares what is expected then."
    )


def layer(layers: Sequence[int]) -> str:
    """The label of the control of the layer."""
    return f"layer ({layers[0]} to {layers[-1]})"


def token(position: int, text: str, *, template: bool) -> str:
    """A token in the control that chooses one."""
    return f"{position}  {visible(text)}" + (f"  ({OF_TEMPLATE})" if template else "")


def top(k: int) -> str:
    """The name of the line of a k."""
    return f"top {k}"


def against(k: int, other: int) -> str:
    """What the second k changes on this page."""
    if k == other:
        return f"Both ks are {k}, so nothing is compared: choose another k in the row “against”."
    return (
        f"{k_is(other)} is compared with in three places: on the card of a cell, in the dotted "
        "line of the retained mass below, and in the view drift, which runs the prompt with it."
    )


def retained_mass(k: int, other: int) -> str:
    """About the lines of the retained mass: two where the ks differ."""
    words = (
        f"The {glossary.link('retained mass')}: what the top experts keep of 1. The rest of the "
        "probability is dropped."
    )
    if k == other:
        return words
    return (
        f"{words} The dotted line is what {k_is(other)} would keep of the same router "
        "probabilities."
    )


def load(part: str, k: int) -> str:
    """About the load of the experts over a part of the text."""
    return (
        f"The {glossary.link('load')}: the share of {part} that have an expert among their top "
        f"{k}. A row is a layer with experts of its own: a column is no expert. Select a range in "
        "the map to take a part of the prompt."
    )


def part(tokens: tuple[int, int], layers: tuple[int, int]) -> str:
    """A range of the map, both ends included."""
    return f"tokens {tokens[0]} to {tokens[1]} in layers {layers[0]} to {layers[1]}"
