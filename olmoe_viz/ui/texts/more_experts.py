"""The words of the last part of Follow a token: what changes with more experts."""

from olmoe_viz.policy import Weighting
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES

NAME = "What changes with more experts"
SENTENCE = (
    "The same prompt with several values of k: how much probability is kept, what it costs, and "
    "whether the prediction stays the same."
)
NOTHING_YET = "Here will be a table of what was measured, one of the costs, and four figures."
DERIVED = "From the model's shape."
# The heads of the tables and the quantities of the figures.
K, MASS, GAIN, KL = "k", "retained mass", "gain", "KL to the trained k, nats"
NEXT_TOKEN, SAME_TOP, YES, NO = "next token", "same top token", "yes", "no"
TIME, ACTIVE = "time, ms", "active parameters"
READ, FLOPS = "MB read per token", "MFLOPs per token"
MASS_OF_1 = "retained mass, of 1"


def measured(weighting: Weighting, trained_k: int, runs: int) -> str:
    """What the table of measurements has in its columns."""
    return (
        f"Measured on this prompt under {WEIGHTING_NAMES[weighting]} weights; gain is their sum. "
        f"KL and top token are compared with the trained k, {trained_k}, under native weights. "
        f"Time is the median of {runs} passes, in brackets the fastest and the slowest: other "
        "work on the server makes them spread."
    )


def table(words: str) -> str:
    """What a table has, for a screen reader."""
    return f"The trade-off for each k. {words}"


def figures(trained_k: int, runs: int) -> str:
    """How the figures are read."""
    return (
        f"The filled dot is the trained k, {trained_k}. Each step of the axis doubles k. A bar "
        f"through a time is from the fastest to the slowest of {runs} passes."
    )
