"""Comparison: all generations of one request, which are kept in one file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from numpy.typing import NDArray

from olmoe_viz.records import file
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.routed import RoutedRecord
from olmoe_viz.requests import GenerateRequest

_Part = TypeVar("_Part")


@dataclass(frozen=True, eq=False)
class Comparison:
    """One prompt continued under each policy of a request, in their order.

    Raises ValueError unless the generations are all rows of one request to one model.
    """

    kind: ClassVar[str] = "comparison"

    generations: tuple[Generation, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "generations", tuple(self.generations))
        if not self.generations:
            raise ValueError("it has no generations")
        first = self.generations[0]
        rows = [generation.row for generation in self.generations]
        if rows != list(range(len(first.request.policies))):
            raise ValueError("its generations are not the rows of its request")
        for other in self.generations[1:]:
            if other.request != first.request or other.geometry != first.geometry:
                raise ValueError("its generations were not made by one request to one model")
            if other.provenance.digest != first.provenance.digest:
                raise ValueError("its generations were made by different weights")

    def _repr_html_(self) -> str:
        return RoutedRecord.drawing(self)

    @property
    def request(self) -> GenerateRequest:
        """What was asked."""
        return self.generations[0].request

    def save(self, path: str | PathLike[str], *, half_logits: bool = False) -> None:
        """Write all generations to one file; arguments and errors as those of a Generation."""
        file.write(Path(path), self.kind, *(self.halved() if half_logits else self)._stored())

    def to_bytes(self) -> bytes:
        """Return what `save` writes."""
        return file.content(self.kind, *self._stored())

    def halved(self) -> Self:
        """Return the comparison with router logits rounded to float16; see `Generation.halved`."""
        return replace(self, generations=tuple(each.halved() for each in self.generations))

    def _stored(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        facts, arrays = zip(*(each.stored() for each in self.generations), strict=True)
        return {"generations": list(facts)}, _together(arrays)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a saved comparison; ValueError in a sentence for a file that is not one, OSError."""
        path = Path(path)
        try:
            header = file.read_header_of(cls.kind, path)
            values = header.facts.get("generations")
            if not isinstance(values, list) or header.facts.keys() != {"generations"}:
                raise ValueError("its generations are missing or damaged")
            facts = [Generation.read_facts(each) for each in values]
            layouts = [Generation.stored_layout(each) for each in facts]
            whole = file.read_arrays(path, header, _together(layouts))
            arrays = [
                {name: whole[_name(row, name)] for name in layout}
                for row, layout in enumerate(layouts)
            ]
            return cls(tuple(map(Generation.restored, facts, arrays)))
        except ValueError as error:
            raise ValueError(f"{path.name} is not a readable {cls.kind}: {error}.") from None


def _name(row: int, name: str) -> str:
    return f"{row}.{name}"


def _together(rows: Sequence[Mapping[str, _Part]]) -> dict[str, _Part]:
    """Return what each row has by name, by the number of the row and the name."""
    return {_name(row, name): part for row, each in enumerate(rows) for name, part in each.items()}
