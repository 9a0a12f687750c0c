"""Pairs of texts whose k is hidden, as `training/blind.py` recorded them."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import olmoe_viz

FILE = Path(olmoe_viz.__file__).parent / "data" / "blind.json"


@dataclass(frozen=True)
class Pair:
    """Two continuations of a prompt, under native weights with `ks`, the trained k first."""

    prompt: str
    ks: tuple[int, int]
    texts: tuple[str, str]

    def turned(self) -> "Pair":
        """The same pair the other way round."""
        return Pair(self.prompt, self.ks[::-1], self.texts[::-1])


@cache
def pairs() -> tuple[Pair, ...]:
    """The recorded pairs."""
    found = []
    for each in json.loads(FILE.read_text("utf-8"))["pairs"]:
        (first, second), (one, other) = each["ks"], each["texts"]
        found.append(Pair(each["prompt"], (first, second), (one, other)))
    return tuple(found)


@cache
def where() -> str:
    """The weights that wrote the texts, how and when."""
    found = json.loads(FILE.read_text("utf-8"))
    return f"olmoe-nano ({found['digest'][:12]}), greedy, native weights, {found['date']}."
