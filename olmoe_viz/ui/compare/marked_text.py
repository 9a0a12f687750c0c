"""The marks of the tokens of a generated text, and the facts on each token's card.

Pure: knows neither the page nor the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.analysis.token_diff import shared_prefix, token_diff
from olmoe_viz.figures.labels import digits, expert_name, visible
from olmoe_viz.numerics import routing
from olmoe_viz.records.generation import Generation
from olmoe_viz.ui.compare.comparison import Column, Comparison
from olmoe_viz.ui.compare.token_texts import token_bytes
from olmoe_viz.ui.texts import compare as texts
from olmoe_viz.ui.widgets.token_characters import described

Mark = Literal["", "shared", "first", "changed", "gap"]
Float64s = NDArray[np.float64]

LINE_END = "↵"
END = "■"  # what stands for the end-of-text token, which has no text
_EXPERTS = 8  # as many experts as a card names
_WORDS = 8  # as many of the reference's tokens as a card quotes


@dataclass(frozen=True)
class Token:
    """One token on the page.

    `text` is what it adds to the text. `mark`: "shared" with the reference from the beginning, the
    "first" that differs, "changed" where the reference has other tokens or none, "gap" after
    tokens that only the reference has. `facts` are names and values for the card. A `folded` line
    break is drawn, but does not break the line.
    """

    text: str
    name: str
    mark: Mark
    facts: tuple[tuple[str, str], ...]
    folded: bool = False


def tokens(comparison: Comparison, at: int, reference: int) -> list[Token]:
    """The tokens of column `at`, marked against column `reference`."""
    column, other = comparison.columns[at], comparison.columns[reference]
    marks, instead = _marks(comparison, column, other)
    trained = comparison.trained[at] if comparison.read_again else None
    facts = _facts(column, comparison.geometry.trained_k, trained)
    names, folded = _names(column), _folded(column.pieces)
    # The mark of the first difference stands above its line, where no other sign may be.
    return [
        Token(
            _shown(column, place),
            name,
            mark,
            (*fact, *_said(other, before)),
            folded[place] and mark != "first",
        )
        for place, (name, mark, fact, before) in enumerate(
            zip(names, marks, facts, instead, strict=True)
        )
    ]


def unfinished(pieces: Sequence[str]) -> str:
    """A text while it is written; long runs of line breaks take no more room than later."""
    folds = zip(pieces, _folded(pieces), strict=True)
    return "".join(LINE_END + " " if fold else piece for piece, fold in folds)


def _folded(pieces: Sequence[str]) -> list[bool]:
    """Which line breaks do not break the line: of each run all but the first two and the last."""
    folded, run = [False] * len(pieces), list[int]()
    for at, piece in enumerate([*pieces, END]):
        if piece.strip():
            for place in run[2:-1]:
                folded[place] = True
            run = []
        elif "\n" in piece:
            run.append(at)
    return folded


def _marks(
    comparison: Comparison, column: Column, other: Column
) -> tuple[list[Mark], list[list[str]]]:
    """The mark of each token, and the reference's tokens that stand in its place."""
    count = len(column.token_ids)
    marks: list[Mark] = [""] * count
    instead: list[list[str]] = [[] for _ in range(count)]
    # The reference itself is gray as far as all agree; nothing in it is changed.
    prefix = comparison.shared()
    if column is not other:
        prefix = shared_prefix(column.token_ids, other.token_ids)
        for change, theirs, ours in token_diff(other.token_ids, column.token_ids):
            said = _names(other)[theirs]
            if change in ("insert", "replace"):
                marks[ours] = ["changed"] * (ours.stop - ours.start)
            if change == "delete" and ours.start < count:
                marks[ours.start] = "gap"
            if change in ("delete", "replace") and ours.start < count:
                instead[ours.start] = said
    marks[:prefix] = ["shared"] * min(prefix, count)
    if prefix < count:
        marks[prefix] = "first"
    return marks, instead


def _facts(
    column: Column, trained_k: int, trained: Float64s | None
) -> list[tuple[tuple[str, str], ...]]:
    known = [_probabilities(column.name, np.exp(column.logprobs))]
    if trained is not None:
        known.append(_probabilities(texts.trained(trained_k), trained))
    if column.generation is not None and column.token_ids:
        known += [_surest_layer(column.generation), _written_as(column.generation)]
    return list(zip(*known, strict=True))


def _probabilities(name: str, values: Float64s) -> list[tuple[str, str]]:
    return [(texts.probability_at(name), digits(float(value))) for value in values]


def _written_as(record: Generation) -> list[tuple[str, str]]:
    """The bytes and characters of each token."""
    parts = token_bytes(record.text, record.tokens)
    return [(texts.BYTES, words) for words in described(parts)]


def _surest_layer(record: Generation) -> list[tuple[str, str]]:
    """For each token the layer whose router is surest of one expert, and the first that ran."""
    probabilities = routing.probabilities(record.router_logits)
    layers, tokens = probabilities.max(axis=-1).argmax(axis=0), np.arange(len(record.tokens))
    ran = record.expert_ids[layers, tokens, :_EXPERTS]
    named = [record.geometry.layer_ids[layer] for layer in layers]
    return [
        (
            texts.surest_layer(layer, record.geometry.layers),
            ", ".join(
                f"{expert_name(expert, layer)} ({digits(float(row[expert]))})"
                for expert in ids
                if expert >= 0
            ),
        )
        for layer, row, ids in zip(named, probabilities[layers, tokens], ran, strict=True)
    ]


def _said(other: Column, words: list[str]) -> list[tuple[str, str]]:
    if not words:
        return []
    more = " …" if len(words) > _WORDS else ""
    return [(texts.other_has(other.name), "".join(words[:_WORDS]) + more)]


def _names(column: Column) -> list[str]:
    """What each token is called: its bytes made visible, spaces as dots."""
    record = column.generation
    return [visible(name) for name in (column.pieces if record is None else record.tokens)]


def _shown(column: Column, place: int) -> str:
    last = place == len(column.pieces) - 1
    return column.pieces[place] or (END if last and column.finish == "end" else "")
