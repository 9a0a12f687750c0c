"""The words of Follow a token around its figures: constants, and sentences made of numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.labels import OF_TEMPLATE, alike, digits, expert_name, k_is, number, visible
from olmoe_viz.numerics import routing
from olmoe_viz.ui.widgets.wording import count, layer_of

Floats = NDArray[np.float64]

RUN, MEASURE, STOP = "Run the model", "Measure", "Stop"
TO_TOKEN = ("← token", "token →")
TO_LAYER = ("← layer", "layer →")
CODE = "The line of code"
WHOLE_MAP = "The whole causal map of one head"
EACH_EXPERT = "Each expert: norm, active units, similarity to the others"
EACH_EXPERT_ALT = "Norm, active units and mean cosine of each selected expert"
SWITCH = "weights, here and above"
BY_WEIGHTING_ALT = "Change of the sum by weighting"
NEXT_TOKENS = "Logits and probabilities"
WITH_BOTH = "selected with both"
COMPUTING = "Computing what the steps show."
STORED = "This is the stored example. It has the numbers of the routers, but no vectors."
NO_VECTORS = "The stored example has no vectors."
FILE_LACKS_VECTORS = (
    "The opened file has the numbers of the routers, but no vectors. A run that is saved with all "
    "details has them."
)
COMPUTED_LIVE = "Run the model, and this step shows them."
DIRECTION_IS_LIVE = "Run the model, and this step also shows norm and direction of its input."
NO_MODEL = "No model runs here that could compute them."
COSINES = (
    "Cosine similarity of this vector to those of the other tokens: 1 means the same direction, 0 "
    "means unrelated."
)
# Controls, for those who hear them; the steps have no other words about them.
LAYERS, TOKENS, TOKENS_BY_LIKENESS = "Layer", "Token", "Token, by likeness"
HEAD = "head"
STEPS = "Steps"
DONE = "done"
# The heads of the tables and the quantities of the figures.
RANK, EXPERT, LOGIT, PROBABILITY = "rank", "expert", "logit", "probability"
CUMULATIVE_MASS = "cumulative mass"
SELECTED_WITH, BOTH, NORM = "selected with", "both", "norm"
UNITS_ACTIVE, MEAN_COSINE = "units active", "mean cosine"
WEIGHTING, SUM_OF_WEIGHTS, NORM_OF_SUM = "weights", "sum of weights", "norm of the sum"
CHANGE, COSINE_OF_SUMS = "change", "cosine of the sums"
TOKEN, ID = "token", "id"
ROUTER_LOGIT, COSINE, ROUTER_PROBABILITY = "router logit", "cosine", "router probability"
AS_RUN, RELATIVE_CHANGE = "as run", "relative change"
PUSH = "push, logit units"
VECTOR = "h"
RETAINED_MASS = (
    "Retained mass, also called coverage, is the sum of the kept probabilities. The margin is the "
    "probability of the last expert kept minus that of the first one dropped."
)
ACTIVE_UNITS = "A unit counts as active when its gate value is above 0, so that SiLU lets it pass."
SAME_INPUT_AND_AS_RUN = (
    "**Same input**: k changes in this layer only. **As run**: k changes in every layer, so this "
    "block may already get another input."
)
RANKS = (
    "An arrow leads from a token to its place in the other list. A plus marks a token that is in "
    "one list only."
)
PUSHES = (
    "**Which experts push the winner.** How much each expert of the chosen layer adds directly to "
    "the winning token's logit. The logit is counted from 0 here; the page Lab counts from the "
    "mean of all logits, so its numbers differ. This is an approximation: it holds the scale of "
    "the final norm fixed and leaves out what later layers do with the vector."
)


def chosen(
    token: str, position: int, layer: int, layers: Sequence[int], ks: tuple[int, int]
) -> str:
    """The line on top, as in "token 5 ‘·was’ · layer 7 (0 to 15) · k 8 against 16"."""
    return f"token {position} ‘{token}’ · {layer_of(layer, layers)} · k {ks[0]} against {ks[1]}"


def before_layers(layers: Sequence[int]) -> str:
    """Where steps 1 and 2 are."""
    return f"before layer {layers[0]}"


def after_layers(layers: Sequence[int]) -> str:
    """Where step 9 is."""
    return f"after layer {layers[-1]}"


def strongest(layer: int, expert: int, probability: float) -> str:
    """The strongest expert of a layer."""
    return (
        f"layer {layer}: expert {expert_name(expert, layer)} is strongest, probability "
        f"{probability:.3f}"
    )


def one_token(
    position: int, token: str, token_id: int, spelled: str, *, template: bool = False
) -> str:
    """A token with its id, and with its bytes and characters in words."""
    whose = f", {OF_TEMPLATE}" if template else ""
    return f"token {position} ‘{visible(token)}’{whose}: id {token_id}, bytes {spelled}"


def likeness(position: int, token: str, cosine: float) -> str:
    """How alike the vectors of the chosen token and of another one are."""
    return f"token {position} ‘{visible(token)}’: cosine {number(cosine, '.3f')}"


def vector(ends: tuple[str, str], norm: float) -> str:
    """The first and the last numbers of a vector, and its norm."""
    return f"[{ends[0]}, … {ends[1]}]\nnorm {digits(norm)}"


def tokens_used(tokens: int, context: int) -> str:
    """How many tokens the prompt has, and how they are written here."""
    return (
        f"{count(tokens, 'token')} of at most {context:,}. A middle dot is a space. A code such as "
        "‹E2› is one byte of a character that several tokens spell together."
    )


def journey(layers: int) -> str:
    """What stands in the row of layers."""
    return (
        f"The strongest of the experts that run in each of the {layers} layers, written layer·id, "
        "and its probability. Choose a layer here."
    )


def attention_gain(before: float, added: float, after: float) -> str:
    """The norm of what attention adds, and of the residual stream around it."""
    return (
        f"What attention adds has norm {digits(added)}. The norm of the residual stream goes from "
        f"{digits(before)} to {digits(after)}."
    )


def attention_window(first: int, last: int, tokens: int) -> str:
    """Which part of the causal map is drawn; `last` is drawn too."""
    return (
        "Each row is a token that looks back, each column a token that is seen. The chosen token's "
        f"row is outlined. Shown: tokens {first} to {last} of {tokens}."
    )


def direction(layer: int, cosines: Floats, logits: Floats, norm: float) -> str:
    """Which router row is nearest to the input, and why another may have the largest logit.

    A logit is the product of the cosine and both norms. Where all cosines are below zero, a shorter
    row is therefore the better match.
    """
    near, strongest = int(cosines.argmax()), int(logits.argmax())
    cosine, largest = number(cosines[near], ".3f"), number(logits[strongest], ".3f")
    if cosines[near] < 0:
        nearest = (
            f"All rows point away from this vector; that of expert {expert_name(near, layer)} does "
            f"so least (cosine {cosine})."
        )
    else:
        nearest = (
            f"The row of expert {expert_name(near, layer)} points most in its direction (cosine "
            f"{cosine})."
        )
    if near == strongest:
        also = f"This expert also has the largest logit, {largest}."
    else:
        also = f"The largest logit, {largest}, belongs to expert {expert_name(strongest, layer)}"
        if cosines[near] and cosines[strongest]:
            own, other = (float(logits[at] / (cosines[at] * norm)) for at in (strongest, near))
            word = "longer" if own > other else "shorter"
            also += f", whose row is {word} (norm {digits(own)} against {digits(other)})"
        also += "."
    return f"The router's input has norm {digits(norm)}. {nearest} {also}"


def from_the_mean(mean: float, experts: int) -> str:
    """Where the bars of the router logits start, and why there."""
    return (
        f"Zero has no meaning for logits, since softmax sees only how far apart they are. So the "
        f"bars start at the mean of all {experts}, {number(mean, '.2f')}: one that goes up is of "
        "an expert above the mean, one that goes down of an expert below it."
    )


def entropy(own: float, even: float, experts: int) -> str:
    """The entropy of the router in nats, and how far it is from that of an even choice."""
    return (
        f"As the model has it, the entropy is {digits(own)} of at most {digits(even)} nats, those "
        f"of an even choice among all {experts} experts."
    )


def retained(masses: Sequence[float], ks: tuple[int, int]) -> str:
    """What the two ks keep."""
    one, two = alike(masses)
    second = "" if ks[0] == ks[1] else f" and {two} with {k_is(ks[1])}"
    return f"The retained mass is {one} with {k_is(ks[0])}{second}."


def margins(row: Floats, ks: tuple[int, int]) -> str:
    """How clearly the last expert was chosen at each k that leaves one out."""
    cuts = sorted({k for k in ks if k < len(row)})
    words = alike([float(routing.margin(row, k)) for k in cuts])
    found = " and ".join(f"{word} at {k_is(k)}" for word, k in zip(words, cuts, strict=True))
    said = [f"The margin at the cutoff is {found}."] if cuts else []
    if len(row) in ks:
        said.append(f"With {k_is(len(row))} all experts run, and there is no cutoff.")
    return " ".join(said)


def what_ran(ks: tuple[int, int]) -> str:
    """Which of the two ks ran, and where the experts of the other one are from."""
    if ks[0] == ks[1]:
        return ""
    return (
        f"{k_is(ks[0])} is what ran. For {k_is(ks[1])} you see what this router would choose "
        "from the same probabilities."
    )


def table_of_experts(small: int, large: int) -> str:
    """The label of the table of selected experts."""
    return f"Table of the top {small}" + (f", and what {k_is(large)} adds" if large > small else "")


def even_choice(experts: int) -> str:
    """What the dotted line among the probabilities is."""
    return f"dotted: an even choice, {1 / experts:.4f}"


def only_with(k: int) -> str:
    """What a plus at an expert means."""
    return f"A plus marks an expert that only {k_is(k)} selects. It reads the same vector."


def with_one(k: int) -> str:
    """Which experts of a table only the larger k selects."""
    return f"selected only with {k_is(k)}"


def groups(ks: tuple[int, int]) -> tuple[str, str]:
    """The names of the experts that both ks select, and of those of the larger one alone."""
    both = "Selected" if ks[0] == ks[1] else "Selected with both"
    return both, f"Selected with {k_is(max(ks))} only"


def selected_with(k: int) -> str:
    """Which k selects an expert, or is measured."""
    return k_is(k)


def rows_scroll(rows: int) -> str:
    """That a table is longer than what is seen of it."""
    return f"The table has {count(rows, 'row')} and scrolls."


def next_tokens(name: str) -> str:
    """What a table of next tokens has, for a screen reader."""
    return f"The ten most likely next tokens with {name}"


def group_of_experts(which: str, norm: float, active: float, units: int) -> str:
    """The mean norm and the share of active units of a group of experts."""
    return (
        f"{which}: mean norm {digits(norm)}, {active:.1%} of the {units} inner units active on "
        "average."
    )


def block_check(difference: float) -> str:
    """How exactly the contributions sum to the output of the model's own block."""
    return (
        "Checked by the model: the contributions sum to the block's output, largest difference "
        f"{difference:.1e}."
    )


