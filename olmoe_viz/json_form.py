"""Frozen dataclasses as JSON, and back: one form for requests, records and what they contain.

Knows nothing about what the values mean. Reading is strict: a field that is missing, unknown or of
another type is a ValueError. Understands numbers, text, None, bytes (as hex), routing policies (as
their text), literals, tuples, unions, mappings of texts, and frozen dataclasses of these.
"""

import math
from collections.abc import Mapping
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
        return {part.name: encode(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [encode(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): encode(part) for name, part in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form.")


def decode(kind: Any, value: Any, what: str = "it") -> Any:
    """Return the value of type `kind` that `encode` wrote; ValueError when it is none.

    `what` names the value in the error.
    """
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _first_that_fits(get_args(kind), value, what)
    if origin is Literal:
        if value in get_args(kind):
            return value
    elif origin is tuple:
        return _tuple(get_args(kind), value, what)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if isinstance(value, dict) and all(isinstance(part, str) for part in value.values()):
            return dict(value)
    elif is_dataclass(kind) and kind is not RoutingPolicy:
        return _dataclass(kind, value, what)
    else:
        return _plain(kind, value, what)
    raise ValueError(f"{what} is missing or damaged")


def decode_fields(kind: type, values: Any, names: frozenset[str] | None = None) -> dict[str, Any]:
    """Return the fields of a dataclass from a JSON object, by name; ValueError as `decode`.

    With `names` exactly those fields are read; without, all, and those with a default may be
    missing.
    """
    hints = _hints(kind)
    parts = [part for part in fields(kind) if names is None or part.name in names]
    if not isinstance(values, dict) or values.keys() - {part.name for part in parts}:
        raise ValueError(f"a {kind.__name__} is incomplete or has unknown fields")
    found = {}
    for part in parts:
        if part.name in values:
            found[part.name] = decode(hints[part.name], values[part.name], part.name)
        elif names is not None or (part.default is MISSING and part.default_factory is MISSING):
            raise ValueError(f"{part.name} is missing or damaged")
    return found


@lru_cache(maxsize=64)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _dataclass(kind: type, value: Any, what: str) -> Any:
    try:
        return kind(**decode_fields(kind, value))
    except TypeError:
        raise ValueError(f"{what} is missing or damaged") from None


def _first_that_fits(kinds: tuple[Any, ...], value: Any, what: str) -> Any:
    for kind in kinds:
        try:
            return decode(kind, value, what)
        except ValueError as error:
            problem = error
    raise problem


def _tuple(kinds: tuple[Any, ...], value: Any, what: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{what} is missing or damaged")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(decode(kinds[0], part, what) for part in value)
    if len(kinds) != len(value):
        raise ValueError(f"{what} is missing or damaged")
    return tuple(decode(kind, part, what) for kind, part in zip(kinds, value, strict=True))


def _plain(kind: Any, value: Any, what: str) -> Any:
    if kind is RoutingPolicy and isinstance(value, str):
        return RoutingPolicy.parse(value)
    if kind is bytes and isinstance(value, str):
        return bytes.fromhex(value)
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if (kind in (bool, int, str) and type(value) is kind) or (kind is NoneType and value is None):
        return value
    raise ValueError(f"{what} is missing or damaged")
