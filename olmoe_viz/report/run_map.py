"""The interactive map of a run, for a report and a notebook."""

from html import escape

from olmoe_viz.analysis.run import run_of
from olmoe_viz.figures.interactive_map import alone
from olmoe_viz.figures.interactive_map.cells import Columns
from olmoe_viz.records.expert_uses import recorded_uses
from olmoe_viz.records.record import Record
from olmoe_viz.records.trace import Trace

MOST_TOKENS = 4_096  # of longer texts the beginning is drawn


def run_map(record: Record) -> str:
    """Return the map as HTML; a sentence in its place for a run that has none.

    Raises InputError for a record that does not say how a text was routed.
    """
    run, drawn = run_of(record), slice(MOST_TOKENS)
    columns = Columns(
        run.tokens[drawn],
        run.router_logits[:, drawn],
        run.expert_ids[:, drawn],
        run.weights[:, drawn],
        run.geometry,
    )
    try:
        return alone.frame(
            columns,
            run.policy,
            uses=recorded_uses(run.provenance.digest),
            token_bytes=record.token_bytes[drawn] if isinstance(record, Trace) else None,
            message=record.message if isinstance(record, Trace) else None,
        )
    except ValueError as error:
        return f"<p>{escape(str(error))}</p>"