def changes(same_input: float, input_as_run: float, output_as_run: float) -> str:
    """How much a block's output changes with k, alone and after k has changed in every layer."""
    alone = f"Same input: the block's output changes by {same_input:.1%} of its norm."
    if round(input_as_run, 3) == 0:
        return f"{alone}\nAs run: this block gets the same input, so its output changes as much."
    return (
        f"{alone}\nAs run: if k changes in every layer, this block's input already differs by "
        f"{input_as_run:.1%} and its output by {output_as_run:.1%}."
    )


def by_weighting(ks: tuple[int, int]) -> str:
    """What the table of the three weightings shows."""
    return (
        f"Same input, from {k_is(ks[0])} to {k_is(ks[1])}, under the three weightings. "
        "Gain-anchored weights always sum to what the trained k keeps: more experts share the same "
        "sum."
    )


def through_layers(ks: tuple[int, int]) -> str:
    """What the line over the layers shows."""
    return (
        f"As run: how far the residual stream with {k_is(ks[1])} is from that with {k_is(ks[0])} "
        "after each block, as a share of its norm."
    )


def expectation(tokens: tuple[str, str], position: int, *, same: bool) -> str:
    """The likeliest next token under both ks."""
    one, two = (visible(token) for token in tokens)
    if same:
        return f"Both ks predict ‘{one}’ after token {position}."
    return f"After token {position} the prediction changes from ‘{one}’ to ‘{two}’."


