"""A teacher's own stops, from a file or a link: read, checked, and put into a link.

A file is YAML or JSON, `stops:` with a list. A link carries the stops themselves, as compressed
JSON; it names no file and no address, and nothing is fetched for it. Both are foreign text: bounded
before they are read, YAML without tags and references, and no text of them ever becomes markup.
Pure: knows neither the session nor the widgets.
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import yaml

from olmoe_viz.models.catalogue import Entry
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import own_stops as texts
from olmoe_viz.ui.tour.stop_fields import NEEDED, PLACES, read_fields, rules
from olmoe_viz.ui.tour.stops import Stop

LARGEST_FILE = 32_000  # bytes
# Servers and proxies take 8,000 characters of an address; the selection needs some of them.
LONGEST_LINK = 6_000
MOST_STOPS = 40
_MOST_PROBLEMS = 8
_SELECTED = ("prompt", "k", "against", "layer", "token", "expert")


class OwnStopsError(ValueError):
    """Stops that cannot be played; `problems` says why, a sentence each."""

    def __init__(self, *problems: str) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class OwnStops:
    """Stops to be played, and how a link carries them; None where they are too long for one.

    `digest` tells them from others.
    """

    stops: tuple[Stop, ...]
    link: str | None
    digest: str


class _Loader(yaml.SafeLoader):
    """YAML of texts, whole numbers, lists and objects: `no`, `7.20` and dates are texts."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - as the class above has it

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Read a part; a reference to another could stand for a million of parts."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem=texts.REFERENCES, problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Read an object, in which no field may stand twice."""
        seen = set()
        for name, _ in node.value:
            if isinstance(name, yaml.ScalarNode):
                if name.value in seen:
                    mark = name.start_mark
                    raise yaml.MarkedYAMLError(problem=texts.FIELD_TWICE, problem_mark=mark)
                seen.add(name.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"(0|-?[1-9][0-9]{0,8})\Z"), list("-0123456789")
)


def from_file(data: bytes, *, is_json: bool, model: Entry) -> OwnStops:
    """Read the bytes of a file, for a model; OwnStopsError says what is wrong with it."""
    if len(data) > LARGEST_FILE:
        raise OwnStopsError(texts.too_large(len(data), LARGEST_FILE))
    try:
        text = data.decode("utf-8-sig")
        written = json.loads(text) if is_json else yaml.load(text, _Loader)  # noqa: S506 - safe
    except UnicodeDecodeError:
        raise OwnStopsError(texts.NOT_UTF8) from None
    except json.JSONDecodeError as error:
        raise OwnStopsError(texts.unread(error.lineno, error.msg)) from None
    except yaml.YAMLError as error:
        raise OwnStopsError(_unread(error)) from None
    except RecursionError:
        raise OwnStopsError(texts.DEEP) from None
    except ValueError:  # a tag says number or date, and what follows is none
        raise OwnStopsError(texts.unread(None, texts.NO_VALUE)) from None
    if not isinstance(written, dict) or list(written) != ["stops"]:
        raise OwnStopsError(texts.NO_LIST.format(most=MOST_STOPS))
    return _checked(written["stops"], model)


def from_link(text: str, model: Entry) -> OwnStops:
    """Read what a link carries, for a model; OwnStopsError says what is wrong with it."""
    try:
        if len(text) > LONGEST_LINK:
            raise ValueError
        packed = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        reader = zlib.decompressobj()
        # No more is ever unpacked than a file may have.
        written = reader.decompress(packed, LARGEST_FILE)
        if not reader.eof:
            raise ValueError
        stops = json.loads(written)
    except (ValueError, zlib.error, RecursionError):
        raise OwnStopsError(texts.DAMAGED_LINK) from None
    return _checked(stops, model)


def _checked(written: Any, model: Entry) -> OwnStops:
    if not isinstance(written, list) or not 1 <= len(written) <= MOST_STOPS:
        raise OwnStopsError(texts.NO_LIST.format(most=MOST_STOPS))
    known, stops, problems = rules(model), [], []
    for number, each in enumerate(written, 1):
        found, wrong = read_fields(each, known, NEEDED, texts.stop(number))
        page = found.get("page", "map")
        if not wrong and found.get("point", next(iter(PLACES[page]))) not in PLACES[page]:
            wrong = [texts.wrong(texts.stop(number), "point", texts.one_of(PLACES[page]))]
        problems += wrong
        if not problems:
            stops.append(_stop(found, page, model))
    if problems:
        more = [texts.MORE_ERRORS] if len(problems) > _MOST_PROBLEMS else []
        raise OwnStopsError(*problems[:_MOST_PROBLEMS], *more)
    plain = json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()
    digest = hashlib.blake2b(plain, digest_size=6).hexdigest()
    return OwnStops(tuple(stops), _link(plain), digest)


def _stop(found: dict[str, Any], page: str, model: Entry) -> Stop:
    selected = {name: found[name] for name in _SELECTED if name in found}
    start = Selection.start(model)
    weighting = found.get("weights", start.weighting)
    place = found.get("point", next(iter(PLACES[page])))
    return Stop(
        title=found["title"],
        text=found["text"],
        page=page,
        target=PLACES[page][place],
        words=found.get("words", ()),
        selection=replace(start, weighting=weighting, **selected),
        view=found.get("view", Stop.view),
        question=found.get("question"),
    )


def _link(plain: bytes) -> str | None:
    link = base64.urlsafe_b64encode(zlib.compress(plain, 9)).decode().rstrip("=")
    return link if len(link) <= LONGEST_LINK and len(plain) <= LARGEST_FILE else None


def _unread(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return texts.unread(error.problem_mark.line + 1, error.problem or texts.NO_VALUE)
    return texts.unread(None, texts.NO_VALUE)
