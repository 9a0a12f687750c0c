"""Where the numbers of a record are from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from olmoe_viz.records.record import check_number, check_text


@dataclass(frozen=True)
class Provenance:
    """Where the numbers of a record are from.

    `digest` identifies the weights, `runner` the pass that computed, `created` is ISO 8601 in UTC,
    `seconds` the wall time of the work. Raises ValueError for a date or a duration that is none.
    """

    model: str
    revision: str | None
    digest: str
    dtype: str
    device: str
    runner: str
    versions: Mapping[str, str]
    created: str
    seconds: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", dict(self.versions))
        texts = [self.model, self.revision or "", self.digest, self.dtype, self.device, self.runner]
        for text in [*texts, *self.versions.keys(), *self.versions.values()]:
            check_text("a provenance entry", text, 1_000)
        try:
            offset = datetime.fromisoformat(self.created).utcoffset()
        except (TypeError, ValueError):
            offset = None
        if offset is None or offset.total_seconds() != 0:
            raise ValueError("the date must be ISO 8601 in UTC")
        check_number("seconds", self.seconds)
