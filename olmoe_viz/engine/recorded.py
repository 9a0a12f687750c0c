"""RecordedEngine: requests answered from files, without torch."""

from collections.abc import Iterable
from pathlib import Path

import olmoe_viz
from olmoe_viz.engine.engine import Answer, Ticket
from olmoe_viz.errors import MissingError
from olmoe_viz.records import file
from olmoe_viz.records.attention import Attention
from olmoe_viz.records.coalition import Coalition
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.effects import Effects
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.records.patches import Patches, Routes
from olmoe_viz.records.prediction import Lens, LogitDirections, Predictions
from olmoe_viz.records.record import Record
from olmoe_viz.records.scores import Scores
from olmoe_viz.records.timing import Bandwidth, Timing
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import GenerateRequest, ModelRequest, Request

RUNS = Path(olmoe_viz.__file__).parent / "data" / "runs"
_KINDS: dict[str, type[Record] | type[Comparison]] = {
    kind.kind: kind
    for kind in (
        Trace,
        Generation,
        Comparison,
        Inspection,
        Attention,
        Predictions,
        Lens,
        LogitDirections,
        Effects,
        Patches,
        Routes,
        Coalition,
        Scores,
        Timing,
        Bandwidth,
        ModelFacts,
    )
}


class RecordedEngine:
    """Answers the requests that its records were made for, and no others.

    A record is given as it is or as the path of its file. Raises ValueError in a sentence for a
    file that holds no record, and OSError.
    """

    def __init__(self, sources: Iterable[Path | Record | Comparison]) -> None:
        self._answers: dict[Request, Answer] = {}
        rows: dict[GenerateRequest, dict[int, Generation]] = {}
        for source in sources:
            record = load(source) if isinstance(source, Path) else source
            if isinstance(record, Comparison):
                self._answers[record.request] = record.generations
            elif isinstance(record, Generation):
                rows.setdefault(record.request, {})[record.row] = record
            else:
                self._answers[record.request] = record  # type: ignore[attr-defined]
        for request, found in rows.items():
            if len(found) == len(request.policies):
                self._answers[request] = tuple(found[row] for row in sorted(found))

    def submit(self, request: Request, visitor: str = "") -> Ticket:  # noqa: ARG002 - none waits
        """Return a ticket that is done; it fails with MissingError when no record answers."""
        ticket = Ticket(request)
        answer = self.kept(request)
        if answer is None:
            ticket.fail(
                MissingError(
                    "No model runs here: only recorded runs can be shown, and none of them answers "
                    "this. Choose the example prompt with k = 8, or open the application where a "
                    "model can run."
                )
            )
        else:
            ticket.finish(answer, cached=True)
        return ticket

    def kept(self, request: Request) -> Answer | None:
        """Return the recorded answer to a request, if there is one.

        What a model is follows from any record of it.
        """
        if isinstance(request, ModelRequest):
            return self._answers.get(request) or self._facts(request)
        return self._answers.get(request)

    def _facts(self, request: ModelRequest) -> ModelFacts | None:
        for answer in self._answers.values():
            record = answer[0] if isinstance(answer, tuple) else answer
            if isinstance(record, Trace | Generation) and record.request.model == request.model:
                return ModelFacts(
                    request=request,
                    geometry=record.geometry,
                    bytes_per_value=2 if record.provenance.dtype != "float32" else 4,
                    capabilities=(),
                    provenance=record.provenance,
                )
        return None


def from_bytes(data: bytes) -> Record:
    """Read a record of any kind but a comparison, as `Record.to_bytes` returns it; ValueError."""
    kind = _KINDS.get(file.kind_of(data))
    if kind is None or not issubclass(kind, Record):
        raise ValueError("It holds no kind of record that this version knows.")
    return kind.from_bytes(data)


def bundled_runs() -> tuple[Path, ...]:
    """Return the files of the runs that come with the package: five texts at k = 8 and 16."""
    return tuple(sorted(RUNS.glob("*.safetensors")))


def load(path: Path) -> Record | Comparison:
    """Read a record of any kind; ValueError in a sentence for a file that holds none, OSError."""
    try:
        kind = _KINDS.get(file.kind_of(path))
        if kind is None:
            raise ValueError("it holds no kind of record that this version knows")
    except ValueError as error:
        raise ValueError(f"{path.name} is not a readable record: {error}.") from None
    return kind.load(path)
