"""The words of the page Lab."""

from collections.abc import Mapping, Sequence

from olmoe_viz.analysis.measured_effects import Measured
from olmoe_viz.figures.interactive_map.effects import LEAST
from olmoe_viz.figures.labels import digits, expert_name, number, visible
from olmoe_viz.interventions import Intervention
from olmoe_viz.ui import glossary
from olmoe_viz.ui.widgets.wording import listed

TITLE = "Did this expert matter?"
INTRODUCTION = (
    f"The {glossary.link('routing weights')} say how much an {glossary.link('expert')} "
    "was asked. What it mattered is measured by taking it away."
)
COMPUTING = "Running the text with and without experts."

ASKED_TITLE = "Asked and mattered"
ASKED = (
    "First the weight of each expert that ran for this token in this layer. Then how far what the "
    "model expects after the token moves when that expert is switched off for this token alone (a "
    "click in the grid switches it off for all tokens): the Kullback-Leibler "
    "divergence from the run as it was. The upright line at a bar is the band of a control: in "
    "place of the expert's share, 20 random directions of the same length are taken away, and 95% "
    "of them change that much. Where another token is the likeliest without the expert, it stands "
    "above the bar."
)
WEIGHT, EFFECT = "weight", "effect, nats of KL"
WHOLE_TOKEN = "The same in all layers"  # noqa: S105 - words, not a secret
MEASURE_ALL = "Measure all layers of this token"
MEASURE_ALL_SAYS = "Every expert that ran is switched off in turn."
SCATTER = (
    "Each dot is one expert that ran for this token: to the right asked more, higher up mattered "
    "more. Filled dots are of the chosen layer, hollow ones of the others; a square flips which "
    "token is the likeliest. Below the dashed line are 97.5% of the control: random directions of "
    "the same length, taken away in place of an expert's share."
)

AWAY_TITLE = "Take it away"
AWAY = (
    "Click experts, here or below by name: what the click does holds for all tokens of the text, "
    "and before and after are compared below. A second click takes it back. A row is a layer."
)
COLOR = "color of the grid"
COLOR_HELP = (
    "The router's probability for the chosen token, or how far the prediction after it moves "
    "without the expert, where that was measured."
)
GRID = "All experts, a row a layer"
RAN = "ran for the chosen token"
HAND = "a click"
HAND_NAMES = {
    "off": "switches off",
    "route_around": "forbids",
    "force": "forces",
    "bias": "pushes",
}
HAND_HELP = (
    "An expert that is switched off weighs 0 where it was chosen. A forbidden one cannot be "
    "chosen, so the next one enters. A forced one is chosen in the place of the last. A push is "
    "added to its router logit."
)
PUSH = "push of the router logit"
MASS = "lost mass"
MASS_HELP = (
    "What becomes of the weight that is lost: dropped, as OLMoE does; restored, the other weights "
    "are scaled to the sum there was; or renormalized, they sum to 1."
)
BY_NAME = "experts that ran here"
CLEAR = "Take all back"
SIGNS = {
    "off": "×",
    "route_around": "–",
    "force": "+",
    "add": "+",
    "bias": "↕",
    "swap": "→",
    "keep_only": "=",
}
_DONE = {
    "off": "switched off",
    "route_around": "forbidden",
    "force": "forced",
    "add": "added",
    "keep_only": "the only ones",
}
NOTHING_DONE = "Nothing is changed yet. Click an expert, and its absence is measured here."
BEFORE, AFTER = "as it was", "changed"
NEXT_TITLE = "Before and after"
DRIFT = "distance, share of norm"
DRIFT_NAME = "changed"
DRIFT_SAYS = (
    "How far the residual stream of the token is from the run as it was, after each layer, as a "
    "share of its norm there."
)
TEXTS_TITLE = "The text goes on"
WRITE = "Write both texts"
TEXTS = (
    "Both go on with the likeliest token, in one batch. Gray is common to both, and the mark is at "
    "the first token that differs."
)
NO_MODEL = (
    "No model can run here, so nothing can be taken away. Runs that were recorded are on Map."
)
STOPPED = "Stopped. Press Run above, and the experts can be taken away again."
ROUTES_TITLE = "Was the router right?"
ROUTES = (
    "Draws 32 other routes of equal cost for this token in this layer: as many experts as ran, "
    "drawn by the router's own probabilities. Each is run to the end of the model. A route that "
    "gives the token more is not a better one by that alone, and one prompt proves nothing about "
    "the router."
)
DRAW_ROUTES = "Draw 32 routes"
FROM_FILE = (
    "This run is from an opened file. Close it on the page Runs, and the model can measure what "
    "its experts do."
)