def uncertainty(entropies: tuple[float, float], divergence: float, ks: tuple[int, int]) -> str:
    """The entropies of both predictions and their divergence, in nats."""
    return (
        f"The entropy is {digits(entropies[0])} nats with {k_is(ks[0])} and {digits(entropies[1])} "
        f"with {k_is(ks[1])}. The KL divergence of {k_is(ks[1])} from {k_is(ks[0])} is "
        f"{digits(divergence)} nats."
    )


def lens(k: int, winner: str) -> str:
    """What the logit lens shows; Markdown, `winner` is escaped already."""
    return (
        "**Through the layers.** The logit lens reads the vector after every block as if it were "
        f"the last, here in the run with {k_is(k)}. The model was not trained for that, so early "
        "rows mean little. The stronger the color of a cell, the more probable its token. The line "
        f"is the probability of ‘{winner}’, which wins after the last block."
    )


def pushed(experts: int, layer: int, winner: str, push: float, logit: float) -> str:
    """What the experts of a layer add to the winner's logit together."""
    who = f"The {experts} experts of layer {layer} that ran add"
    if experts == 1:
        who = f"The one expert of layer {layer} that ran adds"
    return (
        f"{who} {number(push, '+.3f')} to the logit of "
        f"‘{visible(winner)}’, which is {number(logit, '.2f')} in all."
    )
