"""The words of the tour.

Titles and texts may name {layers} and {experts} of a model. They hold no measured figures: those
are computed or read while the tour runs, and the sentences below are made of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from olmoe_viz.figures.labels import digits, expert_name, k_is, number
from olmoe_viz.ui.texts.quality import equal_ks


@dataclass(frozen=True)
class Question:
    """What is asked, and the guesses to choose from."""

    text: str
    options: tuple[str, ...]


BEGIN, LEAVE, FINISH, BACK, NEXT = "Tour", "Leave", "Finish", "Back", "Next"
LARGER_TYPE = "Present: larger type, arrow and Page keys"
LECTERN = {
    "full": "Full screen",
    "window": "Leave full screen",
    "clock": "Minutes and seconds since the tour began, and the time of day",
    "keys": "Keys: → or Page Down, ← or Page Up",
}
RIGHT, WRONG = "Right", "Not quite"
# The title of each stop, and its text.
ONE_TOKEN = (
    "One token, {layers} layers",
    (
        "Each cell is one token of the prompt in one layer. In every layer a router chooses "
        "experts for the token anew; a cell names the strongest and has a tick for each. Point at "
        "a cell, or tap it, to see all of them."
    ),
)
PROBABILITIES = (
    "{experts} probabilities",
    (
        "This is one cell in full. The router scores all {experts} experts, and softmax turns "
        "the scores into shares that sum to 1. One expert rarely has most of it."
    ),
)
CUTOFF = (
    "The cutoff",
    (
        "Only the k strongest experts run: the filled bars before the line. The hollow ones "
        "after it do not run for this token, however close they came."
    ),
)
LEFT_OUT = (
    "What is left out",
    (
        "Now a cell shows how much of the probability its experts keep. The rest is dropped and"
        " nothing takes its place, so the weights of the chosen experts sum to less than 1."
    ),
)
DOMAINS = (
    "Experts prefer domains",
    (
        "Each row is a kind of text, each column an expert of one layer. Before training no "
        "expert preferred anything; now some get far more of one kind of text than others do. "
        "That says where they are used, not what they know."
    ),
)
STEP_BY_STEP = (
    "One cell, step by step",
    (
        "Here the same cell is taken apart: text, vector, attention, router, experts and their "
        "sum, down to the next token. Most steps need a run of the model, which takes a moment."
    ),
)
SAME_WEIGHTS = (
    "More experts, same weights?",
    (
        "With native weights a larger k adds experts and does not change the weights of the "
        "others, so the sum of all weights grows. Switch the weights here to gain-anchored: the"
        " sum stays as trained, and the weight of each expert gets smaller."
    ),
)
ALL_EXPERTS = (
    f"What {k_is('{experts}')} really does",
    (
        "A cell shows how many of the token's k strongest experts are no longer among the k "
        "strongest when all {experts} run in every layer. The first layer gets the same input, "
        "so nothing differs there. After it the inputs differ, so the routers choose "
        "differently."
    ),
)
TEXTS = (
    "Several texts at once",
    (
        "Press Generate. All columns continue the same prompt, each with its own k; a marker "
        "shows the first token that differs. Different is not better: what would show which k "
        "is best?"
    ),
)
BETTER = (
    "Does it get better?",
    (
        "The fair test is text that the model has never seen. Lower is better: the model needs "
        "fewer bits for each byte. Look whether the bars of the lowest "
        "points overlap, and compare the three weightings."
    ),
)
MATTERED = (
    "Asked, or needed?",
    (
        "A long bar says that the router asked for an expert, not that the prediction needs it. "
        "That is measured by taking the expert away and running the rest again. Lab does so for "
        "every cell."
    ),
)
MATHEMATICS = (
    "The expert for mathematics",
    (
        "The row of LaTeX has an expert that gets most of its tokens in this layer. A name such "
        "as “the one for mathematics” has to stand a test: switched off, it should cost "
        "mathematics more than it costs stories."
    ),
)

QUESTIONS: Mapping[str, Question] = {
    "mass": Question(
        "Guess first: over all cells of this map, how much of the probability do the chosen "
        "experts keep on average?",
        ("under a quarter", "a quarter to a half", "a half to three quarters", "more"),
    ),
    "domains": Question(
        "Guess first: of all layers, take the expert that prefers one kind of text most. How many "
        "times as much of it does this expert get as it would by chance?",
        ("under 2 times", "2 to 4 times", "4 to 6 times", "more"),
    ),
    "quality": Question(
        "Guess first: under native weights, which k predicts unseen text best?",
        tuple(k_is(k) for k in (1, 2, 4, 8, 16, 32, 64)),
    ),
}
WHICH_MATTERED = (
    "Guess first: these experts ran in the chosen cell. Without which one does the prediction "
    "after this token change most?"
)
WHICH_IS_FOR = "Guess first: which expert of this layer is the one for mathematics?"
IN_LAB = "Lab: do weight and effect go together, over all experts of a token?"
NOTHING_RAN = "Run the prompt, then guess which of its experts mattered most."
NO_MODEL_TO_TEST = "Where a model can run, this is tested by switching the expert off."


def which_mattered(experts: Sequence[int], layer: int) -> Question:
    """Which of the experts that ran in a cell mattered most, the lowest id first."""
    return Question(WHICH_MATTERED, tuple(expert_name(each, layer) for each in sorted(experts)))


def which_is_for(experts: Sequence[int], layer: int) -> Question:
    """Which of some experts of a layer is the one for mathematics, the lowest id first."""
    return Question(WHICH_IS_FOR, tuple(expert_name(each, layer) for each in sorted(experts)))


def position(number: int, stops: int) -> str:
    """Which stop this is."""
    return f"{number} of {stops}"


def mass(k: int, mean: float, least: float, most: float) -> str:
    """How much the k experts keep, on average and at the ends."""
    return (
        f"The top {k} keep {mean:.3f} of the probability on average, from {least:.3f} to "
        f"{most:.3f} depending on the cell."
    )


def preference(layer: int, expert: int, share: float, domain: str, chance: float) -> str:
    """The expert that prefers one kind of text most."""
    return (
        f"Expert {expert_name(expert, layer)} (layer {layer}, id {expert}) gets {share:.1%} of "
        f"the tokens of {domain}. By chance it would be {chance:.1%}: this is "
        f"{share / chance:.1f} times as much."
    )


def bits_per_byte(bits: Mapping[int, float], best: Sequence[int]) -> str:
    """Bits per byte by k, and which ks are equal where several are best."""
    listed = ", ".join(f"{value:.3f} at {k_is(k)}" for k, value in bits.items())
    equal = f" {equal_ks(best)}" if len(best) > 1 else ""
    return f"Bits per byte, lower is better: {listed}.{equal}"


def mattered(name: str, kl: float, rank: int, weight: float, new_top: str) -> str:
    """The expert without which the prediction changes most, and how much it was asked.

    `rank` is that of its weight in the cell, from 1, and `new_top` the token that is likeliest
    without it, escaped, empty where it is the same.
    """
    asked = (
        f"it was also asked most, with a weight of {digits(weight)}"
        if rank == 1
        else f"by its weight, {digits(weight)}, it is only number {rank}"
    )
    flips = f", and ‘{new_top}’ becomes the likeliest token" if new_top else ""
    return f"Without {name} the prediction moves by {digits(kl)} nats (KL){flips}; {asked}."


def nothing_mattered() -> str:
    """That no expert of a cell changes the prediction."""
    return "Without any one of them the prediction stays the same."


def counted(name: str, share: float, chance: float, next_share: float) -> str:
    """How many tokens of LaTeX an expert gets, beside chance and the other experts on offer."""
    return (
        f"{name} gets {share:.0%} of the tokens of LaTeX, by chance it would be {chance:.1%}; the "
        f"next of these gets {next_share:.0%}."
    )


def switched_off(mathematics: Sequence[float], stories: Sequence[float]) -> str:
    """What switching the expert off costs LaTeX and stories: value and ends of the interval."""
    said = " and ".join(
        f"{kind} {number(each[0], '+.3f')} ({number(each[1], '+.3f')} to {number(each[2], '+.3f')})"
        for kind, each in (("LaTeX", mathematics), ("stories", stories))
    )
    if mathematics[1] > stories[2]:
        word = "It matters more for mathematics."
    elif mathematics[2] < stories[1]:
        word = "It matters more for stories, so the name is wrong."
    else:
        word = "The two cannot be told apart, so the name is not shown to be right."
    return f"Switched off, it costs in bits per byte: {said}. {word}"


def missing(table: str) -> str:
    """What is said where a recorded table is not there."""
    return f"The recorded table {table}.csv is missing, so the answer cannot be shown."


def verdict(guess: str, right: Sequence[str]) -> str:
    """Whether a guess is right, and what else is."""
    said = RIGHT if guess in right else WRONG
    return f"{said}." if tuple(right) == (guess,) else f"{said}: {' and '.join(right)}."
