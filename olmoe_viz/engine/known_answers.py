"""Answers of models that are known from elsewhere: data in one file, each with its source."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import olmoe_viz
from olmoe_viz import json_form
from olmoe_viz.models.catalogue import BUNDLED

_DATA = Path(olmoe_viz.__file__).parent / "data"
_OWN = "stored when the model was published (training/publish.py), float32 on a CPU"
_OWN_TOLERANCE = 1e-3


@dataclass(frozen=True)
class KnownIds:
    """The token ids of a text."""

    text: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class KnownLogits:
    """Logits after the tokens `ids`, from a pass in float32.

    `means` are those over the vocabulary at each position, `first` the logits of the first token
    ids at the first position. A right answer is nowhere further away than `tolerance`.
    """

    source: str
    ids: tuple[int, ...]
    means: tuple[float, ...]
    first: tuple[float, ...]
    tolerance: float


@dataclass(frozen=True)
class KnownText:
    """What a model writes after a prompt, always the likeliest token, as a text and as token ids.

    `tolerance` is how far the logit of a token of the text may be behind the largest in float32:
    not 0 where the text may have been written in a coarser precision.
    """

    source: str
    prompt: str
    text: str
    ids: tuple[int, ...]
    tolerance: float


@dataclass(frozen=True)
class KnownAnswers:
    """What is known of one model at one revision (None for the bundled one)."""

    model: str
    revision: str | None
    ids_source: str
    ids: tuple[KnownIds, ...]
    logits: KnownLogits | None
    texts: tuple[KnownText, ...]


NOTHING = KnownAnswers("", None, "", (), None, ())


@cache
def known_answers() -> tuple[KnownAnswers, ...]:
    """Return all that is known: of models of the hub, and of the bundled one what it wrote once."""
    values = json.loads((_DATA / "known_answers.json").read_text(encoding="utf-8"))
    others = json_form.decode(tuple[KnownAnswers, ...], values, "known_answers.json")
    written = json.loads((_DATA / "continuations.json").read_text(encoding="utf-8"))
    texts = tuple(
        KnownText(_OWN, row["prompt"], row["text"], tuple(row["token_ids"]), _OWN_TOLERANCE)
        for row in written
    )
    return (KnownAnswers(BUNDLED, None, "", (), None, texts), *others)
