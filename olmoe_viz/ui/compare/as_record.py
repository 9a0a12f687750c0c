"""A comparison as the record that is saved, and back from a record that was opened. Pure."""

from olmoe_viz.records.comparison import Comparison as Record
from olmoe_viz.ui.compare.column_policies import FEWEST, MOST
from olmoe_viz.ui.compare.comparison import Column, Comparison
from olmoe_viz.ui.compare.settings import Settings


def record_of(comparison: Comparison) -> Record | None:
    """The record of all columns; None before they have been written, or where one was not begun."""
    records = tuple(comparison.records())
    whole = comparison.written and len(records) == len(comparison.columns)
    return Record(records) if whole else None


def settings_of(record: Record) -> Settings | None:
    """The settings that ask for such texts; None where the page has none for them."""
    asked = record.request
    settings = Settings(
        policies=asked.policies,
        new_tokens=asked.max_new_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        seed=asked.seed,
    )
    query = settings.to_query() | {"model": asked.model}
    fits = FEWEST <= len(asked.policies) <= MOST
    return settings if fits and Settings.from_query(query) == settings else None


def comparison_of(record: Record, settings: Settings, file: str) -> Comparison:
    """The comparison that a file's record was saved from, without what was measured afterwards."""
    first = record.generations[0]
    comparison = Comparison(
        prompt=first.request.prompt,
        model=first.request.model,
        digest=first.provenance.digest,
        geometry=first.geometry,
        bytes_per_value=4 if first.provenance.dtype == "float32" else 2,
        settings=settings,
        columns=[Column(each.policy) for each in record.generations],
        file=file,
    )
    comparison.keep(record.generations)
    comparison.ended.set()
    return comparison
