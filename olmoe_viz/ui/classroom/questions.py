"""What a room can ask: the recorded questions of the tour, and pairs of texts whose k is hidden."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from olmoe_viz.analysis.blind import Pair, pairs, where
from olmoe_viz.numerics.proportions import wilson
from olmoe_viz.ui.classroom.rooms import Room
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.texts import classroom as texts
from olmoe_viz.ui.texts import tour
from olmoe_viz.ui.tour.answers import TABLES


@dataclass(frozen=True)
class Asked:
    """A question with its options, and the pair that it is about, if it is about one."""

    text: str
    options: tuple[str, ...]
    pair: Pair | None = None


@cache
def names() -> dict[str, str]:
    """Every question: its name in a room -> what a teacher reads."""
    blind = {f"pair {at}": texts.pair(at) for at in range(1, len(pairs()) + 1)}
    return {**texts.NAMES, **blind}


def asked(name: str, room: Room) -> Asked:
    """A question as it is asked in a room; which text of a pair comes first depends on its code."""
    if name in tour.QUESTIONS:
        question = tour.QUESTIONS[name]
        return Asked(question.text, question.options)
    number = int(name.removeprefix("pair "))
    pair = pairs()[number - 1]
    turned = (sum(map(ord, room.code)) + number) % 2 == 1
    return Asked(texts.BLIND, texts.BLIND_OPTIONS, pair.turned() if turned else pair)


def outcome(name: str, question: Asked, counts: list[int]) -> tuple[str, str, str]:
    """What was measured: in short, in full, and where it is from.

    Raises FileNotFoundError where the recorded table is missing.
    """
    if question.pair is not None:
        return _unblinded(question.pair, counts)
    table, read = TABLES[name]
    answer = read(tables.table(table))
    right = sum(counts[question.options.index(option)] for option in answer.right)
    return texts.outcome(answer.right, right, sum(counts)), answer.sentence, tables.where()


def _unblinded(pair: Pair, counts: list[int]) -> tuple[str, str, str]:
    table = tables.table("quality")
    rows = table[(table["domain"] == tables.ALL) & (table["weighting"] == "native")].set_index("k")
    values = tuple(
        np.array([float(rows[name][k]) for k in pair.ks])
        for name in ("bits_per_byte", "low", "high")
    )
    bits, low, high = values
    best = tables.equal_to_best(pair.ks, (bits, low, high))
    measured = texts.measured(pair.ks, list(zip(*values, strict=True)), best)
    vote = texts.vote(counts[0], sum(counts), wilson(counts[0], sum(counts)))
    return texts.unblinded(pair.ks), f"{vote} {measured}", f"{where()} {tables.where()}"
