"""What all records have in common: they check themselves, and each is saved as one file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from olmoe_viz import json_form
from olmoe_viz.records import file
from olmoe_viz.records.file import Layout

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Ids = NDArray[np.int64]
ExpertIds = NDArray[np.int16]

MAX_TOKENS = 8192
MAX_TEXT = 200_000
MAX_TOKEN_TEXT = 4_000
ROUNDING = 1e-3


@dataclass(frozen=True, eq=False, repr=False)
class Record:
    """An immutable record: arrays that are read-only, and facts that have a JSON form.

    A subclass is a frozen dataclass. Its `layout` says from the facts which arrays it must have; an
    array that is not in the layout is None. Raises ValueError when an array is missing, does not
    fit or is not finite.
    """

    kind: ClassVar[str]

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise ValueError unless facts and arrays fit each other, beyond their shapes."""

    def __post_init__(self) -> None:
        layout = self.layout(vars(self))
        for name in self._array_names():
            array = getattr(self, name)
            if name in layout:
                self._freeze(name, array, *layout[name])
            elif array is not None:
                raise ValueError(f"{name} is foreign to what was asked")
        self.check()

    def _freeze(self, name: str, array: Any, dtype: str, shape: tuple[int, ...]) -> None:
        if not isinstance(array, np.ndarray) or (array.dtype, array.shape) != (dtype, shape):
            raise ValueError(f"{name} is not {dtype} of shape {list(shape)}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} has values that are not finite")
        view = array.view()
        view.flags.writeable = False
        object.__setattr__(self, name, view)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (getattr(self, name) for name in self._array_names())
        return sum(array.nbytes for array in arrays if array is not None)

    def __repr__(self) -> str:
        """Name the model, the policies and the sizes: the texts and arrays would fill pages."""
        facts, request = vars(self), vars(self)["request"]
        policy = getattr(self, "policy", getattr(request, "policy", None))
        policies = getattr(request, "policies", ()) if policy is None else (policy,)
        parts = [f"model={_clipped(request.model)}"]
        if policies:
            parts.append(f"policies={_clipped('; '.join(map(str, policies)))}")
        if "token_ids" in facts:
            parts.append(f"tokens={len(facts['token_ids'])}")
        if "geometry" in facts:
            geometry = facts["geometry"]
            parts.append(f"layers={len(geometry.moe_layers)}, experts={geometry.experts}")
        return f"{type(self).__name__}({', '.join(parts)}, nbytes={self.nbytes})"

    def save(self, path: str | PathLike[str]) -> None:
        """Write the record to one safetensors file; OSError from the file system."""
        file.write(Path(path), self.kind, *self.stored())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a saved record; ValueError in a sentence for a file that is not one, OSError."""
        path = Path(path)
        try:
            return cls._read(path)
        except ValueError as error:
            raise ValueError(f"{path.name} is not a readable {cls.kind}: {error}.") from None

    def to_bytes(self) -> bytes:
        """Return what `save` writes."""
        return file.content(self.kind, *self.stored())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` returned; ValueError in a sentence for anything else."""
        try:
            return cls._read(data)
        except ValueError as error:
            raise ValueError(f"This is not a readable {cls.kind}: {error}.") from None

    @classmethod
    def _read(cls, source: file.Source) -> Self:
        header = file.read_header_of(cls.kind, source)
        facts = cls.read_facts(header.facts)
        return cls.restored(facts, file.read_arrays(source, header, cls.stored_layout(facts)))

    def stored(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the JSON form of the facts, and the arrays as a file holds them."""
        names, layout = self._array_names(), self.stored_layout(vars(self))
        arrays = {
            name: getattr(self, name).astype(kind, copy=False) for name, (kind, _) in layout.items()
        }
        return json_form.encode_fields(self, without=names), arrays

    @classmethod
    def stored_layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return the layout of the arrays in a file."""
        return cls.layout(facts)

    @classmethod
    def read_facts(cls, values: Any) -> dict[str, Any]:
        """Return the facts from their JSON form; ValueError when they are none."""
        return json_form.decode_fields(cls, values, without=cls._array_names())

    @classmethod
    def restored(cls, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the record of these facts and of the arrays of a file; ValueError as the class."""
        layout = cls.layout(facts)
        whole = {name: array.astype(layout[name][0], copy=False) for name, array in arrays.items()}
        return cls(**facts, **dict.fromkeys(cls._array_names()) | whole)

    @classmethod
    def _array_names(cls) -> tuple[str, ...]:
        return tuple(part.name for part in fields(cls) if "arrays" in part.metadata)


# Metadata of the fields that are arrays.
ARRAY = {"arrays": True}


def _clipped(text: str) -> str:
    return repr(text) if len(repr(text)) <= 80 else f"{repr(text)[:79]}…"


def check_text(what: str, text: object, limit: int) -> None:
    """Raise ValueError unless it is text of at most `limit` characters."""
    if not isinstance(text, str) or len(text) > limit:
        raise ValueError(f"{what} must be text of at most {limit:,} characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"{what} has half a surrogate pair, which is not text")


def check_tokens(tokens: tuple[str, ...]) -> None:
    """Raise ValueError unless each is the visible text of a token."""
    for token in tokens:
        check_text("a token", token, MAX_TOKEN_TEXT)


def check_count(tokens: int, least: int) -> None:
    """Raise ValueError unless a record may have so many tokens."""
    if not least <= tokens <= MAX_TOKENS:
        raise ValueError(f"it must hold {least} to {MAX_TOKENS} tokens, not {tokens}")


def check_number(what: str, value: object, least: float = 0.0) -> None:
    """Raise ValueError unless it is a finite number of at least `least`."""
    if not isinstance(value, int | float) or not -np.inf < value < np.inf or value < least:
        bound = "" if least == -np.inf else f", not below {least}"
        raise ValueError(f"{what} must be a finite number{bound}")


def check_ids(what: str, ids: Ids, vocab: int) -> None:
    """Raise ValueError unless every id is in the vocabulary."""
    if ids.size and not 0 <= ids.min() <= ids.max() < vocab:
        raise ValueError(f"{what} has ids outside the vocabulary of {vocab}")
