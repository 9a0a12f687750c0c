"""What a link restores: records that the session keeps and that are equal to parts of the URL.

The selection is one such record, the settings of each page are others. A record is immutable and
pure; its `from_query` never raises, and its `to_query` leaves out what has its default value.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Protocol, Self, TypeVar, cast

import streamlit as st


class Record(Protocol):
    """What can be kept here; `KEYS` are all the parameters that may be its own."""

    KEYS: ClassVar[tuple[str, ...]]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def to_query(self) -> dict[str, str]:
        """Query parameters of the URL."""
        ...

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """The record that a URL names; what makes no sense in it counts as left out."""
        ...


R = TypeVar("R", bound=Record)


def current(kind: type[R]) -> R:
    """The record of this kind; at the first call of a session, what the URL says."""
    if kind.__name__ not in st.session_state:
        keep(kind.from_query(st.query_params.to_dict()))
    return cast(R, st.session_state[kind.__name__])


def keep(record: Record) -> None:
    """Put a record in force."""
    st.session_state[type(record).__name__] = record


def take(kind: type[Record], field: str, key: str) -> None:
    """Callback of a widget: its value becomes a field of the record of this kind."""
    keep(replace(current(kind), **{field: st.session_state[key]}))


def mirror(record: Record) -> None:
    """Write a record into the URL where it differs; parameters of others stay."""
    wanted = record.to_query()
    for key in record.KEYS:
        if key in wanted and st.query_params.get(key) != wanted[key]:
            st.query_params[key] = wanted[key]
        elif key not in wanted and key in st.query_params:
            del st.query_params[key]
