"""Popular claims about the number of experts, and sentences that answer them with numbers.

Each claim stands by itself, so that it needs no knowledge of where it comes from. The sentences are
Markdown of ours.
"""

from collections.abc import Sequence

from olmoe_viz.figures.labels import digits, k_is
from olmoe_viz.policy import Weighting
from olmoe_viz.ui.texts.quality import equal_ks
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES, count

HEADING = "Popular claims, and what was found"
MORE_IS_BETTER = "More experts give better answers"
CONFIDENCE = "More experts make the model more certain"
PARAMETERS = (
    "Twice as many experts, twice as many active parameters: OLMoE-1B-7B uses 1.3 B with 8, 2.6 B "
    "with 16 and 5.2 B with 32"
)
REST = "The probability that is left out becomes a residual, or uncertainty, term"
IDS = "The tokens of a text have the same ids for every model"
IDS_FOUND = (
    "Each tokenizer has its own. For ‘Artificial intelligence is’ one often sees 3163, 11478, 374: "
    "these are another tokenizer's. OLMoE's own gives four tokens: 11796, 11232, 9260, 310."
)
MEASURE_MORE = "Press Measure to count this over the last tokens of the prompt."
MEASURE = "Press Measure to test it on this prompt."
RUN = "Run the model to test it on this prompt."
CERTAIN_IS_NOT_RIGHT = "Certain is not the same as right."
RUN_IS_MISSING = "The run that it takes is missing."


def all_are_best(experts: int) -> str:
    """The claim about the largest k."""
    return f"All {experts} experts together show the most that the model can do"


def knowledge(k: int) -> str:
    """The claim about twice the trained k."""
    return f"With {k} experts the model uses 17% more knowledge"


def half_of_the_mass(trained_k: int) -> str:
    """The claim about the trained k."""
    return f"The top {trained_k} experts hold half of the router's probability"


def held_out(bits: dict[int, float], equal: Sequence[int]) -> str:
    """Bits per byte for several k, and which of them are best; `equal` are the best ks, rising."""
    shown = ", ".join(f"{value:.3f} at {k_is(k)}" for k, value in bits.items())
    best = min(bits.values())
    said = equal_ks(equal) if len(equal) > 1 else f"{k_is(equal[0])} is best."
    most = max(bits)
    more = f" {k_is(most)} needs {bits[most] - best:.3f} more than the best." * (most not in equal)
    return (
        "Not in general. On held-out text the bundled model needs these bits per byte under native "
        f"weights, where less is better: {shown}. {said}{more}"
    )


def largest(
    k: int,
    doubled: int,
    divergences: tuple[float, float],
    other_token: str | None,
    weighting: Weighting,
) -> str:
    """What the largest k does to the prediction.

    `divergences` are those of k and of twice the trained k, `other_token` the next token that is
    predicted instead of the trained k's, escaped.
    """
    token = (
        "the same next token as the trained k"
        if other_token is None
        else f"another next token than the trained k, ‘{other_token}’"
    )
    return (
        "It is the most that the model can cost. On this prompt, under "
        f"{WEIGHTING_NAMES[weighting]} weights, {k_is(k)} predicts {token}. Its prediction is "
        f"{digits(divergences[0])} nats away from that of the trained k under native weights, that "
        f"of {k_is(doubled)} {digits(divergences[1])} nats."
    )


def same_ks(k: int) -> str:
    """Why nothing is compared."""
    return f"Both ks are {k}. Choose two that differ to test it."


def confidence(
    ks: tuple[int, int], entropies: tuple[float, float], first: tuple[float, float]
) -> str:
    """How certain both ks are of the next token: entropy, and the likeliest one's probability."""
    word = "less" if entropies[1] > entropies[0] else "more"
    return (
        f"After the chosen token {k_is(ks[1])} is {word} certain than {k_is(ks[0])}: entropy "
        f"{digits(entropies[1])} against {digits(entropies[0])} nats, likeliest token "
        f"{first[1]:.1%} against {first[0]:.1%}."
    )


def certain_how_often(ks: tuple[int, int], lower: int, tokens: int) -> str:
    """After how many of the last tokens the second k is the more certain one."""
    return f"{k_is(ks[1])} is more certain after {lower} of the last {count(tokens, 'token')}."


def mass(k: int, least: tuple[str, int], most: tuple[str, int]) -> str:
    """The lowest and the highest median of the mass, and in which layers."""
    return (
        f"Not in general. In the run with {k_is(k)} the median over the tokens is {least[0]} in "
        f"layer {least[1]} and {most[0]} in layer {most[1]}."
    )


def knowledge_found(ks: tuple[int, int], masses: tuple[float, float], run_k: int | None) -> str:
    """What grows with k; `run_k` is the k of the one run that was looked at, None for two runs."""
    low, high = masses
    where = "the two runs measured above" if run_k is None else f"the run with {k_is(run_k)}"
    return (
        f"What grows is the retained mass: on average over this prompt from {digits(low)} for the "
        f"top {ks[0]} to {digits(high)} for the top {ks[1]}, by {100 * (high - low):.1f} points, "
        f"in {where}. That is router probability, which says nothing about knowledge."
    )


def parameters_found(active: Sequence[str]) -> str:
    """The active parameters of OLMoE-1B-7B with 8, 16, 32 and 64 experts, in billions."""
    return (
        f"It is {active[0]}, {active[1]}, {active[2]} and, with all 64, {active[3]} B: only the "
        "experts grow with k, the rest of the model does not."
    )


def rest_found(experts: int) -> str:
    """What happens to the mass that is left out."""
    return (
        f"There is no such term. Below {k_is(experts)} native weights sum to less than 1, the rest "
        "is dropped, and the block adds its input back with coefficient 1. Step 8 checks that "
        "nothing else is in the sum."
    )