def row(layer: int) -> str:
    """A row of the grid, for a screen reader."""
    return f"layer {layer}"


def cell(
    layer: int, expert: int, probability: float, effect: float | None, *, ran: bool, sign: str
) -> str:
    """One expert of the grid, on hover and for a screen reader; `effect` if it is shown."""
    words = f"{expert_name(expert, layer)}, probability {digits(probability)}"
    words += ", ran" if ran else ""
    words += "" if effect is None else f", effect {digits(effect)} nats"
    named = next((_DONE.get(what) for what, each in SIGNS.items() if sign == each), None)
    return words + (f", {named or 'changed'}" if sign else "")


def scale_of_probabilities(highest: Mapping[int, float]) -> tuple[str, str]:
    """The two ends of the grid's scale; `highest` is the largest probability of each layer."""
    low, high = (end(highest, key=highest.__getitem__) for end in (min, max))
    reach = (f"{digits(highest[at])} (layer {at})" for at in (low, high))
    return "router probability: 0", f"the layer's highest, from {' to '.join(reach)}"


def scale_of_effects(effects: Sequence[float]) -> tuple[str, str]:
    """The two ends of the grid's scale where it has the color of effects, in nats."""
    low, high = digits(max(min(effects), LEAST)), digits(max(effects))
    return f"effect, logarithmic: {low}", f"{high} nats of KL"


def grid_of_effects(effects: Sequence[float]) -> str:
    """What the grid's colors mean when they are those of measured effects, in nats."""
    if not effects:
        return f"Nothing is measured of this token yet: press ‘{MEASURE_ALL}’ below."
    return (
        "Color: how far the prediction after the token moves without the expert. "
        f"{len(effects)} experts are measured; the others have no color."
    )


def done(intervention: Intervention) -> str:
    """One intervention, on the button that takes it back."""
    layers, tokens = intervention.layers, intervention.tokens
    if layers is not None and len(layers) == len(intervention.experts) == 1:
        who = expert_name(intervention.experts[0], layers[0])
        what = _DONE.get(intervention.what)
        if intervention.what == "bias":
            what = f"pushed by {number(intervention.amount, '+.3g')}"
        if what and tokens == "all":
            return f"{who} {what}"
        if what and isinstance(tokens, tuple) and len(tokens) == 1:
            return f"{who} {what} at token {tokens[0]}"
    return str(intervention)


def of_cell(found: Measured) -> str:
    """What the two figures of one cell come to."""
    names = [
        expert_name(int(e), int(la)) for e, la in zip(found.experts, found.layers, strict=True)
    ]
    asked, mattered = int(found.weights.argmax()), int(found.kl.argmax())
    most = digits(float(found.kl[mattered]))
    if asked == mattered:
        words = (
            f"{names[asked]} was asked most and mattered most: without it the prediction moves by "
            f"{most} nats."
        )
    else:
        words = (
            f"{names[asked]} was asked most, but {names[mattered]} mattered most: without it the "
            f"prediction moves by {most} nats, without the other by "
            f"{digits(float(found.kl[asked]))}."
        )
    caveat = "" if found.beyond else f"{_beyond(found)} "
    return f"{caveat}{words} {_flips(found, names)}{'' if caveat else f' {_beyond(found)}'}"


