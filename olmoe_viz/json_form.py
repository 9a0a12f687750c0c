"""Frozen dataclasses as JSON, and back: one form for requests, records and what they contain.

Knows nothing about what the values mean. Understands numbers, text, None, bytes (as hex), routing
policies (as their text), literals, tuples, unions, mappings of texts, and frozen dataclasses of
these. Reading is strict: a field that is unknown, of another type or missing (unless it has a
default) is a ValueError, whatever the JSON holds.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from olmoe_viz.policy import RoutingPolicy


def encode(value: Any) -> Any:
    """Return the JSON value of a dataclass or of a part of one; TypeError for other types."""
    if isinstance(value, RoutingPolicy):
        return str(value)
    if is_dataclass(value):
        return encode_fields(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [encode(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): encode(part) for name, part in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form.")


def encode_fields(value: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the JSON object of a dataclass's fields, but for those named in `without`."""
    names = (part.name for part in fields(value))
    return {name: encode(getattr(value, name)) for name in names if name not in without}


def decode(kind: Any, value: Any, what: str = "it") -> Any:
    """Return the value of type `kind` that `encode` wrote; ValueError when it is none.

    `what` names the value in the error.
    """
    return _reader(kind)(kind, value, what)


def decode_fields(kind: type, values: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields of a dataclass from a JSON object, by name, but for those in `without`.

    A field with a default may be missing. ValueError as `decode`.
    """
    parts = [part for part in fields(kind) if part.name not in without]
    if not isinstance(values, dict) or values.keys() - {part.name for part in parts}:
        raise ValueError(f"a {kind.__name__} is incomplete or has unknown fields")
    hints, found = _hints(kind), {}
    for part in parts:
        if part.name in values:
            found[part.name] = decode(hints[part.name], values[part.name], part.name)
        elif part.default is MISSING and part.default_factory is MISSING:
            raise _damaged(part.name)
    return found


def _reader(kind: Any) -> Callable[[Any, Any, str], Any]:
    return _READERS.get(get_origin(kind) or kind, _dataclass)


@lru_cache(maxsize=64)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _damaged(what: str) -> ValueError:
    return ValueError(f"{what} is missing or damaged")


def _dataclass(kind: Any, value: Any, what: str) -> Any:  # noqa: ARG001 - called as all readers
    return kind(**decode_fields(kind, value))


def _first_that_fits(kind: Any, value: Any, what: str) -> Any:
    problem = _damaged(what)
    for choice in get_args(kind):
        if _reader(choice) is _dataclass and not isinstance(value, dict):
            continue
        try:
            return decode(choice, value, what)
        except ValueError as error:
            problem = error
    raise problem


def _literal(kind: Any, value: Any, what: str) -> Any:
    for choice in get_args(kind):
        if type(value) is type(choice) and value == choice:
            return choice
    raise _damaged(what)


def _tuple(kind: Any, value: Any, what: str) -> tuple[Any, ...]:
    kinds = get_args(kind)
    if not isinstance(value, list):
        raise _damaged(what)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(decode(kinds[0], part, what) for part in value)
    if len(kinds) != len(value):
        raise _damaged(what)
    return tuple(decode(kind, part, what) for kind, part in zip(kinds, value, strict=True))


def _texts_by_name(kind: Any, value: Any, what: str) -> dict[str, str]:  # noqa: ARG001 - as above
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _damaged(what)
    return value


def _policy(kind: Any, value: Any, what: str) -> RoutingPolicy:  # noqa: ARG001 - as above
    return RoutingPolicy.parse(_exact(str, value, what))


def _bytes(kind: Any, value: Any, what: str) -> bytes:  # noqa: ARG001 - as above
    try:
        return bytes.fromhex(_exact(str, value, what))
    except ValueError:
        raise _damaged(what) from None


def _float(kind: Any, value: Any, what: str) -> float:  # noqa: ARG001 - as above
    number = float(_int(int, value, what)) if type(value) is int else value
    if type(number) is not float or not math.isfinite(number):
        raise _damaged(what)
    return number


def _int(kind: Any, value: Any, what: str) -> int:
    # JSON has integers of any length; what does not fit 64 bits is no size, id or seed of ours.
    number: int = _exact(kind, value, what)
    if not -(2**63) <= number < 2**63:
        raise _damaged(what)
    return number


def _exact(kind: Any, value: Any, what: str) -> Any:
    if type(value) is not kind:
        raise _damaged(what)
    return value


_READERS: dict[Any, Callable[[Any, Any, str], Any]] = {
    Union: _first_that_fits,
    UnionType: _first_that_fits,
    Literal: _literal,
    tuple: _tuple,
    Mapping: _texts_by_name,
    RoutingPolicy: _policy,
    bytes: _bytes,
    float: _float,
    int: _int,
    bool: _exact,
    str: _exact,
    NoneType: _exact,
}
