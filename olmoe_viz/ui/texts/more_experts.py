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


def measured(weighting: Weighting, trained_k: int, runs: int) -> str:
    """What the table of measurements has in its columns."""
    return (
        f"Measured on this prompt under {WEIGHTING_NAMES[weighting]} weights; gain is their sum. "
        f"KL and top token are compared with the trained k, {trained_k}, under native weights. "
        f"Time is the median of {runs} passes, in brackets the fastest and the slowest: other "
        "work on the server makes them spread."
    )


def figures(trained_k: int, runs: int) -> str:
    """How the figures are read."""
    return (
        f"The filled dot is the trained k, {trained_k}. Each step of the axis doubles k. A bar "
        f"through a time is from the fastest to the slowest of {runs} passes."
    )
