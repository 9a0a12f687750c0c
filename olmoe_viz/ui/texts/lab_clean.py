"""The words of the part of Lab in which parts of one run are put into another."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.labels import digits, number, visible
from olmoe_viz.figures.recovery_map import token_pair
from olmoe_viz.records.patches import SOURCE, TARGET, Patches
from olmoe_viz.requests import Part
from olmoe_viz.ui import glossary

TITLE = "Clean and corrupt"
INTRODUCTION = (
    "Two prompts that differ in little, with equally many tokens, and with different likeliest "
    "tokens after them. What one layer makes of the clean prompt is put into the run of the "
    f"corrupt one ({glossary.link('activation patching')}); how much of the difference that "
    "restores says where it is made and carried."
)
CLEAN, CORRUPT = "clean prompt", "corrupt prompt"
PART = "what is put in"
PART_NAMES: dict[Part, str] = {
    "experts": "what the experts add",
    "attention": "what attention adds",
    "hidden": "the whole hidden state",
}
PART_HELP = (
    "What the experts of a layer add together, or what its attention adds, or the hidden state "
    "that enters the layer: all that the layers before it have made."
)
MEASURE = "Measure every layer and token"
ONE_BY_ONE = "The experts of one layer, one at a time"
LAYER, EXPERT = "layer", "expert"
READING = "Reading both prompts."
EMPTY = "A prompt is empty. Type both, with equally many tokens."
SAME = "Both prompts are the same, so there is nothing to restore. Change a word in one of them."
_HARDLY = 0.05  # nats
_LITTLE = 0.1  # of the difference


def measure_says(layers: int) -> str:
    """What a press will do."""
    return (
        f"Each of the {layers} layers is exchanged at each token in turn, and at all tokens at "
        "once. The page says how far it is, and it can be stopped."
    )


def each_expert(layer: int) -> str:
    """The button of one layer's experts."""
    return f"Measure the experts of layer {layer}"


def each_expert_says(experts: int, layer: int) -> str:
    """What that press will do."""
    return (
        f"The share of each of the {experts} experts that run in layer {layer} for either prompt "
        "is exchanged at each token where it runs, and at all tokens at once."
    )


def strongest(shown: int, experts: int) -> str:
    """Which rows there are."""
    return (
        f"Shown are the {shown} of {experts} experts that restore most, or take most away, first "
        "the strongest. Where an expert ran for a token in neither run there is no cell."
    )


def lengths(clean: Sequence[str], corrupt: Sequence[str]) -> str:
    """Why two prompts cannot be compared: their tokens, counted and shown."""
    return (
        f"The clean prompt has {_counted(clean)} and the corrupt one {_counted(corrupt)}. Tokens "
        "are exchanged one for one, so both need equally many: change a word of one of them.\n\n"
        f"clean: {_parted(clean)}\n\ncorrupt: {_parted(corrupt)}"
    )


def too_long(tokens: int, most: int) -> str:
    """Why nothing is measured of long prompts."""
    return (
        f"Both prompts have {tokens} tokens; here they may have {most}, since each of them is "
        "exchanged in each layer. Shorten them, or use ov.patch in a notebook."
    )


def of_runs(found: Patches) -> str:
    """What both runs predict, and what 0 and 1 are."""
    clean, corrupt = (visible(token) for token in found.top_tokens)
    shares = np.exp(found.run_logprobs)
    own = [digits(float(shares[run, run])) for run in (SOURCE, TARGET)]
    scale = "0 is the corrupt run as it was, 1 the clean one."
    if found.run_tops[SOURCE] == found.run_tops[TARGET]:
        words = (
            f"Both runs expect ‘{clean}’, the clean one with {own[0]}, the corrupt one with "
            f"{own[1]}. What is restored is its log-probability: between the runs lie "
        )
    else:
        words = (
            f"The clean run expects ‘{clean}’ ({own[0]}), the corrupt one ‘{corrupt}’ ({own[1]}). "
            f"What is restored is the log-probability of ‘{clean}’ less that of ‘{corrupt}’, which "
            "is also the difference of their logits: between the runs lie "
        )
    gap = float(found.gap)
    hardly = "" if abs(gap) >= _HARDLY else " That is next to nothing, and so are its shares."
    return f"{words}{number(gap)} nats. {scale}{hardly}"


def of_map(
    restored: NDArray[np.float64],
    found: Patches,
    rows: Sequence[str],
    tokens: Sequence[tuple[str, str]],
) -> str:
    """What the cells of a map come to; arguments as in the figure."""
    single, whole = restored[:, :-1], restored[:, -1]
    row, column = divmod(int(np.nanargmax(single)), len(tokens))
    most, best = float(single[row, column]), int(np.nanargmax(whole))
    words = (
        f"Of single tokens most is restored at ‘{token_pair(tokens[column])}’ by {rows[row]}: "
        f"{number(most, '.2f')} of the difference. With all tokens at once it is {rows[best]}, "
        f"with {number(float(whole[best]), '.2f')}."
    )
    if most < _LITTLE:
        words = f"No single token restores a tenth of the difference. {words}"
    return f"{words} {_flips(found)}"


def _flips(found: Patches) -> str:
    if found.run_tops[SOURCE] == found.run_tops[TARGET]:
        return ""
    flips, many = int((found.new_tops == found.run_tops[SOURCE]).sum()), len(found.new_tops)
    token = visible(found.top_tokens[SOURCE])
    if not flips:
        return f"None of {many} patches makes ‘{token}’ the likeliest token."
    return f"{flips} of {many} patches make ‘{token}’ the likeliest token."


def _counted(tokens: Sequence[str]) -> str:
    return f"{len(tokens)} token{'s' if len(tokens) != 1 else ''}"


def _parted(tokens: Sequence[str]) -> str:
    return " | ".join(map(visible, tokens))
