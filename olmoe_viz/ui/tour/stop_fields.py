"""What a stop of a teacher's file may say, field by field.

Each rule takes a value as YAML or JSON has it and returns what a `Stop` needs of it, or raises
ValueError with what the value must be. Pure: knows neither the session nor the widgets.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, get_args

from olmoe_viz.figures.interactive_map.payload import VIEWS
from olmoe_viz.models.catalogue import Entry
from olmoe_viz.ui.session.selection import Expert
from olmoe_viz.ui.texts import own_stops as texts
from olmoe_viz.ui.texts.glossary import TERMS
from olmoe_viz.ui.tour.stops import OwnQuestion, Question
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES

Rule = Callable[[Any], Any]
# What can be pointed at on each page, as a teacher calls it -> the key of the element. The first is
# what is pointed at where nothing is said.
PLACES: Mapping[str, Mapping[str, str]] = {
    "map": {
        "map": "map",
        "bars": "bars",
        "mass": "mass",
        "load": "load",
        "next token": "next_token",
    },
    "follow": {
        "line": "follow_bar",
        "overview": "overview",
        **{f"step {number}": f"step_{number}" for number in range(1, 10)},
    },
    "compare": {"controls": "compare_controls"},
    "lab": {"grid": "expert_grid", "asked": "lab_asked", "drift": "lab_drift"},
    "quality": {"bits": "quality_figures", "domains": "domains", "saturation": "saturation"},
}
NEEDED = ("title", "text")
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which JSON can spell
_EXPERT = re.compile(r"([0-9]{1,4})[.·]([0-9]{1,4})")
_OPTIONS, _WORDS = (2, 8, 120), (1, 8, 60)
_LONGEST = {"title": 100, "text": 1_200, "prompt": 2_000, "because": 600}


def rules(model: Entry) -> dict[str, Rule]:
    """The rule of each field of a stop, told on a model."""
    every_place = dict.fromkeys(place for of_page in PLACES.values() for place in of_page)
    return {
        "title": _text(_LONGEST["title"]),
        "text": _paragraphs,
        "page": _one_of(PLACES),
        "point": _one_of(every_place),
        "words": _words,
        "prompt": _text(_LONGEST["prompt"]),
        "k": _whole(1, model.experts),
        "against": _whole(1, model.experts),
        "weights": _weights,
        "layer": _whole(0, model.layers - 1),
        "token": _whole(0, model.context - 1),
        "expert": _expert(model),
        "view": _one_of(VIEWS),
        "question": _question,
    }


def read_fields(
    written: Any, known: Mapping[str, Rule], needed: Collection[str], where: str
) -> tuple[dict[str, Any], list[str]]:
    """Read an object field by field: what its fields say, and what is wrong with others."""
    if not isinstance(written, dict):
        return {}, [f"{where} {texts.NOT_FIELDS}."]
    found: dict[str, Any] = {}
    problems = [
        texts.wrong(where, str(name)[:40], texts.no_field(known))
        for name in written
        if name not in known
    ]
    problems += [texts.wrong(where, name, texts.NEEDED) for name in needed if name not in written]
    for name, rule in known.items():
        if name in written:
            try:
                found[name] = rule(written[name])
            except ValueError as error:
                problems.append(texts.wrong(where, name, str(error)))
    return found, problems


def _whole(least: int, most: int) -> Rule:
    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(texts.NUMBER.format(least=least, most=most))
        return value

    return read


def _text(most: int) -> Rule:
    def read(value: Any) -> str:
        text = str(value) if type(value) is int else value
        said = isinstance(text, str) and text.strip() and not _SURROGATE.search(text)
        if not said or len(text) > most:
            raise ValueError(texts.TEXT.format(most=most))
        return text

    return read


def _paragraphs(value: Any) -> str:
    """A text whose lines run on, as those of a paragraph do; an empty line ends one."""
    text: str = _text(_LONGEST["text"])(value)
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return "\n\n".join(filter(None, paragraphs))


def _texts(least: int, most: int, longest: int) -> Rule:
    def read(value: Any) -> tuple[str, ...]:
        fits = isinstance(value, list) and least <= len(value) <= most
        try:
            if not fits:
                raise ValueError(value)
            found = tuple(map(_text(longest), value))
        except ValueError:
            bounds = texts.TEXTS.format(least=least, most=most, longest=longest)
            raise ValueError(bounds) from None
        if len(set(found)) < len(found):
            raise ValueError(texts.TWICE)
        return found

    return read


def _one_of(choices: Collection[str]) -> Rule:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(texts.one_of(choices))
        return value

    return read


def _words(value: Any) -> tuple[str, ...]:
    words: tuple[str, ...] = _texts(*_WORDS)(value)
    for word in words:
        if word not in TERMS:
            raise ValueError(texts.no_word(word))
    return words


def _weights(value: Any) -> str:
    named = {name: weighting for weighting, name in WEIGHTING_NAMES.items()}
    return named[_one_of(named)(value)]


def _expert(model: Entry) -> Rule:
    def read(value: Any) -> Expert:
        written = _EXPERT.fullmatch(value) if isinstance(value, str) else None
        expert = written and Expert(int(written[1]), int(written[2]))
        if expert is None or expert.layer >= model.layers or expert.id >= model.experts:
            most = {"layer": model.layers - 1, "id": model.experts - 1}
            raise ValueError(texts.EXPERT.format(**most))
        return expert

    return read


def _question(value: Any) -> str | OwnQuestion:
    known = {
        "ask": _text(_LONGEST["because"]),
        "options": _texts(*_OPTIONS),
        "answer": _text(_OPTIONS[-1]),
        "because": _text(_LONGEST["because"]),
    }
    if isinstance(value, str) and value in get_args(Question):
        return value
    if not isinstance(value, dict):
        names = ", ".join(get_args(Question))
        raise ValueError(texts.QUESTION.format(names=names, fields=", ".join(known)))
    found, problems = read_fields(value, known, ("ask", "options", "answer"), "in it")
    if not problems and found["answer"] not in found["options"]:
        problems = [texts.wrong("in it", "answer", texts.ANSWER)]
    if problems:
        raise ValueError(problems[0].removesuffix("."))
    return OwnQuestion(found["ask"], found["options"], found["answer"], found.get("because", ""))
