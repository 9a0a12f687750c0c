"""What was checked of a model, with what result: frozen values with a JSON form."""

from dataclasses import dataclass
from typing import Literal

from olmoe_viz.records.provenance import Provenance

Outcome = Literal["passed", "failed", "not checked"]


@dataclass(frozen=True)
class Figure:
    """A number that a check found, and the most that it may be, where it is bounded."""

    name: str
    value: float
    limit: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))  # may come as a number of numpy's


@dataclass(frozen=True)
class Check:
    """One comparison: of what, with whose answer, how it ended, and by which figures.

    `reason` says why it failed or was not made, and is empty where it passed.
    """

    what: str
    source: str
    outcome: Outcome
    reason: str = ""
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class CheckReport:
    """All checks of one model; `json_form.encode` gives its JSON form."""

    checks: tuple[Check, ...]
    provenance: Provenance

    @property
    def passed(self) -> bool:
        """Whether something could be checked, and nothing failed."""
        outcomes = {check.outcome for check in self.checks}
        return "passed" in outcomes and "failed" not in outcomes