def _flips(found: Measured, names: Sequence[str]) -> str:
    flipped = [
        f"without {name} ‘{visible(top)}’"
        for name, top in zip(names, found.new_tops, strict=True)
        if top
    ]
    if not flipped:
        return "None of them alone changes which token is the likeliest."
    return f"Another token becomes the likeliest: {listed(flipped)}."


def _beyond(found: Measured) -> str:
    many = len(found.kl)
    if found.beyond == 0:
        return (
            f"By KL, none of the {many} does more than random directions of the same length would."
        )
    who = "All" if found.beyond == many else f"{found.beyond}"
    verb = "does" if found.beyond == 1 and many > 1 else "do"
    return (
        f"{who} of the {many} {verb} more, by KL, than 97.5% of random directions of the same "
        "length."
    )


def of_token(found: Measured, correlation: float | None) -> str:
    """What the scatter of all layers comes to."""
    flips = int(found.flips.sum())
    changes = (
        f"{flips} of them alone would change the likeliest token"
        if flips
        else "none of them alone changes the likeliest token"
    )
    if correlation is None:
        return f"Weights or effects are all the same here, so they cannot be ranked; {changes}."
    said = f"Spearman's rank correlation is {number(correlation, '.2f')}"
    if correlation >= 0.7:
        words = f"Who is asked more mostly matters more: {said}"
    elif correlation >= 0.3:
        words = f"Weight says only in part what an expert mattered: {said}"
    elif correlation > -0.3:
        words = f"Weight says next to nothing of what an expert mattered: {said}"
    else:
        words = f"Who is asked more matters less here: {said}"
    return f"{words} over {len(found.kl)} experts, and {changes}."


def after(tokens: tuple[str, str], shares: tuple[float, float], kl: float, before: float) -> str:
    """What both runs expect: `before` is what the first gave the second's likeliest token."""
    one, other = (visible(token) for token in tokens)
    moved = f"The prediction moves by {digits(kl)} nats."
    if one == other:
        return (
            f"‘{one}’ stays the likeliest, with {digits(shares[1])} after {digits(shares[0])}. "
            f"{moved}"
        )
    return (
        f"‘{other}’ is the likeliest now, with {digits(shares[1])} after {digits(before)}, in the "
        f"place of ‘{one}’. {moved}"
    )


def drift(shares: Sequence[float]) -> str:
    """Where the stream of the token parts, and where it is farthest; one share a layer."""
    most = max(range(len(shares)), key=lambda at: shares[at])
    if shares[most] == 0:
        return "The residual stream of this token is the same in every layer."
    first = next(at for at, share in enumerate(shares) if share > 0)
    return (
        f"It parts in layer {first} and is farthest after layer {most}, by "
        f"{digits(100 * shares[most])}% of its norm."
    )


def part(shared: int, written: int) -> str:
    """Where two texts part, of which the longer has `written` tokens."""
    if shared == written:
        return f"Both texts are the same in all {written} tokens."
    if shared == 0:
        return "The texts differ from the first token on."
    return f"The texts are the same in {shared} of {written} tokens, and part there."


def of_routes(token: str, ran: float, others: Sequence[float], *, follows: bool) -> str:
    """What other routes come to: how many make a token likelier than the route that ran.

    It `follows` in the text, or else is the likeliest of the run.
    """
    better, many = sum(each > ran for each in others), len(others)
    what = "the token that follows in the text" if follows else "the likeliest next token"
    said = f"The route that ran gives ‘{visible(token)}’, {what}, a probability of {digits(ran)}."
    if better == 0:
        return f"{said} None of {many} other routes gives it more."
    if better == many:
        return f"{said} Every one of {many} other routes gives it more."
    return f"{said} {better} of {many} other routes give it more, up to {digits(max(others))}."
