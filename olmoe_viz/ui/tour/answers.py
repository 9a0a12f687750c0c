"""What was measured, for the questions that are guessed first.

Every figure is computed from the trace on the screen or read from the recorded tables. Draws
nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from olmoe_viz.numerics import routing
from olmoe_viz.ui.quality import tables

_MASS_BOUNDS = (0.25, 0.5, 0.75)
_TIMES_BOUNDS = (2.0, 4.0, 6.0)


@dataclass(frozen=True)
class Question:
    """What is asked, and the guesses to choose from."""

    text: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """The options that the measurement agrees with, and the measurement in a sentence."""

    right: tuple[str, ...]
    sentence: str


QUESTIONS: Mapping[str, Question] = {
    "mass": Question(
        "Guess first: over all cells of this map, how much of the probability do the chosen "
        "experts keep on average?",
        ("under a quarter", "a quarter to a half", "a half to three quarters", "more"),
    ),
    "domains": Question(
        "Guess first: over all layers, how much more than by chance does the most one-sided "
        "expert get of its favorite kind of text?",
        ("under 2 times", "2 to 4 times", "4 to 6 times", "more"),
    ),
    "quality": Question(
        "Guess first: under native weights, which k predicts unseen text best?",
        ("k = 1", "k = 2", "k = 4", "k = 8", "k = 16", "k = 32", "k = 64"),
    ),
}


def mass(router_logits: NDArray[np.float32], expert_ids: NDArray[np.int16]) -> Answer:
    """Mean retained mass of a trace of one k.

    From its router logits [layers, tokens, experts] and the experts that ran [layers, tokens, k].
    """
    kept = routing.mass(routing.probabilities(router_logits), expert_ids)
    mean = float(kept.mean())
    return Answer(
        (_option("mass", mean, _MASS_BOUNDS),),
        f"The top {expert_ids.shape[-1]} keep {mean:.3f} of the probability on average; from "
        f"{kept.min():.3f} to {kept.max():.3f}, depending on the cell.",
    )


def domains(table: pd.DataFrame) -> Answer:
    """The greatest share of a domain over chance, from the table of experts.

    A row is an expert with its layer, its id and its share of each domain. In a layer the shares
    of a domain sum to k, so chance is their mean (arXiv 2409.02060, equation 7).
    """
    names = list(table.columns[2:])
    shares = table[names].to_numpy(dtype=np.float64)
    chance = float(shares.mean())
    row, column = np.unravel_index(int(shares.argmax()), shares.shape)
    best = float(shares[row, column])
    layer, expert = (int(table[name].iloc[row]) for name in ("layer", "expert"))
    return Answer(
        (_option("domains", best / chance, _TIMES_BOUNDS),),
        f"Expert {expert} of layer {layer} gets {best:.1%} of the tokens of the "
        f"domain {tables.readable(names[column])}, {best / chance:.1f} times the {chance:.1%} of "
        "chance.",
    )


def quality(table: pd.DataFrame) -> Answer:
    """The ks with the fewest bits per byte over all domains, from the table of quality.

    More than one is right where a k lies in the 95 % interval of the best.
    """
    rows = table[(table["domain"] == "all") & (table["weighting"] == "native")].sort_values("k")
    ks = [int(k) for k in rows["k"]]
    bits = [float(value) for value in rows["bits_per_byte"]]
    limit = float(rows["high"].iloc[int(np.argmin(bits))])
    right = tuple(f"k = {k}" for k, value in zip(ks, bits, strict=True) if value <= limit)
    listed = ", ".join(f"{value:.3f} at {k}" for k, value in zip(ks, bits, strict=True))
    tie = "" if len(right) == 1 else " Values within the best one's interval count as equal."
    return Answer(right, f"Bits per byte, lower is better: {listed}.{tie}")


TABLES: Mapping[str, tuple[str, Callable[[pd.DataFrame], Answer]]] = {
    "domains": ("experts", domains),
    "quality": ("quality", quality),
}


def _option(question: str, value: float, bounds: Sequence[float]) -> str:
    return QUESTIONS[question].options[int(np.searchsorted(bounds, value, side="right"))]
